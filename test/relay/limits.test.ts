import t, { type Test } from 'tap';
import { Capability, Command } from '../../src/protocol/constants.js';
import { administered, waitFor } from '../admin/console/support/administered.js';
import { type Client, eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser, sessionOf } from '../support/proxied-user.js';
import { CLASSIC, errOf, loginOf, RawClient, unlessErr } from '../support/raw-client.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';

/** Besides the pool's: the control connection, and at times the one over which the catalogue is read. */
const OWN_SESSIONS = 2;

await forEachServer(
  t,
  async (t, server) => {
    await t.test('pool_size is never exceeded, whatever clients do', (t) => mixedWork(t, server));
    await t.test('clients of different kinds share one budget', (t) => differentKinds(t, server));
    await t.test('who waits is served in order', (t) => inOrder(t, server));
    await t.test('waiting ends with an error that has the numbers', (t) => waitTimeout(t, server));
    await t.test('who stops waiting leaves the queue', (t) => leavesQueue(t, server));
    await t.test('max_client_conn', (t) => maxClients(t, server));
    await t.test('transactions over fewer sessions always progress', (t) => progress(t, server));
    await t.test('pool_mode session', (t) => sessionMode(t, server));
  },
  { timeout: 180_000 },
);

/** From here on the server itself refuses a session too many. */
async function limitOnServer(world: ProxiedUser, poolSize: number): Promise<void> {
  const sessions = poolSize + OWN_SESSIONS;
  await world.server.query(`ALTER USER '${world.user.user}'@'%' WITH MAX_USER_CONNECTIONS ${sessions}`);
}

async function waiting(world: ProxiedUser, count: number): Promise<void> {
  await eventually(
    `${count} wait`,
    async () => (await world.proxy.metric('mybouncer_waiting_requests')) === count,
  );
}

/** Numbers in an order that is the same in each run. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed * 2654435761; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** What one of many clients does; returns the client to go on with. */
async function oneThing(
  world: ProxiedUser,
  client: Client,
  random: () => number,
  counts: { added: number },
): Promise<Client> {
  const id = Math.floor(random() * 5);
  switch (Math.floor(random() * 9)) {
    case 0:
      await client.value('SELECT COUNT(*) FROM work');
      break;
    case 1:
      await client.execute('SELECT v FROM work WHERE id=?', [id]);
      break;
    case 2:
      await client.run('BEGIN');
      await client.run(`UPDATE work SET v=v+1 WHERE id=${id}`);
      await client.run('COMMIT');
      counts.added++;
      break;
    case 3:
      await client.run('BEGIN');
      await client.run(`UPDATE work SET v=v+1 WHERE id=${id}`);
      await client.run('ROLLBACK');
      break;
    case 4:
      await client.error('SELECT nonsense');
      break;
    case 5:
      await client.run("SET time_zone='+04:00'");
      break;
    case 6:
      await client.run('CREATE TEMPORARY TABLE mine(v INT)');
      await client.connection.reset();
      break;
    case 7:
      // Gone in the midst of a transaction, and of a statement.
      await client.run('BEGIN');
      await client.run(`UPDATE work SET v=v+1 WHERE id=${id}`);
      client.connection.query('SELECT SLEEP(0.02)').catch(() => undefined);
      client.destroy();
      return world.connect();
    case 8:
      await client.end();
      return world.connect();
  }
  return client;
}

async function mixedWork(t: Test, server: TestServer): Promise<void> {
  const poolSize = 5;
  const world = await proxiedUser(t, server, [
    '--pool-size',
    String(poolSize),
    '--query-wait-timeout',
    '60s',
  ]);
  await limitOnServer(world, poolSize);
  const setup = await world.connect();
  await setup.run('CREATE TABLE work(id INT PRIMARY KEY, v INT)');
  await setup.run('INSERT INTO work VALUES(0,0),(1,0),(2,0),(3,0),(4,0)');
  const counts = { added: 0 };
  const errors: unknown[] = [];
  const work = async (i: number): Promise<void> => {
    const sequence = numbers(i + 1);
    const random = (): number => sequence.next().value as number;
    let client = await world.connect();
    for (let step = 0; step < 12; step++) client = await oneThing(world, client, random, counts);
    await client.end();
  };
  let done = false;
  let most = 0;
  const watch = async (): Promise<void> => {
    while (!done) most = Math.max(most, (await world.sessions()).length);
  };
  const watching = watch();
  await Promise.all(
    Array.from({ length: 64 }, (_, i) => work(i).catch((error: unknown) => errors.push(error))),
  );
  done = true;
  await watching;
  t.strictSame(errors, []);
  t.ok(most <= poolSize + OWN_SESSIONS, `${most} sessions at most`);
  t.ok(most > 1, 'the pool was used');
  t.equal(
    await world.proxy.metric('mybouncer_server_dial_failures_total'),
    0,
    'the server never had to refuse one',
  );
  await eventually(
    'all transactions have ended',
    async () => (await world.proxy.metric('mybouncer_holds')) === 0,
  );
  t.equal(
    Number(await setup.value('SELECT SUM(v) FROM work')),
    counts.added,
    'committed is what was committed',
  );
  t.equal(await world.proxy.settled(1, 'mybouncer_clients'), 1);
  t.equal(await world.proxy.settled(0, 'mybouncer_waiting_requests'), 0);
}

