import t, { type Test } from 'tap';
import { Capability } from '../../src/protocol/constants.js';
import { withReplicas } from '../support/clusters/for-cluster.js';
import type { ReplicaSet } from '../support/clusters/replica-set.js';
import { eventually } from '../support/proxied.js';
import { loginOf, MODERN, RawClient } from '../support/raw-client.js';
import { readOk } from '../support/raw-ok.js';
import { FLAVORS, type Flavor } from '../support/servers.js';
import { OTHER_PID, OwnWritesWorld } from './support/own-writes-world.js';

/** Reads on replicas that see what their process has written, whichever of its connections wrote it. */

for (const flavor of FLAVORS) {
  t.test(`reading one's own writes (${flavor})`, async (t) => {
    await withReplicas(
      t,
      async (t, set) => {
        const world = await OwnWritesWorld.start(t, set, () => set.untilCaughtUp());
        await t.test('one write after the other', (t) => manyWrites(t, world));
        await t.test('a replica that has it in time', (t) => inTime(t, world, set));
        await t.test('a replica that stands still', (t) => standsStill(t, world, set));
        await t.test('a session that is held, and a transaction', (t) => held(t, world, set));
        await t.test('what a routine committed before it failed', (t) => failed(t, world, set, flavor));
        await t.test('what clients see of it', (t) => unseen(t, world, flavor));
        await t.test('how it went is counted', (t) => counted(t, world));
      },
      { flavor, replicas: 1 },
    );
  });
}

async function manyWrites(t: Test, world: OwnWritesWorld): Promise<void> {
  await world.set('read_your_writes_timeout', '20s');
  const [writer, reader, other] = [
    await world.writer(),
    await world.reader('careful'),
    await world.reader('careful'),
  ];
  let stale = 0;
  let elsewhere = 0;
  for (let i = 0; i < 50; i++) {
    const id = await world.write(writer);
    for (const read of await Promise.all([world.read(reader), world.read(other)])) {
      if (read.id !== id) stale++;
      if (read.port !== world.replica.port) elsewhere++;
    }
  }
  t.equal(stale, 0);
  t.equal(elsewhere, 0, 'all of it was read on the replica');
}

async function inTime(t: Test, world: OwnWritesWorld, set: ReplicaSet): Promise<void> {
  const [writer, reader, careless, other] = [
    await world.writer(),
    await world.reader('careful'),
    await world.reader('careless'),
    await world.reader('careful', OTHER_PID),
  ];
  const before = await world.write(writer);
  await set.untilCaughtUp();
  await set.stopApplying(1);
  const id = await world.write(writer);
  const { port } = world.replica;
  const old = { id: before, port };
  t.same(await world.read(careless), old, 'without the option it is stale');
  t.same(await world.read(other), old, 'another process has not written it');
  const reading = world.read(reader);
  await eventually('it waits', async () => {
    const [row] = await world.replica.ask<{ n: number }>(
      "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE user = 'careful' AND info LIKE '%GTID%WAIT%' OR info LIKE 'SELECT WAIT_FOR_EXECUTED_GTID_SET%'",
    );
    return Number(row?.n) > 0;
  });
  await set.startApplying(1);
  t.same(await reading, { id, port }, 'and reads it there');
  await set.untilCaughtUp();
}

async function standsStill(t: Test, world: OwnWritesWorld, set: ReplicaSet): Promise<void> {
  await world.set('read_your_writes_timeout', '50ms');
  const [writer, reader] = [await world.writer(), await world.reader('careful')];
  await reader.run("SET @kept = 'mine', sql_mode = 'ANSI_QUOTES'");
  await set.stopApplying(1);
  const id = await world.write(writer);
  const { port } = world.primary;
  t.same(await world.read(reader), { id, port }, 'the primary answers');
  t.same(await world.read(reader), { id, port });
  t.equal(
    await reader.value('SELECT CONCAT(@kept, @@sql_mode)'),
    'mineANSI_QUOTES',
    'in the client’s own state',
  );
  await reader.run('START TRANSACTION READ ONLY');
  t.same(await world.read(reader), { id, port }, 'a transaction begins there, too');
  await reader.run('COMMIT');
  const statement = 'SELECT MAX(id) AS id, @@port AS port FROM written WHERE id > ?';
  const [prepared] = await reader.connection.execute(statement, [0]);
  t.same(prepared, [{ id, port }], 'a prepared statement');
  await set.startApplying(1);
  await eventually('the replica answers again', async () => {
    const read = await world.read(reader);
    t.equal(read.id, id);
    return read.port === world.replica.port;
  });
}

