/** How long server sessions live, on real servers. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Client, eventually, useAtOnce } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser, sessionOf } from '../support/proxied-user.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';

await forEachServer(
  t,
  async (t, server) => {
    await t.test('min_pool_size and server_idle_timeout', (t) => keptWarm(t, server));
    await t.test('server_lifetime while clients are at work', (t) => lifetime(t, server));
    await t.test('server_lifetime in pool mode session', (t) => sessionMode(t, server));
  },
  { timeout: 180_000, atOnce: true },
);

function closed(world: ProxiedUser, reason: string): Promise<number> {
  return world.proxy.metric('mybouncer_server_sessions_closed_total', `reason="${reason}"`);
}

function connectAll(world: ProxiedUser, count: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => world.connect()));
}

/** Of the pool, on the server: those of the proxy's own have no schema. */
async function onServer(world: ProxiedUser): Promise<number> {
  return (await world.sessions()).filter(({ db }) => db === world.schema).length;
}

async function keptWarm(t: Test, server: TestServer): Promise<void> {
  const flags = ['--pool-size', '6', '--min-pool-size', '3', '--server-idle-timeout', '500ms'];
  const world = await proxiedUser(t, server, flags);
  const client = await world.connect();
  await client.value('SELECT 1');
  const idle = (count: number) => async () =>
    (await world.proxy.metric('mybouncer_server_sessions', 'state="idle"')) === count;
  await eventually('three are kept as soon as there was a client', idle(3));
  const clients = await connectAll(world, 6);
  await useAtOnce(clients);
  t.ok((await world.proxy.metric('mybouncer_server_sessions_opened_total')) >= 6);
  // Three may be idle for a moment while others are still given back.
  await eventually(
    'those that nobody needs are closed',
    async () => (await closed(world, 'idle_timeout')) >= 3,
  );
  await eventually('but three', idle(3));
  await sleep(1_000);
  t.ok(await idle(3)(), 'and they stay');
  // Ended on the server.
  const gone = await sessionOf(client);
  await world.server.query(`KILL ${gone}`);
  await eventually('the one that died is gone', async () => (await closed(world, 'died')) >= 1);
  await eventually('another one takes its place', idle(3));
  t.not(await sessionOf(client), gone);
  for (const each of clients) t.equal(await each.value('SELECT 2'), 2);
}

async function lifetime(t: Test, server: TestServer): Promise<void> {
  const poolSize = 4;
  const flags = [
    '--pool-size',
    String(poolSize),
    '--server-lifetime',
    '400ms',
    '--query-wait-timeout',
    '60s',
  ];
  const world = await proxiedUser(t, server, flags);
  const setup = await world.connect();
  await setup.run('CREATE TABLE work(id INT PRIMARY KEY, v INT)');
  const clients = await connectAll(world, 12);
  for (const i of clients.keys()) await setup.run(`INSERT INTO work VALUES(${i}, 0)`);
  const holder = await world.connect();
  await holder.run('BEGIN');
  const held = await sessionOf(holder);
  const before = await closed(world, 'lifetime');
  let over = false;
  let most = 0;
  const watch = async (): Promise<void> => {
    while (!over) most = Math.max(most, (await world.sessions()).length);
  };
  const watching = watch();
  let added = 0;
  const work = clients.map(async (client, i) => {
    await client.run(`SET @mine=${i}`);
    while (!over) {
      await client.run('BEGIN');
      await client.run(`UPDATE work SET v=v+1 WHERE id=${i}`);
      await client.run('COMMIT');
      added++;
      const [row] = await client.execute('SELECT @mine AS mine', []);
      if (Number(row?.['mine']) !== i) throw new Error(`${row?.['mine']} in place of ${i}`);
    }
  });
  await eventually(
    'sessions have been replaced',
    async () => (await closed(world, 'lifetime')) >= before + 8,
  );
  over = true;
  await Promise.all(work);
  await watching;
  t.equal(Number(await setup.value('SELECT SUM(v) FROM work')), added, 'no statement was lost');
  t.ok(most <= poolSize + 2, `${most} sessions at most, two of them the proxy's own`);
  t.equal(await sessionOf(holder), held, 'one in a transaction lives on');
  await holder.run('COMMIT');
  await eventually('until it is given back', async () => {
    const ids = (await world.sessions()).map(({ id }) => id);
    return !ids.includes(held);
  });
}

async function sessionMode(t: Test, server: TestServer): Promise<void> {
  const flags = ['--pool-size', '3', '--pool-mode', 'session', '--server-lifetime', '400ms'];
  const world = await proxiedUser(t, server, [...flags, '--query-wait-timeout', '60s']);
  const [free, held, leaver] = (await connectAll(world, 3)) as [Client, Client, Client];
  await free.run("SET time_zone='+06:00'");
  await free.run("SET @mine='kept'");
  await held.run('CREATE TEMPORARY TABLE mine(v INT)');
  const [first, second, third] = [await sessionOf(free), await sessionOf(held), await sessionOf(leaver)];
  const ids = async (): Promise<number[]> => (await world.sessions()).map(({ id }) => id);
  await eventually(
    'the one on which nothing is held is given up',
    async () => !(await ids()).includes(first),
  );
  t.not(await sessionOf(free), first, 'its client goes on with another one');
  t.equal(await free.value('SELECT @@time_zone'), '+06:00');
  t.equal(await free.value('SELECT @mine'), 'kept');
  await sleep(600);
  t.equal(await sessionOf(held), second, 'a temporary table keeps its session');
  t.equal(await held.value('SELECT COUNT(*) FROM mine'), 0);
  await leaver.end();
  await eventually('so is that of a client that leaves', async () => !(await ids()).includes(third));
  await held.end();
  await eventually('whatever it held', async () => !(await ids()).includes(second));
  await free.end();
  await eventually(
    'nothing is left of them',
    async () => (await world.proxy.metric('mybouncer_holds')) === 0,
  );
  await eventually('nor on the server', async () => (await onServer(world)) === 0);
  t.equal(await closed(world, 'died'), 0);
}
