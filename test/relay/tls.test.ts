import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { nativeResponse } from '../protocol/support/client-side.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { errOf, loginOf, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';
import { begin, runs, sessionRunning } from './support/abandoning.js';

const MIB = 1 << 20;
const SSL = { rejectUnauthorized: false };

/** How a client's connection ends. */
const WAYS: Readonly<Record<string, (client: RawClient) => void>> = {
  close_notify: ({ socket }) => socket.end(),
  'close_notify and FIN': ({ socket }) => socket.destroy(),
  'FIN alone': ({ raw }) => raw.end(),
  RST: ({ raw }) => raw.resetAndDestroy(),
};

await forEachServer(t, async (t, server) => {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  await t.test('large packets and files', (t) => largeData(t, world));
  await t.test('every client gets its own bytes', (t) => ownBytes(t, world));
  await t.test('who reads slowly is waited for', (t) => slowReader(t, world));
  await t.test('COM_CHANGE_USER', (t) => changeUser(t, world, server.isMysql));
  for (const [way, leave] of Object.entries(WAYS))
    await t.test(`${way} while a statement runs`, (t) => abandoned(t, world, leave));
  await t.test('records that are not the client’s', (t) => forged(t, world));
  t.ok((await world.proxy.metric('mybouncer_client_tls_connections_total', 'version="TLSv1.3"')) > 0);
  t.equal(await world.proxy.metric('mybouncer_client_tls_failures_total'), 0);
});

function secured(world: ProxiedUser): Promise<RawClient> {
  return RawClient.login(loginOf(world.proxy.url, { tls: {} }));
}

async function largeData(t: Test, world: ProxiedUser): Promise<void> {
  const client = await world.connect({ ssl: SSL, flags: ['+LOCAL_FILES'] });
  await client.run('CREATE TABLE large(id INT PRIMARY KEY, data LONGBLOB)');
  const data = randomBytes(17 * MIB);
  await client.connection.query('INSERT INTO large VALUES(1, ?)', [data]);
  await client.execute('INSERT INTO large VALUES(2, ?)', [data]);
  for (const id of [1, 2]) {
    const [row] = await client.rows(`SELECT data FROM large WHERE id=${id}`);
    t.ok(data.equals(row?.['data'] as Buffer), `row ${id}`);
  }
  await world.server.query('SET GLOBAL local_infile = 1');
  await client.run('CREATE TABLE loaded(id INT PRIMARY KEY)');
  const lines = Array.from({ length: 200_000 }, (_, i) => `${i}\n`).join('');
  await client.connection.query({
    sql: "LOAD DATA LOCAL INFILE 'made up' INTO TABLE loaded",
    infileStreamFactory: () => Readable.from([Buffer.from(lines)]),
  });
  t.equal(await client.value('SELECT COUNT(*) FROM loaded'), 200_000);
  await client.end();
}

/** Over TLS and in clear at the same time, with replies of one read and of many. */
async function ownBytes(t: Test, world: ProxiedUser): Promise<void> {
  const clients = await Promise.all(
    Array.from({ length: 16 }, (_, i) => world.connect(i % 4 === 0 ? {} : { ssl: SSL })),
  );
  const wrong: string[] = [];
  await Promise.all(
    clients.map(async (client, i) => {
      for (let round = 0; round < 15; round++) {
        const [tag, size] = [`<${i}.${round}>`, [1, 300, 20_000][round % 3] ?? 1];
        const rows = await client.rows(`SELECT REPEAT('${tag}', ${size}) a UNION ALL SELECT '${tag}'`);
        const values = rows.map((row) => String(row['a']));
        if (values.join('|') !== `${tag.repeat(size)}|${tag}`) wrong.push(tag);
      }
    }),
  );
  t.same(wrong, []);
  await Promise.all(clients.map((client) => client.end()));
}

async function slowReader(t: Test, world: ProxiedUser): Promise<void> {
  const client = await secured(world);
  begin(client, `SELECT /* slow */ REPEAT('x', ${MIB}) FROM information_schema.collations LIMIT 100`);
  // It reads no more than its own small buffer holds.
  await sessionRunning(world, '/* slow */');
  const other = await secured(world);
  t.equal(await other.value('SELECT 1'), '1', 'others are served');
  const reply = await client.reply('results');
  t.equal(reply.filter(({ payload }) => payload.length > MIB).length, 100);
  client.destroy();
  other.destroy();
}

async function changeUser(t: Test, world: ProxiedUser, isMysql: boolean): Promise<void> {
  const client = await secured(world);
  await client.must('SET @before = 1');
  const { user, password } = world.user;
  const text = (value: string): Buffer => Buffer.from(`${value}\0`);
  const change = async (response: Buffer) => {
    const parts = [text(user), Buffer.of(response.length), response, text(''), Buffer.of(45, 0)];
    return client.command(
      Command.ChangeUser,
      Buffer.concat([...parts, text('mysql_native_password')]),
      'packet',
    );
  };
  const [ok] = await change(nativeResponse(password, client.greeting?.scramble ?? Buffer.alloc(0)));
  t.equal(ok?.payload[0], 0x00);
  // MariaDB's clients check the certificate again.
  t.equal(ok?.payload.toString('latin1', 7, 9), isMysql ? '' : '\x41\x01');
  t.equal(await client.value('SELECT @before IS NULL'), '1');
  const wrong = nativeResponse('wrong', client.greeting?.scramble ?? Buffer.alloc(0));
  const [again] = await change(wrong);
  t.equal(again?.payload[0], 0xfe, 'asked again, as both C libraries leave it to be');
  client.send(wrong, (again?.sequenceId ?? 0) + 1);
  t.match(errOf(await client.reply('packet')), { errno: 1045, sqlState: '28000' });
  client.destroy();
}

async function abandoned(t: Test, world: ProxiedUser, leave: (client: RawClient) => void): Promise<void> {
  const client = await secured(world);
  begin(client, 'SELECT /* abandoned */ SLEEP(600)');
  await sessionRunning(world, '/* abandoned */');
  leave(client);
  await eventually('it is killed', async () => !(await runs(world, '/* abandoned */')));
  await eventually('its place is free', async () => (await world.proxy.metric('mybouncer_clients')) === 0);
  client.destroy();
  t.pass('it was');
}

/** As from another process that has the connection, too: it has the keys, but counts its records for itself. */
async function forged(t: Test, world: ProxiedUser): Promise<void> {
  const client = await secured(world);
  const ended = once(client.raw, 'close');
  begin(client, 'SELECT /* forged */ SLEEP(600)');
  await sessionRunning(world, '/* forged */');
  client.raw.write(Buffer.concat([Buffer.of(0x17, 3, 3, 0, 64), randomBytes(64)]));
  await ended;
  await eventually('what ran is killed', async () => !(await runs(world, '/* forged */')));
  const line = await world.proxy.logged(
    'two processes use one client connection, opened before a fork: it was closed',
  );
  t.match(line, { level: 'warn', cause: 'tls_record' });
  t.equal(await world.proxy.metric('mybouncer_shared_sockets_total', 'cause="tls_record"'), 1);
}
