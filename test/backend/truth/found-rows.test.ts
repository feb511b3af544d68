import t, { type Test } from 'tap';
import type { RawSession } from '../../support/raw-session.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** Where FOUND_ROWS() is the number of rows that the client got, and where it is not. */

const COUNTED: readonly string[] = [
  'SELECT 1',
  'SELECT 1 FROM DUAL WHERE 0',
  'SELECT 1 FROM DUAL WHERE 1',
  'SELECT 1 LIMIT 0',
  'SELECT a FROM found',
  'SELECT a FROM found WHERE a > 7',
  'SELECT a FROM found WHERE a = 3',
  'SELECT a FROM found WHERE a = 99',
  'SELECT a FROM found WHERE a = NULL',
  'SELECT a FROM found WHERE 1 = 0',
  'SELECT a FROM found LIMIT 3',
  'SELECT a FROM found LIMIT 0',
  'SELECT a FROM found LIMIT 99',
  'SELECT a FROM found WHERE a = 3 LIMIT 1',
  'SELECT a FROM found ORDER BY a LIMIT 3',
  'SELECT a FROM found ORDER BY b DESC LIMIT 3',
  'SELECT a FROM found ORDER BY b, a DESC LIMIT 99',
  'SELECT a FROM found ORDER BY RAND() LIMIT 4',
  'SELECT a FROM found WHERE b = 1 ORDER BY c LIMIT 2',
  'SELECT b, COUNT(*) FROM found GROUP BY b',
  'SELECT b, COUNT(*) FROM found GROUP BY b LIMIT 2',
  'SELECT b, COUNT(*) AS n FROM found GROUP BY b ORDER BY n LIMIT 2',
  'SELECT b, COUNT(*) FROM found GROUP BY b WITH ROLLUP',
  'SELECT b, COUNT(*) FROM found GROUP BY b WITH ROLLUP LIMIT 2',
  'SELECT b, COUNT(*) FROM found GROUP BY b HAVING COUNT(*) > 3',
  'SELECT b FROM found GROUP BY b HAVING b > 1 LIMIT 1',
  'SELECT DISTINCT b FROM found',
  'SELECT DISTINCT b FROM found LIMIT 2',
  'SELECT DISTINCT b FROM found ORDER BY b DESC LIMIT 2',
  'SELECT COUNT(*) FROM found',
  'SELECT MAX(a) FROM found',
  'SELECT MAX(a) FROM found LIMIT 0',
  'SELECT COUNT(*) FROM found HAVING COUNT(*) > 99',
  'SELECT x.a FROM found x JOIN found y ON x.b = y.b LIMIT 5',
  'SELECT x.a FROM found x JOIN found y ON x.b = y.b ORDER BY y.c LIMIT 5',
  'SELECT x.a FROM found x LEFT JOIN found y ON x.a = y.a + 5 ORDER BY y.c LIMIT 20',
  'SELECT * FROM (SELECT a FROM found LIMIT 4) d',
  'SELECT * FROM (SELECT a FROM found ORDER BY b LIMIT 4) d LIMIT 2',
  'SELECT a FROM found WHERE a IN (SELECT b FROM found)',
  'SELECT a, (SELECT COUNT(*) FROM found y WHERE y.b = x.b) FROM found x LIMIT 6',
  'SELECT a FROM found x WHERE EXISTS (SELECT 1 FROM found y WHERE y.a = x.b) LIMIT 2',
  'WITH d AS (SELECT a FROM found LIMIT 5) SELECT a FROM d',
  'WITH d AS (SELECT a FROM found LIMIT 5) SELECT a FROM d LIMIT 2',
  'SELECT a, ROW_NUMBER() OVER (ORDER BY c) FROM found LIMIT 3',
  'SELECT a FROM found FOR UPDATE',
  'SELECT a FROM found LIMIT 2 FOR UPDATE',
  'SELECT a FROM found LOCK IN SHARE MODE',
  'SELECT @@sql_mode',
  'SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() LIMIT 1',
  'SELECT SQL_SMALL_RESULT a FROM found LIMIT 2',
  'SELECT SQL_BUFFER_RESULT a FROM found LIMIT 2',
];

