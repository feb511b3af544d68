import t, { type Test } from 'tap';
import { KEY_NAMES } from '../../../src/config/schema.js';
import { eventually } from '../../support/proxied.js';
import { type ProxiedUser, sessionOf } from '../../support/proxied-user.js';
import type { TestServer } from '../../support/server-handle.js';
import { forEachServer } from '../../support/servers.js';
import { ADMIN, admin, administered } from './support/administered.js';

await forEachServer(t, async (t, server) => {
  const world = await administered(t, server, ['--pool-size', '2', '--query-wait-timeout', '50s']);
  const alone = async (what: string, run: (t: Test, world: ProxiedUser) => Promise<void>): Promise<void> => {
    await t.test(what, (t) => run(t, world));
    await eventually('nobody is left', async () => (await world.proxy.metric('mybouncer_clients')) === 0);
  };
  await alone('who gets the console', whoGetsIt);
  await alone('SHOW', views);
  await alone('what clients ask', questions);
  await alone('what it does not know', refusals);
  await alone('KILL CLIENT', killClient);
  await alone('RECONNECT', reconnect);
  await alone('SET', settings);
  await t.test('SHUTDOWN', (t) => shutdown(t, server));
});

async function whoGetsIt(t: Test, world: ProxiedUser): Promise<void> {
  const console = await admin(world);
  t.equal(await console.value('SELECT DATABASE()'), 'mybouncer');
  t.equal(await console.value('SELECT USER()'), 'operator@127.0.0.1');
  t.equal(await console.value('SELECT CONNECTION_ID()'), console.id);
  t.equal(
    await world.proxy.metric('mybouncer_server_sessions', 'state="active"'),
    0,
    'it needs no server session',
  );
  const elsewhere = await world.connect({ ...ADMIN, database: world.schema });
  t.match(
    await elsewhere.value('SELECT CURRENT_USER()'),
    world.user.user,
    'elsewhere the user is one like others',
  );
  t.match(await elsewhere.error('SHOW POOLS'), { errno: 1064 });
  const refused = await world.connect({ database: 'mybouncer' }).catch((error: unknown) => error);
  t.match(refused, { errno: 1044 }, 'for others it is a schema of the server, and there is none');
  await elsewhere.end();
  await console.end();
}

