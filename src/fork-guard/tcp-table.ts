import { readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { isLoopbackHex, withoutMapping } from './endpoint.js';
import { isShortage } from './shortage.js';

const ESTABLISHED = '01';
/** The client has been told to end, or we have: what is under way may still be read. */
const CLOSE_WAIT = '08';

/**
 * The endpoints that are connected to one of our ports, by inode: see proc_pid_net(5). Pure.
 * @param ports Numbers of TCP ports that the proxy listens on.
 * @param ownNamespace Whether the table is of the network namespace of the proxy: elsewhere loopback addresses are others.
 */
export function parseTcpTable(
  text: string,
  ports: ReadonlySet<number>,
  ownNamespace: boolean,
  endpoints: Map<string, string>,
): void {
  for (const port of ports) {
    const hex = port.toString(16).toUpperCase().padStart(4, '0');
    // Most lines are of connections that have ended: what we want is found without reading those.
    for (const state of [ESTABLISHED, CLOSE_WAIT]) {
      const remoteEnd = `:${hex} ${state} `;
      for (let at = text.indexOf(remoteEnd); at >= 0; at = text.indexOf(remoteEnd, at + 1)) {
        const end = text.indexOf('\n', at);
        const line = text.slice(text.lastIndexOf('\n', at) + 1, end < 0 ? text.length : end);
        const [, local, , , , , , , , inode] = line.trim().split(/\s+/);
        if (local === undefined || inode === undefined || inode === '0') continue;
        const colon = local.indexOf(':');
        const address = withoutMapping(inNetworkOrder(local.slice(0, colon).toLowerCase()));
        if (!ownNamespace && isLoopbackHex(address)) continue;
        endpoints.set(inode, `${address}:${Number.parseInt(local.slice(colon + 1), 16)}>${port}`);
      }
    }
  }
}

const LITTLE_ENDIAN = endianness() === 'LE';

/** The kernel prints an address as words of its own byte order. */
function inNetworkOrder(hex: string): string {
  if (!LITTLE_ENDIAN) return hex;
  return hex.replace(/(..)(..)(..)(..)/g, '$4$3$2$1');
}

/** The network namespace of a process; null when it cannot be seen. */
export function networkNamespace(pid: number | 'self'): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}

async function readTable(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (isShortage(error)) throw error;
    // Without IPv6 there is no such table, and the process may just have ended.
    return '';
  }
}

/** Of the network namespace of a process: its clients of ours, endpoint by inode. @throws what {@link isShortage} knows */
export async function readTcpTables(
  pid: number | 'self',
  ports: ReadonlySet<number>,
  ownNamespace: boolean,
): Promise<Map<string, string>> {
  const endpoints = new Map<string, string>();
  for (const table of ['tcp', 'tcp6']) {
    parseTcpTable(await readTable(`/proc/${pid}/net/${table}`), ports, ownNamespace, endpoints);
  }
  return endpoints;
}