/** With SQL_CALC_FOUND_ROWS, or LIMIT and an offset, it is not; on MariaDB nor is it with UNION and the like. */
const NOT_COUNTED: readonly (readonly [sql: string, found: number])[] = [
  ['SELECT SQL_CALC_FOUND_ROWS a FROM found LIMIT 1', 10],
  ['SELECT a FROM found LIMIT 3, 1', 4],
  ['SELECT a FROM found LIMIT 1 OFFSET 3', 4],
  ['SELECT a FROM found LIMIT 99, 3', 10],
];
const NOT_COUNTED_BY_MARIADB: typeof NOT_COUNTED = [
  ['SELECT a FROM found UNION SELECT 99 LIMIT 1', 11],
  ['(SELECT a FROM found LIMIT 3) UNION ALL (SELECT b FROM found LIMIT 2) LIMIT 1', 5],
  ['SELECT a FROM found EXCEPT SELECT 1 LIMIT 1', 9],
  ['SELECT a FROM found INTERSECT SELECT b FROM found LIMIT 1', 3],
];

/** Statements that are no SELECTs: what they count, null where it stays what it was. Without a second number: on both servers. */
const OTHERS: readonly (readonly [sql: string, mariadb: number | null, mysql?: number | null])[] = [
  ['EXPLAIN SELECT * FROM found', null],
  ['EXPLAIN FORMAT=JSON SELECT * FROM found', null],
  ['EXPLAIN UPDATE found SET b = 1', null],
  ['EXPLAIN SELECT 1', 0, null],
  ['DESCRIBE found', 3],
  ['EXPLAIN found', 3],
  ["SHOW TABLES LIKE 'found'", 1],
  ['SHOW FULL COLUMNS FROM found', 3],
  ['SHOW INDEX FROM found', 2],
  ["SHOW SESSION VARIABLES LIKE 'autocommit'", 1],
  ["SHOW STATUS LIKE 'threads_connected'", 1],
  ["SHOW DATABASES LIKE 'app'", 1],
  ["SHOW TABLE STATUS LIKE 'found'", 1],
  ["SHOW TRIGGERS LIKE 'nothing'", 0],
  ["SHOW COLLATION LIKE 'utf8mb4_bin'", 1],
  ["SHOW CHARACTER SET LIKE 'utf8mb4'", 1],
  ["SHOW CHARSET LIKE 'utf8mb4'", 1],
  ['SHOW COUNT(*) WARNINGS', 1],
  ['SHOW WARNINGS', null],
  ['SHOW ERRORS', null],
  ['SHOW CREATE TABLE found', null],
  ['SHOW PROCESSLIST', null],
  ['SHOW GRANTS', null],
  ['DO 1', null, 1],
  ['SET @a = 1', null],
  ['SET @a = (SELECT MAX(a) FROM found)', 0, null],
  ['UPDATE found SET c = 7 WHERE a < 3', null, 2],
  ['DELETE FROM found WHERE a = 99', null],
  ['UPDATE found x STRAIGHT_JOIN found y ON x.a = y.b SET x.c = y.c WHERE x.a = 99', 0],
  ['INSERT INTO more VALUES (1)', null],
  ['REPLACE INTO more VALUES (1)', null],
  ['INSERT INTO more SELECT a FROM found ORDER BY a LIMIT 3', 3],
  ['DELETE more FROM found JOIN more USING (a) WHERE more.a = 2', 1, 0],
  ['DELETE FROM more USING found JOIN more USING (a) WHERE more.a = 3', 1, 0],
  ['CREATE TABLE less (a INT)', null],
  ['DROP TABLE less', null],
  ['CREATE TABLE less AS SELECT a FROM found LIMIT 4', 4, null],
  ['DROP TABLE less', null],
  ['TRUNCATE more', null],
  ['BEGIN', null],
  ['COMMIT', null],
  ['SET @a = 1; SET SESSION TRANSACTION READ WRITE', null],
  ['SET @a = 1; SELECT a FROM found LIMIT 4', 4],
  ['SELECT 1; SET @a = 1', 1],
  ["SET @a = 'SELECT 5'; PREPARE fr FROM @a", null],
  ['DEALLOCATE PREPARE fr; SAVEPOINT fr', null],
  ['USE app', null],
  ['SELECT nothing', null],
  ['SELECT * FROM nowhere', null],
  ['SELECT', null],
  ['SELECT a, EXP(a * 1000) FROM found', 0, null],
  ['SELECT (SELECT a FROM found)', 0, null],
  ['SELECT a FROM found WHERE a = (SELECT a FROM found)', 1, null],
  ['INSERT INTO found VALUES (1, 1, 1)', null],
  ['CALL nowhere()', null],
  ['EXECUTE nobody', null],
];