async function differentKinds(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  await limitOnServer(world, 2);
  const kinds = [
    CLASSIC,
    CLASSIC | Capability.FoundRows,
    CLASSIC & ~Capability.LocalFiles,
    CLASSIC | Capability.NoSchema,
  ];
  const clients = await Promise.all(
    [...kinds, ...kinds].map((capabilities) => RawClient.login(loginOf(world.proxy.url, { capabilities }))),
  );
  const loops = clients.map(async (client, i) => {
    for (let step = 0; step < 10; step++) {
      const value = await client.value(`SELECT ${i} + 0`);
      if (value !== String(i)) throw new Error(`${value} in place of ${i}`);
    }
  });
  await Promise.all(loops);
  t.ok((await world.sessions()).length <= 2 + OWN_SESSIONS);
  t.equal(await world.proxy.metric('mybouncer_server_dial_failures_total'), 0);
  t.ok(
    (await world.proxy.metric('mybouncer_server_sessions_opened_total')) > 2,
    'sessions made room for others',
  );
  for (const client of clients) client.destroy();
}

async function inOrder(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '1', '--query-wait-timeout', '60s']);
  const holder = await world.connect();
  await holder.run('CREATE TABLE served(n INT AUTO_INCREMENT PRIMARY KEY, who INT)');
  await holder.run('BEGIN');
  await holder.value('SELECT 1');
  const clients = await Promise.all(Array.from({ length: 12 }, () => world.connect()));
  const answers: Promise<unknown>[] = [];
  for (const [i, client] of clients.entries()) {
    answers.push(client.run(`INSERT INTO served(who) VALUES(${i})`));
    await waiting(world, i + 1);
  }
  await holder.run('COMMIT');
  await Promise.all(answers);
  const served = (await holder.rows('SELECT who FROM served ORDER BY n')).map(({ who }) => who);
  t.strictSame(served, Array.from(clients.keys()));
}

async function waitTimeout(t: Test, server: TestServer): Promise<void> {
  const world = await administered(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  const [a, b, c] = await Promise.all([world.connect(), world.connect(), world.connect()]);
  await a.run('BEGIN');
  await b.run('BEGIN');
  await waitFor(world, '300ms');
  const error = await c.error('SELECT 1');
  t.match(error, { errno: 1040, sqlState: '08004' });
  t.match(
    error.message,
    /^mybouncer: no free server session in pool .+ after \d+ ms: 2 of 2 sessions in use/,
  );
  t.match(error.message, /2 held, mostly transaction/);
  t.match(error.message, /1 waiting/);
  await t.rejects(c.execute('SELECT 1'), { message: /no free server session/ });
  t.equal(await world.proxy.metric('mybouncer_checkouts_refused_total'), 2);
  // Long ones are read to their end before they are answered, and answered with the sequence id that is due then.
  const raw = await RawClient.login(loginOf(world.proxy.url));
  for (const size of [2 << 20, 17 << 20, 40 << 20]) {
    const [reply] = await raw.query(`SELECT LENGTH('${'x'.repeat(size)}')`);
    t.match(reply && errOf([reply]), { errno: 1040 });
    t.equal(reply?.sequenceId, Math.floor(size / 0xffffff) + 1);
  }
  unlessErr(await raw.command(Command.Ping));
  t.ok(await c.connection.ping(), 'the connection lives');
  await waitFor(world, '60s');
  await a.run('COMMIT');
  t.equal(await c.value('SELECT 1'), 1);
  t.equal(await raw.value('SELECT 2'), '2');
  raw.destroy();
  await b.run('COMMIT');
}

async function leavesQueue(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '1', '--query-wait-timeout', '60s']);
  const [holder, leaver, next] = await Promise.all([world.connect(), world.connect(), world.connect()]);
  await holder.run('CREATE TABLE never(v INT)');
  await holder.run('BEGIN');
  leaver.connection.query('INSERT INTO never VALUES(1)').catch(() => undefined);
  await waiting(world, 1);
  const answer = next.value('SELECT 2');
  await waiting(world, 2);
  leaver.destroy();
  await waiting(world, 1);
  await holder.run('COMMIT');
  t.equal(await answer, 2);
  t.equal(await holder.value('SELECT COUNT(*) FROM never'), 0, 'what it asked for was never run');
  await eventually('it is forgotten', async () => (await world.proxy.metric('mybouncer_clients')) === 2);
}