async function views(t: Test, world: ProxiedUser): Promise<void> {
  const console = await admin(world);
  const [holder, waiter] = [await world.connect(), await world.connect()];
  const idle = await world.connect({ connectAttributes: { _pid: '4711', program_name: 'shop' } });
  const second = await world.connect();
  await holder.run('BEGIN');
  await holder.run('CREATE TABLE held(v INT)');
  await holder.run('BEGIN');
  await holder.run('INSERT INTO held VALUES (4711)');
  await second.run('CREATE TEMPORARY TABLE mine(v INT)');
  const waits = waiter.value('SELECT 1');
  await eventually('one waits', async () => (await console.rows('SHOW WAITERS')).length === 1);
  const session = await sessionOf(holder);
  t.match(await console.rows('SHOW WAITERS'), [
    { id: waiter.id, state: 'waiting', user: world.user.user, link: null },
  ]);
  const clients = await console.rows('SHOW CLIENTS');
  t.equal(clients.length, 4);
  t.match(
    clients.find(({ id }) => id === holder.id),
    {
      state: 'held',
      database: world.schema,
      addr: '127.0.0.1',
      link: session,
      holds: 'transaction',
      wait: 0,
    },
  );
  t.match(
    clients.find(({ id }) => id === idle.id),
    {
      state: 'idle',
      link: null,
      holds: '',
      wait: 0,
      wait_us: 0,
      remote_pid: '4711',
      application_name: 'shop',
    },
  );
  const pools = await console.rows('SHOW POOLS');
  t.match(
    pools.find(({ pool }) => String(pool).endsWith('/schema')),
    { user: world.user.user, cl_waiting: 1, sv_active: 0, sv_held: 2, sv_idle: 0, pool_mode: 'transaction' },
  );
  const servers = await console.rows('SHOW SERVERS');
  t.equal(servers.length, 2);
  t.match(
    servers.find(({ id }) => id === session),
    { link: holder.id, state: 'held', holds: 'transaction', prepared_statements: 0 },
  );
  t.match(
    (await console.rows('SHOW HOLDS'))
      .map(({ client, reason, statement }) => ({ client, reason, statement }))
      .sort((a, b) => (a.reason < b.reason ? -1 : 1)),
    [
      { client: second.id, reason: 'temporary_table', statement: /CREATE TEMPORARY TABLE mine/i },
      { client: holder.id, reason: 'transaction', statement: /BEGIN/i },
    ],
  );
  await holder.run('COMMIT');
  t.equal(await waits, 1);
  const stats = await console.rows('SHOW STATS');
  t.ok(Number(stats.find(({ name }) => name === 'commands')?.['value']) >= 7);
  t.equal(stats.find(({ name, kind }) => name === 'holds' && kind === 'temporary_table')?.['value'], 1);
  t.match(
    (await console.rows('SHOW USERS')).sort((a, b) => (a['admin'] < b['admin'] ? -1 : 1)),
    [
      { name: world.user.user, server_user: world.user.user, clients: 4, admin: 'no', max_client_conn: null },
      { name: 'operator', server_user: world.user.user, clients: 0, admin: 'yes' },
    ],
  );
  const config = await console.rows('SHOW CONFIG');
  t.strictSame(
    config.map(({ key }) => key),
    [...KEY_NAMES],
  );
  const value = (key: string): unknown => config.find((row) => row['key'] === key)?.['value'];
  t.equal(value('pool_size'), '2');
  t.equal(value('query_wait_timeout'), '50s');
  t.equal(value('max_packet_size'), '1GiB');
  t.equal(value('admin_users'), 'operator');
  t.match(value('upstream'), /^mysql:\/\/[^:]+:\[secret\]@127\.0\.0\.1:/);
  t.notMatch(JSON.stringify(config), ADMIN.password);
  t.match(await console.rows('SHOW FLEET'), [{ share: 2, pool_size: 2 }]);
  t.match(await console.rows('SHOW VERSION'), [{ version: /^\d+\./, server_version: /^\d+\./ }]);
  await idle.run("SET time_zone='+04:00'");
  const profiles = await console.rows('SHOW PROFILES');
  t.match(
    profiles.find(({ variables }) => String(variables).includes('time_zone')),
    { schema: world.schema, clients: 1, variables: /time_zone='?\+04:00/ },
  );
  const help = (await console.rows('HELP')).map(({ command }) => String(command));
  for (const command of help.filter((text) => text.startsWith('SHOW')))
    t.ok(Array.isArray(await console.rows(command.replace(/ \[.*/, ''))), command);
  for (const one of [console, holder, idle, waiter, second]) await one.end();
}

async function questions(t: Test, world: ProxiedUser): Promise<void> {
  const console = await admin(world);
  t.strictSame(
    [
      ...(await console.rows("SELECT @@version_comment AS c, @@session.autocommit, 'x' `y z`, 1 LIMIT 1")),
    ].map((row) => ({ ...row })),
    [{ c: 'MyBouncer admin console', '@@session.autocommit': 1, 'y z': 'x', '1': 1 }],
  );
  t.match(await console.value('SELECT VERSION()'), /^\d+\.\d+/);
  t.match(await console.rows("SHOW VARIABLES LIKE 'lower_case_%'"), [
    { Variable_name: 'lower_case_table_names', Value: '0' },
  ]);
  t.ok((await console.rows('SHOW VARIABLES')).length > 20);
  for (const sql of [
    'SHOW WARNINGS',
    'SHOW STATUS',
    'SHOW ENGINES',
    'SHOW COLLATION',
    'SHOW CHARACTER SET',
    'SHOW PLUGINS',
    'SHOW FULL TABLES',
  ])
    t.strictSame(await console.rows(sql), [], sql);
  t.strictSame(
    [...(await console.rows('SHOW DATABASES'))].map((row) => ({ ...row })),
    [{ Database: 'mybouncer' }],
  );
  for (const sql of [
    'SET NAMES utf8mb4',
    'SET autocommit=0',
    'SET character_set_results = NULL',
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
    "SET @@session.sql_mode='ANSI'",
    'SET @a = 1',
    'START TRANSACTION',
    'COMMIT',
    'ROLLBACK;',
    'use mybouncer',
  ])
    t.match(await console.run(sql), { affectedRows: 0 }, sql);
  await console.connection.ping();
  await console.connection.reset();
  t.equal(await console.value('SELECT 1;'), 1);
  await console.end();
}

async function refusals(t: Test, world: ProxiedUser): Promise<void> {
  const console = await admin(world);
  for (const [sql, errno, sqlState, text] of [
    [
      'INSERT INTO t VALUES(1)',
      1064,
      '42000',
      /^'INSERT': this is the admin console of mybouncer, .*HELP lists them$/,
    ],
    ['SHOW nothing', 1064, '42000', /^SHOW nothing: /],
    ['SHOW POOLS please', 1064, '42000', /^SHOW POOLS please: /],
    ['SELECT * FROM pools', 1064, '42000', /^'\*' in a SELECT: /],
    ['SELECT 1 FROM pools', 1064, '42000', /^a SELECT of more than values, near 'FROM': /],
    ['SELECT @@nothing', 1193, 'HY000', /^Unknown system variable 'nothing'$/],
    ['SET nothing = 1', 1193, 'HY000', /^Unknown system variable 'nothing'$/],
    ['USE shop', 1049, '42000', /^Unknown database 'shop': the console has only mybouncer$/],
    ['KILL 5', 1064, '42000', /^KILL takes CLIENT and an id/],
    ['KILL CLIENT 5', 1094, 'HY000', /^Unknown thread id: 5$/],
    ['RESTART now', 1064, '42000', /^RESTART takes no words/],
    ['RESTART', 1235, '42000', /^RESTART needs master: on/],
    ['SHUTDOWN now', 1064, '42000', /^SHUTDOWN takes WAIT_FOR_CLIENTS or nothing/],
    [';', 1064, '42000', /^an empty statement: /],
  ] as const) {
    const error = await console.error(sql);
    t.match(error, { errno, sqlState }, sql);
    t.match(error.message, text, sql);
  }
  t.match(await console.connection.execute('SELECT 1').catch((error: unknown) => error), { errno: 1295 });
  t.equal(await console.value('SELECT 2'), 2, 'and goes on');
  t.match(await console.error(`SELECT '${'x'.repeat(70_000)}'`), { errno: 1153, sqlState: '08S01' });
  await eventually('that one is closed', async () => {
    const gone = await console.connection.ping().catch(() => 'gone');
    return gone === 'gone';
  });
  t.equal(world.proxy.exitCode, null);
}

async function killClient(t: Test, world: ProxiedUser): Promise<void> {
  const console = await admin(world);
  const [holder, second, other] = [await world.connect(), await world.connect(), await world.connect()];
  await holder.run('BEGIN');
  await second.run('BEGIN');
  await holder.value('SELECT 1');
  await second.value('SELECT 1');
  const waits = other.value('SELECT 1');
  await eventually('it waits', async () => (await console.rows('SHOW WAITERS')).length === 1);
  await console.run(`KILL CLIENT ${holder.id}`);
  t.equal(await waits, 1, 'its session serves others');
  t.match(await holder.connection.ping().catch((error: unknown) => error), Error);
  t.match(
    (await console.rows('SHOW CLIENTS')).map(({ id }) => id),
    [second.id, other.id],
  );
  await second.end();
  await other.end();
  await console.end();
}

async function reconnect(t: Test, world: ProxiedUser): Promise<void> {
  const console = await admin(world);
  const [holder, other] = [await world.connect(), await world.connect()];
  await holder.run('BEGIN');
  const [held, idle] = [await sessionOf(holder), await sessionOf(other)];
  await console.run('RECONNECT');
  const after = await sessionOf(other);
  t.not(after, idle, 'an idle one is closed at once');
  t.equal(await sessionOf(holder), held, 'a transaction keeps its own');
  await holder.run('COMMIT');
  await eventually('it is closed, too', async () => {
    const ids = (await console.rows('SHOW SERVERS')).map(({ id }) => id);
    return !ids.includes(held) && !ids.includes(idle);
  });
  t.equal(await holder.value('SELECT 7'), 7);
  t.equal(await other.value('SELECT 7'), 7);
  t.equal(await world.proxy.settled(2, 'mybouncer_server_sessions_closed_total', 'reason="reconnect"'), 2);
  for (const one of [console, holder, other]) await one.end();
}

async function settings(t: Test, world: ProxiedUser): Promise<void> {
  const console = await admin(world);
  const level = async (): Promise<unknown> =>
    (await console.rows('SHOW CONFIG')).find((row) => row['key'] === 'log_level')?.['value'];
  const before = String(await level());
  const client = await world.connect();
  await console.run("SET log_level = 'fatal'");
  t.equal(await level(), 'fatal');
  const lines = world.proxy.lines.length;
  await console.run(`KILL CLIENT ${client.id}`);
  t.equal(world.proxy.lines.length, lines, 'nothing is said of it');
  await console.run(`SET log_level = ${before};`);
  t.equal(await level(), before);
  for (const [sql, errno, text] of [
    ['SET log_level = loud', 1231, /^log_level: "loud" is not one of fatal, error, warn, /],
    ['SET log_level', 1064, /^SET log_level takes = and a value: /],
    ['SET listen = 127.0.0.1:0', 1238, /^listen cannot be changed while the proxy runs: /],
    ['SET users = x', 1238, /^users cannot be changed while the proxy runs: /],
    ['SET query_timeout = 5', 1231, /^query_timeout: "5" is not a duration/],
    ['SET tls_cert = nowhere', 1231, /^tls_cert: needs tls_key as well/],
    ['RECONNECT now', 1105, /^Unknown server 'now': there is [^ ]+:\d+$/],
  ] as const) {
    const error = await console.error(sql);
    t.match(error, { errno }, sql);
    t.match(error.message, text, sql);
  }
  await console.end();
}

async function shutdown(t: Test, server: TestServer): Promise<void> {
  const world = await administered(t, server);
  const [console, client] = [await admin(world), await world.connect()];
  await client.run('BEGIN');
  await console.run('SHUTDOWN WAIT_FOR_CLIENTS');
  t.equal(await client.value('SELECT 1'), 1, 'a transaction may finish');
  await client.run('COMMIT');
  t.equal(await world.proxy.ended(), 0);
  const again = await administered(t, server);
  const [hurried, cut] = [await admin(again), await again.connect()];
  await cut.run('BEGIN');
  await hurried.run('SHUTDOWN');
  t.equal(await again.proxy.ended(), 0, 'at once, but cleanly');
  await eventually('nothing is left on the server', async () => (await again.sessions()).length === 0);
}
