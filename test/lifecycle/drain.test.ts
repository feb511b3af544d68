import { createConnection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { Gate } from '../support/gate.js';
import { listening, onward } from '../support/listening.js';
import { CONNECT_WITHIN_MS } from '../support/patience.js';
import { type Client, eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer } from '../support/servers.js';

/* What signals do to the running program, and to its clients. */

await forEachServer(
  t,
  async (t, server) => {
    await t.test('SIGTERM', (t) => drain(t, server));
    await t.test('drain_timeout', (t) => timeout(t, server));
    await t.test('SIGINT', (t) => interrupt(t, server));
    if (server.flavor === 'mysql') return;
    await t.test('drain_delay, and a second signal', (t) => delay(t, server));
    await t.test('a server that does not answer', (t) => silence(t, server));
  },
  { timeout: 240_000 },
);

async function readyz({ proxy }: ProxiedUser): Promise<number> {
  return (await fetch(`${proxy.http}/readyz`)).status;
}

/** Whether a connection has been closed: the client is told nothing before its next command. */
async function closed(client: Client): Promise<void> {
  await eventually('it is closed', async () => {
    const { connection } = client.connection as unknown as { connection: { stream: { destroyed: boolean } } };
    return connection.stream.destroyed;
  });
}

async function nothingLeft(world: ProxiedUser): Promise<void> {
  await eventually('nothing is left on the server', async () => (await world.sessions()).length === 0);
}

async function drain(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '3', '--drain-timeout', '1h']);
  const [idle, busy, pinging, writer] = await Promise.all([1, 2, 3, 4].map(() => world.connect()));
  if (!idle || !busy || !pinging || !writer) throw new TypeError('there are four');
  await writer.run('CREATE TABLE drained (id INT PRIMARY KEY) ENGINE=InnoDB');
  await writer.run('BEGIN');
  await writer.run('INSERT INTO drained VALUES (1)');
  t.equal(await readyz(world), 200);
  t.equal(await world.proxy.metric('mybouncer_draining'), 0);
  const gate = await Gate.of(t, server, world.schema);
  const running = busy.value(Gate.READ);
  await eventually('it runs', async () =>
    (await world.sessions()).some(({ info }) => info?.includes('FROM gate')),
  );
  world.proxy.signal('SIGTERM');
  t.match(await world.proxy.logged('draining: clients are served until they have finished'), { clients: 4 });
  t.equal(await readyz(world), 503);
  t.equal(await world.proxy.metric('mybouncer_draining'), 1);
  t.rejects(pinging.connection.ping(), 'who asks whether the connection is good is told that it is not');
  await closed(idle);
  await gate.open();
  t.equal(await running, 1, 'a statement under way is waited for');
  await closed(busy);
  const late = await world.connect();
  t.equal(await late.value('SELECT COUNT(*) FROM drained'), 0, 'a new client is let in, and served');
  await closed(late);
  t.equal(world.proxy.exitCode, null, 'the transaction is waited for');
  await writer.run('INSERT INTO drained VALUES (2)');
  await writer.run('COMMIT');
  t.equal(await world.proxy.ended(), 0);
  await closed(writer);
  await nothingLeft(world);
  const direct = await world.directAsUser();
  t.equal(await direct.value('SELECT COUNT(*) FROM drained'), 2);
}

