import { userInfo } from 'node:os';
import t from 'tap';
import { APP_PASSWORD, APP_USER, forEachPrivateServer, forEachServer } from '../support/servers.js';
import { denied, passThrough } from './support/guests.js';

await forEachServer(t, async (t, server) => {
  const proxy = await passThrough(t, server);

  await t.test('what the server refuses is told in its words', async (t) => {
    const expired = await server.createUser();
    await server.query(`ALTER USER '${expired.user}'@'%' PASSWORD EXPIRE`);
    // MariaDB lets it in, to set another one.
    const expiry = server.isMysql
      ? { errno: 1862, message: /password has expired/ }
      : { errno: 1820, message: /You must SET PASSWORD/ };
    t.match(await proxy.refusal(expired), expiry);

    const busy = await server.createUser();
    const limit = 'WITH MAX_USER_CONNECTIONS 1';
    await server.query(`ALTER USER '${busy.user}'@'%' ${limit}`);
    const direct = await proxy.direct({ user: busy.user, password: busy.password });
    t.match(await proxy.refusal(busy), { errno: 1226, sqlState: '42000', message: /max_user_connections/ });
    t.same(await proxy.refusal({ ...busy, password: 'wrong' }), denied(busy.user));
    await direct.end();
  });
});

await forEachPrivateServer(t, async (t, server) => {
  const user = await server.createUser();

  await t.test('a server that is not there', async (t) => {
    const proxy = await passThrough(t, server, ['--server-connect-timeout', '20s']);
    await server.kill('SIGTERM');
    const refusal = await proxy.refusal(user);
    t.match(refusal, { errno: 1429, sqlState: 'HY000', message: /^mybouncer: Can't connect to server/ });
    await server.start();
    t.equal(await (await proxy.as(user)).value('SELECT 1'), 1);
    // MySQL has forgotten the passwords that it knew: only the password itself will do.
    await server.restart();
    t.equal(await (await proxy.as(user)).value('SELECT 1'), 1, 'nobody is asked again after a restart');
  });

  await t.test('an account for which the server asks the system', async (t) => {
    if (server.isMysql) return;
    const { username } = userInfo();
    await server.query(
      `CREATE OR REPLACE USER '${username}'@'localhost' IDENTIFIED VIA mysql_native_password USING PASSWORD('right') OR unix_socket`,
    );
    const upstream = `mysql://${APP_USER}:${APP_PASSWORD}@localhost/app?socket=${encodeURIComponent(server.socketPath)}`;
    const proxy = await passThrough(t, server, [], upstream);
    // What it proves is held against the account's hash here, whatever the server says.
    t.match(
      await proxy.refusal({ user: username, password: 'right' }),
      { errno: 1044 },
      'but for the schema',
    );
    for (const password of ['wrong', ''])
      t.same(
        await proxy.refusal({ user: username, password }),
        denied(username, password === '' ? 'NO' : 'YES'),
      );
    const client = await proxy.as(user);
    t.equal(await client.value('SELECT 1'), 1, 'others log in over it');
  });
});
