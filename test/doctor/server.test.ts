import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import t from 'tap';
import { loadSettings } from '../../src/config/load.js';
import { examine } from '../../src/doctor/doctor.js';
import { listening, onward } from '../support/listening.js';
import { eventually } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { APP_USER, forEachPrivateServer, forEachServer, sharedServer } from '../support/servers.js';
import { examined, lonelyUser } from './support/examined.js';

await forEachServer(t, async (t, server) => {
  const { user, url } = await lonelyUser(server, 'ALL PRIVILEGES');
  const address = `${server.host}:${server.port}`;
  const maxConnections = Number(await server.variable('max_connections'));

  await t.test('a server as it should be', async (t) => {
    const found = await examined({ upstream: url, pool_size: '2' });
    t.strictSame(found.bad, []);
    t.match(found.get('server').text, `${address} answers`);
    t.match(found.get('version').text, server.isMysql ? /^MySQL \d+\.\d+/ : /^MariaDB \d+\.\d+/);
    t.match(found.get(`login ${user.user}`).text, /may log in/);
    const [, variables] = /the (\d+) that/.exec(found.get(`variables ${user.user}`).text) ?? [];
    t.ok(Number(variables) > 50);
    t.match(
      found.get('max_connections').text,
      new RegExp(`^max_connections is ${maxConnections}, .* may open 4 \\(pool_size 2, and 2 of its own\\)`),
    );
    t.match(
      found.get(`kill ${user.user}`).text,
      /may kill its own statements \(tried\); not those of others/,
    );
    t.match(found.get('definitions').text, /^0 routines, triggers and views seen/);
    t.match(
      found.get(`auth ${user.user}`).text,
      server.isMysql ? /logs in with caching_sha2_password$/ : /logs in with mysql_native_password$/,
    );
    t.notMatch(JSON.stringify(found.findings), /[*][0-9A-F]{40}|[$]A[$]/, 'no hash is told');
    await eventually('nothing stays behind', async () => (await server.sessions(user.user)).length === 0);
  });

  await t.test('by its unix socket', { skip: server.socketPath === null && 'it is elsewhere' }, async (t) => {
    const found = await examined({
      upstream: `mysql://${user.user}:${user.password}@unix(${server.socketPath})/`,
    });
    t.strictSame(found.bad, []);
  });

  await t.test('a wrong password', async (t) => {
    const found = await examined({ upstream: url.replace(':secret@', ':hunter2@') });
    t.strictSame(found.bad, [`fail login ${user.user}`]);
    t.equal(found.get('server').level, 'ok', 'it was reached nevertheless');
    t.match(found.get(`login ${user.user}`), {
      text: /Access denied .*\(1045\)$/,
      advice: /^Check user and password/,
    });
    t.notMatch(JSON.stringify(found.findings), /hunter2/);
  });

  await t.test('an account that is locked', async (t) => {
    const locked = await server.createUser();
    await server.query(`ALTER USER '${locked.user}'@'%' ACCOUNT LOCK`);
    const found = await examined({ upstream: locked.url() });
    t.match(found.get(`login ${locked.user}`).advice, /ACCOUNT UNLOCK$/);
  });

  await t.test('the accounts of other users', async (t) => {
    const other = await server.createUser();
    const file = join(
      t.testdir({
        'my.yaml': `users:
  - {name: one, password: x, server_user: ${other.user}, server_password: ${other.password}}
  - {name: two, password: y, server_user: ${other.user}, server_password: ${other.password}}
  - {name: three, password: hunter2, server_user: nobody, server_password: hunter2}
`,
      }),
      'my.yaml',
    );
    const found = await examined({ upstream: url, pool_size: '2' }, file);
    t.match(found.get('configuration').text, /4 users .* 3 accounts$/);
    t.match(found.get('max_connections').text, /may open 8 \(pool_size 2, and 6 of its own\)/);
    t.equal(found.get(`kill ${other.user}`).level, 'ok');
    t.equal(found.get('login nobody').level, 'fail');
    t.notMatch(JSON.stringify(found.findings), /hunter2/);
  });

  await t.test('pool_size auto', async (t) => {
    const found = await examined({ upstream: server.url(), pool_size: 'auto', reserve: '7' });
    t.match(found.get('max_connections'), { level: 'ok' });
    t.match(
      found.get('max_connections').text,
      `with pool_size auto the pool has ${maxConnections - 9} sessions at most`,
    );
  });
  await t.test('max_connections too low for the pool', async (t) => {
    const found = await examined({
      upstream: url,
      pool_size: String(maxConnections - 1),
      max_prepared_statements: '20',
    });
    t.strictSame(found.bad, ['fail max_connections']);
    t.match(found.get('max_connections').advice, `Set pool_size to ${maxConnections - 2} at most`);
  });

  await t.test('connections that others have', async (t) => {
    const found = await examined({
      upstream: url,
      pool_size: String(maxConnections - 2),
      max_prepared_statements: '20',
    });
    // The administrator's own connection, at least.
    t.strictSame(found.bad, ['warn max_connections']);
    t.match(found.get('max_connections').text, /[1-9]\d* others? (is|are) open now$/);
  });

  await t.test('an account that may have few connections', async (t) => {
    const few = await server.createUser();
    await server.query(`ALTER USER '${few.user}'@'%' WITH MAX_USER_CONNECTIONS 5`);
    const about = `limits ${few.user}`;
    t.equal((await examined({ upstream: few.url(), pool_size: '3' })).get(about).level, 'ok');
    const found = await examined({ upstream: few.url(), pool_size: '4' });
    t.match(found.get(about), {
      level: 'fail',
      advice: 'Set pool_size to 3 at most, or the limit to 6 at least',
    });
  });

  await t.test('an account that may kill the statements of others', async (t) => {
    const root = await examined({ upstream: server.rootUrl });
    t.match(root.get('kill root').text, /with (CONNECTION.ADMIN|SUPER), those of others as well$/);
  });
});

