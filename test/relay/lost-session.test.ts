import t, { type Test } from 'tap';
import { eventually, proxied, useAtOnce } from '../support/proxied.js';
import { APP_USER, forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';

/** One session is lost, and the server is as it was. */

const RUNAWAY = 'SELECT /* runaway */ COUNT(*) FROM n a, n b, n c, n d WHERE a.v+b.v+c.v+d.v=-1';

await forEachPrivateServer(t, async (t, server) => {
  await t.test('a read whose session somebody has killed is not run again', (t) => killed(t, server));
  await t.test('SET NAMES in a transaction whose session is lost', (t) => torn(t, server));
  await t.test('a routine that says that the server shuts down', (t) => pretends(t, server));
  await t.test('a read whose sessions end one after another', (t) => endOneByOne(t, server));
});

async function killed(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server);
  const client = await world.connect();
  await client.run('CREATE TABLE n (v INT)');
  await client.run(`INSERT INTO n VALUES ${Array.from({ length: 1000 }, (_, i) => `(${i})`)}`);
  const error = client.error(RUNAWAY);
  let session = 0;
  // Longer at work than a session would be that was dead before.
  await eventually('it has run for a while', async () => {
    const found = (await server.sessions(APP_USER)).find(({ info }) => info?.includes('runaway') === true);
    session = found?.id ?? 0;
    return found !== undefined && found.time >= 3;
  });
  await server.query(`KILL ${session}`);
  t.match(await error, { errno: 1158, message: /Lost connection/ });
  await eventually('it runs nowhere', async () =>
    (await server.sessions(APP_USER)).every(({ info }) => info?.includes('runaway') !== true),
  );
  t.equal(await client.value('SELECT 1'), 1);
}

/** What collation has come with it is asked for at the end of the transaction. */
async function torn(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server);
  const [client, other] = [await world.connect(), await world.connect()];
  const charsets = 'SELECT @@character_set_client AS client, @@character_set_results AS results';
  const before = await other.rows('SELECT @@collation_connection');
  await client.run('BEGIN');
  await client.run('SET NAMES latin1');
  for (const { id } of await server.sessions(APP_USER)) await server.query(`KILL ${id}`);
  t.equal((await client.error(charsets)).errno, 1158);
  t.same(await client.rows(charsets), [{ client: 'latin1', results: 'latin1' }]);
  t.same(await other.rows(charsets), [{ client: 'utf8mb4', results: 'utf8mb4' }]);
  t.same(await other.rows('SELECT @@collation_connection'), before);
  await client.run('SET NAMES latin1');
  t.same(await client.rows('SELECT @@collation_connection AS c'), [{ c: 'latin1_swedish_ci' }]);
}

async function pretends(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server, ['--pool-size', '4']);
  const clients = await Promise.all([1, 2, 3, 4].map(() => world.connect()));
  await (await world.direct()).run(
    "CREATE PROCEDURE pretends() SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO=1053, MESSAGE_TEXT='x'",
  );
  await useAtOnce(clients);
  const idle = async (): Promise<number> => world.proxy.metric('mybouncer_server_sessions', 'state="idle"');
  await eventually('all are idle', async () => (await idle()) === 4);
  const shutdowns = (): Promise<number> =>
    world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="server_shutdown"');
  const [client] = clients;
  for (let i = 0; i < 3; i++) t.match(await client?.error('CALL pretends()'), { errno: 1053 });
  t.equal(await client?.value('SELECT 3'), 3);
  // It takes a moment to find out.
  await client?.value('SELECT SLEEP(0.5)');
  t.equal(await shutdowns(), 0, 'sessions of others are not closed');
}

/** A server that ends takes its sessions along one after another, and idle ones are lent until each is found dead. */
async function endOneByOne(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server, ['--pool-size', '4', '--query-wait-timeout', '60s']);
  const clients = await Promise.all([1, 2, 3, 4].map(() => world.connect()));
  await useAtOnce(clients);
  t.equal(await world.proxy.settled(4, 'mybouncer_server_sessions', 'state="idle"'), 4);
  const owner = await world.direct();
  await owner.run('CREATE TABLE busy (v INT)');
  await owner.run('INSERT INTO busy VALUES (1)');
  await owner.run('LOCK TABLES busy WRITE');
  const value = clients[0]?.value('SELECT /* waits */ v FROM busy');
  const ended = new Set<number>();
  while (ended.size < 4) {
    const sessions = await server.sessions(APP_USER);
    const at = sessions.find(({ id, info }) => info?.includes('waits') === true && !ended.has(id));
    if (at === undefined) continue;
    ended.add(at.id);
    await server.query(`KILL ${at.id}`);
  }
  await owner.run('UNLOCK TABLES');
  t.equal(await value, 1);
}
