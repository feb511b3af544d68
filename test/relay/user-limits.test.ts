import { join } from 'node:path';
import t from 'tap';
import { toldToSomebody } from '../support/own-error.js';
import { eventually } from '../support/proxied.js';
import { ProxiedUser } from '../support/proxied-user.js';
import { startProxy } from '../support/proxy.js';
import { loginOf, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';
import { login } from './support/login.js';

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const user = await server.createUser();
  const own = `password: app, server_user: ${user.user}, server_password: ${user.password}`;
  const folder = t.testdir({
    'mybouncer.yaml': `
pool_size: 3
query_timeout: 20s
users:
  - {name: web, ${own}, query_timeout: 1s, idle_transaction_timeout: 1s, max_client_conn: 2}
  - {name: reports, ${own}, query_timeout: 0, transaction_timeout: 2s}
`,
  });
  const flags = ['--config', join(folder, 'mybouncer.yaml')];
  const proxy = await startProxy(t, { upstream: user.url(schema), flags });
  const world = new ProxiedUser(t, server, proxy, schema, user);
  const as = { user: 'web', password: 'app' };
  const loginAs = (name: string): Promise<RawClient> =>
    RawClient.login(loginOf(proxy.url, { user: name, password: 'app' }));

  await t.test('times of its own, and those of all where it has none', async (t) => {
    const [web, reports, plain] = [
      await world.connect(as),
      await world.connect({ user: 'reports', password: 'app' }),
      await world.connect(),
    ];
    const slow = Promise.all([reports, plain].map((client) => client.value('SELECT SLEEP(2.5)')));
    t.match(await web.error('SELECT SLEEP(30)'), { errno: 1317, message: /the 1s of query_timeout/ });
    t.strictSame(await slow, [0, 0]);
    await reports.run('BEGIN');
    t.match(await reports.error('SELECT SLEEP(30)'), {
      errno: 1317,
      message: /the 2s of transaction_timeout/,
    });
    await reports.run('ROLLBACK');
    for (const client of [web, reports, plain]) await client.end();
  });

  const limit = {
    errno: 1226,
    sqlState: '42000',
    message: toldToSomebody(
      "mybouncer: User 'web' has exceeded the 'max_client_conn' resource (current value: 2)",
    ),
  };

  await t.test('max_client_conn of a user: 1226, for logins and changes of user', async (t) => {
    await eventually('all have gone', async () => (await proxy.metric('mybouncer_clients')) === 0);
    const [first, second] = [await loginAs('web'), await loginAs('web')];
    await t.rejects(loginAs('web'), limit);
    const other = await world.connect();
    await t.rejects(other.connection.changeUser({ ...as, database: schema }), limit);
    t.equal(await first.value('SELECT 7'), '7');
    first.destroy();
    const third = await eventually1(() => loginAs('web'));
    await t.rejects(loginAs('web'), limit);
    third.destroy();
    const leaver = await eventually1(async () => {
      const one = await world.connect({ user: 'reports', password: 'app' });
      await one.connection.changeUser({ ...as, database: schema });
      return one;
    });
    await t.rejects(loginAs('web'), limit, 'who has become this user has taken its place');
    await leaver.connection.changeUser({ user: 'reports', password: 'app', database: schema });
    const fourth = await loginAs('web');
    await t.rejects(loginAs('web'), limit, 'who has become somebody else has left it');
    await leaver.end();
    fourth.destroy();
    second.destroy();
    const free = await login(t, proxy.url);
    t.equal(await free.value('SELECT 8'), '8', 'the others have no such limit');
  });

  await t.test('nothing is left of it', async (t) => {
    const reports = await world.connect({ user: 'reports', password: 'app' });
    for (let round = 0; round < 5; round++) {
      const one = await eventually1(() => loginAs('web'));
      const two = await eventually1(() => loginAs('web'));
      one.destroy();
      two.destroy();
    }
    t.equal(await reports.value('SELECT 9'), 9);
    t.ok((await world.sessions()).length <= 5, 'three of the pool, two of its own');
  });
});

/** As soon as there is a place: that of one who has left is free when its socket is closed. */
async function eventually1<T>(attempt: () => Promise<T>): Promise<T> {
  let found: { readonly one: T } | null = null;
  await eventually('there is a place', async () => {
    found = await attempt().then(
      (one) => ({ one }),
      () => null,
    );
    return found !== null;
  });
  if (found === null) throw new TypeError('found and lost');
  return (found as { readonly one: T }).one;
}
