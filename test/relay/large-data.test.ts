import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { escape as escapeSql } from 'mysql2';
import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { type Client, eventually, type Proxied, proxied } from '../support/proxied.js';
import {
  CLASSIC,
  commandPayload,
  errOf,
  loginOf,
  MODERN,
  packets,
  RawClient,
  unlessErr,
} from '../support/raw-client.js';
import { executePayload, int, rowsOf } from '../support/raw-values.js';
import { forEachServer } from '../support/servers.js';

const MIB = 1 << 20;
const FULL = 0xffffff;

function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}

await forEachServer(
  t,
  async (t, server) => {
    const world = await proxied(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
    await t.test('a row of 20 MiB in and out', (t) => largeRow(t, world));
    for (const [name, capabilities] of [
      ['EOF packets', CLASSIC],
      ['DEPRECATE_EOF', MODERN],
    ] as const) {
      await t.test(`packets around 16 MiB: ${name}`, (t) => edges(t, world, capabilities));
    }
    await t.test('a statement of 40 MiB', (t) => longStatement(t, world));
    await t.test('the end of a long statement counts', (t) => longTextEffects(t, world));
    await t.test('long data over 16 MiB', (t) => longData(t, world));
    await t.test('LOAD DATA LOCAL INFILE of 20 MiB', (t) => infile(t, world, server.isMysql));
    await t.test('thousands of commands in one write', (t) => pipeline(t, world));
    await t.test('many rows, many columns', (t) => manyRows(t, world));
  },
  { timeout: 400_000 },
);

async function largeRow(t: Test, world: Proxied): Promise<void> {
  const [client, other] = await Promise.all([world.connect(), world.connect()]);
  await client.run('CREATE TABLE big(id INT PRIMARY KEY, data LONGBLOB)');
  const data = randomBytes(20 * MIB);
  await client.connection.query('INSERT INTO big VALUES(1, ?)', [data]);
  await client.execute('INSERT INTO big VALUES(2, ?)', [data]);
  t.equal(await other.value('SELECT COUNT(*) FROM big'), 2);
  for (const id of [1, 2]) {
    const [text] = await client.rows(`SELECT data FROM big WHERE id=${id}`);
    t.ok(data.equals(text?.['data'] as Buffer), `text, row ${id}`);
    const [binary] = await other.execute('SELECT data FROM big WHERE id=?', [id]);
    t.ok(data.equals(binary?.['data'] as Buffer), `prepared, row ${id}`);
  }
  const rows = await client.rows('SELECT data, id FROM big ORDER BY id');
  t.ok(rows.every((row) => data.equals(row['data'] as Buffer)));
  await client.run('DELETE FROM big');
  // The server says so and hangs up, before it has read it all: it depends on who is faster whether its words arrive.
  const tooLarge = await client.connection.query(`SELECT LENGTH('${'x'.repeat(65 * MIB)}')`).then(
    () => 0,
    (error: { errno: number; code: string }) => error.errno ?? error.code,
  );
  t.ok(
    [1153, 1158, 'PROTOCOL_CONNECTION_LOST', 'ECONNRESET', 'EPIPE'].includes(tooLarge),
    `max_allowed_packet: ${tooLarge}`,
  );
  t.equal(await other.value('SELECT 1'), 1, 'which ends nobody else');
  await other.end();
}

async function edges(t: Test, world: Proxied, capabilities: number): Promise<void> {
  const client = await RawClient.login(loginOf(world.proxy.url, { capabilities }));
  for (const size of [FULL - 1, FULL, FULL + 1, 17 * MIB, 2 * FULL]) {
    // In: the command byte and the text around the x's count.
    const around = "SELECT LENGTH('')".length + 1;
    const count = size - around;
    client.send(commandPayload(Command.Query, `SELECT LENGTH('${'x'.repeat(count)}')`));
    t.strictSame(
      rowsOf(unlessErr(await client.reply('results')), client),
      [String(count)],
      `a command of ${size}`,
    );
    // Out: a text row of one column has its length before it, in 4 bytes or 9.
    const prefix = size - 4 < FULL + 1 ? 4 : 9;
    const length = size - prefix;
    const reply = unlessErr(await client.query(`SELECT REPEAT('y', ${length}) AS y UNION ALL SELECT 'z'`));
    const definitions = client.deprecateEof ? 2 : 3;
    const row = reply.slice(definitions, -2).map(({ payload }) => payload);
    t.equal(
      row.reduce((sum, part) => sum + part.length, 0),
      size,
      `a row of ${size}`,
    );
    t.equal(row.length, Math.floor(size / FULL) + 1, 'a full packet is followed by another');
    t.ok(row.every((part, i) => part.subarray(i === 0 ? prefix : 0).every((byte) => byte === 0x79)));
    t.equal(reply.at(-2)?.payload.toString(), '\x01z');
    reply.every(({ sequenceId }, i) => sequenceId === ((i + 1) & 0xff) || t.fail('sequence ids go on'));
    t.equal(await client.value('SELECT 3'), '3');
  }
  client.destroy();
}

async function longStatement(t: Test, world: Proxied): Promise<void> {
  const [client, other] = await Promise.all([world.connect(), world.connect()]);
  await client.run('CREATE TABLE texts(id INT PRIMARY KEY, v LONGTEXT)');
  // Every kind of byte that means something to who reads SQL.
  const piece = `it's "quoted" \\ back\\\\slash \n /* no comment */ -- nor this\r\n \`name\` ; DROP TABLE texts; GET_LOCK('x', 1) \0 \x1a ü 漢 `;
  const text = piece.repeat(Math.ceil((24 * MIB) / Buffer.byteLength(piece)));
  const statement = `INSERT INTO texts VALUES(1, ${escapeSql(text)})`;
  t.ok(Buffer.byteLength(statement) > 25 * MIB);
  await client.run(statement);
  const hex = randomBytes(20 * MIB);
  const second = `INSERT INTO texts VALUES(2, X'${hex.toString('hex')}')`;
  t.ok(second.length > 40 * MIB);
  // As latin1: the text is kept as it comes.
  await client.run('ALTER TABLE texts MODIFY v LONGBLOB');
  await client.run(second);
  t.equal(await world.proxy.holds(0), 0, 'nothing in it holds the session');
  t.equal(await other.value('SELECT SHA2(v, 256) FROM texts WHERE id=1'), sha256(text));
  t.equal(await other.value('SELECT SHA2(v, 256) FROM texts WHERE id=2'), sha256(hex));
  t.match(await client.error(`SELECT '${'x'.repeat(2 * MIB)}' FROM nowhere`), { errno: 1146 });
  t.equal(await client.value('SELECT 4'), 4);
  await client.end();
  await other.end();
}

async function longTextEffects(t: Test, world: Proxied): Promise<void> {
  const [client, other] = await Promise.all([world.connect(), world.connect()]);
  const filler = "it''s GET_LOCK(''a'', 0) ".repeat((3 * MIB) / 25);
  const holds = (expected: number, reason: string): Promise<number> =>
    world.proxy.holds(expected, `reason="${reason}"`);
  await client.rows(`SELECT LENGTH('${filler}')`);
  t.equal(await holds(0, 'user_lock'), 0);
  await client.rows(`SELECT LENGTH('${filler}'), GET_LOCK('${world.schema}', 0)`);
  t.equal(await holds(1, 'user_lock'), 1);
  t.equal(await other.value(`SELECT IS_FREE_LOCK('${world.schema}')`), 0);
  await client.connection.reset();
  // Its session is reset behind the answer.
  await eventually(
    'the lock is free',
    async () => (await other.value(`SELECT IS_FREE_LOCK('${world.schema}')`)) === 1,
  );
  await client.run(`SET @long='${filler}'`);
  t.equal(await holds(1, 'user_variable'), 1);
  await client.connection.reset();
  await client.run(`SET /* ${filler} */ time_zone='+11:00'`);
  t.not(await other.value('SELECT @@time_zone'), '+11:00');
  t.equal(await client.value('SELECT @@time_zone'), '+11:00');
  await client.end();
  await other.end();
}

async function longData(t: Test, world: Proxied): Promise<void> {
  const client = await RawClient.login(loginOf(world.proxy.url));
  const other = await RawClient.login(loginOf(world.proxy.url));
  const data = randomBytes(17 * MIB);
  const statement = await client.prepare('SELECT LENGTH(?), SHA2(?, 256)');
  for (const session of ['its own', "somebody else's"]) {
    if (session !== 'its own') await other.must('BEGIN');
    for (const parameter of [0, 1]) {
      const head = Buffer.alloc(6);
      head.writeUInt32LE(statement, 0);
      head.writeUInt16LE(parameter, 4);
      await client.command(Command.StmtSendLongData, Buffer.concat([head, data]), 'none');
    }
    const blob = { type: 0xfb, value: undefined };
    const reply = unlessErr(
      await client.command(Command.StmtExecute, executePayload(statement, [blob, blob]), 'results'),
    );
    const row = reply.at(-2)?.payload ?? Buffer.alloc(0);
    t.equal(row.readUInt32LE(2), data.length, session);
    t.ok(row.toString('latin1').endsWith(sha256(data)));
  }
  // An execute over 16 MiB, with and without types.
  const long = await client.prepare('SELECT SHA2(?, 256), ?');
  const prefix = Buffer.alloc(9);
  prefix[0] = 0xfe;
  prefix.writeBigUInt64LE(BigInt(data.length), 1);
  const blob = { type: 0xfb, value: Buffer.concat([prefix, data]) };
  for (const withTypes of [true, false]) {
    client.send(commandPayload(Command.StmtExecute, executePayload(long, [blob, int(1)], { withTypes })));
    const reply = unlessErr(await client.reply('results'));
    t.ok(reply.at(-2)?.payload.toString('latin1').includes(sha256(data)));
  }
  await other.must('COMMIT');
  t.equal(await client.value('SELECT 5'), '5');
  client.destroy();
  other.destroy();
}

async function infile(t: Test, world: Proxied, isMysql: boolean): Promise<void> {
  const [client, other] = await Promise.all([world.connect({ flags: ['+LOCAL_FILES'] }), world.connect()]);
  await client.run('CREATE TABLE loaded(id INT, v VARCHAR(200))');
  const line = 'x'.repeat(100);
  const count = Math.ceil((20 * MIB) / 108);
  const lines = function* (): Generator<Buffer> {
    for (let i = 0; i < count; i += 100) {
      let part = '';
      for (let j = i; j < Math.min(i + 100, count); j++) part += `${j}\t${line}\n`;
      yield Buffer.from(part);
    }
  };
  const load = (sql: string, stream: () => Readable): Promise<unknown> =>
    client.connection.query({ sql, infileStreamFactory: stream });
  const sql = "LOAD DATA LOCAL INFILE 'made up' INTO TABLE loaded";
  const [result] = (await load(sql, () => Readable.from(lines()))) as [
    { affectedRows: number; info: string },
  ];
  t.equal(result.affectedRows, count);
  t.equal(Number(await other.value('SELECT SUM(id) FROM loaded')), (count * (count - 1)) / 2);
  t.equal(await other.value(`SELECT COUNT(*) FROM loaded WHERE v='${line}'`), count);

  // A client that will not: an empty file, and its own error.
  await t.rejects(client.connection.query(sql), /infileStreamFactory|LOCAL INFILE/);
  t.equal(await client.value('SELECT 6'), 6);
  t.equal(await other.value('SELECT COUNT(*) FROM loaded'), count);
  await t.rejects(
    load("LOAD DATA LOCAL INFILE 'x' INTO TABLE nowhere", () => Readable.from([Buffer.from('1\t1\n')])),
    { errno: 1146, message: /nowhere/ },
  );
  t.equal(await client.value('SELECT 7'), 7);
  // Inside a transaction.
  await client.run('BEGIN');
  await load(sql, () => Readable.from([Buffer.from('-1\tnever\n')]));
  await client.run('ROLLBACK');
  t.equal(await other.value('SELECT COUNT(*) FROM loaded WHERE id=-1'), 0);

  const raw = await RawClient.login(loginOf(world.proxy.url));
  if (isMysql) t.match(errOf(await raw.command(Command.StmtPrepare, sql, 'prepare')), { errno: 1295 });
  else {
    const statement = await raw.prepare(sql);
    raw.send(commandPayload(Command.StmtExecute, executePayload(statement)));
    unlessErr(await raw.reply('results', Buffer.from('-2\tprepared\n')));
    t.equal(await other.value('SELECT v FROM loaded WHERE id=-2'), 'prepared');
  }
  raw.destroy();
  await forbidden(t, world);
  await client.end();
  await other.end();
}

/** Without CLIENT_LOCAL_FILES the server refuses: the proxy's own sessions have the flag only for those that have it. */
async function forbidden(t: Test, world: Proxied): Promise<void> {
  const client: Client = await world.connect({ flags: ['-LOCAL_FILES'] });
  t.match(await client.error("LOAD DATA LOCAL INFILE 'x' INTO TABLE loaded"), { errno: /1148|3948|4166/ });
  await client.end();
}

async function pipeline(t: Test, world: Proxied): Promise<void> {
  const client = await RawClient.login(loginOf(world.proxy.url));
  const count = 5_000;
  const statements = Array.from({ length: count }, (_, i) => `SELECT ${i}, '${'p'.repeat(100)}'`);
  client.write(Buffer.concat(statements.flatMap((sql) => packets(commandPayload(Command.Query, sql)))));
  const wrong: unknown[] = [];
  for (let i = 0; i < count; i++) {
    const [value] = rowsOf(await client.reply('results'), client);
    if (value !== String(i)) wrong.push([i, value]);
  }
  t.strictSame(wrong, []);
  client.destroy();
}

async function manyRows(t: Test, world: Proxied): Promise<void> {
  const [client, other] = await Promise.all([world.connect(), world.connect()]);
  const numbers = 'WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i+1 FROM n WHERE i < 999)';
  const sql = `${numbers} SELECT a.i * 1000 + b.i AS i, REPEAT('r', b.i) AS r FROM n AS a, n AS b WHERE a.i < 50`;
  const columns = Array.from({ length: 1_000 }, (_, i) => `${i} AS c${i}`).join(', ');
  const [rows, wide] = await Promise.all([client.rows(sql), other.rows(`SELECT ${columns}`)]);
  t.equal(rows.length, 50_000);
  t.equal(new Set(rows.map(({ i }) => i)).size, 50_000);
  t.ok(rows.every(({ i, r }) => String(r).length === Number(i) % 1000));
  t.strictSame(
    Object.values(wide[0] ?? {}),
    Array.from({ length: 1_000 }, (_, i) => i),
  );
  await client.end();
  await other.end();
}
