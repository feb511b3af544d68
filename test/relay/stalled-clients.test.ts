/** Clients that are there and do nothing about it: replies that nobody takes, logins anew that nobody goes on with. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { commandPayload, errOf, loginOf, RawClient, unlessErr } from '../support/raw-client.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { login } from './support/login.js';

/** What the server sends in one piece, so that the proxy never waits for the rest. */
const SMALL = "SELECT REPEAT('x', 10000)";

/** In pieces, of which there is always one that the proxy waits for. */
const LARGE = `SELECT ${Array.from({ length: 12 }, (_, i) => `REPEAT('${i % 10}', 1000000)`).join()}`;

await forEachServer(
  t,
  async (t, server) => {
    await t.test('idle_transaction_timeout where replies are not taken', (t) => idleTransaction(t, server));
    await t.test('COM_CHANGE_USER that is not gone on with', (t) => changeUser(t, server));
    await t.test('net_write_timeout', (t) => netWrite(t, server));
    // The server has no part in it.
    if (server.isMysql) return;
    await t.test('client_idle_timeout where replies are not taken', (t) => clientIdle(t, server));
  },
  { timeout: 180_000, atOnce: true },
);

/** Over a unix socket, which takes far less than TCP before it is full. */
async function stallable(
  t: Test,
  server: TestServer,
  flags: readonly string[],
): Promise<{ readonly world: ProxiedUser; readonly client: RawClient }> {
  const folder = await mkdtemp(join(tmpdir(), 'stalled-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 's');
  const listen = ['--listen', '127.0.0.1:0', '--listen', `unix:${path}`];
  const world = await proxiedUser(t, server, ['--pool-size', '2', ...listen, ...flags]);
  const client = await RawClient.login({ ...loginOf(world.proxy.url), path });
  t.teardown(() => client.destroy());
  return { world, client };
}

/** Commands until there is one that is not answered, because those before it are not read. @returns how many there were */
async function fill(world: ProxiedUser, client: RawClient): Promise<number> {
  const done = (): Promise<number> => world.proxy.metric('mybouncer_commands_total');
  for (let sent = 1; ; sent++) {
    const before = await done();
    client.send(commandPayload(Command.Query, SMALL));
    const until = performance.now() + 2_000;
    while ((await done()) === before) if (performance.now() > until) return sent;
  }
}

async function idleTransaction(t: Test, server: TestServer): Promise<void> {
  const { world, client } = await stallable(t, server, ['--idle-transaction-timeout', '2s']);
  const other = await world.directAsUser();
  await other.run('CREATE TABLE slow(id INT PRIMARY KEY, v INT)');
  await other.run('INSERT INTO slow VALUES(1, 0)');
  await client.must('BEGIN');
  await client.must('UPDATE slow SET v = 1');
  const sent = await fill(world, client);
  t.comment(`${sent} commands`);
  await other.run('UPDATE slow SET v = 2');
  t.equal(await world.proxy.metric('mybouncer_time_limits_total', 'limit="idle_transaction_timeout"'), 1);
  t.equal(await world.proxy.holds(0), 0);
  for (let i = 1; i < sent; i++) unlessErr(await client.reply('results'));
  t.match(errOf(await client.reply('results')), {
    errno: 1317,
    sqlState: '70100',
    message: /2s of idle_transaction_timeout .*gone with it: transaction/,
  });
  t.equal(await client.value('SELECT v FROM slow'), '2', 'it goes on');
  await other.end();
}

async function clientIdle(t: Test, server: TestServer): Promise<void> {
  const flags = ['--client-idle-timeout', '2s', '--max-client-conn', '1'];
  const { world, client } = await stallable(t, server, flags);
  await fill(world, client);
  await eventually('it is gone', async () => (await world.proxy.metric('mybouncer_clients')) === 0);
  t.equal(await world.proxy.metric('mybouncer_time_limits_total', 'limit="client_idle_timeout"'), 1);
  await eventually('its place is free', async () => {
    const next = await world.connect().catch(unlessFull);
    return next !== undefined;
  });
}

function unlessFull(error: { errno?: number }): undefined {
  if (error.errno !== 1040) throw error;
}

async function netWrite(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '1']);
  const [client, next] = [await login(t, world.proxy.url), await world.connect()];
  await client.must('SET net_write_timeout = 2');
  client.send(commandPayload(Command.Query, LARGE));
  await eventually('it is gone', async () => (await world.proxy.metric('mybouncer_clients')) === 1);
  t.equal(await next.value('SELECT 7'), 7, 'its session serves others');
}

async function changeUser(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '1', '--idle-transaction-timeout', '1s']);
  const [client, next] = [await login(t, world.proxy.url), await world.connect()];
  await client.must('BEGIN');
  const { user } = world.user;
  // Without an answer to a scramble: the proxy asks for one.
  client.send(
    Buffer.concat([
      Buffer.of(Command.ChangeUser),
      Buffer.from(`${user}\0`),
      Buffer.of(0),
      Buffer.from('\0'),
      Buffer.of(45, 0),
      Buffer.from('dialog\0'),
    ]),
  );
  t.equal((await client.expect()).payload[0], 0xfe);
  const answer = next.value('SELECT 7');
  t.match(errOf([await client.expect()]), {
    errno: 1159,
    sqlState: '08S01',
    message:
      /^mybouncer: Got timeout reading communication packets: the client sent nothing for 1s in the midst of/,
  });
  await client.ended();
  t.equal(await answer, 7);
  t.equal(await world.proxy.holds(0), 0);
}
