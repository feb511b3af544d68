import type { Connection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { proxiedUser } from '../support/proxied-user.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';

const MAX_CONNECTIONS = 10;

await forEachPrivateServer(
  t,
  async (t, server) => {
    await t.test('others have the rest', (t) => othersHaveTheRest(t, server));
    await t.test('the account has no more', (t) => accountHasNoMore(t, server));
    await t.test('the password is another one', (t) => wrongPassword(t, server));
  },
  { extraArgs: [`--max-connections=${MAX_CONNECTIONS}`], timeout: 300_000, atOnce: true },
);

async function othersHaveTheRest(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '20', '--query-wait-timeout', '30s']);
  const clients = await Promise.all(Array.from({ length: 20 }, () => world.connect()));
  const others: Connection[] = [];
  // The control connection, the administrator's, and one session are left: four others leave five.
  for (let i = 0; i < 4; i++) others.push(await server.rootConnection());
  // MariaDB has this counter and does not count.
  const before = await server.status('Connection_errors_max_connections');
  let done = false;
  let served = 0;
  const work = clients.map(async (client) => {
    while (!done) {
      await client.value('SELECT SLEEP(0.01)');
      served++;
    }
  });
  await eventually('the cap falls', async () => (await world.proxy.metric('mybouncer_pool_size')) < 20);
  await eventually('all are served', () => served > 500);
  const asked = await world.proxy.metric('mybouncer_server_dial_failures_total');
  if (server.isMysql) {
    const counted = (await server.status('Connection_errors_max_connections')) - before;
    t.ok(counted < 20, `${counted} in all, those of other connections of the proxy's included`);
  }
  const limit = await world.proxy.metric('mybouncer_pool_size');
  t.ok(limit <= MAX_CONNECTIONS, `${limit} sessions are what the server has left`);
  t.ok(asked > 0 && asked < 10, `${asked} connections were refused while ${served} statements were served`);
  for (const other of others) await other.end();
  await eventually('there are more', async () => (await world.sessions()).length > MAX_CONNECTIONS - 3);
  done = true;
  await Promise.all(work);
  await server.query('SET GLOBAL max_connections = 100');
  done = false;
  // Each has its session for as long as it takes to open all of them.
  const more = clients.map((client) => client.run('BEGIN'));
  await eventually('the cap is what it was', async () => {
    return (await world.proxy.metric('mybouncer_pool_size')) === 20 && (await world.sessions()).length >= 20;
  });
  await Promise.all(more);
  await Promise.all(clients.map((client) => client.run('COMMIT')));
  await server.query(`SET GLOBAL max_connections = ${MAX_CONNECTIONS}`);
  t.equal(await world.proxy.metric('mybouncer_checkouts_refused_total'), 0, 'nobody was refused');
}

async function accountHasNoMore(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '20', '--query-wait-timeout', '4s']);
  await server.query(`ALTER USER '${world.user.user}'@'%' WITH MAX_USER_CONNECTIONS 4`);
  const clients = await Promise.all(Array.from({ length: 8 }, () => world.connect()));
  const waiter = clients[1];
  await Promise.all(clients.map((client) => client.value('SELECT SLEEP(0.1)')));
  // Those that were there before the account had a limit do not count.
  t.ok((await world.sessions()).length <= 4 + 2);
  t.equal(await world.proxy.metric('mybouncer_pool_size'), 20, 'the server has room for others');
  await Promise.allSettled(
    clients.filter((client) => client !== waiter).map((client) => client.run('BEGIN')),
  );
  const error = await waiter?.error('BEGIN');
  t.match(error, { errno: 1226, sqlState: '42000' }, 'the number of the server');
  t.match(error?.message, /no free server session in pool .* sessions in use .*last attempt/);
}

async function wrongPassword(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '4']);
  const client = await world.connect();
  await server.query(`ALTER USER '${world.user.user}'@'%' IDENTIFIED BY 'another'`);
  for (const { id } of await world.sessions()) await server.query(`KILL ${id}`);
  await eventually('it is refused', async () => (await client.error('SELECT 1')).errno === 1045);
  let refused = 0;
  const until = performance.now() + 5_000;
  while (performance.now() < until) {
    t.match(await client.error('SELECT 1'), {
      errno: 1045,
      sqlState: '28000',
      message: /Access denied for user/,
    });
    refused++;
  }
  const asked = await world.proxy.metric('mybouncer_server_dial_failures_total');
  t.ok(asked < 12, `the server was asked ${asked} times`);
  t.ok(refused > asked, `${refused} statements were refused`);
  await server.query(`ALTER USER '${world.user.user}'@'%' IDENTIFIED BY '${world.user.password}'`);
  await eventually('it is served', async () => (await client.value('SELECT 1').catch(() => 0)) === 1);
}