/** After an UPDATE that failed on its first row, and this: what FOUND_ROWS() is on MySQL, null where it stays what it was. */
const AFTER_FAILED_UPDATE: readonly (readonly [sql: string, mysql: number | null])[] = [
  ['DO SLEEP(0)', 1],
  ['SET @a = 1', null],
  ['BEGIN', null],
  ['SELECT', null],
  ['UPDATE found SET nothing = 1', null],
  ['INSERT INTO more VALUES (1)', 0],
  ['REPLACE INTO more VALUES (1)', 0],
  ['DELETE FROM found WHERE a = 99', 0],
];

async function countsOf(session: RawSession, sql: string): Promise<{ rows: number; found: number }> {
  const reply = await session.must(sql);
  const rows = reply.rows.length;
  return { rows, found: Number(await session.value('SELECT FOUND_ROWS()')) };
}

async function fill(session: RawSession): Promise<void> {
  await session.must('DROP TABLE IF EXISTS found');
  await session.must('CREATE TABLE found (a INT PRIMARY KEY, b INT, c INT, KEY (b))');
  const rows = Array.from({ length: 10 }, (_, i) => `(${i + 1}, ${i % 4}, ${(i * 7) % 10})`);
  await session.must(`INSERT INTO found VALUES ${rows.join(', ')}`);
}

async function compare(t: Test, session: RawSession): Promise<void> {
  for (const sql of COUNTED) {
    await session.must('SELECT 1 UNION SELECT 2 UNION SELECT 3');
    const { rows, found } = await countsOf(session, sql);
    t.equal(found, rows, sql);
  }
  const mariadb = session.info.flavor === 'mariadb' ? NOT_COUNTED_BY_MARIADB : [];
  for (const [sql, expected] of [...NOT_COUNTED, ...mariadb]) {
    const { rows, found } = await countsOf(session, sql);
    t.not(found, rows, sql);
    t.equal(found, expected, sql);
  }
}

await forEachServer(t, async (t, server) => {
  const session = await openSession(t, server);
  await fill(session);
  await t.test('a SELECT', (t) => compare(t, session));
  await t.test('with sql_select_limit', async (t) => {
    await session.must('SET sql_select_limit = 2');
    await compare(t, session);
  });

  await t.test('an aggregate whose WHERE cannot be true', async (t) => {
    await session.must('SET sql_select_limit = DEFAULT');
    await session.must('SELECT 1 UNION SELECT 2 UNION SELECT 3');
    const { rows, found } = await countsOf(session, 'SELECT COUNT(*) FROM found WHERE 0');
    t.equal(rows, 1);
    // MariaDB leaves the count of the statement before.
    t.equal(found, server.isMysql ? 1 : 3);
  });

  await t.test('other statements', async (t) => {
    await session.must('DROP TABLE IF EXISTS more, less');
    await session.must('CREATE TABLE more (a INT)');
    for (const [sql, mariadb, mysql = mariadb] of OTHERS) {
      await session.must('SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5');
      await session.query(sql);
      const expected = server.isMysql ? mysql : mariadb;
      t.equal(Number(await session.value('SELECT FOUND_ROWS()')), expected ?? 5, sql);
    }
  });

  await t.test('an UPDATE that has failed, and another statement', async (t) => {
    await session.must('CREATE TABLE IF NOT EXISTS more (a INT)');
    for (const [sql, mysql] of AFTER_FAILED_UPDATE) {
      await session.must('SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5');
      await session.query('UPDATE found SET c = 1 MOD 0');
      await session.query(sql);
      const expected = server.isMysql ? mysql : null;
      t.equal(Number(await session.value('SELECT FOUND_ROWS()')), expected ?? 5, sql);
    }
  });
});
