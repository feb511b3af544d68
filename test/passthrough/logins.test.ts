import mariadb from 'mariadb';
import t from 'tap';
import { eventually } from '../support/proxied.js';
import { APP_PASSWORD, forEachServer } from '../support/servers.js';
import { denied, passThrough } from './support/guests.js';

await forEachServer(t, async (t, server) => {
  const proxy = await passThrough(t, server);
  const who = "SELECT SUBSTRING_INDEX(USER(), '@', 1)";

  await t.test('each on sessions of its own account', async (t) => {
    const users = await Promise.all([server.createUser(), server.createUser({ password: 'pässwörd €' })]);
    const clients = await Promise.all(users.map((user) => proxy.as(user)));
    for (const [i, { user }] of users.entries()) {
      t.equal(await clients[i]?.value(who), user);
      const sessions = await server.sessions(user);
      t.ok(sessions.length > 0, `${user} is in the process list`);
    }
    const app = await proxy.connect();
    t.equal(await app.value(who), 'app', 'the user of the configuration');
    const metrics = await (await fetch(`${proxy.proxy.http}/metrics`)).text();
    for (const { user } of users) t.notMatch(metrics, user, 'no series for each user');
  });

  await t.test('no password', async (t) => {
    const none = await server.createUser({ password: '' });
    const some = await server.createUser();
    const client = await proxy.as(none);
    t.equal(await client.value(who), none.user);
    t.same(await proxy.refusal({ user: some.user, password: '' }), denied(some.user, 'NO'));
    t.same(await proxy.refusal({ user: none.user, password: 'any' }), denied(none.user));
  });

  await t.test('a wrong password, and a user that the server has not: the same answer', async (t) => {
    const { user } = await server.createUser();
    t.same(await proxy.refusal({ user, password: 'gue55ed' }), denied(user));
    t.same(await proxy.refusal({ user: 'nobody_at_all', password: 'gue55ed' }), denied('nobody_at_all'));
    t.same(await proxy.refusal({ user: 'x'.repeat(200), password: 'gue55ed' }), denied('x'.repeat(200)));
    // Its password is the configuration's: the server is not asked.
    t.same(await proxy.refusal({ user: 'app', password: `${APP_PASSWORD}x` }), denied('app'));
    const secrets = proxy.proxy.logs.filter((line) => /gue55ed|pässwörd/.test(line));
    t.same(secrets, [], 'no password in the log');
  });

  await t.test('many at once', async (t) => {
    const user = await server.createUser();
    const clients = await Promise.all(Array.from({ length: 20 }, () => proxy.as(user)));
    for (const client of clients) t.equal(await client.value(who), user.user);
    await Promise.all(clients.map((client) => client.end()));
    const wrong = { user: user.user, password: 'gue55ed' };
    const refusals = await Promise.all(Array.from({ length: 20 }, () => proxy.refusal(wrong)));
    for (const refusal of refusals) t.same(refusal, denied(user.user));
  });

  await t.test('a client that does not give its password away', async (t) => {
    // MariaDB needs no more than its proof.
    if (!server.isMysql) return;
    const { user, password } = await server.createUser();
    const { port } = proxy.proxy;
    const error = await mariadb
      .createConnection({ host: '127.0.0.1', port, user, password, connectTimeout: 20_000 })
      .catch((refusal: unknown) => refusal);
    t.match(error, { errno: 45044, message: /allowPublicKeyRetrieval/ });
    const told = (): boolean =>
      proxy.proxy.lines.some(
        (line) => line['user'] === user && /list the user in users/.test(line.msg) && line.level === 'warn',
      );
    await eventually('the log says what to do', told);
  });

  await t.test('COM_CHANGE_USER', async (t) => {
    const users = await Promise.all([server.createUser(), server.createUser({ password: 'other' })]);
    const client = await proxy.connect();
    for (const { user, password } of [...users, ...users]) {
      await client.connection.changeUser({ user, password, database: proxy.schema });
      t.equal(await client.value(who), user);
    }
    await client.connection.changeUser({ user: 'app', password: APP_PASSWORD, database: proxy.schema });
    t.equal(await client.value(who), 'app');
    const change = client.connection.changeUser({ user: users[0].user, password: 'wrong' });
    await t.rejects(change, denied(users[0].user));
  });

  await t.test('a statement of a client that goes away is killed', async (t) => {
    const user = await server.createUser();
    const client = await proxy.as(user);
    const sleeping = async (): Promise<boolean> =>
      (await server.sessions(user.user)).some(({ info }) => info?.includes('SLEEP(100)') === true);
    client.run('SELECT SLEEP(100)').catch(() => {});
    await eventually('the statement runs', sleeping);
    client.destroy();
    await eventually('it has ended', async () => !(await sleeping()));
    const next = await proxy.as(user);
    t.equal(await next.value('SELECT 1'), 1);
  });
});
