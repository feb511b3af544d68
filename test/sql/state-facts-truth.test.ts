/** Asks the real servers how state by name behaves when statements fail, end it silently, or differ between the servers. */
import { createConnection, type FieldPacket } from 'mysql2/promise';
import type { Test } from 'tap';
import { type RawText, truth } from './raw-text.js';

const OK = 0;
const NO_SUCH_TABLE = 1146;
const NO_SUCH_STATEMENT = 1243;
const NO_SUCH_HANDLER = 1109;
const UNKNOWN_TABLE = 1051;
const DUPLICATE = 1062;
const LOCKED = 1192;
const ILLEGAL_VARIABLE = 3061;

/** Asks one after the other, and compares the error numbers: of MariaDB and MySQL where they differ. */
async function expect(
  t: Test,
  raw: RawText,
  steps: readonly (readonly [sql: string, errno: number | readonly [mariadb: number, mysql: number]])[],
): Promise<void> {
  for (const [sql, errno] of steps) {
    const expected = typeof errno === 'number' ? errno : errno[raw.server.isMysql ? 1 : 0];
    t.equal((await raw.ask(sql)).errno, expected, sql);
  }
}

truth(
  'a DROP TABLE that fails has dropped what there was on MariaDB, and nothing on MySQL',
  async (t, raw) => {
    for (const sql of ['DROP TABLE a, missing', 'DROP TABLE missing, a', 'DROP TEMPORARY TABLE missing, a'])
      await expect(t, raw, [
        ['CREATE TEMPORARY TABLE IF NOT EXISTS a (a INT)', OK],
        [sql, UNKNOWN_TABLE],
        ['SELECT 1 FROM a', [NO_SUCH_TABLE, OK]],
      ]);
  },
);

truth(
  'a CREATE TEMPORARY TABLE that fails leaves nothing, not even what it was to replace',
  async (t, raw) => {
    const duplicates = 'SELECT 1 AS a UNION ALL SELECT 1';
    await expect(t, raw, [
      [`CREATE TEMPORARY TABLE a (a INT PRIMARY KEY) ${duplicates}`, DUPLICATE],
      ['SELECT 1 FROM a', NO_SUCH_TABLE],
    ]);
    if (raw.server.isMysql) return;
    await expect(t, raw, [
      ['CREATE TEMPORARY TABLE a (a INT)', OK],
      [`CREATE OR REPLACE TEMPORARY TABLE a (a INT PRIMARY KEY) ${duplicates}`, DUPLICATE],
      ['SELECT 1 FROM a', NO_SUCH_TABLE],
      ['CREATE TEMPORARY TABLE a (a INT)', OK],
      ['CREATE OR REPLACE TEMPORARY TABLE a (a INT, a INT)', 1060],
      ['SELECT 1 FROM a', NO_SUCH_TABLE],
    ]);
  },
);

truth('RENAME TABLE sees temporary tables on MariaDB only, ALTER TABLE on both', async (t, raw) => {
  await expect(t, raw, [
    ['CREATE TEMPORARY TABLE a (a INT)', OK],
    ['RENAME TABLE a TO b', [OK, NO_SUCH_TABLE]],
    ['DROP TABLE IF EXISTS a, b', OK],
    // Where one hides a table, MySQL renames that.
    ['CREATE TABLE a (base INT)', OK],
    ['CREATE TEMPORARY TABLE a (temporary INT)', OK],
    ['RENAME TABLE a TO b', OK],
    ['SELECT temporary FROM b', [OK, 1054]],
    ['SELECT base FROM a', [OK, 1054]],
    ['DROP TABLE a, b', OK],
    ['CREATE TEMPORARY TABLE a (a INT)', OK],
    ['RENAME TABLE a TO b, missing TO c', NO_SUCH_TABLE],
    ['SELECT 1 FROM a', OK],
    ['ALTER TABLE a RENAME b, ADD COLUMN a INT', 1060],
    ['SELECT 1 FROM a', OK],
    ['ALTER TABLE a RENAME b', OK],
    ['SELECT 1 FROM b', OK],
  ]);
});