async function maxClients(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--max-client-conn', '3']);
  const clients = await Promise.all([world.connect(), world.connect(), world.connect()]);
  const full = { errno: 1040, sqlState: '08004', message: /3/ };
  await t.rejects(world.connect(), full);
  t.strictSame(await Promise.all(clients.map((client) => client.value('SELECT 1'))), [1, 1, 1]);
  await clients[0]?.end();
  // Its place is free once its socket is closed, which may be a moment after it said goodbye.
  let next: Client | undefined;
  await eventually('its place is free', async () => {
    next = await world.connect().catch(isFull);
    return next !== undefined;
  });
  t.equal(await next?.value('SELECT 2'), 2);
  await t.rejects(world.connect(), full);
}

function isFull(error: { errno?: number }): undefined {
  if (error.errno !== 1040) throw error;
}

async function progress(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '3', '--query-wait-timeout', '60s']);
  await limitOnServer(world, 3);
  const setup = await world.connect();
  await setup.run('CREATE TABLE counter(id INT PRIMARY KEY, v INT)');
  await setup.run('INSERT INTO counter VALUES(1, 0)');
  // Some processes have one client, and one has many.
  const pid = (i: number): string => String(Math.max(0, i - 12));
  const clients = await Promise.all(
    Array.from({ length: 20 }, (_, i) => world.connect({ connectAttributes: { _pid: pid(i) } })),
  );
  const add = async (client: Client, i: number): Promise<void> => {
    for (let round = 0; round < 8; round++) {
      await client.run(i % 2 === 0 ? 'BEGIN' : 'SET autocommit=0');
      const [row] = await client.execute('SELECT v FROM counter WHERE id=? FOR UPDATE', [1]);
      await client.execute('UPDATE counter SET v=? WHERE id=1', [Number(row?.['v']) + 1]);
      await client.run('COMMIT');
    }
  };
  await Promise.all(clients.map(add));
  t.equal(await setup.value('SELECT v FROM counter'), 160);
  t.equal(await world.proxy.metric('mybouncer_server_dial_failures_total'), 0);
}

async function sessionMode(t: Test, server: TestServer): Promise<void> {
  const flags = ['--pool-size', '2', '--pool-mode', 'session', '--query-wait-timeout', '60s'];
  const world = await proxiedUser(t, server, flags);
  // The first login finds out whether the schema exists, for which it needs a session; the others do not.
  const a = await world.connect();
  const [b, c] = await Promise.all([world.connect(), world.connect()]);
  const [first, second] = [await sessionOf(a), await sessionOf(b)];
  t.not(first, second);
  await a.run('SET @mine=1');
  await a.run("SET time_zone='+06:00'");
  await a.run('CREATE TEMPORARY TABLE mine(v INT)');
  t.equal(await a.value(`SELECT GET_LOCK('${world.schema}', 0)`), 1);
  await a.run('BEGIN');
  for (let i = 0; i < 3; i++) {
    t.equal(await sessionOf(a), first);
    t.equal(await sessionOf(b), second);
  }
  t.equal(await world.proxy.holds(2, 'reason="session_mode"'), 2);
  const answer = sessionOf(c);
  await waiting(world, 1);
  t.equal(await b.value(`SELECT IS_FREE_LOCK('${world.schema}')`), 0);
  await a.end();
  t.equal(await answer, first, 'it gets the session of the one that left');
  t.equal(await c.value('SELECT @mine'), null);
  t.not(await c.value('SELECT @@time_zone'), '+06:00');
  t.match(await c.error('SELECT * FROM mine'), { errno: 1146 });
  t.equal(await c.value(`SELECT IS_FREE_LOCK('${world.schema}')`), 1);
  t.ok((await world.sessions()).length <= 2 + OWN_SESSIONS);
  await b.end();
  await c.end();
  await eventually('nothing is held', async () => (await world.proxy.metric('mybouncer_holds')) === 0);
}