t.test('a server that cannot be reached', async (t) => {
  const keys = { server_connect_timeout: '300ms' };
  const patient = { server_connect_timeout: '20s' };
  const nobody = await examined({ upstream: 'mysql://u:hunter2@127.0.0.1:1/', ...patient });
  t.strictSame(nobody.bad, ['fail server'], 'everything else about it is left out');
  t.match(nobody.get('server'), { text: /ECONNREFUSED/, advice: /^Is the server running/ });
  const noHost = await examined({ upstream: 'mysql://u:p@no-such-host.invalid/', ...keys });
  t.match(noHost.get('server'), { level: 'fail', advice: /^(Is the host name right|Does a firewall)/ });
  const mute = await listening(t, () => {});
  const silent = await examined({ upstream: `mysql://u:p@127.0.0.1:${mute.port}/`, ...keys });
  t.match(silent.get('server'), { level: 'fail', text: /no answer within 300 ms/, advice: /firewall/ });
  const foreign = await listening(t, (socket) => socket.end('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n'));
  const other = await examined({ upstream: `mysql://u:p@127.0.0.1:${foreign.port}/`, ...patient });
  t.strictSame(other.bad, ['fail server']);
  t.match(other.get('server').advice, /^(It has to be MySQL|Is the server running)/);
  const noSocket = await examined({ upstream: 'mysql://u:p@unix(/nowhere/mysqld.sock)/', ...patient });
  t.match(noSocket.get('server'), { level: 'fail', text: /ENOENT/ });
});

