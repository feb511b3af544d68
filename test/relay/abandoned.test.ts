import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import type { RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';
import { begin, login, runs, sessionIds, sessionRunning } from './support/abandoning.js';
import { Durations } from './support/durations.js';

/** Rounds of each measurement; 200 give the numbers in the README. */
const ROUNDS = Number(process.env['ABANDONED_ROUNDS'] ?? 10);

/** How a client's connection ends. A process that is killed ends it in one of these ways. */
const WAYS: Readonly<Record<string, (client: RawClient) => void>> = {
  FIN: ({ raw }) => raw.end(),
  RST: ({ raw }) => raw.resetAndDestroy(),
};

/** A result that is larger than all buffers on its way. */
const ENDLESS =
  'SELECT /* large */ a.*, b.*, c.* FROM information_schema.collations a, information_schema.collations b, information_schema.collations c';

await forEachServer(
  t,
  async (t, server) => {
    const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
    const setup = await login(world);
    await setup.must('CREATE TABLE abandoned(id INT PRIMARY KEY, v INT)');
    await setup.must('INSERT INTO abandoned VALUES(1, 0), (2, 0), (3, 0)');
    setup.destroy();
    for (const [way, leave] of Object.entries(WAYS)) {
      await t.test(`${way} while a statement runs`, (t) => running(t, world, leave));
      await t.test(`${way} while it waits for a row lock`, (t) => waitingForRow(t, world, leave));
      await t.test(`${way} while it waits in the queue`, (t) => queued(t, world, leave));
      await t.test(`${way} in a transaction`, (t) => inTransaction(t, world, leave));
      await t.test(`${way} during a large result`, (t) => largeResult(t, world, leave));
    }
    t.equal(await world.proxy.metric('mybouncer_server_sessions_opened_total'), 2, 'no session was given up');
    t.equal(await world.proxy.metric('mybouncer_server_sessions_closed_total'), 0);
  },
  { timeout: 240_000 },
);

/** Clients, one for each session of the pool, get the sessions that there were. */
async function servesOthers(t: Test, world: ProxiedUser, session: number): Promise<void> {
  const clients = await Promise.all([login(world), login(world)]);
  await Promise.all(clients.map((client) => client.must('BEGIN')));
  const served = await Promise.all(clients.map((client) => client.value('SELECT @@pseudo_thread_id')));
  t.ok(served.map(Number).includes(session), `session ${session} serves others: ${served}`);
  for (const client of clients) {
    await client.must('ROLLBACK');
    t.equal(await client.value('SELECT SLEEP(0.01)'), '0', 'and is not hit by a KILL');
    client.destroy();
  }
  await eventually('all are idle', async () => (await world.proxy.metric('mybouncer_holds')) === 0);
}

async function running(t: Test, world: ProxiedUser, leave: (client: RawClient) => void): Promise<void> {
  const took = new Durations();
  let session = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const client = await login(world);
    begin(client, 'SELECT /* abandoned */ SLEEP(60)');
    session = await sessionRunning(world, '/* abandoned */');
    const since = performance.now();
    leave(client);
    while (await runs(world, '/* abandoned */'));
    took.add(performance.now() - since);
  }
  t.comment(`running statement gone from the process list: ${took}`);
  await servesOthers(t, world, session);
}

async function waitingForRow(t: Test, world: ProxiedUser, leave: (client: RawClient) => void): Promise<void> {
  const [blocker, other] = [await world.directAsUser(), await world.directAsUser()];
  await blocker.run('BEGIN');
  await blocker.run('UPDATE abandoned SET v = v + 1 WHERE id = 2');
  const took = new Durations();
  let session = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const client = await login(world);
    await client.must('BEGIN');
    await client.must('UPDATE abandoned SET v = 100 WHERE id = 1');
    begin(client, 'UPDATE abandoned SET v = 100 WHERE id = 2');
    session = await sessionRunning(world, 'v = 100 WHERE id = 2');
    const update = other.run('UPDATE abandoned SET v = 0 WHERE id = 1');
    await sessionRunning(world, 'v = 0 WHERE id = 1');
    const since = performance.now();
    leave(client);
    await update;
    took.add(performance.now() - since);
  }
  t.comment(`row lock of a client that waits for another one free: ${took}`);
  await blocker.run('ROLLBACK');
  t.strictSame(await other.rows('SELECT DISTINCT v FROM abandoned'), [{ v: 0 }], 'all is rolled back');
  await blocker.end();
  await other.end();
  await servesOthers(t, world, session);
}

async function queued(t: Test, world: ProxiedUser, leave: (client: RawClient) => void): Promise<void> {
  const holders = await Promise.all([login(world), login(world)]);
  for (const holder of holders) await holder.must('BEGIN');
  const before = await sessionIds(world);
  const leaver = await login(world);
  begin(leaver, 'UPDATE abandoned SET v = 200');
  const waiting = (count: number): Promise<void> =>
    eventually(
      `${count} wait`,
      async () => (await world.proxy.metric('mybouncer_waiting_requests')) === count,
    );
  await waiting(1);
  const next = await login(world);
  const answer = next.value('SELECT 2');
  await waiting(2);
  leave(leaver);
  await waiting(1);
  await holders[0]?.must('COMMIT');
  t.equal(await answer, '2', 'who stood behind it is served');
  await holders[1]?.must('COMMIT');
  t.equal(await next.value('SELECT SUM(v) FROM abandoned'), '0', 'what it asked for was never run');
  // The one that reads what routines do may have gone.
  const opened = (await sessionIds(world)).filter((id) => !before.includes(id));
  t.strictSame(opened, [], 'no session was lost');
  for (const client of [...holders, next]) client.destroy();
}

async function inTransaction(t: Test, world: ProxiedUser, leave: (client: RawClient) => void): Promise<void> {
  const other = await world.directAsUser();
  const took = new Durations();
  let session = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const client = await login(world);
    await client.must('BEGIN');
    await client.must('UPDATE abandoned SET v = 300 WHERE id = 3');
    session = Number(await client.value('SELECT @@pseudo_thread_id'));
    const update = other.run('UPDATE abandoned SET v = 0 WHERE id = 3');
    await sessionRunning(world, 'v = 0 WHERE id = 3');
    const since = performance.now();
    leave(client);
    await update;
    took.add(performance.now() - since);
  }
  t.comment(`row lock of an idle transaction free: ${took}`);
  t.equal(Number(await other.value('SELECT SUM(v) FROM abandoned')), 0);
  await other.end();
  await servesOthers(t, world, session);
}

async function largeResult(t: Test, world: ProxiedUser, leave: (client: RawClient) => void): Promise<void> {
  const took = new Durations();
  let session = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const client = await login(world);
    await client.must('BEGIN');
    await client.must('UPDATE abandoned SET v = 400 WHERE id = 3');
    begin(client, ENDLESS);
    session = await sessionRunning(world, '/* large */');
    // Every other one has stopped to read, so that the server stands still.
    if (round % 2 === 1) {
      await client.packet();
      let before = -1;
      for (let now = 0; now !== before; ) {
        before = now;
        await new Promise((resolve) => setTimeout(resolve, 50));
        now = client.socket.bytesRead;
      }
    }
    const since = performance.now();
    leave(client);
    client.socket.destroy();
    while (await runs(world, '/* large */'));
    took.add(performance.now() - since);
  }
  t.comment(`large result gone from the process list: ${took}`);
  await servesOthers(t, world, session);
}
