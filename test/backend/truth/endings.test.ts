import t from 'tap';
import { Command, Status } from '../../../src/protocol/constants.js';
import type { RawSession } from '../../support/raw-session.js';
import { forEachPrivateServer, forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** How sessions end, byte by byte, and what KILL does to a statement. */

/** Waits until the server says that the session is busy with something that matches. */
async function untilBusy(watcher: RawSession, id: number, state: RegExp): Promise<void> {
  for (;;) {
    const { rows } = await watcher.must(
      `SELECT COMMAND, STATE, INFO FROM information_schema.PROCESSLIST WHERE ID = ${id}`,
    );
    const [command, ...detail] = rows[0] ?? [];
    if ((command === 'Query' || command === 'Execute') && state.test(detail.join(' '))) return;
  }
}

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const { isMysql } = server;

  await t.test('wait_timeout on an idle session', async (t) => {
    const session = await openSession(t, server, { schema });
    await session.must('SET wait_timeout=1');
    const { bytes, error } = await session.ended;
    if (isMysql) {
      t.equal(bytes.readUIntLE(0, 3), bytes.length - 4);
      t.equal(bytes[3], 0, 'sequence id 0');
      t.equal(bytes[4], 0xff);
      t.equal(bytes.readUInt16LE(5), 4031);
      t.equal(bytes.subarray(7, 13).toString(), '#HY000');
      t.equal(error, null, 'then FIN');
    } else {
      t.equal(bytes.length, 0, 'not a word');
    }
  });

  await t.test('KILL of an idle session: a bare FIN', async (t) => {
    const [session, killer] = [await openSession(t, server), await openSession(t, server)];
    await killer.must(`KILL ${session.connectionId}`);
    t.match(await session.ended, { bytes: Buffer.alloc(0), error: null });
  });

  await t.test('KILL QUERY', async (t) => {
    const session = await openSession(t, server, { schema });
    const killer = await openSession(t, server, { schema });
    await session.must('CREATE TABLE t(id INT PRIMARY KEY, v INT)');
    await session.must('INSERT INTO t VALUES(1, 1)');
    const interrupt = async (sql: string, state = /sleep/i): ReturnType<RawSession['query']> => {
      const reply = session.query(sql);
      await untilBusy(killer, session.connectionId, state);
      await killer.must(`KILL QUERY ${session.connectionId}`);
      return reply;
    };

    const sleep = await interrupt('SELECT SLEEP(30)');
    t.strictSame(
      [sleep.err?.errno, sleep.value],
      isMysql ? [undefined, '1'] : [1317, undefined],
      'MySQL: a row that says 1',
    );
    t.equal((await interrupt('SELECT SLEEP(30) FROM t')).err?.errno, 1317);
    t.equal((await interrupt('DO SLEEP(30)')).err, null, 'no error at all');
    const chain = await interrupt("SELECT SLEEP(30); SELECT 'second'");
    t.strictSame(
      [chain.err?.errno, chain.value],
      isMysql ? [undefined, 'second'] : [1317, undefined],
      'MySQL runs on',
    );

    const insert =
      'INSERT INTO big SELECT a.COLUMN_NAME FROM information_schema.COLUMNS a, information_schema.COLUMNS b, information_schema.COLUMNS c';
    await session.must('CREATE TABLE big(b VARCHAR(100))');
    t.equal((await interrupt(insert, /INSERT INTO big/)).err?.errno, 1317);
    t.equal(await session.value('SELECT COUNT(*) FROM big'), '0', 'rolled back');

    await killer.must('BEGIN');
    await killer.must('UPDATE t SET v = 2');
    await session.must('BEGIN');
    t.equal((await interrupt('UPDATE t SET v = 3', /UPDATE t/)).err?.errno, 1317, 'waiting for a lock');
    t.equal(
      (await session.must('SELECT 1')).status & Status.InTransaction,
      Status.InTransaction,
      'the transaction lives on',
    );
    await killer.must('ROLLBACK');
    await session.must('ROLLBACK');
    t.notOk(session.isEnded);
  });

  await t.test('KILL in the middle of a statement: no reply, a bare FIN', async (t) => {
    const [session, killer] = [await openSession(t, server), await openSession(t, server)];
    const lost = t.rejects(session.query('SELECT SLEEP(30)'), /session ended/);
    await untilBusy(killer, session.connectionId, /sleep/i);
    await killer.must(`KILL ${session.connectionId}`);
    await lost;
    t.match(await session.ended, { bytes: Buffer.alloc(0), error: null });
  });

  await t.test('KILL of oneself is answered', async (t) => {
    const session = await openSession(t, server);
    t.equal((await session.query(`KILL ${session.connectionId}`)).err?.errno, isMysql ? 1317 : 1927);
    t.equal((await session.ended).error, null);
  });

  await t.test('COM_QUIT: a bare FIN', async (t) => {
    const session = await openSession(t, server);
    session.channel.write(Buffer.from([1, 0, 0, 0, Command.Quit]));
    t.match(await session.ended, { bytes: Buffer.alloc(0), error: null });
  });
});

await forEachPrivateServer(t, async (t, server) => {
  const [idle, busy] = [await openSession(t, server), await openSession(t, server)];
  const watcher = await openSession(t, server);
  const reply = busy.query('SELECT SLEEP(60)').catch(() => null);
  await untilBusy(watcher, busy.connectionId, /sleep/i);
  await server.kill('SIGTERM');
  t.match(await idle.ended, { bytes: Buffer.alloc(0), error: null }, 'idle: a bare FIN');
  t.equal((await busy.ended).error, null);
  t.equal(
    (await reply)?.value,
    server.isMysql ? '1' : undefined,
    'MySQL still answers the statement it interrupted',
  );
});
