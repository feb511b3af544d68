import { writeFile } from 'node:fs/promises';
import type { RowDataPacket } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { sessionOf } from '../support/proxied-user.js';
import { forEachServer } from '../support/servers.js';
import { applied, errorOf, type Reloading, reloading } from './reloading.js';

await forEachServer(
  t,
  async (t, server) => {
    const world = await reloading(t, server, { pool_size: '3' }, { env: { MYBOUNCER_QUERY_TIMEOUT: '50s' } });
    const alone = async (what: string, run: (t: Test, world: Reloading) => Promise<void>): Promise<void> => {
      await t.test(what, async (t) => {
        await run(t, world);
        await world.leave();
      });
    };
    await alone('RELOAD tells what has changed and what needs a restart', told);
    await alone('a file with mistakes changes nothing', mistaken);
    await alone('SIGHUP', hangUp);
    await alone('SET lasts until RELOAD', setting);
    await alone('users', users);
    await alone('a password that is changed on the server as well', changedPassword);
  },
  { flavors: ['mariadb'] },
);

function plain(rows: readonly RowDataPacket[]): Record<string, unknown>[] {
  return rows.map((row) => ({ ...row }));
}

async function told(t: Test, world: Reloading): Promise<void> {
  const console = await world.admin();
  t.strictSame(await console.rows('RELOAD'), [], 'nothing has changed');
  const changes = await world.reload(console, {
    pool_size: '4',
    query_timeout: '7s',
    listen: '127.0.0.1:1',
    fork_guard: 'off',
    on_unsafe: '{xa: warn}',
    unix_socket_mode: '0660',
  });
  t.strictSame(
    plain(changes).filter(({ key }) => key !== 'on_unsafe'),
    [
      { key: 'unix_socket_mode', old: '0777', new: '0660', effect: 'needs restart' },
      { key: 'fork_guard', old: 'auto', new: 'off', effect: 'needs restart' },
      { key: 'pool_size', old: '3', new: '4', effect: 'applied' },
    ],
    'flags and environment still beat the file',
  );
  t.match(
    changes.find(({ key }) => key === 'on_unsafe'),
    { old: 'hold', effect: 'applied' },
  );
  const config = await console.rows('SHOW CONFIG');
  const row = (name: string): unknown => config.find(({ key }) => key === name);
  t.match(row('pool_size'), {
    value: '4',
    default: '20',
    changeable: 'yes',
    source: /mybouncer\.yaml:\d+:\d+$/,
  });
  t.match(row('query_timeout'), { value: '50s', changeable: 'yes', source: 'env MYBOUNCER_QUERY_TIMEOUT' });
  t.match(row('fork_guard'), { value: 'auto', changeable: 'no' });
  t.match(row('listen'), { source: '--listen' });
  t.match(row('max_waiting'), { source: 'default' });
  t.match(await console.rows('RELOAD'), [
    { key: 'unix_socket_mode', effect: 'needs restart' },
    { key: 'fork_guard', effect: 'needs restart' },
  ]);
  t.match(await console.error('RELOAD now'), { errno: 1064, message: /^RELOAD takes no words/ });
}

async function mistaken(t: Test, world: Reloading): Promise<void> {
  const console = await world.admin();
  await world.reload(console, { pool_size: '3' });
  await world.write({ pool_size: 'many', query_wait_timeout: '1s', nonsense: '1' });
  const error = await console.error('RELOAD');
  t.match(error, { errno: 1105 });
  t.match(error.message, /mybouncer\.yaml:\d+:\d+: pool_size: "many" is /);
  t.match(error.message, /^.*mybouncer\.yaml:\d+:\d+: nonsense: is not a known key$/m);
  await writeFile(world.file, 'users: [');
  t.match(await console.error('RELOAD'), { errno: 1105, message: /mybouncer\.yaml:1:/ });
  const config = await console.rows('SHOW CONFIG');
  t.equal(config.find(({ key }) => key === 'query_wait_timeout')?.['value'], '5s', 'all or nothing');
  t.equal(await (await world.connect()).value('SELECT 1'), 1);
}

async function hangUp(t: Test, world: Reloading): Promise<void> {
  const count = (msg: string): number => world.proxy.lines.filter((line) => line.msg === msg).length;
  const anew = 'configuration read anew';
  const bad = 'the configuration that was read anew cannot be used: nothing has changed';
  const [reloads, refusals] = [count(anew), count(bad)];
  await world.write({ pool_size: '2', users: '1' });
  world.proxy.signal('SIGHUP');
  await eventually('it is refused', () => count(bad) === refusals + 1);
  t.match(world.proxy.lines.filter(({ msg }) => msg === bad).at(-1), { level: 'error', error: /users: / });
  t.equal(await world.proxy.metric('mybouncer_pool_size'), 3);
  await world.write({ pool_size: '2' });
  world.proxy.signal('SIGHUP');
  await eventually('it is read', () => count(anew) === reloads + 1);
  t.match(world.proxy.lines.filter(({ msg }) => msg === anew).at(-1), {
    level: 'info',
    changes: [{ key: 'pool_size', old: '3', new: '2', effect: 'applied' }],
  });
  t.equal(await world.proxy.metric('mybouncer_pool_size'), 2);
}

