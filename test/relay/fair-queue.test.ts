/** Which of the clients that wait gets a session, on real servers: processes are told apart by the `_pid` that clients send. */
import t, { type Test } from 'tap';
import { administered, waitFor } from '../admin/console/support/administered.js';
import { type Client, eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';

await forEachServer(
  t,
  async (t, server) => {
    await t.test('a process with many clients leaves others their turns', (t) => turns(t, server));
    await t.test('a process that holds a session goes first', (t) => secondHalf(t, server));
    await t.test('a transaction that ends is no reason to go first', (t) => endedHold(t, server));
    await t.test('a process that fills the pool itself is told so', (t) => ownHalves(t, server));
    await t.test('max_waiting', (t) => maxWaiting(t, server));
    await t.test('workers that use two sessions, and leave at any time', (t) => hammer(t, server));
  },
  { timeout: 180_000 },
);

function connect(world: ProxiedUser, pid: string): Promise<Client> {
  return world.connect({ connectAttributes: { _pid: pid } });
}

function connectAll(world: ProxiedUser, pid: string, count: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => connect(world, pid)));
}

async function waiting(world: ProxiedUser, count: number): Promise<void> {
  await eventually(
    `${count} wait`,
    async () => (await world.proxy.metric('mybouncer_waiting_requests')) === count,
  );
}

/** Nothing of what the clients did is left. */
async function isAtRest(t: Test, world: ProxiedUser, poolSize: number): Promise<void> {
  await eventually(
    'nobody waits or holds anything',
    async () =>
      (await world.proxy.metric('mybouncer_waiting_requests')) === 0 &&
      (await world.proxy.metric('mybouncer_holds')) === 0 &&
      (await world.proxy.metric('mybouncer_server_sessions', 'state="active"')) === 0,
  );
  // Two are the proxy's own.
  t.ok((await world.sessions()).length <= poolSize + 2);
}

async function turns(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  const [many, few] = [await connectAll(world, '1', 60), await connectAll(world, '2', 2)];
  let over = false;
  let ofMany = 0;
  const busy = many.map(async (client) => {
    while (!over) {
      await client.run('DO SLEEP(0.005)');
      ofMany++;
    }
  });
  await eventually('a line has formed', async () => ofMany > 60);
  const before = ofMany;
  const rounds = 30;
  await Promise.all(
    few.map(async (client) => {
      for (let i = 0; i < rounds; i++) await client.run('DO SLEEP(0.005)');
    }),
  );
  const meanwhile = ofMany - before;
  over = true;
  await Promise.all(busy);
  // In one line it would have been 30 for each of theirs.
  t.comment(`${meanwhile} statements of 60 clients while 2 clients had ${2 * rounds}`);
  t.ok(meanwhile < 2 * rounds * 8);
  await isAtRest(t, world, 2);
}

async function secondHalf(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  const [other, stranger, ...worker] = [
    await connect(world, '7'),
    await connect(world, '8'),
    await connect(world, '9'),
    await connect(world, '9'),
  ] as [Client, Client, Client, Client];
  await other.run('CREATE TABLE served(n INT AUTO_INCREMENT PRIMARY KEY, who INT)');
  await other.run('BEGIN');
  await worker[0].run('BEGIN');
  const answers = [stranger.run('INSERT INTO served(who) VALUES(8)')];
  await waiting(world, 1);
  answers.push(worker[1].run('INSERT INTO served(who) VALUES(9)'));
  await waiting(world, 2);
  await other.run('COMMIT');
  await Promise.all(answers);
  await worker[0].run('COMMIT');
  t.strictSame(
    (await other.rows('SELECT who FROM served ORDER BY n')).map(({ who }) => who),
    [9, 8],
  );
  await isAtRest(t, world, 2);
}

async function endedHold(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '1', '--query-wait-timeout', '60s']);
  const [stranger, first, second] = [
    await connect(world, '8'),
    await connect(world, '9'),
    await connect(world, '9'),
  ];
  await first.run('CREATE TABLE served(n INT AUTO_INCREMENT PRIMARY KEY, who INT)');
  for (const end of ['COMMIT', 'ROLLBACK', 'leave']) {
    await first.run('BEGIN');
    const answers = [stranger.run('INSERT INTO served(who) VALUES(8)')];
    await waiting(world, 1);
    answers.push(second.run('INSERT INTO served(who) VALUES(9)'));
    await waiting(world, 2);
    if (end === 'leave') await first.end();
    else await first.run(end);
    await Promise.all(answers);
  }
  t.strictSame(
    (await second.rows('SELECT who FROM served ORDER BY n')).map(({ who }) => who),
    [8, 9, 8, 9, 8, 9],
    'the session goes to whose turn it is',
  );
  await isAtRest(t, world, 1);
}

