import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Client } from '../../support/proxied.js';
import type { ProxiedUser } from '../../support/proxied-user.js';

/** The words of all reasons for which sessions are held now, in order. */
export async function held(world: ProxiedUser): Promise<string> {
  const words: string[] = [];
  const metrics = await (await fetch(`${world.proxy.http}/metrics`)).text();
  for (const line of metrics.split('\n')) {
    const [, reason, value] = /^mybouncer_holds\{.*reason="(\w+)".*\} (\d+)/.exec(line) ?? [];
    if (reason !== undefined && Number(value) > 0 && reason !== 'diagnostics') words.push(reason);
  }
  return words.sort().join(',');
}

/** In ms, before what is held is wrong. */
const PATIENCE_MS = 20_000;

/** After some statements the server is asked what is left, when the client has its answer already. */
export async function isHeld(t: Test, world: ProxiedUser, expected: string, after: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while ((await held(world)) !== expected && Date.now() < deadline) await sleep(10);
  t.equal(await held(world), expected, after);
}

/** The first value of what a statement gives; undefined when it has no rows, its number when it fails. */
export async function outcome(client: Client, sql: string): Promise<unknown> {
  try {
    const value = await client.value(sql);
    return typeof value === 'bigint' ? Number(value) : value;
  } catch (error) {
    return (error as { errno: number }).errno;
  }
}