truth('temporary tables outlive their schema, rollbacks and new tables of their name', async (t, raw) => {
  const schema = `${await raw.value('SELECT DATABASE()')}_gone`;
  await expect(t, raw, [
    [`CREATE DATABASE ${schema}`, OK],
    [`CREATE TEMPORARY TABLE ${schema}.a (a INT)`, OK],
    [`DROP DATABASE ${schema}`, OK],
    [`SELECT 1 FROM ${schema}.a`, OK],
    [`DROP TABLE ${schema}.a`, OK],
    [`SELECT 1 FROM ${schema}.a`, [NO_SUCH_TABLE, 1049]],
    ['START TRANSACTION', OK],
    ['CREATE TEMPORARY TABLE b (a INT)', OK],
    ['ROLLBACK', OK],
    ['CREATE TABLE b (base INT)', OK],
    ['TRUNCATE TABLE b', OK],
    ['SELECT a FROM b', OK],
    ['DROP TABLE b', OK],
    ['SELECT base FROM b', OK],
    ['DROP TEMPORARY TABLE b', UNKNOWN_TABLE],
  ]);
});

truth('a PREPARE that fails has ended the statement of that name', async (t, raw) => {
  for (const [sql, errno] of [
    ["PREPARE s FROM 'SELEC 1'", 1064],
    ["PREPARE s FROM 'SELECT missing'", 1054],
    ['PREPARE S FROM @missing', 1064],
  ] as const)
    await expect(t, raw, [
      ["PREPARE s FROM 'SELECT 1'", OK],
      [sql, errno],
      ['EXECUTE s', NO_SUCH_STATEMENT],
      ['DEALLOCATE PREPARE s', NO_SUCH_STATEMENT],
    ]);
});

truth('a prepared text can neither prepare nor execute another one', async (t, raw) => {
  const REFUSED = 1295;
  await expect(t, raw, [
    ["PREPARE a FROM 'SELECT 1'", OK],
    ['PREPARE b FROM "PREPARE a FROM \'SELECT 2\'"', REFUSED],
    ["PREPARE b FROM 'EXECUTE a'", REFUSED],
    ["PREPARE b FROM 'DEALLOCATE PREPARE a'", REFUSED],
  ]);
});

truth('what ends a handler', async (t, raw) => {
  await raw.must('CREATE TABLE a (a INT); CREATE TABLE b (a INT)');
  const ends = [
    ...[
      'ALTER TABLE a ADD COLUMN b INT',
      'CREATE INDEX i ON a (a)',
      'TRUNCATE TABLE a',
      'RENAME TABLE a TO c',
    ],
    ...['RENAME TABLE c TO a', 'ANALYZE TABLE a', 'OPTIMIZE TABLE a', 'CREATE TEMPORARY TABLE a (a INT)'],
    ...['DROP TEMPORARY TABLE a', 'DROP TABLE a'],
  ];
  const keeps = [
    ...[
      'COMMIT',
      'ROLLBACK',
      'START TRANSACTION',
      'UNLOCK TABLES',
      'FLUSH TABLES',
      'FLUSH TABLES a',
      'SELECT 1',
    ],
    ...['INSERT INTO a VALUES (1)', 'CREATE TABLE c (a INT)', 'DROP TABLE c', 'FLUSH TABLES WITH READ LOCK'],
  ];
  const after = async (sql: string, name: string) => {
    await raw.ask(`HANDLER a OPEN AS x`);
    await raw.ask(`HANDLER b OPEN AS y`);
    await raw.must(sql);
    const { errno } = await raw.ask(`HANDLER ${name} READ FIRST`);
    await raw.ask('HANDLER x CLOSE');
    await raw.must('UNLOCK TABLES');
    return errno;
  };
  for (const sql of keeps) t.equal(await after(sql, 'x'), OK, sql);
  t.equal(await after('LOCK TABLES b READ', 'y'), LOCKED, 'kept, until the tables are unlocked');
  t.equal(await after('SELECT 1', 'y'), OK);
  for (const sql of ends) {
    t.equal(await after(sql, 'y'), OK, `another one: ${sql}`);
    if (sql !== 'DROP TABLE a') continue;
    t.equal((await raw.ask('HANDLER x READ FIRST')).errno, NO_SUCH_HANDLER);
  }
  await raw.must('CREATE TABLE a (a INT)');
  for (const sql of ends) t.equal(await after(sql, 'x'), NO_SUCH_HANDLER, sql);
});

