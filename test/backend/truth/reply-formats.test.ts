import t from 'tap';
import { Command, CursorFlag, Reply, Status } from '../../../src/protocol/constants.js';
import { type RawReply, type RawSession, Shape } from '../../support/raw-session.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** How replies look under CLIENT_DEPRECATE_EOF, packet by packet. */

/** First payload byte of each packet, a column definition as `def`, anything else short as hex. */
function shape(reply: RawReply): string[] {
  return reply.packets.map(({ payload }) => {
    if (payload[0] === 3 && payload.subarray(1, 4).toString() === 'def') return 'def';
    if (payload[0] === Reply.Eof && payload.length >= 7) return 'ok-fe';
    if (payload[0] === Reply.Err) return 'err';
    if (payload[0] === Reply.Ok && payload.length >= 7) return payload.length === 12 ? 'prepared' : 'ok-00';
    return payload.length <= 2 ? payload.toString('hex') : 'row';
  });
}

const sequence = (reply: RawReply): number[] => reply.packets.map(({ sequenceId }) => sequenceId);
const { MoreResultsExist, CursorExists, LastRowSent, PsOutParams } = Status;
const CURSOR_BITS = CursorExists | LastRowSent;

function fetch(session: RawSession, id: number, rows: number): Promise<RawReply> {
  return session.command(Command.StmtFetch, Buffer.from(Uint32Array.of(id, rows).buffer), Shape.Rows);
}

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const session = await openSession(t, server, { schema });
  const { isMysql } = server;
  await session.must('CREATE TABLE t(id INT PRIMARY KEY, v VARCHAR(20))');
  await session.must("INSERT INTO t VALUES(1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e')");

  await t.test('result sets: no EOF after the definitions, an OK with header 0xFE at the end', async (t) => {
    const reply = await session.must('SELECT id, v FROM t WHERE id < 3');
    t.equal(reply.packets.length, 1 + 2 + 2 + 1);
    t.strictSame(sequence(reply), [1, 2, 3, 4, 5, 6]);
    t.equal(reply.ok.header, Reply.Eof);
    t.equal((await session.must('DO 1')).ok.header, Reply.Ok);
    t.equal((await session.must('SELECT id FROM t WHERE id > 99')).packets.length, 1 + 1 + 1, 'no rows');
  });

  await t.test('COM_STMT_PREPARE: definitions without EOFs', async (t) => {
    t.strictSame(shape(await session.prepare('SELECT id, v FROM t WHERE id > ?')), [
      'prepared',
      'def',
      'def',
      'def',
    ]);
    t.strictSame(shape(await session.prepare('SELECT 1')), ['prepared', 'def']);
    t.strictSame(shape(await session.prepare('DO ?')), ['prepared', 'def']);
    t.strictSame(shape(await session.prepare('DO 1')), ['prepared']);
    t.strictSame(shape(await session.prepare('SELECT nope FROM t')), ['err']);
    const call = await session.prepare('SELECT ?, ?');
    t.match(call.prepared, { params: 2, columns: 2 });
  });

  await t.test('a cursor: definitions, then an OK with CURSOR_EXISTS in place of rows', async (t) => {
    const id = await session.prepareId('SELECT id, v FROM t WHERE id > ? ORDER BY id');
    const opened = await session.execute(id, [0], CursorFlag.ReadOnly);
    t.strictSame(shape(opened), ['02', 'def', 'def', 'ok-fe']);
    t.equal(opened.status & CURSOR_BITS, CursorExists);
    const counts = [];
    const flags = [];
    for (let i = 0; i < 3; i++) {
      const fetched = await fetch(session, id, 2);
      counts.push(fetched.rows.length);
      flags.push(fetched.status & CURSOR_BITS);
      t.equal(fetched.ok.statementId, null, 'no trackers in the answer to a fetch');
    }
    t.strictSame(counts, [2, 2, 1]);
    t.strictSame(flags, [CursorExists, CursorExists, LastRowSent], 'the last row closes the cursor');
    t.equal((await fetch(session, id, 2)).err?.errno, 1421, 'none is open any more');
  });

  await t.test('the end of a cursor is only found by fetching beyond it', async (t) => {
    const id = await session.prepareId('SELECT id FROM t WHERE id > ?');
    await session.execute(id, [0], CursorFlag.ReadOnly);
    t.equal((await fetch(session, id, 5)).status & CURSOR_BITS, CursorExists);
    const beyond = await fetch(session, id, 5);
    t.strictSame([beyond.rows.length, beyond.status & CURSOR_BITS], [0, LastRowSent]);
    const empty = await session.execute(id, [99], CursorFlag.ReadOnly);
    t.equal(empty.status & CURSOR_BITS, CursorExists, 'open with no rows at all');
    await session.command(Command.StmtReset, Buffer.from(Uint32Array.of(id).buffer));
    t.equal((await fetch(session, id, 5)).err?.errno, 1421, 'COM_STMT_RESET closes it');
  });

  await t.test('a cursor outlives other statements and a COMMIT', async (t) => {
    const id = await session.prepareId('SELECT id FROM t');
    await session.execute(id, [], CursorFlag.ReadOnly);
    await session.must('SELECT 1');
    await session.must('COMMIT');
    t.equal((await fetch(session, id, 1)).rows.length, 1);
    await session.command(Command.StmtReset, Buffer.from(Uint32Array.of(id).buffer));
  });

  await t.test('a cursor asked for where there can be none', async (t) => {
    const insert = await session.execute(
      await session.prepareId("INSERT INTO t VALUES(?, 'x')"),
      [50],
      CursorFlag.ReadOnly,
    );
    t.strictSame(shape(insert), ['ok-00']);
    t.equal(insert.status & CURSOR_BITS, 0);
    const set = await session.execute(await session.prepareId('SET @a=1'), [], CursorFlag.ReadOnly);
    t.equal(set.err?.errno, isMysql ? 1210 : undefined, 'MySQL refuses, MariaDB runs it');
    await session.must('DELETE FROM t WHERE id = 50');
  });

  await t.test('COM_FIELD_LIST: definitions and an OK with header 0xFE', async (t) => {
    const list = (payload: string): Promise<RawReply> =>
      session.command(Command.FieldList, payload, Shape.Rows);
    t.strictSame(shape(await list('t\0')), ['def', 'def', 'ok-fe']);
    t.strictSame(shape(await list('t\0zzz%')), ['ok-fe'], 'no column matches');
    t.strictSame(shape(await list('nope\0')), ['err']);
  });

  await t.test('simple commands', async (t) => {
    const statistics = await session.command(Command.Statistics, '', Shape.Packet);
    t.match(statistics.packets[0]?.payload.toString(), /^Uptime: \d+ .*Threads: \d+/);
    t.strictSame(shape(await session.command(Command.Ping)), ['ok-00']);
    t.equal((await session.command(Command.Debug, '', Shape.Packet)).err?.errno, 1227);
    const processes = await session.command(Command.ProcessInfo);
    if (isMysql) t.equal(processes.err?.errno, 1047);
    else t.equal(processes.results[0]?.columns[0], 'Id');
    const id = Buffer.from(Uint32Array.of(0x7fffffff).buffer);
    t.equal((await session.command(Command.ProcessKill, id)).err?.errno, isMysql ? 1047 : 1094);
    for (const command of [
      Command.Sleep,
      Command.CreateDb,
      Command.Time,
      Command.Connect,
      Command.DelayedInsert,
    ])
      t.equal((await session.command(command, 'x')).err?.errno, 1047, `command ${command}`);
  });

  await t.test('CALL: the result sets, then an OK of its own', async (t) => {
    await session.must('CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2, 3; END');
    const reply = await session.must('CALL two()');
    t.strictSame(shape(reply), ['01', 'def', '0131', 'ok-fe', '02', 'def', 'def', 'row', 'ok-fe', 'ok-00']);
    t.strictSame(
      reply.oks.map((ok) => ok.status & MoreResultsExist),
      [MoreResultsExist, MoreResultsExist, 0],
    );
    t.strictSame(sequence(reply), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 'numbered through');
    const binary = await session.execute(await session.prepareId('CALL two()'), [], CursorFlag.ReadOnly);
    t.equal(binary.packets.length, 10, 'a cursor is not opened for a CALL');
    const followed = await session.must('CALL two(); SELECT 9');
    t.equal(followed.results.length, 3);
    t.equal(followed.value, '9');
  });

  await t.test('OUT parameters come as a result set of their own', async (t) => {
    await session.must(
      'CREATE PROCEDURE outs(IN a INT, OUT b INT, INOUT c INT) BEGIN SET b = a + 1; SET c = c + 5; SELECT 7; END',
    );
    const id = await session.prepareId('CALL outs(?, ?, ?)');
    const reply = await session.execute(id, [5, 6, 7]);
    t.strictSame(
      reply.oks.map((ok) => ok.status & (MoreResultsExist | PsOutParams)),
      [MoreResultsExist, MoreResultsExist | PsOutParams, 0],
      'flagged at the end of the set, in the OK',
    );
    const [row] = reply.results[1]?.rows ?? [];
    t.equal(Buffer.from(row?.[0] ?? '', 'latin1').toString('hex'), '0000060000000c000000');
  });

  await t.test('LOCAL INFILE: a request, our packets, and the numbers go on', async (t) => {
    const load = "LOAD DATA LOCAL INFILE 'f' INTO TABLE t FIELDS TERMINATED BY ','";
    const file = Buffer.concat([
      Buffer.from([7, 0, 0, 2]),
      Buffer.from('60,abc\n'),
      Buffer.from([0, 0, 0, 3]),
    ]);
    t.equal((await session.query(load)).infile, 'f');
    const rest = session.expect(Shape.Results);
    session.channel.write(file);
    const loaded = await rest;
    t.strictSame(sequence(loaded), [4]);
    t.equal(loaded.ok.affectedRows, 1n);
    await session.query(`${load}; SELECT 5`);
    const chain = session.expect(Shape.Results);
    session.channel.write(Buffer.from([0, 0, 0, 2]));
    const after = await chain;
    t.strictSame(sequence(after), [3, 4, 5, 6, 7], 'an empty file, then the rest of the statements');
    t.equal(after.value, '5');
    t.equal(
      (await session.query("LOAD DATA LOCAL INFILE 'f' INTO TABLE nope")).err?.errno,
      1146,
      'not asked for',
    );
    await session.must('DELETE FROM t WHERE id = 60');
  });

  await t.test('an ERR in the midst of rows, and of a chain, is the end', async (t) => {
    const rows = await session.query('SELECT id, EXP(id * 300) FROM t ORDER BY id');
    t.equal(rows.err?.errno, 1690);
    t.strictSame(shape(rows), ['02', 'def', 'def', 'row', 'row', 'err']);
    const chain = await session.query('SELECT 1; SELECT nope; SELECT 3');
    t.strictSame(shape(chain), ['01', 'def', '0131', 'ok-fe', 'err']);
    t.equal(await session.value('SELECT 4'), '4');
  });

  await t.test('nothing to do', async (t) => {
    t.equal((await session.query('')).err?.errno, 1065);
    t.equal((await session.query(';')).err?.errno, 1065);
    t.strictSame(shape(await session.query('-- only a comment')), ['ok-00']);
    const empty = session.expect(Shape.Packet);
    session.channel.write(Buffer.from([0, 0, 0, 0]));
    t.equal((await empty).err?.errno, 1047, 'an empty packet is command 0');
  });
});
