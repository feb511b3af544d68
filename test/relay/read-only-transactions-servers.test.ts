import t, { type Test } from 'tap';
import { withReplicas } from '../support/clusters/for-cluster.js';
import { type Client, eventually } from '../support/proxied.js';
import { FLAVORS } from '../support/servers.js';
import { ReadOnlyWorld } from './support/read-only-world.js';

/** `read_only_transactions`: the rules of the replicas' pool count, and what becomes of it when a replica goes. */

for (const flavor of FLAVORS) {
  t.test(`read-only transactions and the replica (${flavor})`, async (t) => {
    await withReplicas(
      t,
      async (t, set) => {
        const world = await ReadOnlyWorld.start(t, set);
        await t.test('read_your_writes: it is waited for', (t) => waitedFor(t, world));
        await t.test('read_your_writes: the primary, when that takes too long', (t) => standsStill(t, world));
        await t.test('max_lag', (t) => behind(t, world));
        await t.test('the replica goes', (t) => gone(t, world));
        await t.test('fallback_to_primary: off', (t) => patient(t, world));
      },
      { flavor, replicas: 1 },
    );
  });
}

async function write(client: Client): Promise<number> {
  return (await client.run('INSERT INTO written VALUES ()')).insertId;
}

async function last(client: Client): Promise<number> {
  return Number(await client.value('SELECT MAX(id) FROM written'));
}

async function set(world: ReadOnlyWorld, key: string, value: string): Promise<void> {
  const console = await world.console();
  await console.rows(`SET ${key} = ${value}`);
  await console.end();
}

async function waitedFor(t: Test, world: ReadOnlyWorld): Promise<void> {
  await set(world, 'read_your_writes_timeout', '20s');
  const [client, careless] = [await world.client('careful'), await world.client()];
  const before = await write(client);
  await world.set.untilCaughtUp();
  await world.set.stopApplying(1);
  const id = await write(client);
  t.equal(await last(client), id, 'the primary itself is not waited for');
  await careless.run('START TRANSACTION READ ONLY');
  t.equal(await last(careless), before, 'without the option it is stale');
  await careless.run('COMMIT');
  const begun = client.run('START TRANSACTION READ ONLY');
  await eventually('it waits', async () => {
    const [row] = await world.replica.ask<{ n: number }>(
      "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE user = 'careful' AND info LIKE 'SELECT %GTID%'",
    );
    return Number(row?.n) > 0;
  });
  await world.set.startApplying(1);
  await begun;
  t.equal(await world.place(client), 'replica');
  t.equal(await last(client), id);
  await client.run('COMMIT');
  await world.set.untilCaughtUp();
  await Promise.all([client.end(), careless.end()]);
}

async function standsStill(t: Test, world: ReadOnlyWorld): Promise<void> {
  await set(world, 'read_your_writes_timeout', '50ms');
  const client = await world.client('careful');
  await client.run("SET @kept = 'mine'");
  await world.set.stopApplying(1);
  const id = await write(client);
  const counted = await world.counted();
  // The second one does not wait any more.
  for (const what of ['after a wait', 'at once']) {
    await client.run('START TRANSACTION READ ONLY');
    t.equal(await world.place(client), 'primary', what);
    t.equal(await last(client), id);
    t.equal(await client.value('SELECT @kept'), 'mine');
    t.equal((await client.error('INSERT INTO written VALUES ()')).errno, 1792);
    t.equal((await client.error("SELECT GET_LOCK('mine', 0)")).errno, 1792, 'by the same rules');
    await client.run('COMMIT');
  }
  t.same(await world.counted(), { ...counted, primary: counted.primary + 2 }, 'counted where they were');
  await write(client);
  await world.set.startApplying(1);
  await eventually('the replica serves again', async () => (await world.placeIn(client)) === 'replica');
  await client.end();
}

async function behind(_t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client('current');
  const place = (): Promise<string> => world.placeIn(client);
  await eventually('its lag is known', async () => (await place()) === 'replica');
  await world.set.stopApplying(1);
  await eventually('its lag is not known', async () => (await place()) === 'primary');
  await world.set.startApplying(1);
  await eventually('its lag is known', async () => (await place()) === 'replica');
  await client.end();
}

async function gone(t: Test, world: ReadOnlyWorld): Promise<void> {
  const [inside, client] = [await world.client(), await world.client()];
  await inside.run('START TRANSACTION READ ONLY');
  t.equal(await world.place(inside), 'replica');
  await world.replica.kill('SIGKILL');
  t.match(
    await inside.error('SELECT COUNT(*) FROM written'),
    { errno: 1213, message: /; try restarting transaction/ },
    'told once',
  );
  t.equal(await world.placeIn(inside), 'primary', 'to be begun again on the same connection');
  t.equal(await world.placeIn(client), 'primary');
  await world.set.rejoin(1);
  await world.untilReplicaServes();
  await Promise.all([inside.end(), client.end()]);
}

async function patient(t: Test, world: ReadOnlyWorld): Promise<void> {
  await set(world, 'failover_timeout', '2m');
  const [client, other] = [await world.client('patient'), await world.client('patient')];
  const console = await world.console();
  t.equal(await world.placeIn(client), 'replica');
  const name = `"${world.replica.host}:${world.replica.port}"`;
  await console.rows(`PAUSE ${name}`);
  const begun = client.run('START TRANSACTION READ ONLY');
  await eventually('it waits', async () => (await console.rows('SHOW WAITERS')).length === 1);
  await write(other);
  t.equal(await world.place(other), 'primary', 'all else is done');
  t.equal(await world.placeIn(await world.client()), 'primary', 'who may, goes there');
  await console.rows(`RESUME ${name}`);
  await begun;
  t.equal(await world.place(client), 'replica');
  await client.run('COMMIT');
  await Promise.all([client.end(), other.end(), console.end()]);
}
