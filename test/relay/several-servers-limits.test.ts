import type { Connection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { ProxiedUser, sessionOf } from '../support/proxied-user.js';
import { startProxy } from '../support/proxy.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';

/** A server that is full is not down, and there are not more who wait for a server than may. The second server is not there. */

/** The least that MariaDB can be told. */
const FEW = 10;

await forEachPrivateServer(
  t,
  async (t, server) => {
    const schema = await server.createDatabase();
    const user = await server.createUser();
    const upstream = user.url(schema);
    const proxy = await startProxy(t, {
      upstream,
      servers: [upstream, 'mysql://127.0.0.1:1'],
      flags: ['--server-check-interval', '100ms', '--admin-users', user.user, '--slow-start', '0s'],
    });
    const world = new ProxiedUser(t, server, proxy, schema, user);
    await t.test('the server is full', (t) => serverFull(t, world, server));
    await t.test('the account is', (t) => accountFull(t, world, server));
    await t.test('max_waiting, while there is no server that takes writes', (t) => overloaded(t, world));
  },
  { atOnce: true },
);

/** Of the first server. */
async function upstream(world: ProxiedUser): Promise<Readonly<Record<string, unknown>>> {
  const console = await world.connect({ database: 'mybouncer' });
  const [row = {}] = await console.rows('SHOW UPSTREAMS');
  await console.end();
  return row;
}

/** Whatever the proxy has there for itself. */
async function killAllBut(world: ProxiedUser, kept: readonly number[]): Promise<void> {
  for (const { id } of await world.sessions())
    if (!kept.includes(id)) await world.server.query(`KILL ${id}`).catch(() => undefined);
}

async function staysUp(
  t: Test,
  world: ProxiedUser,
  reason: string,
  makeFull: () => Promise<number>,
  makeRoom: () => Promise<void>,
): Promise<void> {
  const [client, inside] = [await world.connect(), await world.connect()];
  await inside.run('BEGIN');
  await inside.run('CREATE TEMPORARY TABLE kept (id INT)');
  const kept = [await sessionOf(client), await sessionOf(inside)];
  const own = await makeFull();
  await killAllBut(world, [...kept, own]);
  await eventually('it is known', async () => String((await upstream(world))['reasons']).includes(reason));
  t.match(await upstream(world), { state: 'up', role: 'primary', gets_writes: 'yes' });
  t.equal(await sessionOf(client), kept[0], 'its session goes on');
  t.same(await inside.rows('SELECT * FROM kept'), []);
  await inside.run('COMMIT');
  await makeRoom();
  await eventually(
    'it is asked again',
    async () => !String((await upstream(world))['reasons']).includes(reason),
  );
  t.match(await upstream(world), { state: 'up' });
  for (const msg of ['server is full', 'server is not full any more'])
    t.ok(
      world.proxy.lines.some((line) => line.msg === msg && line['server'] === nameOf(world)),
      msg,
    );
  t.notOk(
    world.proxy.lines.some((line) => line.msg === 'server is down' && line['server'] === nameOf(world)),
    'it was not taken for down',
  );
  await inside.end();
  await client.end();
}

function nameOf({ server: { host, port } }: ProxiedUser): string {
  return `${host}:${port}`;
}

async function serverFull(t: Test, world: ProxiedUser, server: PrivateTestServer): Promise<void> {
  const others: Connection[] = [];
  await staysUp(
    t,
    world,
    'server_full',
    async () => {
      // More than enough, so that it is full however many are killed.
      for (let i = 0; i < FEW + 4; i++) others.push(await server.rootConnection());
      await server.query(`SET GLOBAL max_connections = ${FEW}`);
      return 0;
    },
    async () => {
      await server.query('SET GLOBAL max_connections = 100');
    },
  );
  for (const other of others) await other.end();
}

async function accountFull(t: Test, world: ProxiedUser, server: PrivateTestServer): Promise<void> {
  const name = world.user.user;
  await staysUp(
    t,
    world,
    'account_full',
    async () => {
      await server.query(`ALTER USER '${name}'@'%' WITH MAX_USER_CONNECTIONS 1`);
      // To MySQL, those that were there before the account had a limit are none.
      const own = await world.directAsUser().catch(() => null);
      return own === null ? 0 : sessionOf(own);
    },
    async () => {
      await server.query(`ALTER USER '${name}'@'%' WITH MAX_USER_CONNECTIONS 0`);
    },
  );
}

async function overloaded(t: Test, world: ProxiedUser): Promise<void> {
  const { proxy, server } = world;
  const console = await world.connect({ database: 'mybouncer' });
  await console.run('SET max_waiting = 2');
  await server.query('SET GLOBAL read_only = ON');
  const [a, b, c] = [await world.connect(), await world.connect(), await world.connect()];
  await eventually('it is known', async () => (await upstream(world))['role'] === 'replica');
  const answers = [a.value('SELECT 10'), b.value('SELECT 11')];
  t.equal(await proxy.settled(2, 'mybouncer_waiting_requests'), 2);
  for (const sql of ['SELECT 12', 'BEGIN']) {
    const error = await c.error(sql);
    t.match(error, { errno: 1040, sqlState: '08004' });
    t.match(
      error.message,
      /^mybouncer: pool default is overloaded: 2 requests wait for a server already, which is max_waiting; waited 0 ms: .+:\d+ is up, replica .+ is down \(unreachable\)/,
    );
  }
  t.equal(await proxy.metric('mybouncer_checkouts_refused_total'), 2);
  await server.query('SET GLOBAL read_only = OFF');
  t.strictSame(await Promise.all(answers), [10, 11]);
  t.equal(await c.value('SELECT 12'), 12, 'the connection lives');
}
