import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ServerAccount } from '../../src/backend/upstream.js';
import { Killer } from '../../src/relay/killer.js';
import { PoolSizer } from '../../src/relay/pool-sizer.js';
import { RelayCounters } from '../../src/relay/relay-counters.js';
import { upstreamOf } from '../backend/support/upstream.js';
import { eventually, Proxied } from '../support/proxied.js';
import { proxiedUser } from '../support/proxied-user.js';
import { startProxy } from '../support/proxy.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';

const MAX_CONNECTIONS = 40;

await forEachPrivateServer(
  t,
  async (t, server) => {
    await t.test('auto is what the server has, less the reserve', (t) => auto(t, server));
    await t.test("an account's own limit", (t) => accountLimit(t, server));
    await t.test('the limits are read again', (t) => readAgain(t, server));
    await t.test('a user makes room for another', (t) => twoUsers(t, server));
    await t.test('after a restart of the server', (t) => restart(t, server));
  },
  { extraArgs: [`--max-connections=${MAX_CONNECTIONS}`], timeout: 300_000 },
);

async function auto(t: Test, server: PrivateTestServer): Promise<void> {
  for (const [flags, size] of [
    [[], 33],
    [['--reserve', '12'], 26],
    [['--reserve', '0'], 38],
    [['--reserve', '50%'], 18],
  ] as const) {
    const upstream = server.url();
    const proxy = await startProxy(t, {
      upstream,
      flags: ['--pool-size', 'auto', '--fleet', 'off', ...flags],
    });
    t.match(await proxy.logged('ready'), { poolSize: size }, `size ${size}`);
    t.equal(await proxy.metric('mybouncer_pool_size'), size);
    t.equal(await proxy.metric('mybouncer_server_max_connections'), MAX_CONNECTIONS);
    await proxy.stop();
  }
  const world = await proxiedUser(t, server, ['--pool-size', 'auto', '--query-wait-timeout', '60s']);
  const clients = await Promise.all(Array.from({ length: 60 }, () => world.connect()));
  // They are held until all of them are there.
  const opened = world.proxy.settled(33, 'mybouncer_server_sessions', 'state="active"');
  await Promise.all(
    clients.map(async (client) => {
      await client.run('BEGIN');
      await opened;
      await client.run('COMMIT');
    }),
  );
  t.equal(await opened, 33, 'so many are opened');
  t.equal(await world.proxy.settled(33, 'mybouncer_server_sessions'), 33, 'and no more');
  t.equal(await world.proxy.metric('mybouncer_server_dial_failures_total'), 0);
  await world.proxy.stop();
}

async function accountLimit(t: Test, server: PrivateTestServer): Promise<void> {
  const user = await server.createUser();
  await server.query(`ALTER USER '${user.user}'@'%' WITH MAX_USER_CONNECTIONS 9`);
  const proxy = await startProxy(t, { upstream: user.url(), flags: ['--pool-size', 'auto'] });
  t.match(await proxy.logged('pool size'), { poolSize: 7, accountLimit: 9 });
  const world = new Proxied(t, server, proxy, 'app');
  const clients = await Promise.all(Array.from({ length: 20 }, () => world.connect()));
  await Promise.all(clients.map((client) => client.value('SELECT SLEEP(0.1)')));
  t.equal(
    await proxy.metric('mybouncer_server_dial_failures_total'),
    0,
    'the account was never at its limit',
  );
  await proxy.stop();
}

async function readAgain(t: Test, server: PrivateTestServer): Promise<void> {
  const user = await server.createUser();
  const upstream = upstreamOf(server);
  const killer = new Killer(upstream, new RelayCounters(), () => 1_000, { warn: () => {} });
  t.teardown(() => killer.close());
  const account = new ServerAccount(user.user, () => user.password);
  await killer.connect(account);
  const sizes: number[] = [];
  const lines: unknown[] = [];
  const sizer = new PoolSizer({
    ask: (statement) => killer.ask(statement, account),
    server: () => upstream.facts?.info ?? { flavor: server.flavor },
    size: 'auto',
    rules: { reserve: { count: 0 }, own: 2, oneAccount: true },
    fleet: false,
    apply: (size) => sizes.push(size),
    roomMs: 1,
    log: { info: (fields) => lines.push(fields), warn: (fields) => lines.push(fields) },
  });
  await sizer.start();
  t.same(sizes, [MAX_CONNECTIONS - 2]);
  for (const connections of [20, 60]) {
    await server.query(`SET GLOBAL max_connections = ${connections}`);
    await eventually(`it is ${connections - 2}`, () => sizes.at(-1) === connections - 2);
  }
  await server.query(`ALTER USER '${user.user}'@'%' WITH MAX_USER_CONNECTIONS 12`);
  for (const row of await server.sessions(user.user)) await server.query(`KILL ${row.id}`);
  await eventually('the limit of the account is seen', () => sizes.at(-1) === 10);
  t.same(
    lines.map((line) => (line as { poolSize?: number }).poolSize).filter((size) => size !== undefined),
    [38, 18, 58, 10],
    'each is told once',
  );
  sizer.stop();
  await server.query(`SET GLOBAL max_connections = ${MAX_CONNECTIONS}`);
}

async function twoUsers(t: Test, server: PrivateTestServer): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-users-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const other = await server.createUser();
  const file = join(folder, 'users.yaml');
  await writeFile(file, `users:\n  - name: ${other.user}\n    password: ${other.password}\n`);
  const world = await proxiedUser(t, server, ['--config', file, '--pool-size', '3']);
  const use = async (options: { user?: string; password?: string }): Promise<void> => {
    const clients = await Promise.all(Array.from({ length: 3 }, () => world.connect(options)));
    // Long enough for all three to be opened, one after the other.
    await Promise.all(clients.map((client) => client.run('BEGIN')));
    for (const client of clients) await client.end();
  };
  for (let round = 0; round < 3; round++) {
    await use({});
    t.equal(await world.proxy.settled(3, 'mybouncer_server_sessions', 'state="idle"'), 3);
    await use({ user: other.user, password: other.password });
    t.equal(
      await world.proxy.settled(3, 'mybouncer_server_sessions', 'state="idle"'),
      3,
      'one budget for both',
    );
  }
  const sessions = [...(await world.sessions()), ...(await server.sessions(other.user))];
  t.ok(sessions.length <= 3 + 2 * 2, `${sessions.length} on the server, those of the proxy's own included`);
  t.ok((await world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="evicted"')) >= 6);
  t.equal(await world.proxy.metric('mybouncer_checkouts_refused_total'), 0);
}

async function restart(t: Test, server: PrivateTestServer): Promise<void> {
  const proxy = await startProxy(t, { upstream: server.url(), flags: ['--pool-size', 'auto'] });
  const client = await new Proxied(t, server, proxy, 'app').connect();
  t.equal(await client.value('SELECT 1'), 1);
  await server.restart();
  await eventually('clients are served', async () => (await client.value('SELECT 1').catch(() => 0)) === 1);
  await eventually('the pool has its size', async () => (await proxy.metric('mybouncer_pool_share')) === 33);
  t.equal(await proxy.metric('mybouncer_fleet_members'), 1);
}
