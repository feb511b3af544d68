import t from 'tap';
import { eventually } from '../support/proxied.js';
import { sessionOf } from '../support/proxied-user.js';
import { forEachServer } from '../support/servers.js';
import { proxyWithUsers, told } from './support.js';

await forEachServer(t, async (t, server) => {
  const world = await proxyWithUsers(
    t,
    server,
    ({ user, password }) => `
pool_size: 2
failed_login_limit: 1
users:
  - {name: first, password: x, server_user: ${user}, server_password: ${password}}
  - {name: second, password: y, server_user: ${user}, server_password: ${password}}
  - {name: astray, password: z, server_user: ${user}, server_password: not ${password}}
`,
  );

  await t.test('users of one server account share its sessions', async (t) => {
    const clients = [
      await world.connect({ user: 'first', password: 'x' }),
      await world.connect({ user: 'second', password: 'y' }),
      await world.connect(),
    ];
    const ids: number[] = [];
    for (const client of clients) ids.push(await sessionOf(client));
    t.equal(new Set(ids).size, 1, 'each in its turn has the same session');
    t.equal(await world.proxy.settled(1, 'mybouncer_server_sessions'), 1);
    const who = await Promise.all(clients.map((client) => client.value('SELECT CURRENT_USER()')));
    t.equal(new Set(who).size, 1);
    for (const client of clients) await client.end();
  });

  await t.test('a user whose server password is wrong has no part in them', async (t) => {
    t.match(await world.tried('astray', 'z'), /^1045 28000 mybouncer: Access denied for user 'u_/);
    t.equal(await world.tried('first', 'x'), 'in', 'and takes nothing from others');
  });

  await t.test('a change of user is checked as a login is, and denied as late', async (t) => {
    const wrong: string[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await world.connect({ user: 'first', password: 'x' });
      await client.connection
        .changeUser({ user: i === 2 ? 'nobody' : 'second', password: 'x' })
        .catch((error: unknown) => wrong.push(told(error)));
      // MySQL ends the connection, MariaDB lets it go on as it was.
      if (!server.isMysql) t.equal(await client.value('SELECT 42'), 42);
      client.destroy();
    }
    const denied = (name: string): string =>
      `1045 28000 Access denied for user '${name}'@'127.0.0.1' (using password: YES)`;
    t.strictSame(wrong, [denied('second'), denied('second'), denied('nobody')]);
    const said = () => world.proxy.lines.filter(({ msg }) => msg === 'change of user denied');
    await eventually('each is in the log', () => said().length >= 3);
    t.match(said(), [
      { user: 'second', errno: 1045, reason: 'wrong_password' },
      { user: 'second', errno: 1045, reason: 'wrong_password' },
      { user: 'nobody', errno: 1045, reason: 'unknown_user' },
    ]);
    const right = await world.connect({ user: 'first', password: 'x' });
    await right.connection.changeUser({ user: 'second', password: 'y' });
    t.equal(await right.value('SELECT 42'), 42);
    await right.end();
  });

  await t.test('logins are counted by how they ended', async (t) => {
    const logins = (outcome: string, expected = 0): Promise<number> =>
      world.proxy.settled(expected, 'mybouncer_logins_total', `outcome="${outcome}"`);
    const now = (outcome: string): Promise<number> =>
      world.proxy.metric('mybouncer_logins_total', `outcome="${outcome}"`);
    const [accepted, denied] = [await now('accepted'), await now('denied')];
    t.equal(await world.tried('first', 'x'), 'in');
    t.match(await world.tried('first', 'not x'), /^1045 /);
    t.equal(await logins('accepted', accepted + 1), accepted + 1);
    t.equal(await logins('denied', denied + 1), denied + 1);
    t.equal(await logins('turned_away'), 0);
  });
});
