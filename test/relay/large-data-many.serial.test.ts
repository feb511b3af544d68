import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { commandPayload, loginOf, MODERN, packets, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

const MIB = 1 << 20;
const CLIENTS = 48;
/** By how much the proxy may grow with all of them: what each sends or is sent is several times as much. */
const ALLOWED_GROWTH = 200 * MIB;

/** Resident memory of a process in bytes; null where the system does not tell. */
async function residentSize(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const match = /^VmRSS:\s+(\d+) kB/m.exec(status);
  return match === null ? null : Number(match[1]) * 1024;
}

await forEachServer(t, async (t, server) => {
  // The servers make no difference.
  if (server.isMysql) return;
  const flags = ['--pool-size', String(CLIENTS), '--query-wait-timeout', '60s'];
  const world = await proxiedUser(t, server, flags);
  if ((await residentSize(world.proxy.pid)) === null) {
    t.comment('this system does not tell how large a process is');
    return;
  }
  await t.test('many clients that send 15 MiB and wait', (t) => waitingSenders(t, world));
});

/** What clients that have gone have left behind is collected now and then. */
async function clients(t: Test, { proxy }: ProxiedUser): Promise<RawClient[]> {
  const all = await Promise.all(
    Array.from({ length: CLIENTS }, () => RawClient.login(loginOf(proxy.url, { capabilities: MODERN }))),
  );
  t.teardown(() => {
    for (const client of all) client.destroy();
  });
  return all;
}

async function grows(t: Test, { proxy }: ProxiedUser, before: number | null): Promise<void> {
  const grown = ((await residentSize(proxy.pid)) ?? 0) - (before ?? 0);
  t.comment(`grew by ${Math.round(grown / MIB)} MiB`);
  t.ok(grown < ALLOWED_GROWTH, `grew by ${Math.round(grown / MIB)} MiB`);
}

async function waitingSenders(t: Test, world: ProxiedUser): Promise<void> {
  const holders = await Promise.all(Array.from({ length: CLIENTS }, () => world.connect()));
  await Promise.all(holders.map((holder) => holder.run('BEGIN')));
  const all = await clients(t, world);
  const before = await residentSize(world.proxy.pid);
  const statement = Buffer.concat(
    packets(commandPayload(Command.Query, `DO LENGTH('${'s'.repeat(15 * MIB)}')`)),
  );
  for (const client of all) client.socket.write(statement);
  await eventually('all of them wait', async () => {
    const waiting = await world.proxy.metric('mybouncer_waiting_requests');
    return waiting === CLIENTS;
  });
  // Once a second more is read of those that wait.
  await delay(4_000);
  await grows(t, world, before);
}