async function setting(t: Test, world: Reloading): Promise<void> {
  const console = await world.admin();
  await world.reload(console, { pool_size: '2' });
  const of = async (name: string) => {
    const row = (await console.rows('SHOW CONFIG')).find(({ key }) => key === name);
    return `${row?.['value']} ${row?.['source']}`;
  };
  for (const [sql, key, value] of [
    ['SET pool_size = 5', 'pool_size', '5'],
    ["SET query_timeout = '1m30s';", 'query_timeout', '1m30s'],
    ['SET max_held = 80%', 'max_held', '80%'],
    ['SET admin_users = operator, second', 'admin_users', 'operator, second'],
    ['SET max_waiting=9', 'max_waiting', '9'],
  ] as const) {
    await console.run(sql);
    t.equal(await of(key), `${value} SET`, sql);
  }
  await console.run('SET on_unsafe = xa=warn');
  t.match(await of('on_unsafe'), /"xa":"warn".* SET$/);
  t.equal(await world.proxy.metric('mybouncer_pool_size'), 5);
  for (const [sql, message] of [
    ['SET pool_size = 0', /^pool_size: "?0"? is /],
    ['SET query_timeout = soon', /^query_timeout: "soon" is not /],
    ['SET on_unsafe = nothing=warn', /^on_unsafe: /],
  ] as const)
    t.match(await console.error(sql), { errno: 1231, message }, sql);
  const changes = await console.rows('RELOAD');
  t.match(
    changes.find(({ key }) => key === 'pool_size'),
    { old: '5', new: '2', effect: 'applied' },
  );
  t.match(
    changes.find(({ key }) => key === 'query_timeout'),
    { old: '1m30s', new: '50s' },
  );
  t.equal(await of('query_timeout'), '50s env MYBOUNCER_QUERY_TIMEOUT');
  t.equal(await of('max_waiting'), '0 default');
  await world.proxy.logged('configuration changed by SET');
}

async function users(t: Test, world: Reloading): Promise<void> {
  const console = await world.admin();
  const server = `server_user: ${world.user.user}, server_password: ${world.user.password}`;
  const login = { user: 'worker', password: 'Pw-one-77' };
  await world.reload(console, {}, `  - {name: worker, password: Pw-one-77, ${server}}`);
  const client = await world.connect(login);
  await client.run('CREATE TEMPORARY TABLE mine(v INT)');
  const session = await sessionOf(client);
  t.strictSame(plain(await world.reload(console, {}, `  - {name: worker, password: Pw-two-77, ${server}}`)), [
    {
      key: 'users[worker]',
      old: `password [secret], server_user ${world.user.user}`,
      new: `password [secret], server_user ${world.user.user} (another secret)`,
      effect: 'applied',
    },
  ]);
  t.match(await errorOf(world.connect(login)), { errno: 1045 });
  const other = await world.connect({ ...login, password: 'Pw-two-77' });
  t.equal(await sessionOf(client), session, 'who is there stays');
  const limited = `  - {name: worker, password: Pw-two-77, ${server}, max_client_conn: 1, query_timeout: 1s}`;
  t.match(await world.reload(console, {}, limited), [{ new: /, query_timeout 1s, max_client_conn 1$/ }]);
  t.match(await client.error('SELECT SLEEP(60)'), { errno: 1317 }, 'limits are for those who are there, too');
  t.match(await world.reload(console, {}), [{ key: 'users[worker]', new: '', effect: 'applied' }]);
  t.match(await errorOf(world.connect({ ...login, password: 'Pw-two-77' })), { errno: 1045 });
  t.equal(await client.value('SELECT COUNT(*) FROM mine'), 0, 'who is gone from the list may stay');
  t.equal(await other.value('SELECT 1'), 1);
  t.notMatch(
    (await console.rows('SHOW USERS')).map(({ name }) => name),
    ['worker'],
  );
  t.notMatch(world.proxy.logs.join('\n'), /Pw-|of the pool/);
}

async function changedPassword(t: Test, world: Reloading): Promise<void> {
  const console = await world.admin();
  const { user, password } = await world.server.createUser();
  const entry = (secret: string): string => `  - {name: ${user}, password: ${secret}}`;
  await world.reload(console, {}, entry(password));
  const client = await world.connect({ user, password });
  await client.run('BEGIN');
  const session = await sessionOf(client);
  await world.server.query(`ALTER USER '${user}'@'%' IDENTIFIED BY 'another'`);
  t.match(await world.reload(console, {}, entry('another')), [applied(`users[${user}]`)]);
  t.equal(await sessionOf(client), session, 'an open session stays');
  await client.run('COMMIT');
  const second = await world.connect({ user, password: 'another' });
  await client.run('BEGIN');
  await client.value('SELECT 1');
  t.not(await sessionOf(second), session, 'a new one is opened with the new password');
  const pools = (await console.rows('SHOW POOLS')).filter((row) => row['user'] === user);
  t.notMatch(pools.map(({ pool }) => pool).join(), '#', 'and is of the same pools');
  await client.run('COMMIT');
  t.equal(await second.value('SELECT USER()').then((name) => String(name).split('@')[0]), user);
}