await forEachPrivateServer(
  t,
  async (t, server) => {
    await t.test('a wait_timeout that is too short', async (t) => {
      await server.query('SET GLOBAL wait_timeout = 4');
      const found = await examined({ upstream: server.url(), pool_size: '2' });
      await server.query('SET GLOBAL wait_timeout = 28800');
      t.match(found.get('wait_timeout'), { level: 'warn', text: /^wait_timeout is 4 s/ });
    });

    await t.test('settings that clients would trip over', async (t) => {
      const idle = server.isMysql ? [] : ['idle_transaction_timeout'];
      const set = async (values: readonly (readonly [string, string])[]): Promise<void> => {
        for (const [name, value] of values) await server.query(`SET GLOBAL ${name} = ${value}`);
      };
      const names = ['max_prepared_stmt_count', 'max_allowed_packet', 'init_connect', ...idle];
      const before = await Promise.all(names.map((name) => server.variable(name)));
      await set([
        ['max_prepared_stmt_count', '300'],
        ['max_allowed_packet', '65536'],
        ['init_connect', "'SET @who=1'"],
        ...idle.map((name) => [name, '30'] as const),
      ]);
      const found = await examined({ upstream: server.url(), pool_size: '2' });
      await set([['max_prepared_stmt_count', '0']]);
      const none = await examined({ upstream: server.url(), pool_size: '2' });
      await set(names.map((name, i) => [name, name === 'init_connect' ? "''" : (before[i] ?? '0')] as const));
      t.match(found.get('prepared'), {
        level: 'warn',
        text: /^max_prepared_stmt_count is 300, .* may keep 400 open/,
        advice:
          /^SET GLOBAL max_prepared_stmt_count = 800 on the server, or set max_prepared_statements: 150$/,
      });
      t.match(none.get('prepared'), { level: 'fail', text: /error 1461/ });
      t.match(found.get('max_allowed_packet'), { level: 'warn', advice: /= 16777216 on the server/ });
      t.match(found.get('init_connect'), { level: 'warn', advice: /SET GLOBAL init_connect = ''/ });
      t.match(
        found.get('server limits'),
        server.isMysql
          ? { level: 'ok', text: /neither/ }
          : {
              level: 'warn',
              advice:
                'Set idle_transaction_timeout: 28s, or SET GLOBAL idle_transaction_timeout = 0 on the server',
            },
      );
    });

    await t.test('no connection left', async (t) => {
      const few = await server.createUser();
      await server.query(`ALTER USER '${few.user}'@'%' WITH MAX_USER_CONNECTIONS 1`);
      const only = await createConnection(few.url());
      t.teardown(() => only.destroy());
      const found = await examined({ upstream: few.url(), pool_size: '1' });
      t.match(found.get(`login ${few.user}`), { level: 'fail', advice: /has no connection left/ });
    });

    await t.test('one connection is too few', async (t) => {
      const few = await server.createUser();
      await server.query(`ALTER USER '${few.user}'@'%' WITH MAX_USER_CONNECTIONS 1`);
      const found = await examined({ upstream: few.url(), pool_size: '1' });
      // MariaDB no longer counts a session that was reset, as the first one is.
      t.strictSame(found.bad, server.isMysql ? [`fail login ${few.user}`] : [`fail limits ${few.user}`]);
    });

    await t.test('a name that stands for all of its addresses', async (t) => {
      const { port } = server;
      const file = join(t.testdir({}), 'my.yaml');
      await writeFile(
        file,
        `servers: [{url: "mysql://${APP_USER}:secret@localhost:${port}/", addresses: all}]`,
      );
      const found = await examine(loadSettings({ flags: new Map(), configFile: file, env: {} }));
      t.ok(
        found.some(
          ({ about, level }) => level === 'ok' && about.startsWith(`localhost/127.0.0.1:${port}: login`),
        ),
      );
      // Longer than a name may be, so that nobody is asked for it.
      const nobody = `${'x'.repeat(64)}.invalid`;
      await writeFile(file, `servers: [{url: "mysql://${APP_USER}:secret@${nobody}/", addresses: all}]`);
      const unknown = await examine(loadSettings({ flags: new Map(), configFile: file, env: {} }));
      t.ok(unknown.some(({ about, level }) => level === 'fail' && about === `${nobody}:3306: name`));
    });

    await t.test('a balancer with two servers', async (t) => {
      const twin = await sharedServer(server.flavor);
      if (twin === null) throw new Error('the private server has no twin');
      t.teardown(() => twin.release());
      const address = await listening(t, (socket, serial) => {
        socket.pipe(onward(socket, serial % 2 === 0 ? server : twin)).pipe(socket);
      });
      const upstream = `mysql://${APP_USER}:secret@${address.host}:${address.port}/`;
      const found = await examined({ upstream, pool_size: '2' });
      t.match(found.get(`kill ${APP_USER}`), { level: 'fail', text: /lead to different servers/ });
    });
  },
  { timeout: 250_000 },
);

await forEachServer(t, async (t, server) => {
  await t.test('another MyBouncer as the server', async (t) => {
    const { user, url } = await lonelyUser(server, 'ALL PRIVILEGES');
    const inner = await startProxy(t, { upstream: url });
    const found = await examined({ upstream: inner.url, pool_size: '2' });
    t.match(found.get(`kill ${user.user}`), { level: 'warn', text: /connection ids of its own/ });
  });
});

await forEachPrivateServer(
  t,
  async (t, server) => {
    const found = await examined({ upstream: server.url(), pool_size: '2' });
    t.strictSame(found.bad, ['warn process list']);
    t.match(found.get('process list').advice, /performance_schema=ON$/);
  },
  { flavors: ['mysql'], extraArgs: ['--performance-schema=OFF'] },
);