truth('spaces at the end of names of what a session keeps count on MariaDB only', async (t, raw) => {
  await expect(t, raw, [
    ['CREATE TABLE a (a INT)', OK],
    ["PREPARE `s ` FROM 'SELECT 1'", OK],
    ['EXECUTE s', [NO_SUCH_STATEMENT, OK]],
    ['HANDLER a OPEN `h `', OK],
    ['HANDLER h READ FIRST', [NO_SUCH_HANDLER, OK]],
    ['SET @v = 1', OK],
    // MySQL refuses only to make such a variable.
    ['SET @`v ` = 2', OK],
    ['SET @`w ` = 2', [OK, ILLEGAL_VARIABLE]],
  ]);
  t.equal(await raw.value('SELECT @v'), raw.server.isMysql ? '2' : '1');
});

truth('accents in names of user variables and prepared statements count on MariaDB only', async (t, raw) => {
  await raw.must("SET NAMES utf8mb4; SET @\xc3\xa9 = 'accent'; PREPARE \xc3\xa9 FROM 'SELECT 1'");
  t.equal(await raw.value('SELECT @e'), raw.server.isMysql ? 'accent' : 'null');
  await expect(t, raw, [
    ['EXECUTE e', [NO_SUCH_STATEMENT, OK]],
    ['SET @`` = 1', [1064, ILLEGAL_VARIABLE]],
  ]);
});

truth('a SET that fails sets nothing', async (t, raw) => {
  await raw.must('SET @a = 1');
  const failing = [
    ...['@b = (SELECT 1 UNION SELECT 2)', "sql_mode = 'missing'", 'missing = 1', "time_zone = 'missing'"],
    ...["timestamp = 'x'", 'sql_log_bin = 5', 'GLOBAL timestamp = 1', 'version = 1'],
  ];
  for (const item of failing) {
    t.not((await raw.ask(`SET @a = 2, ${item}`)).errno, OK, item);
    t.equal(await raw.value('SELECT @a'), '1', item);
  }
});

truth('a literal is in the character set from before its statement', async (t, raw) => {
  await raw.must('SET NAMES utf8mb4');
  await raw.must("SET NAMES latin1, @a = 'x'");
  t.equal(await raw.value('SELECT CHARSET(@a)'), 'utf8mb4');
  await raw.must("SET @a = 'x', NAMES utf8mb4");
  t.equal(await raw.value('SELECT CHARSET(@a)'), 'latin1');
});

truth('a user variable that is set to NULL has a past', async (t, raw) => {
  const connection = await createConnection({ uri: raw.server.rootUrlFor('mysql') });
  t.teardown(() => connection.end());
  const shape = async (name: string) => {
    const [, fields]: [unknown, FieldPacket[]] = await connection.query(`SELECT @${name}`);
    const { columnType, columnLength, characterSet, flags, decimals } = fields[0] ?? {};
    return { columnType, columnLength, characterSet, flags, decimals };
  };
  for (const [name, value] of [
    ['a', "_latin1'x'"],
    ['b', '5'],
    ['c', '1.5'],
  ] as const) {
    await connection.query(`SET @${name} = ${value}`);
    const before = await shape(name);
    await connection.query(`SET @${name} = NULL`);
    t.same(await shape(name), before, value);
    // Setting both again gives the same.
    await connection.query(`SET @${name}2 = ${value}, @${name}2 = NULL`);
    t.same(await shape(`${name}2`), before, value);
  }
  await connection.query('SET @d = NULL');
  t.notSame(await shape('d'), await shape('never'), 'unlike one that was never set');
});
