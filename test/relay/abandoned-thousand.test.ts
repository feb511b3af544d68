import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { forEachServer } from '../support/servers.js';
import { LOCKED_ROW, login, runs, sessionIds } from './support/abandoning.js';

/** A thousand clients that are killed in the midst of their statements, all at once. */

const CLIENTS = 1_000;
const POOL_SIZE = 20;
/** Besides the pool's: the control connection, and at times the one over which the catalogue is read. */
const OWN_SESSIONS = 2;
/** Living clients that wait among the others. */
const WAITERS = 30;
const ROUNDS = 2;

const MANY_CLIENTS = fileURLToPath(new URL('./support/many-clients.js', import.meta.url));

await forEachServer(
  t,
  async (t, server) => {
    const flags = ['--pool-size', String(POOL_SIZE), '--query-wait-timeout', '120s'];
    const world = await proxiedUser(t, server, flags);
    const limit = `MAX_USER_CONNECTIONS ${POOL_SIZE + OWN_SESSIONS}`;
    await server.query(`ALTER USER '${world.user.user}'@'%' WITH ${limit}`);
    const setup = await login(world);
    await setup.must('CREATE TABLE many(id INT PRIMARY KEY, v INT)');
    await setup.must(
      `INSERT INTO many VALUES ${Array.from({ length: CLIENTS + 1 }, (_, i) => `(${i + LOCKED_ROW}, 0)`).join()}`,
    );
    setup.destroy();
    const locker = await server.rootConnection();
    // Or else the schema could not be dropped.
    t.teardown(() => locker.destroy());
    await locker.query(`BEGIN; UPDATE ${world.schema}.many SET v = 1 WHERE id = ${LOCKED_ROW}`);
    for (let round = 0; round < ROUNDS; round++) await t.test(`round ${round + 1}`, (t) => killAll(t, world));
    t.equal(await world.proxy.metric('mybouncer_server_sessions_closed_total'), 0, 'no session was given up');
    t.equal(await world.proxy.metric('mybouncer_server_dial_failures_total'), 0);
    t.equal(await world.proxy.metric('mybouncer_checkouts_refused_total'), 0);
    t.strictSame(world.proxy.stderr, []);
    t.equal(world.proxy.exitCode, null);
  },
  { timeout: 240_000 },
);

async function startClients(t: Test, world: ProxiedUser): Promise<ChildProcess> {
  const args = ['--enable-source-maps', MANY_CLIENTS, world.proxy.url, String(CLIENTS)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  if (child.stdout === null) throw new TypeError('the clients have no output');
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => {
      throw new Error('the clients have ended');
    }),
  ]);
  return child;
}

async function killAll(t: Test, world: ProxiedUser): Promise<void> {
  const clients = await startClients(t, world);
  const metric = (name: string, label = ''): Promise<number> => world.proxy.metric(name, label);
  await eventually('all have come', async () => (await metric('mybouncer_clients')) === CLIENTS);
  await eventually(
    'the pool is full',
    async () => (await metric('mybouncer_server_sessions', 'active')) === POOL_SIZE,
  );
  const before = await sessionIds(world);
  const waiters = await Promise.all(Array.from({ length: WAITERS }, () => login(world)));
  const answers = waiters.map((client, i) => client.value(`SELECT ${i} + v FROM many WHERE id = ${i}`));
  await eventually(
    'all others wait',
    async () => (await metric('mybouncer_waiting_requests')) === CLIENTS - POOL_SIZE + WAITERS,
  );
  const since = performance.now();
  clients.kill('SIGKILL');
  await eventually('no statement of theirs runs', async () => !(await runs(world, '/* many */')));
  t.comment(`no orphan statement after ${(performance.now() - since).toFixed(0)} ms`);
  t.strictSame(
    (await Promise.all(answers)).map(Number),
    Array.from({ length: WAITERS }, (_, i) => i),
    'who waits is served, and sees nothing of what was not committed',
  );
  t.comment(`all others served after ${(performance.now() - since).toFixed(0)} ms`);
  await eventually('all have gone', async () => (await metric('mybouncer_clients')) === WAITERS);
  await eventually(
    'all sessions are idle',
    async () => (await metric('mybouncer_server_sessions', 'idle')) === POOL_SIZE,
  );
  t.equal(await metric('mybouncer_waiting_requests'), 0);
  t.equal(await metric('mybouncer_holds'), 0);
  const after = await sessionIds(world);
  t.strictSame(after.filter((id) => before.includes(id)).length >= POOL_SIZE, true, 'the same sessions');
  // All of them can be had at once.
  await Promise.all(waiters.slice(0, POOL_SIZE).map((client) => client.must('BEGIN')));
  t.equal(await metric('mybouncer_server_sessions', 'active'), POOL_SIZE);
  const locked = waiters
    .slice(0, POOL_SIZE)
    .map((client, i) => client.must(`SELECT v FROM many WHERE id = ${i} FOR UPDATE`));
  await Promise.all(locked);
  for (const client of waiters) client.destroy();
  await eventually(
    'all sessions are idle again',
    async () => (await metric('mybouncer_server_sessions', 'idle')) === POOL_SIZE,
  );
}
