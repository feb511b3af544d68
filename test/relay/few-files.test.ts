import { existsSync } from 'node:fs';
import t from 'tap';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { errOf, loginOf, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

/** Few, but Node opens the program's own files at the same time when it starts. */
const OPEN_FILES = 200;
const POOL_SIZE = 6;
/** What the limit leaves room for, and no more: the proxy's own 64 are kept free. */
const PLACES = OPEN_FILES - POOL_SIZE - 64;

/** How a connection fared that says nothing itself. */
async function fate(client: RawClient): Promise<'greeted' | 'refused' | 'dropped'> {
  const packet = await client.packet();
  if (packet === null) return 'dropped';
  const err = errOf([packet]);
  if (err === null) return 'greeted';
  if (err.errno !== 1040) throw err;
  if (
    !err.message.includes(
      `Too many connections: ${PLACES} clients are connected and the limit of open files (ulimit -n, ${OPEN_FILES})`,
    )
  )
    throw err;
  return 'refused';
}

await forEachServer(t, async (t, server) => {
  if (!existsSync('/proc/self/limits')) {
    t.comment('the system does not tell the limit of open files');
    return;
  }
  const schema = await server.createDatabase();
  const user = await server.createUser();
  const flags = ['--pool-size', String(POOL_SIZE), '--client-login-timeout', '60s'];
  const proxy = await startProxy(t, { upstream: user.url(schema), flags, openFiles: OPEN_FILES });
  const world = new Proxied(t, server, proxy, schema);
  t.match(
    proxy.lines.find(({ level }) => level === 'warn'),
    { limit: OPEN_FILES, maxClientConn: 10_000, maxClients: PLACES, msg: /1040/ },
    'told at the start',
  );
  const client = await world.connect();
  await client.run('CREATE TABLE files(v INT)');

  // Far more at once than there are descriptors: those turned away keep theirs for as long as they do not read.
  const crowd = Array.from({ length: 400 }, () => new RawClient(proxy));
  const fates = await Promise.all(crowd.map(fate));
  const count = (one: string): number => fates.filter((other) => other === one).length;
  t.comment(`${count('greeted')} greeted, ${count('refused')} refused, ${count('dropped')} dropped`);
  t.equal(count('greeted'), PLACES - 1);
  t.ok(count('refused') > 0, 'others are told why');
  t.ok(count('dropped') > 0, 'and descriptors did run out');

  await t.test('meanwhile the clients that are in are served, with all sessions of the pool', async (t) => {
    t.equal(await client.value('SELECT 7'), 7);
    for (const one of crowd.filter((_, i) => fates[i] === 'greeted').slice(0, POOL_SIZE)) one.destroy();
    const clients: RawClient[] = [];
    await eventually('their places are free', async () => {
      const one = await RawClient.login(loginOf(proxy.url)).catch(() => null);
      if (one !== null) clients.push(one);
      return clients.length === POOL_SIZE;
    });
    await Promise.all(clients.map((one) => one.must('BEGIN')));
    await Promise.all(clients.map((one) => one.must('INSERT INTO files VALUES(1)')));
    t.equal(await proxy.settled(POOL_SIZE, 'mybouncer_server_sessions', 'state="active"'), POOL_SIZE);
    await Promise.all(clients.map((one) => one.must('COMMIT')));
    t.equal(await client.value('SELECT COUNT(*) FROM files'), POOL_SIZE);
    for (const one of clients) one.destroy();
  });

  for (const one of crowd) one.destroy();
  await eventually('there is room again', async () => (await proxy.metric('mybouncer_clients')) === 1);
  let again: RawClient[] = [];
  await eventually('as many as before get in', async () => {
    for (const one of again) one.destroy();
    const logins = Array.from({ length: PLACES - 1 }, () =>
      RawClient.login(loginOf(proxy.url)).catch(() => null),
    );
    again = (await Promise.all(logins)).filter((one) => one !== null);
    return again.length === PLACES - 1;
  });
  t.same(new Set(await Promise.all(again.map((one) => one.value('SELECT 8')))), new Set(['8']));
  for (const one of again) one.destroy();
  t.equal(proxy.exitCode, null);
  t.strictSame(proxy.stderr, []);
  const own = (await server.sessions(user.user)).length;
  t.ok(own <= POOL_SIZE + 2, `${own} sessions on the server: the pool's, and two of the proxy's own`);
  t.equal(
    await proxy.metric('mybouncer_server_dial_failures_total'),
    0,
    'descriptors for the pool were kept free',
  );
});
