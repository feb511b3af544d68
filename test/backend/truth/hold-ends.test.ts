import t, { type Test } from 'tap';
import { Status } from '../../../src/protocol/constants.js';
import type { RawReply, RawSession } from '../../support/raw-session.js';
import { forEachServer, type TestServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** How state that holds a session ends, and what of that the servers tell. */

interface World {
  readonly server: TestServer;
  readonly session: RawSession;
  readonly open: () => Promise<RawSession>;
  readonly schema: string;
}

const on = <T>(server: TestServer, mariadb: T, mysql: T): T => (server.isMysql ? mysql : mariadb);
const inTransaction = (reply: RawReply): boolean => (reply.status & Status.InTransaction) !== 0;

async function errno(session: RawSession, sql: string): Promise<number | null> {
  return (await session.query(sql)).err?.errno ?? null;
}

async function temporaryTables(t: Test, { server, session, schema }: World): Promise<void> {
  const made = async (name: string): Promise<string | number> => {
    const { err, rows } = await session.query(`SHOW CREATE TABLE ${name}`);
    return err?.errno ?? (rows[0]?.[1] ?? '').replace(/ TABLE[\s\S]*/, '');
  };
  await session.must('CREATE TABLE base(a INT)');
  await session.must('CREATE TEMPORARY TABLE base(b INT)');
  t.equal(await made('base'), 'CREATE TEMPORARY');
  await session.must('DROP TABLE base');
  t.equal(await made('base'), 'CREATE', 'a temporary table goes first');
  t.equal(await errno(session, 'DROP TEMPORARY TABLE base'), 1051);

  await session.must('CREATE TEMPORARY TABLE tt(a INT)');
  t.equal(await errno(session, 'DROP TABLE tt, nowhere'), 1051);
  t.equal(await made('tt'), on<string | number>(server, 1146, 'CREATE TEMPORARY'), 'a DROP that fails');
  await session.must('CREATE TEMPORARY TABLE IF NOT EXISTS tt(a INT)');
  t.equal(await errno(session, 'RENAME TABLE tt TO tu'), on(server, null, 1146));
  await session.must(`ALTER TABLE ${on(server, 'tu', 'tt')} RENAME TO tv`);
  t.equal(await made('tv'), 'CREATE TEMPORARY');
  const doubled = 'TEMPORARY TABLE tw(a INT PRIMARY KEY) SELECT 1 AS a UNION ALL SELECT 1';
  t.equal(await errno(session, `CREATE ${doubled}`), 1062);
  t.equal(await made('tw'), 1146, 'one that is not filled is not there');
  if (!server.isMysql) {
    await session.must('CREATE TEMPORARY TABLE tw(a INT)');
    t.equal(await errno(session, `CREATE OR REPLACE ${doubled}`), 1062);
    t.equal(await made('tw'), 1146, 'nor is the one that it was to replace');
  }
  t.equal(await made('mysql.user'), 1142, 'not even that it is there');

  const other = await server.createDatabase();
  await session.must(`CREATE TEMPORARY TABLE ${other}.tt(a INT)`);
  await session.must(`DROP DATABASE ${other}`);
  t.equal(await made(`${other}.tt`), 'CREATE TEMPORARY', 'it outlives its schema');
  await session.must(`USE ${schema}`);
}

async function tableLocks(t: Test, { session, open }: World): Promise<void> {
  const state = async (sql: string): Promise<string | null> =>
    (await session.must(sql)).tracked.transactionState;
  await session.must('CREATE TABLE locked(a INT)');
  await session.must('CREATE TEMPORARY TABLE own(a INT)');
  t.equal(await state('LOCK TABLES own WRITE'), '_______L', 'of a temporary table, too');
  t.equal(await state('LOCK TABLES locked READ'), null, 'not told again');
  t.equal(await state('BEGIN'), 'T_______', 'which unlocks');
  await session.must('ROLLBACK');
  t.equal(await state('LOCK TABLES locked READ'), '_______L');
  t.equal(await errno(session, 'LOCK TABLES nowhere READ'), 1146);
  t.equal(await state('SET SESSION session_track_schema=ON'), '________', 'LOCK TABLES that fails unlocks');

  const blind = await open();
  await blind.must('LOCK TABLES locked READ');
  await blind.must('SET SESSION session_track_transaction_info=OFF');
  await blind.arm();
  t.equal(
    (await blind.must('UNLOCK TABLES')).tracked.transactionState,
    null,
    'locks from before the tracker was switched on again are not known to it',
  );
  blind.close();
}

async function xa(t: Test, { server, session, schema }: World): Promise<void> {
  const xid = `'truth ${schema}'`;
  await session.must('CREATE TABLE x(a INT)');
  t.ok(inTransaction(await session.must(`XA START ${xid}`)));
  await session.must('INSERT INTO x VALUES(1)');
  t.ok(inTransaction(await session.must(`XA END ${xid}`)));
  t.equal(inTransaction(await session.must(`XA PREPARE ${xid}`)), !server.isMysql, 'MySQL detaches it');
  t.equal(await errno(session, 'INSERT INTO x VALUES(2)'), on(server, 1399, null));
  t.notOk(inTransaction(await session.must(`XA ROLLBACK ${xid}`)));
  if (!server.isMysql) return;
  // A plain account may not.
  const root = await openSession(t, server, {
    schema,
    user: 'root',
    password: new URL(server.rootUrl).password,
  });
  await root.must('SET SESSION xa_detach_on_prepare=OFF');
  for (const sql of ['START', 'END']) await root.must(`XA ${sql} ${xid}`);
  t.ok(inTransaction(await root.must(`XA PREPARE ${xid}`)), 'unless it is told not to');
  await root.must(`XA ROLLBACK ${xid}`);
}

async function oneShots(t: Test, { session }: World): Promise<void> {
  await session.must('CREATE TABLE ids(id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
  const pending = (): Promise<string | null | undefined> => session.value('SELECT @@insert_id');
  await session.must('SET insert_id=500');
  await session.must('INSERT INTO ids(id) VALUES(5)');
  t.equal(await pending(), '500', 'not used');
  await session.must('INSERT INTO ids(v) VALUES(1), (2)');
  t.equal(await pending(), '0');
  for (const thaw of ['DEFAULT', '0', '0.0']) {
    await session.must('SET timestamp=5');
    await session.must(`SET timestamp=${thaw}`);
    t.equal(await session.value('SELECT YEAR(NOW()) > 1970'), '1', `timestamp=${thaw}`);
  }
}

async function failedSets(t: Test, { session }: World): Promise<void> {
  await session.must('SET @x=5');
  for (const sql of [
    'SET @x=1, @y=(SELECT 1 UNION SELECT 2)',
    "SET @x=1, sql_mode='nope'",
    'SET @x=1, GLOBAL max_connections=10',
    'SET @x=1, autocommit=5',
    "SET @x=1, SESSION session_track_schema=OFF, sql_mode='nope'",
  ]) {
    t.not(await errno(session, sql), null, sql);
    t.equal(await session.value('SELECT @x'), '5', sql);
  }
}

/** Definition of the only column of a SELECT, without its name. */
async function definition(session: RawSession, name: string): Promise<string | undefined> {
  const { packets } = await session.must(`SELECT @${name}`);
  return packets[1]?.payload.subarray(-13).toString('hex');
}

async function userVariables(t: Test, { open }: World): Promise<void> {
  const session = await open();
  const never = await definition(session, 'a');
  await session.must('SET @b=NULL');
  t.not(await definition(session, 'b'), never, 'NULL is not the same as never set');
  const types = new Set<string | undefined>();
  for (const literal of ['5', '1.5', "'x'"]) {
    await session.must(`SET @c=${literal}`);
    await session.must('SET @c=NULL');
    types.add(await definition(session, 'c'));
  }
  t.equal(types.size, 3, 'and has the type of the value before');
  session.close();
}

async function locksAndNames(t: Test, { session, schema }: World): Promise<void> {
  const lock = `'truth ${schema}'`;
  const values: unknown[] = [];
  for (const sql of ['GET', 'GET', 'RELEASE', 'RELEASE', 'RELEASE']) {
    values.push(await session.value(`SELECT ${sql}_LOCK(${lock}${sql === 'GET' ? ', 0' : ''})`));
  }
  t.strictSame(values, ['1', '1', '1', '1', null], 'got twice, to be released twice');

  await session.must("PREPARE p FROM 'SELECT 1'");
  t.equal(await errno(session, "PREPARE p FROM 'SELECT nope FROM nowhere'"), 1146);
  t.equal(await errno(session, 'EXECUTE p'), 1243, 'a PREPARE that fails has ended the one before');
  await session.must('PREPARE `P q` FROM "SELECT 1"');
  await session.must('DEALLOCATE PREPARE `p Q`');

  await session.must('CREATE TABLE h(a INT)');
  await session.must('HANDLER h OPEN AS other');
  await session.must("ALTER TABLE h COMMENT 'changed'");
  t.equal(await errno(session, 'HANDLER other CLOSE'), 1109, 'a change of its table closes a handler');
}

async function canary(t: Test, { server, open, schema }: World): Promise<void> {
  const session = await open();
  const seen = async (sql: string): Promise<boolean[]> =>
    (await session.must(sql)).oks.map(({ statementId }) => statementId !== null);
  await server.query(`CREATE PROCEDURE ${schema}.two() BEGIN SELECT 1; SELECT 2; END`);
  await server.query(
    `CREATE PROCEDURE ${schema}.off_and_on() BEGIN SET SESSION session_track_system_variables='';
     SET SESSION wait_timeout=66; SET SESSION session_track_system_variables='*'; END`,
  );
  const { isMysql } = server;
  t.strictSame(
    await seen('DO 1; SELECT 2; SET @a=1'),
    [isMysql, isMysql, isMysql],
    'each of several statements',
  );
  t.strictSame(await seen('CALL two()'), [isMysql, false, false], 'of a CALL the first result only');
  const call = await session.must('CALL off_and_on()');
  t.strictSame(
    call.tracked.variables,
    ['session_track_system_variables=*'],
    'what was set meanwhile is not told',
  );
  t.equal(call.ok.statementId, null);
  const off = await session.must("SET SESSION session_track_system_variables=''");
  t.strictSame(off.tracked.variables, [], 'switching it off is not told');
  t.ok(off.tracked.changed, 'but for the bare flag');
  t.strictSame((await session.must('SET SESSION session_track_schema=ON')).tracked.variables, []);
  session.close();
}

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const open = (): Promise<RawSession> => openSession(t, server, { schema });
  const world: World = { server, session: await open(), open, schema };
  await t.test('temporary tables', (t) => temporaryTables(t, world));
  await t.test('table locks', (t) => tableLocks(t, world));
  await t.test('XA transactions are over with their status flag', (t) => xa(t, world));
  await t.test('one-shot variables', (t) => oneShots(t, world));
  await t.test('a SET that fails sets no user variable', (t) => failedSets(t, world));
  await t.test('user variables can not be taken away', (t) => userVariables(t, world));
  await t.test('locks, prepared statements, handlers', (t) => locksAndNames(t, world));
  await t.test('whether the trackers are on', (t) => canary(t, world));
});