async function timeout(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--drain-timeout', '1s']);
  const [writer, reader, waiter] = await Promise.all([1, 2, 3].map(() => world.connect()));
  if (!writer || !reader || !waiter) throw new TypeError('there are three');
  await writer.run('CREATE TABLE cut (id INT PRIMARY KEY) ENGINE=InnoDB');
  await writer.run('BEGIN');
  await writer.run('INSERT INTO cut VALUES (1)');
  const running = reader.error('SELECT SLEEP(100)');
  await eventually('it runs', async () =>
    (await world.sessions()).some(({ info }) => info?.includes('SLEEP')),
  );
  const waiting = waiter.error('SELECT 1');
  await eventually('it waits', async () => (await world.proxy.metric('mybouncer_waiting_requests')) === 1);
  world.proxy.signal('SIGTERM');
  t.match(await running, { errno: 1053, sqlState: '08S01' });
  t.match(await waiting, { errno: 1053, sqlState: '08S01' });
  t.equal(await world.proxy.ended(), 0);
  t.match(
    world.proxy.lines.find(({ msg }) => msg === 'clients cut off: they had not finished'),
    { clients: 3 },
  );
  await nothingLeft(world);
  const direct = await world.directAsUser();
  t.equal(await direct.value('SELECT COUNT(*) FROM cut'), 0, 'the transaction is rolled back');
}

async function interrupt(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '3', '--drain-timeout', '1h']);
  const [writer, reader, locked] = await Promise.all([1, 2, 3].map(() => world.connect()));
  if (!writer || !reader || !locked) throw new TypeError('there are three');
  await writer.run('CREATE TABLE held (id INT PRIMARY KEY) ENGINE=InnoDB');
  await writer.run('BEGIN');
  await writer.run('INSERT INTO held VALUES (1)');
  const ended = [reader.error('SELECT SLEEP(100)'), locked.error('INSERT INTO held VALUES (1)')];
  for (const text of ['SLEEP', 'INSERT'])
    await eventually(`${text} runs`, async () =>
      (await world.sessions()).some(({ info }) => info?.includes(text)),
    );
  world.proxy.signal('SIGINT');
  for (const error of await Promise.all(ended)) t.match(error, { errno: 1053 });
  t.equal(await world.proxy.ended(), 0);
  await nothingLeft(world);
  const direct = await world.directAsUser();
  t.equal(await direct.value('SELECT COUNT(*) FROM held'), 0, 'nothing was committed, and nothing is locked');
}

async function delay(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--drain-delay', '1h', '--drain-timeout', '1h']);
  world.proxy.signal('SIGUSR2');
  await world.proxy.logged('master is off: there is nobody who could start a new process');
  world.proxy.signal('SIGTERM');
  await world.proxy.logged('draining: clients are served until they have finished');
  t.equal(await readyz(world), 503);
  const client = await world.connect();
  await client.connection.ping();
  t.equal(await client.value('SELECT 1'), 1, 'all else is as before');
  await client.run('BEGIN');
  world.proxy.signal('SIGTERM');
  await world.proxy.logged('stopping at once; one more signal ends the process where it stands');
  t.equal(await world.proxy.ended(), 0);
  await nothingLeft(world);
}

/** A forwarder that takes connections and passes nothing on, once it is told to. */
async function silence(t: Test, server: TestServer): Promise<void> {
  let silent = false;
  const forwarder = await listening(t, (socket) => {
    if (silent) return;
    const on = onward(socket, server);
    socket.pipe(on).pipe(socket);
  });
  const url = new URL(server.url());
  url.hostname = forwarder.host;
  url.port = String(forwarder.port);
  const patient = ['--server-connect-timeout', '1h', '--query-wait-timeout', '1h'];
  const proxy = await startProxy(t, { upstream: url.href, flags: patient });
  silent = true;
  const before = await startProxy(t, { upstream: url.href, flags: patient, untilListening: true });
  before.signal('SIGTERM');
  t.equal(await before.ended(), 0, 'a dial that never ends does not keep the process');
  // The login looks whether there is such a schema.
  const login = createConnection({ uri: proxy.url, connectTimeout: CONNECT_WITHIN_MS }).catch(
    (error: unknown) => error,
  );
  await eventually(
    'it dials',
    async () => (await proxy.metric('mybouncer_server_sessions', 'dialing')) === 1,
  );
  proxy.signal('SIGINT');
  t.match(await login, { errno: 1053 });
  t.equal(await proxy.ended(), 0);
}
