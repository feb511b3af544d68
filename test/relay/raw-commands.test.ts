import t, { type Test } from 'tap';
import { Capability, Command } from '../../src/protocol/constants.js';
import { proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
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
import { executePayload, int, rowsOf, text } from '../support/raw-values.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { login } from './support/login.js';
import { script } from './support/script.js';
import type { Script } from './support/steps.js';
import { transcript } from './support/transcript.js';

const DIALECTS = [
  ['EOF packets', CLASSIC],
  ['DEPRECATE_EOF', MODERN],
] as const;

const TRACKING = [
  ['EOF packets and session tracking', CLASSIC | Capability.SessionTrack],
  ['DEPRECATE_EOF and session tracking', MODERN | Capability.SessionTrack],
] as const;

/** The same script directly and through a proxy with one session, which somebody else uses between the steps. */
async function sameBytes(t: Test, server: TestServer, steps: Script, capabilities: number): Promise<void> {
  const tracking = (capabilities & Capability.SessionTrack) !== 0;
  const schema = await server.createDatabase();
  // MySQL's first login of an account is a longer one.
  (await RawClient.login(loginOf(server.url(schema)))).destroy();
  const direct = await RawClient.login(loginOf(server.url(schema), { capabilities }));
  const expected = await transcript(direct, steps, async () => null);
  const greeted = direct.loginReply;
  direct.destroy();
  await server.query(`DROP DATABASE ${schema}`);
  await server.query(`CREATE DATABASE ${schema} CHARACTER SET utf8mb4`);

  const flags = ['--pool-size', '1', '--query-wait-timeout', '20s'];
  const proxy = await startProxy(t, { upstream: server.url(schema), flags });
  const other = await RawClient.login(loginOf(proxy.url, { schema: 'app' }));
  const client = await RawClient.login(loginOf(proxy.url, { capabilities }));
  await other.must("SET time_zone='+09:00', sql_mode='ANSI_QUOTES'");
  await other.must('SET NAMES latin1');
  const actual = await transcript(client, steps, async () => {
    // Twice is enough: it takes its time.
    if (tracking) return null;
    const reply = await other.query('SELECT "time_zone" FROM (SELECT @@time_zone AS time_zone) AS x');
    return errOf(reply)?.message ?? null;
  });
  if (!tracking) t.strictSame(client.loginReply, greeted, 'the OK of the login');
  for (const [i, { name, bytes, disturbance }] of actual.entries()) {
    if (bytes !== expected[i]?.bytes) t.equal(bytes, expected[i]?.bytes, `${i}: ${name}`);
    if (disturbance !== null) t.fail(`nobody else gets the session after ${i}: ${name}`, { disturbance });
  }
  t.equal(actual.length, expected.length);
  t.equal(await other.value('SELECT @@time_zone'), '+09:00', 'the other client is still itself');
  client.destroy();
  other.destroy();
}

await forEachServer(t, async (t, server) => {
  for (const [name, capabilities] of [...DIALECTS, ...TRACKING]) {
    await t.test(`replies are the server's own, byte for byte: ${name}`, async (t) => {
      await sameBytes(t, server, script(server), capabilities);
    });
  }

  const world = await proxied(t, server, ['--pool-size', '2']);

  for (const [name, capabilities] of DIALECTS) {
    await t.test(`a cursor stays open while others work: ${name}`, async (t) => {
      const client = await login(t, world.proxy.url, capabilities);
      const other = await world.connect();
      await client.must('CREATE TABLE IF NOT EXISTS numbers(n INT PRIMARY KEY)');
      await client.must(`REPLACE INTO numbers VALUES ${Array.from({ length: 50 }, (_, i) => `(${i})`)}`);
      const statement = await client.prepare('SELECT n FROM numbers WHERE n >= ? ORDER BY n');
      const execute = executePayload(statement, [int(10)], { cursor: 1 });
      unlessErr(await client.command(Command.StmtExecute, execute, 'results'));
      t.equal(await world.proxy.holds(1, 'reason="cursor"'), 1);
      const seen: number[] = [];
      const fetch = Buffer.alloc(8);
      fetch.writeUInt32LE(statement, 0);
      fetch.writeUInt32LE(7, 4);
      for (let i = 0; i < 6; i++) {
        const reply = unlessErr(await client.command(Command.StmtFetch, fetch, 'rows'));
        for (const row of reply.slice(0, -1)) seen.push(row.payload.readUInt32LE(2));
        for (let j = 0; j < 3; j++) t.equal(await other.value('SELECT COUNT(*) FROM numbers'), 50);
        if (i === 2)
          t.equal(await client.value('SELECT 7'), '7', 'the client itself does something else, too');
      }
      t.strictSame(
        seen,
        Array.from({ length: 40 }, (_, i) => i + 10),
      );
      const past = await client.command(Command.StmtFetch, fetch, 'rows');
      t.ok(errOf(past) !== null || past.length === 1, 'nothing is left');
      t.equal(await client.value('SELECT 8'), '8');
      t.equal(await world.proxy.holds(0, 'reason="cursor"'), 0);
      await other.end();
    });
  }

  await t.test('an open cursor ends with COM_STMT_RESET, COM_STMT_CLOSE and the connection', async (t) => {
    const client = await login(t, world.proxy.url);
    const held = (expected: number): Promise<number> => world.proxy.holds(expected, 'reason="cursor"');
    const open = async (): Promise<number> => {
      const statement = await client.prepare('SELECT n FROM numbers ORDER BY n');
      unlessErr(
        await client.command(Command.StmtExecute, executePayload(statement, [], { cursor: 1 }), 'results'),
      );
      t.equal(await held(1), 1);
      return statement;
    };
    const first = await open();
    unlessErr(await client.command(Command.StmtReset, executePayload(first).subarray(0, 4)));
    t.equal(await held(0), 0);
    await client.must('SELECT 1');
    unlessErr(await client.command(Command.StmtReset, executePayload(first).subarray(0, 4)));
    t.equal(
      await client.value('SELECT ROW_COUNT()'),
      '0',
      'as after any OK, although nothing was asked of the server',
    );
    const second = await open();
    await client.command(Command.StmtClose, executePayload(second).subarray(0, 4), 'none');
    unlessErr(await client.command(Command.Ping));
    t.equal(await held(0), 0);
    t.match(errOf(await client.command(Command.StmtExecute, executePayload(second), 'results')), {
      errno: 1243,
    });
    await open();
    client.destroy();
    const next = await login(t, world.proxy.url);
    const another = await login(t, world.proxy.url);
    await next.must('BEGIN');
    await another.must('SELECT 1');
    t.equal(await held(0), 0);
    for (const reason of ['lost', 'reset_failed', 'died']) {
      const closed = await world.proxy.metric('mybouncer_server_sessions_closed_total', `reason="${reason}"`);
      t.equal(closed, 0, `no session was closed: ${reason}`);
    }
  });

  await t.test('long data comes in pieces, and belongs to one session until it is executed', async (t) => {
    const client = await login(t, world.proxy.url);
    const other = await world.connect();
    await client.must('CREATE TABLE pieces(id INT PRIMARY KEY, data LONGBLOB)');
    const statement = await client.prepare('INSERT INTO pieces VALUES(?, ?)');
    const pieces = Array.from({ length: 20 }, (_, i) => Buffer.alloc(10_000 + i, i));
    for (const piece of pieces) {
      const head = Buffer.alloc(6);
      head.writeUInt32LE(statement, 0);
      head.writeUInt16LE(1, 4);
      await client.command(Command.StmtSendLongData, Buffer.concat([head, piece]), 'none');
      t.equal(await other.value('SELECT COUNT(*) FROM pieces'), 0);
    }
    t.equal(await world.proxy.holds(1, 'reason="long_data"'), 1);
    const run = executePayload(statement, [int(1), { type: 0xfc, value: undefined }]);
    unlessErr(await client.command(Command.StmtExecute, run, 'results'));
    const rows = await other.rows('SELECT data FROM pieces');
    t.ok(Buffer.concat(pieces).equals(rows[0]?.['data'] as Buffer));
    t.equal(await world.proxy.holds(0, 'reason="long_data"'), 0);
    // Reset throws the pieces away; the next execute brings its own.
    const head = Buffer.alloc(6);
    head.writeUInt32LE(statement, 0);
    head.writeUInt16LE(1, 4);
    await client.command(Command.StmtSendLongData, Buffer.concat([head, Buffer.from('lost')]), 'none');
    unlessErr(await client.command(Command.StmtReset, head.subarray(0, 4)));
    const next = executePayload(statement, [int(2), text('kept')]);
    unlessErr(await client.command(Command.StmtExecute, next, 'results'));
    t.equal(String(await other.value('SELECT data FROM pieces WHERE id=2')), 'kept');
    await other.end();
  });

  await t.test('an execute without types on a session that never saw them', async (t) => {
    const client = await login(t, world.proxy.url);
    const other = await login(t, world.proxy.url);
    const statement = await client.prepare('SELECT CONCAT(?, ":", ?) AS x');
    const first = executePayload(statement, [int(1), text('one')]);
    unlessErr(await client.command(Command.StmtExecute, first, 'results'));
    const where = await client.value('SELECT @@pseudo_thread_id');
    // The session that the client used last is taken from it.
    await other.must('BEGIN');
    const taken = await other.value('SELECT @@pseudo_thread_id');
    const last = taken === where ? other : null;
    for (let i = 2; i < 6; i++) {
      const again = executePayload(statement, [int(i), text(`n${i}`)], { withTypes: false });
      const reply = unlessErr(await client.command(Command.StmtExecute, again, 'results'));
      t.match(rowsOf(reply, client), [`${i}:n${i}`]);
      if (i === 3) await other.must('COMMIT');
    }
    t.ok(last !== null, 'the other client had the session that knew the types');
    // Another client's types of the same statement, on the same sessions, are not this one's.
    const theirs = await other.prepare('SELECT CONCAT(?, ":", ?) AS x');
    for (let i = 0; i < 4; i++) {
      const strings = executePayload(theirs, [text('a'), text('b')]);
      t.match(rowsOf(unlessErr(await other.command(Command.StmtExecute, strings, 'results')), other), [
        'a:b',
      ]);
      const again = executePayload(statement, [int(i), text('x')], { withTypes: false });
      t.match(rowsOf(unlessErr(await client.command(Command.StmtExecute, again, 'results')), client), [
        `${i}:x`,
      ]);
    }
    const never = await client.prepare('SELECT ? + 1');
    const untyped = executePayload(never, [int(1)], { withTypes: false });
    t.match(errOf(await client.command(Command.StmtExecute, untyped, 'results')), { errno: 1210 });
  });

  await t.test('what is pipelined is answered in order', async (t) => {
    const client = await login(t, world.proxy.url);
    const count = 500;
    const writes = Array.from({ length: count }, (_, i) =>
      packets(commandPayload(Command.Query, `SELECT ${i}`)),
    );
    client.write(Buffer.concat(writes.flat()));
    for (let i = 0; i < count; i++) {
      const got = rowsOf(await client.reply('results'), client);
      if (got[0] !== String(i)) t.strictSame(got, [String(i)]);
    }
    // A prepare, its execute and its close in one write. Only MariaDB has a name for "the one prepared last".
    if (!server.isMysql) {
      const run = executePayload(0xffffffff, [int(41)]);
      client.write(
        Buffer.concat([
          ...packets(commandPayload(Command.StmtPrepare, 'SELECT ? + 1')),
          ...packets(commandPayload(Command.StmtExecute, run)),
          ...packets(commandPayload(Command.StmtExecute, executePayload(0xffffffff, [int(1)]))),
          ...packets(commandPayload(Command.StmtClose, run.subarray(0, 4))),
          ...packets(commandPayload(Command.StmtExecute, run)),
        ]),
      );
      unlessErr(await client.reply('prepare'));
      const first = unlessErr(await client.reply('results')).at(-2)?.payload;
      t.equal(first?.readBigInt64LE(2), 42n);
      t.equal(
        unlessErr(await client.reply('results'))
          .at(-2)
          ?.payload.readBigInt64LE(2),
        2n,
      );
      t.match(errOf(await client.reply('results')), { errno: 1243 });
    }
    const failing = ['SELECT nonsense', 'SELECT 1', 'SELECT', 'SELECT 2'];
    client.write(Buffer.concat(failing.flatMap((sql) => packets(commandPayload(Command.Query, sql)))));
    t.match(errOf(await client.reply('results')), { errno: 1054 });
    t.strictSame(rowsOf(await client.reply('results'), client), ['1']);
    t.match(errOf(await client.reply('results')), { errno: 1064 });
    t.strictSame(rowsOf(await client.reply('results'), client), ['2']);
  });

  await t.test('one byte at a time', async (t) => {
    const client = await login(t, world.proxy.url);
    const bytes = Buffer.concat([
      ...packets(commandPayload(Command.Query, "SELECT 'slow'")),
      ...packets(commandPayload(Command.Ping)),
    ]);
    for (const byte of bytes) {
      await new Promise((resolve) => client.socket.write(Buffer.of(byte), resolve));
    }
    t.strictSame(rowsOf(await client.reply('results'), client), ['slow']);
    unlessErr(await client.reply('packet'));
  });
});