async function ownHalves(t: Test, server: TestServer): Promise<void> {
  const world = await administered(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  const worker = await connectAll(world, '4711', 3);
  const [first, second, third] = worker as [Client, Client, Client];
  await first.run('BEGIN');
  await second.run('BEGIN');
  // From now on nobody else waits.
  const stranger = await connect(world, '4712');
  await waitFor(world, '300ms');
  const error = await third.error('SELECT 1');
  t.match(error, { errno: 1040, sqlState: '08004' });
  t.match(
    error.message,
    /2 held, mostly transaction.*; 2 of those held are held by this client's own process \(pid 4711 at [0-9.:a-f]+\), which waits for one more \(client \d+\)$/,
  );
  t.notMatch((await stranger.error('SELECT 1')).message, /own process/);
  await first.run('COMMIT');
  t.equal(await third.value('SELECT 1'), 1);
  await second.run('COMMIT');
  await isAtRest(t, world, 2);
}

async function maxWaiting(t: Test, server: TestServer): Promise<void> {
  const flags = ['--pool-size', '1', '--query-wait-timeout', '60s', '--max-waiting', '2'];
  const world = await proxiedUser(t, server, flags);
  const holder = await connect(world, '1');
  const [a, b, c] = (await connectAll(world, '1', 3)) as [Client, Client, Client];
  await holder.run('BEGIN');
  const answers = [a.value('SELECT 10'), b.value('SELECT 11')];
  await waiting(world, 2);
  for (const ask of [() => c.error('SELECT 12'), () => c.error('BEGIN')]) {
    const error = await ask();
    t.match(error, { errno: 1040, sqlState: '08004' });
    t.match(
      error.message,
      /^mybouncer: pool .+ is overloaded: 2 requests wait for a server session already, which is max_waiting; waited 0 ms: 1 of 1 sessions in use \(1 by this pool, 1 held, mostly transaction\), 0 idle, 0 opening, 0 closing, 2 waiting/,
    );
  }
  t.equal(await world.proxy.settled(2, 'mybouncer_waiting_requests'), 2);
  t.equal(await world.proxy.metric('mybouncer_checkouts_refused_total'), 2);
  t.equal(await holder.value('SELECT 1'), 1, 'who holds a session does not wait');
  await holder.run('COMMIT');
  t.strictSame(await Promise.all(answers), [10, 11]);
  t.equal(await c.value('SELECT 12'), 12, 'the connection lives');
  await isAtRest(t, world, 1);
}

/** Any error but those of a pool that is full. */
function unlessFull(error: { errno?: number }): void {
  if (error.errno !== 1040) throw error;
}

/** One request of a worker with two connections; the second one is needed while the first is in a transaction. */
async function request(first: Client, second: Client, i: number): Promise<number> {
  await first.run('BEGIN');
  await first.run(`UPDATE work SET v=v+1 WHERE id=${i}`);
  // The worker gives up where the pool is full of first halves.
  const got = await second.value('SELECT 1').catch(unlessFull);
  await first.run(got === 1 ? 'COMMIT' : 'ROLLBACK');
  return got === 1 ? 1 : 0;
}

async function hammer(t: Test, server: TestServer): Promise<void> {
  const poolSize = 6;
  const flags = ['--pool-size', String(poolSize), '--query-wait-timeout', '60s', '--max-waiting', '40'];
  const world = await administered(t, server, flags);
  const setup = await connect(world, '0');
  await setup.run('CREATE TABLE work(id INT PRIMARY KEY, v INT)');
  const workers = 8;
  for (let i = 0; i < workers; i++) await setup.run(`INSERT INTO work VALUES(${i}, 0)`);
  await waitFor(world, '500ms');
  let committed = 0;
  const worker = async (i: number): Promise<void> => {
    const pid = String(1_000 + i);
    let [first, second] = (await connectAll(world, pid, 2)) as [Client, Client];
    for (let round = 0; round < 6; round++) {
      const outcome = await request(first, second, i).catch(unlessFull);
      committed += outcome ?? 0;
      if (outcome === undefined) await first.run('ROLLBACK').catch(unlessFull);
      if ((i + round) % 5 !== 0) continue;
      // Gone while one is held and the other waits or runs.
      await first.run('BEGIN').catch(unlessFull);
      second.connection.query('SELECT SLEEP(0.01)').catch(() => undefined);
      first.destroy();
      second.destroy();
      [first, second] = (await connectAll(world, pid, 2)) as [Client, Client];
    }
    first.destroy();
    second.destroy();
  };
  await Promise.all(Array.from({ length: workers }, (_, i) => worker(i)));
  await isAtRest(t, world, poolSize);
  await waitFor(world, '60s');
  t.equal(Number(await setup.value('SELECT SUM(v) FROM work')), committed);
  t.comment(`${committed} of ${workers * 6} requests had both sessions`);
  t.ok(committed > 0);
  t.equal(await world.proxy.settled(1, 'mybouncer_clients'), 1);
}
