import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { unixEndpoint } from './endpoint.js';
import { isShortage } from './shortage.js';

/*
 * Of a connected unix socket /proc says nothing about the other end: that is known to netlink (sock_diag) alone, which Node
 * does not speak. `ss` does, where it is installed.
 */

const PLACES = ['/usr/bin/ss', '/bin/ss', '/usr/sbin/ss', '/sbin/ss'];
const TIMEOUT_MS = 2_000;
const MAX_OUTPUT = 64 * 1024 ** 2;

/** Where `ss` of iproute2 is; null when it is not installed. */
export function findSs(): string | null {
  for (const path of PLACES) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next one, then.
    }
  }
  return null;
}

/** Of the text of `ss -xnH state connected`: every connected end, by the inode of the other one, as an endpoint. */
export function parseSs(text: string): Map<string, string> {
  const endpoints = new Map<string, string>();
  for (const line of text.split('\n')) {
    // A path may have any characters, so only the ends of a line are sure.
    const [, own, other] = /\s(\d+)\s+\S+\s+(\d+)\s*$/.exec(line) ?? [];
    if (own === undefined || other === undefined || other === '0') continue;
    endpoints.set(other, unixEndpoint(own));
    endpoints.set(own, unixEndpoint(other));
  }
  return endpoints;
}

/** Takes some 10 ms: not for the main thread. Empty where it cannot be known. @throws what {@link isShortage} knows */
export function readUnixPeers(ss: string): Map<string, string> {
  const { stdout, status, error } = spawnSync(ss, ['-xnH'], {
    encoding: 'latin1',
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  if (isShortage(error)) throw error;
  return status === 0 ? parseSs(stdout) : new Map();
}
