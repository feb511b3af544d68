import t from 'tap';
import { Command, Status } from '../../../src/protocol/constants.js';
import { type RawReply, type RawSession, Shape } from '../../support/raw-session.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** What trackers say late, or too early, when a routine ran. */

const SETUP = [
  `CREATE PROCEDURE fails() BEGIN
     SET SESSION wait_timeout = 55; SET @u = 1; SIGNAL SQLSTATE '45000'; END`,
  `CREATE PROCEDURE between_sets() BEGIN
     SELECT 1; SET SESSION sql_mode = 'ANSI_QUOTES', wait_timeout = 66; SET NAMES latin1; SELECT 2; SET SESSION wait_timeout = 67; END`,
  'CREATE FUNCTION sets_timeout() RETURNS INT DETERMINISTIC NO SQL BEGIN SET SESSION wait_timeout = 88; RETURN 3; END',
  'CREATE TABLE t(a INT)',
  'INSERT INTO t VALUES(1)',
];

type Flush = readonly [
  name: string,
  run: (session: RawSession, schema: string) => Promise<RawReply>,
  tells: 'both' | 'mysql',
];

const query =
  (sql: string) =>
  (session: RawSession): Promise<RawReply> =>
    session.query(sql);

/** Commands after the ERR, and on which server they carry what the failed statement did. */
const FLUSHES: readonly Flush[] = [
  ['COM_PING', (session) => session.command(Command.Ping), 'mysql'],
  ['COM_INIT_DB', (session, schema) => session.command(Command.InitDb, schema), 'both'],
  [
    'COM_SET_OPTION',
    (session) => session.command(Command.SetOption, Buffer.from([0, 0]), Shape.Packet),
    'mysql',
  ],
  ...['SELECT 1', 'SELECT a FROM t', 'INSERT INTO t VALUES(2)', 'DO 0', 'COMMIT'].map(
    (sql): Flush => [sql, query(sql), 'mysql'],
  ),
  ...[
    'SET @x=1',
    'SET SESSION session_track_schema=ON',
    'BEGIN',
    'SET NAMES utf8mb4',
    'SET TRANSACTION READ WRITE',
  ].map((sql): Flush => [sql, query(sql), 'both']),
];

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const setup = await openSession(t, server, {
    schema,
    user: 'root',
    password: new URL(server.rootUrl).password,
  });
  if (server.isMysql) await setup.must('SET GLOBAL log_bin_trust_function_creators = ON');
  for (const sql of SETUP) await setup.must(sql);

  await t.test('a failed CALL: its changes are in a later OK', async (t) => {
    for (const [name, run, tells] of FLUSHES) {
      const session = await openSession(t, server, { schema });
      t.equal((await session.query('CALL fails()')).err?.errno, 1644);
      const reply = await run(session, schema);
      const late =
        name === 'COM_SET_OPTION' ? lateInEof(reply) : reply.tracked.variables.includes('wait_timeout=55');
      t.equal(late, tells === 'both' || server.isMysql, name);
      if (late && name !== 'COM_SET_OPTION') t.ok(reply.tracked.changed, `${name}, and the bare flag`);
      const after = await session.must('SET @y=1');
      t.equal(after.tracked.variables.includes('wait_timeout=55'), !late, 'told once');
      session.close();
    }
  });

  await t.test('MySQL: arming the state tracker again swallows the bare flag', async (t) => {
    const session = await openSession(t, server, { schema });
    await session.query('CALL fails()');
    const reply = await session.must('SET SESSION session_track_state_change=ON');
    t.ok(reply.tracked.variables.includes('wait_timeout=55'));
    t.equal(reply.tracked.changed, !server.isMysql);
  });

  await t.test('a SET that fails half way changes nothing', async (t) => {
    const session = await openSession(t, server, { schema });
    const before = await session.value('SELECT @@wait_timeout');
    t.equal((await session.query("SET wait_timeout=45, sql_mode='nope'")).err?.errno, 1231);
    t.strictSame((await session.must('SET @a=1')).tracked.variables, []);
    t.equal(await session.value('SELECT @@wait_timeout'), before);
  });

  await t.test('statements before the wrong one of a chain are reported in time', async (t) => {
    const session = await openSession(t, server, { schema });
    const chain = await session.query('SET wait_timeout=44; SELECT nope');
    t.strictSame(chain.oks[0]?.tracked.variables, ['wait_timeout=44']);
    t.equal(chain.err?.errno, 1054);
  });

  await t.test('a function in a SELECT is reported in the closing OK', async (t) => {
    const session = await openSession(t, server, { schema });
    t.strictSame((await session.must('SELECT sets_timeout() FROM t')).tracked.variables, ['wait_timeout=88']);
  });

  await t.test(
    'what a procedure reports between its result sets may be taken back in silence at its end',
    async (t) => {
      const session = await openSession(t, server, { schema });
      const before = await session.value('SELECT @@sql_mode');
      const reply = await session.must('CALL between_sets()');
      const [first, second, last] = reply.oks;
      t.strictSame(first?.tracked.variables, []);
      t.ok(second?.tracked.variables.includes('sql_mode=ANSI_QUOTES'), 'as it was in the procedure');
      t.ok(second?.tracked.variables.includes('character_set_client=latin1'));
      t.equal((second?.status ?? 0) & Status.MoreResultsExist, Status.MoreResultsExist);
      t.strictSame(last?.tracked.variables, ['wait_timeout=67'], 'no word of the sql_mode that came back');
      t.equal(await session.value('SELECT @@sql_mode'), before);
      const [row] = (
        await session.must('SELECT @@character_set_client, @@collation_connection, @@character_set_results')
      ).rows;
      t.strictSame(
        row,
        ['utf8mb4', 'utf8mb4_general_ci', 'latin1'],
        'client and connection came back, results did not',
      );
    },
  );

  await t.test('while a procedure of another schema runs, that schema is reported', async (t) => {
    const elsewhere = await server.createDatabase();
    const session = await openSession(t, server, { schema });
    await setup.must(`CREATE PROCEDURE ${elsewhere}.one() BEGIN SELECT 1; END`);
    const reply = await session.must(`CALL ${elsewhere}.one()`);
    t.strictSame(
      reply.oks.map((ok) => ok.tracked.schema),
      [elsewhere, schema],
    );
  });
});

/** COM_SET_OPTION's answer may have trackers too; the raw client does not read them. */
function lateInEof(reply: RawReply): boolean {
  return reply.packets[0]?.payload.includes('wait_timeout') ?? false;
}