async function held(t: Test, world: OwnWritesWorld, set: ReplicaSet): Promise<void> {
  const [writer, reader, holder] = [
    await world.writer(),
    await world.reader('careful'),
    await world.reader('careful'),
  ];
  const before = await world.write(writer);
  await set.untilCaughtUp();
  await eventually('the replica answers', async () => (await world.read(reader)).port === world.replica.port);
  await reader.run('START TRANSACTION WITH CONSISTENT SNAPSHOT');
  await holder.value("SELECT GET_LOCK('held', 0)");
  await set.stopApplying(1);
  await world.write(writer);
  t.equal((await world.read(reader)).id, before, 'a transaction sees what it saw');
  await reader.run('COMMIT');
  const error = await holder.error('SELECT MAX(id) FROM written');
  t.equal(error.errno, 1205);
  t.match(error.message, 'read_your_writes_timeout');
  t.equal(await holder.value("SELECT RELEASE_LOCK('held')").catch((e: { errno: number }) => e.errno), 1205);
  await set.startApplying(1);
  await set.untilCaughtUp();
  t.equal(Number(await holder.value("SELECT RELEASE_LOCK('held')")), 1, 'what it held is still there');
}

async function failed(t: Test, world: OwnWritesWorld, set: ReplicaSet, flavor: Flavor): Promise<void> {
  const [writer, reader] = [await world.writer(), await world.reader('careful')];
  await world.primary.ask(
    'CREATE PROCEDURE app.twice(n INT) BEGIN INSERT INTO written VALUES (n); INSERT INTO written VALUES (n); END',
  );
  await set.untilCaughtUp();
  await eventually('the replica answers', async () => (await world.read(reader)).port === world.replica.port);
  await set.stopApplying(1);
  t.equal((await writer.error('CALL twice(100000)')).errno, 1062);
  // Its session asks for what it was not told before anything else is run there.
  await writer.value('SELECT 1');
  t.same(await world.read(reader), { id: 100_000, port: world.primary.port }, flavor);
  await set.startApplying(1);
  await set.untilCaughtUp();
}

/** The tracker of GTIDs is the client's own, as the others are. */
async function unseen(t: Test, world: OwnWritesWorld, flavor: Flavor): Promise<void> {
  const capabilities = MODERN | Capability.SessionTrack;
  const client = await RawClient.login(loginOf(world.proxy.url, { capabilities }));
  const direct = await RawClient.login(loginOf(world.primary.url(), { capabilities }));
  const other = await world.writer();
  const tells = async (one: RawClient, sql: string): Promise<unknown> => {
    const reply = await one.query(sql);
    const last = reply.at(-1)?.payload ?? Buffer.alloc(0);
    if (last[0] === 0xff) return last.readUInt16LE(1);
    const { gtids, tracked } = readOk(last);
    const own = tracked.variables.some((name) => name.startsWith('last_gtid='));
    return { tells: gtids !== null || own, tracked: tracked.variables.filter((name) => !/gtid=/.test(name)) };
  };
  const insert = 'INSERT INTO written VALUES ()';
  for (const sql of [
    insert,
    'SET session_track_state_change=ON',
    insert,
    'BEGIN',
    insert,
    'COMMIT',
    ...(flavor === 'mysql'
      ? ['SET session_track_gtids=OWN_GTID']
      : ["SET session_track_system_variables='*'"]),
    insert,
    'SELECT 1',
    ...(flavor === 'mysql'
      ? [
          'BEGIN',
          'SET session_track_gtids=OFF',
          'COMMIT',
          'SET session_track_gtids=ALL_GTIDS',
          'SELECT 1',
          'SET session_track_gtids=OFF',
          insert,
          "SET session_track_system_variables='wait_timeout'",
          insert,
        ]
      : []),
  ]) {
    t.strictSame(await tells(client, sql), await tells(direct, sql), sql);
    await other.value('SELECT 1');
  }
  const SHOW = "SHOW SESSION VARIABLES LIKE 'session_track%'";
  const own = await world.writer();
  t.strictSame(await own.rows(SHOW), await world.primary.ask(SHOW), 'nobody else is concerned');
  const id = await world.write(own);
  t.equal((await world.read(await world.reader('careful'))).id, id, 'and what it writes is still known');
  client.destroy();
  direct.destroy();
}

async function counted(t: Test, world: OwnWritesWorld): Promise<void> {
  for (const outcome of ['reached', 'timed_out', 'not_tried'])
    t.ok((await world.proxy.metric('mybouncer_read_your_writes_total', outcome)) > 0, outcome);
  t.ok((await world.proxy.metric('mybouncer_read_your_writes_wait_seconds_count')) > 0);
  t.ok((await world.proxy.metric('mybouncer_read_your_writes_processes')) >= 1);
}
