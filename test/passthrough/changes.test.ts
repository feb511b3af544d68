import t from 'tap';
import { eventually } from '../support/proxied.js';
import { forEachServer, type TestServer, type TestUser } from '../support/servers.js';
import { denied, passThrough } from './support/guests.js';

async function setPassword(server: TestServer, { user }: TestUser, password: string): Promise<TestUser> {
  await server.query(`ALTER USER '${user}'@'%' IDENTIFIED BY '${password}'`);
  return { user, password, url: () => '' };
}

/** Ends all sessions of a user, as a restart does. */
async function killSessions(server: TestServer, user: string): Promise<void> {
  for (const { id } of await server.sessions(user)) await server.query(`KILL ${id}`).catch(() => {});
  await eventually('its sessions are gone', async () => (await server.sessions(user)).length === 0);
}

await forEachServer(t, async (t, server) => {
  const proxy = await passThrough(t, server, ['--passthrough-expiry', '1h']);

  await t.test('a password that was changed', async (t) => {
    const before = await server.createUser({ password: 'first' });
    const { user } = before;
    const client = await proxy.as(before);
    t.equal(await client.value('SELECT 1'), 1);
    const after = await setPassword(server, before, 'second');
    t.equal(await (await proxy.as(before)).value('SELECT 2'), 2, 'the old one is remembered');
    t.equal(await (await proxy.as(after)).value('SELECT 3'), 3, 'the new one counts at once');
    await killSessions(server, user);
    t.equal(await client.value('SELECT 4'), 4, 'sessions for those who are logged in are opened with it');

    const last = await setPassword(server, before, 'third');
    await killSessions(server, user);
    const { errno } = await client.error('SELECT 5');
    t.equal(errno, 1045, 'the server has refused the one before');
    t.same(await proxy.refusal(after), denied(user), 'which is not remembered any longer');
    t.same(await proxy.refusal(before), denied(user));
    t.equal(await (await proxy.as(last)).value('SELECT 6'), 6);
    t.equal(await client.value('SELECT 7'), 7, 'the account goes on for those who were there');
  });

  await t.test('an account that was locked, and one that was dropped', async (t) => {
    const locked = await server.createUser();
    const dropped = await server.createUser();
    const clients = await Promise.all([proxy.as(locked), proxy.as(dropped)]);
    for (const client of clients) await client.value('SELECT 1');
    await server.query(`ALTER USER '${locked.user}'@'%' ACCOUNT LOCK`);
    await server.query(`DROP USER '${dropped.user}'@'%'`);
    t.equal(await clients[0].value('SELECT 1'), 1, 'sessions go on, as on the server');
    await killSessions(server, locked.user);
    await killSessions(server, dropped.user);
    const errno = server.isMysql ? 3118 : 4151;
    t.equal((await clients[0].error('SELECT 1')).errno, errno);
    t.equal((await clients[1].error('SELECT 1')).errno, 1045);
    t.match(await proxy.refusal(locked), { errno, message: /locked/ }, "in the server's words");
    t.same(await proxy.refusal(dropped), denied(dropped.user));
    await server.query(`ALTER USER '${locked.user}'@'%' ACCOUNT UNLOCK`);
    t.equal(await (await proxy.as(locked)).value('SELECT 1'), 1);
    t.equal(await clients[0].value('SELECT 1'), 1, 'a login tells that it is open again');
  });

  await t.test('what is remembered ends', async (t) => {
    const proxy = await passThrough(t, server, ['--passthrough-expiry', '1s']);
    const before = await server.createUser();
    const client = await proxy.as(before);
    t.equal(await client.value('SELECT 1'), 1);
    await setPassword(server, before, 'second');
    await eventually('the old password is refused', async () =>
      proxy.as(before).then(
        async (one) => {
          await one.end();
          return false;
        },
        ({ errno }) => errno === 1045,
      ),
    );
    t.equal(await client.value('SELECT 1'), 1, 'a client that is logged in stays so');
    await client.end();
    await eventually(
      'its sessions are closed',
      async () => (await server.sessions(before.user)).length === 0,
    );
    t.ok((await proxy.proxy.metric('mybouncer_server_sessions_closed_total', 'user_gone')) > 0);
  });
});
