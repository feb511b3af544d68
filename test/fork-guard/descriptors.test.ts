import { openSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Inspector } from '../../src/fork-guard/inspector.js';
import { UNREAD } from '../../src/fork-guard/messages.js';
import { openSockets } from '../../src/fork-guard/open-sockets.js';
import { LastProcessId } from '../../src/fork-guard/process-ids.js';
import { readProgress, readStat } from '../../src/fork-guard/process-stat.js';
import { readTcpTables } from '../../src/fork-guard/tcp-table.js';
import { findSs, readUnixPeers } from '../../src/fork-guard/unix-peers.js';
import type { ForkFinding } from '../../src/relay/fork-check.js';
import { canLimit, DescriptorLimit } from './support/descriptor-limit.js';
import { ask, canFork, ForkingClient, GuardedServer } from './support/forking-client.js';

/*
 * A proxy with as many clients as it may have descriptors: nothing can be read of /proc then. The guard says that it does not
 * know, and has to find out once it can.
 */

const isCI = process.env['CI'] === 'true';
const options = (canFork && canLimit) || isCI ? {} : { skip: 'needs Linux, Python 3 and prlimit' };

/** Clients whose processes are all known, so that nothing else is read when descriptors are short. */
async function settled(t: Test, claims: boolean) {
  const server = await GuardedServer.start(t);
  const one = await server.client(t, (pid) => (claims ? { _pid: String(pid) } : {}));
  await setTimeout(300);
  t.same(await ask(one.watch), { kind: 'single' });
  return { server, ...one, limit: await DescriptorLimit.open(t) };
}

function expectShared(t: Test, finding: ForkFinding, opener: number): void {
  t.match(finding, { kind: 'shared', openerPid: opener });
}

t.test('a process that is forked while there are no descriptors', options, async (t) => {
  for (const claims of [true, false]) {
    const { client, watch, limit } = await settled(t, claims);
    await limit.reach();
    t.throws(() => openSync('/dev/null', 'r'), { code: 'EMFILE' });
    await client.run('out = child(linger)');
    // Longer than an id is looked at for which there is no process.
    await setTimeout(300);
    await new Promise<void>((resolve) => {
      const answered = watch.check((finding) => {
        t.same(finding, { kind: 'unknown' }, 'it is not known');
        resolve();
      });
      t.notOk(answered, 'a command waits for that');
    });
    await limit.lift();
    expectShared(t, await ask(watch), client.pid);
  }
});

t.test('a process that is known already', options, async (t) => {
  const { server, client, watch, limit } = await settled(t, false);
  await client.run('out = child(linger)');
  await setTimeout(300);
  await limit.reach();
  await new Promise<void>((resolve) => {
    t.notOk(
      watch.check(() => resolve()),
      'who else has the socket cannot be read',
    );
  });
  await limit.lift();
  expectShared(t, await ask(watch), client.pid);
  t.equal(server.guard.blindClients, 0, 'the guard lives');
});

t.test('clients that have just come', options, async (t) => {
  const { server, limit } = await settled(t, false);
  const { client, watch } = await server.client(t);
  await limit.reach();
  await setTimeout(1_500);
  await limit.lift();
  await setTimeout(1_500);
  t.equal(server.guard.blindClients, 0, 'they are found in the end, and the guard lives');
  await client.run('out = child(linger)');
  expectShared(t, await ask(watch), client.pid);
});

t.test('a guard that begins without descriptors', options, async (t) => {
  const server = await GuardedServer.start(t);
  const client = await ForkingClient.start(t, server.address);
  const socket = await server.accept();
  const limit = await DescriptorLimit.open(t);
  await limit.reach();
  const watch = server.guard.watch(socket, new Map([['_pid', String(client.pid)]]));
  if (watch === null) throw new Error('the client cannot be watched');
  await client.run('out = child(linger)');
  await new Promise<void>((resolve) => {
    t.notOk(
      watch.check(() => resolve()),
      'its thread cannot be started',
    );
  });
  await limit.lift();
  expectShared(t, await ask(watch), client.pid);
});

t.test('nothing is taken for what it only seems to be', options, async (t) => {
  const limit = await DescriptorLimit.open(t);
  const ss = findSs();
  await limit.reach();
  const { pid } = process;
  for (const read of [openSockets, readStat, readProgress]) t.throws(() => read(pid), { code: 'EMFILE' });
  t.throws(() => LastProcessId.open(), { code: 'EMFILE' });
  if (ss !== null) t.throws(() => readUnixPeers(ss), { code: 'EMFILE' });
  await t.rejects(readTcpTables('self', new Set([1]), true), { code: 'EMFILE' });
  await limit.lift();
});

t.test('a process that could not be read when it was new', options, async (t) => {
  const server = await GuardedServer.start(t);
  const client = await ForkingClient.start(t, server.address);
  await server.accept();
  const heir = Number(await client.run('out = child(linger)'));
  const range = { from: heir - 1, upTo: heir, ordered: true, limit: 32_768 };
  const origin = { id: 0, ticks: 0, forks: null };
  const inspector = new Inspector(
    { ports: [server.port], ss: null, origin },
    { next: () => ({ range, ids: [heir] }) },
  );
  const limit = await DescriptorLimit.open(t);
  await limit.reach();
  const { doubts } = inspector.survey({ unix: false, logins: 1, placed: false });
  t.same(doubts, [UNREAD], 'may be anything');
  const resolved = inspector.resolve();
  await limit.lift();
  t.match(await resolved, { inherited: [{ pid: heir }] }, 'and is read as soon as it can be');
});
