import t from 'tap';
import { anything, mariadb, mysql, summary, traitsOf } from './describe.js';

type Case = readonly [sql: string, expected: string | readonly [mariadb: string, mysql: string]];

/** Statements of which the same is true on both servers, or what is true on either. */
function check(title: string, cases: readonly Case[]): void {
  t.test(title, async (t) => {
    for (const [sql, expected] of cases) {
      const [onMariadb, onMysql] = typeof expected === 'string' ? [expected, expected] : expected;
      t.equal(summary(traitsOf(sql, mariadb())), onMariadb, `mariadb: ${sql}`);
      t.equal(summary(traitsOf(sql, mysql())), onMysql, `mysql: ${sql}`);
    }
  });
}

check('reads', [
  ['', 'empty:'],
  [' /* nothing */ -- at all', 'empty:'],
  ['SELECT 1', 'select: | PlainRead'],
  ['(((SELECT 1)))', 'select: | PlainRead'],
  ['SELECT * FROM t WHERE a IN (1, 2) AND (b = 3 OR NOT (c)) GROUP BY a WITH ROLLUP', 'select: | PlainRead'],
  [
    '(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 2',
    ['select: | PlainRead CountsOtherRows', 'select: | PlainRead'],
  ],
  ['SELECT 1 EXCEPT SELECT 2', ['select: | PlainRead CountsOtherRows', 'select: | PlainRead']],
  ['SELECT 1 INTERSECT SELECT 2', ['select: | PlainRead CountsOtherRows', 'select: | PlainRead']],
  ['SELECT a FROM t LIMIT 5', 'select: | PlainRead'],
  ['SELECT a FROM t LIMIT 5, 10', 'select: | PlainRead CountsOtherRows'],
  ['SELECT a FROM t LIMIT ?,?', 'select: | PlainRead CountsOtherRows'],
  ['SELECT a FROM t LIMIT 10 OFFSET 5', 'select: | PlainRead CountsOtherRows'],
  ['SELECT a FROM t PROCEDURE ANALYSE()', 'select: | MayRunRoutine ReadsLastInsertId CountsOtherRows'],
  ['VALUES ROW(1, 2), ROW(3, 4)', 'select: | PlainRead CountsOtherRows'],
  ['TABLE t ORDER BY a', 'select: | PlainRead'],
  ['SELECT SUBSTRING(a FROM 1 FOR 2), TRIM(BOTH x FROM y) FROM t', 'select: | PlainRead'],
  ['SELECT * FROM a JOIN b USING (id) LEFT JOIN c ON (c.x = b.y)', 'select: | PlainRead'],
  ['SELECT * FROM (SELECT 1) AS d (a), (SELECT 2) e (b)', 'select: | PlainRead'],
  [
    'SELECT CAST(a AS DECIMAL(10, 2)), CONVERT(b, CHAR(5)), CONVERT(c USING utf8mb4) FROM t',
    'select: | PlainRead',
  ],
  [
    'SELECT a, SUM(b) OVER (PARTITION BY c ORDER BY d ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t',
    'select: | PlainRead',
  ],
  ['SELECT MATCH (a, b) AGAINST (? IN BOOLEAN MODE) FROM t', 'select: | PlainRead'],
  ['SELECT CASE WHEN (a) THEN (b) ELSE (c) END, IF(a, b, c), INTERVAL(1, 2) FROM t', 'select: | PlainRead'],
  ['SELECT @@session.sql_mode, @@max_connections', 'select: | PlainRead'],
  ['SELECT `update`, t.lock, `into` FROM t', 'select:'],
  ['SHOW TABLES', 'show: | PlainRead'],
  ["SHOW FULL COLUMNS FROM t LIKE 'a%'", 'show: | PlainRead'],
  ['SHOW GRANTS FOR u@localhost', 'show: | PlainRead'],
  ["SHOW CREATE USER 'u'@'%'", 'show: | PlainRead'],
  ['DESCRIBE t', 'explain: | PlainRead'],
  ['EXPLAIN SELECT * FROM t', 'explain: | PlainRead'],
  ['DESC EXTENDED SELECT 1', 'explain: | PlainRead'],
  ["HELP 'SELECT'", 'help:'],
]);

check('reads that lock or leave something', [
  ['SELECT * FROM t FOR UPDATE', 'select:'],
  ['SELECT * FROM t FOR SHARE SKIP LOCKED', 'select:'],
  ['SELECT * FROM t LOCK IN SHARE MODE', 'select:'],
  ["SELECT * FROM t INTO OUTFILE 'x'", 'select: | CountsOtherRows'],
  ['SELECT 1 INTO @a', 'select: ReadsUserVariable WritesUserVariable | CountsOtherRows'],
  ['SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1', 'select: | UsesCalcFoundRows'],
  ['SELECT 1e5FOR UPDATE', 'select:'],
  ['EXPLAIN UPDATE t SET a = 1', 'explain:'],
  ['EXPLAIN INSERT INTO t (a) VALUES (1)', 'explain:'],
  ['EXPLAIN FOR CONNECTION 5', 'explain:'],
  ['EXPLAIN ANALYZE SELECT 1', 'explain: | PlainRead'],
  ['EXPLAIN ANALYZE DELETE FROM t', 'explain: | Dml'],
  ['EXPLAIN FORMAT=JSON INTO @e SELECT 1', 'explain: ReadsUserVariable WritesUserVariable'],
  ['EXPLAIN WITH x AS (SELECT 1) DELETE FROM t', 'explain:'],
]);

check('common table expressions', [
  ['WITH a AS (SELECT 1) SELECT * FROM a', 'select: | PlainRead'],
  [
    'WITH RECURSIVE a (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a), b (m, o) AS (SELECT 1, 2) SELECT 1',
    ['select: | PlainRead CountsOtherRows', 'select: | PlainRead'],
  ],
  ['WITH a AS (SELECT 1) (SELECT f(1))', 'select: | MayRunRoutine ReadsLastInsertId'],
  ['WITH a (n) AS (SELECT f(1)) SELECT 1', 'select: | MayRunRoutine ReadsLastInsertId'],
  ['WITH a (n) AS (SELECT 1) SELECT f(1)', 'select: | MayRunRoutine ReadsLastInsertId'],
  ['SELECT (WITH a (n) AS (SELECT 1) SELECT n FROM a)', 'select: | PlainRead'],
  ['SELECT (WITH a (n) AS (SELECT 1) SELECT n FROM a), f(1)', 'select: | MayRunRoutine ReadsLastInsertId'],
  ['SELECT a FROM t GROUP BY a WITH ROLLUP HAVING f(a)', 'select: | MayRunRoutine ReadsLastInsertId'],
  ['WITH a AS (SELECT 1) UPDATE t SET b = 1', 'update: | Dml'],
  ['WITH a AS (SELECT 1) DELETE FROM t', 'delete: | Dml'],
  ['WITH a AS (SELECT 1), b AS (SELECT 2) TABLE b', 'select: | PlainRead'],
]);

check('changes of rows', [
  ['INSERT INTO t VALUES (1)', 'insert: | Dml WritesLastInsertId'],
  ['INSERT IGNORE t (a, b) VALUES (1, 2), (3, 4)', 'insert: | Dml WritesLastInsertId'],
  ['INSERT INTO s.`t` (a) SELECT b FROM u', 'insert: | Dml WritesLastInsertId'],
  ['INSERT INTO t PARTITION (p0) (a) VALUE (1)', 'insert: | Dml WritesLastInsertId'],
  ['INSERT INTO t SET a = f(1)', 'insert: | MayRunRoutine Dml ReadsLastInsertId WritesLastInsertId'],
  ['INSERT INTO t (a) VALUES (f(1))', 'insert: | MayRunRoutine Dml ReadsLastInsertId WritesLastInsertId'],
  ['INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)', 'insert: | Dml WritesLastInsertId'],
  ['INSERT INTO t VALUES (@a)', 'insert: ReadsUserVariable | Dml WritesLastInsertId'],
  [
    'INSERT INTO t (a) WITH x (b) AS (SELECT 1), y (c) AS (SELECT 2) SELECT b FROM x',
    'insert: | Dml WritesLastInsertId',
  ],
  ['REPLACE INTO t (a) VALUES (1)', 'replace: | Dml WritesLastInsertId'],
  ["UPDATE t SET a = REPLACE(a, 'x', 'y') WHERE b = 1", 'update: | Dml'],
  ['UPDATE t SET a = LAST_INSERT_ID(a + 1)', 'update: | Dml ReadsLastInsertId WritesLastInsertId'],
  ['DELETE FROM t USING t JOIN u', 'delete: | Dml'],
  ["LOAD DATA INFILE 'x' INTO TABLE t", 'load: | Dml WritesLastInsertId'],
  ["LOAD DATA LOCAL INFILE 'x' INTO TABLE t (a, b)", 'load: | Dml WritesLastInsertId LocalInfile'],
  ["LOAD XML CONCURRENT LOCAL INFILE 'x' INTO TABLE t", 'load: | Dml WritesLastInsertId LocalInfile'],
  [
    "LOAD DATA INFILE 'x' INTO TABLE t (a, @b) SET c = f(@b)",
    'load: ReadsUserVariable WritesUserVariable | MayRunRoutine Dml ReadsLastInsertId WritesLastInsertId',
  ],
  ['LOAD INDEX INTO CACHE t', 'admin: | EndsTransaction'],
  ['DO 1', 'do:'],
  ["DO GET_LOCK('a', 1)", 'do: UserLock'],
]);

const CALL = 'MayRunRoutine ReadsLastInsertId WritesLastInsertId EndsTransaction';
check('stored code', [
  ['CALL p', `call: | ${CALL}`],
  ['CALL s.p(1)', `call: | ${CALL}`],
  ['CALL p(@out)', `call: ReadsUserVariable WritesUserVariable | ${CALL}`],
  ["PREPARE s FROM 'SELECT 1'", 'prepare: TextPrepare'],
  ['PREPARE s FROM @q', 'prepare: TextPrepare ReadsUserVariable'],
  ['DEALLOCATE PREPARE s', 'deallocate: TextPrepare'],
  ['DROP PREPARE s', 'deallocate: TextPrepare'],
  ['EXECUTE s USING @a', anything('execute').replace(':', ': TextPrepare')],
  ["EXECUTE IMMEDIATE 'SELECT 1'", anything('execute').replace(':', ': TextPrepare')],
]);

check('transactions', [
  ['BEGIN', 'begin: | EndsTransaction ContainsCommit'],
  ['begin work;', 'begin: | EndsTransaction ContainsCommit'],
  ['START TRANSACTION', 'begin: | EndsTransaction ContainsCommit'],
  ['START TRANSACTION READ WRITE', 'begin: | EndsTransaction ContainsCommit'],
  ['start transaction read/**/only -- ', 'begin: | EndsTransaction ContainsCommit BeginsReadOnly'],
  [
    'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY',
    'begin: | EndsTransaction ContainsCommit BeginsReadOnly',
  ],
  [
    'START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT',
    'begin: | EndsTransaction ContainsCommit BeginsReadOnly',
  ],
  ['START TRANSACTION /*! READ ONLY */', 'begin: | EndsTransaction ContainsCommit BeginsReadOnly'],
  ['START TRANSACTION /*!990000 READ ONLY */', 'begin: | EndsTransaction ContainsCommit'],
  ['SET TRANSACTION READ ONLY', 'set_transaction: OneShot'],
  ['COMMIT', 'commit: | EndsTransaction ContainsCommit'],
  ['COMMIT AND CHAIN NO RELEASE', 'commit: | EndsTransaction ContainsCommit'],
  ['COMMIT WORK RELEASE', 'commit: | EndsTransaction ContainsCommit Disconnects'],
  ['ROLLBACK', 'rollback: | EndsTransaction'],
  ['ROLLBACK AND NO CHAIN RELEASE', 'rollback: | EndsTransaction Disconnects'],
  ['ROLLBACK TO a', 'rollback_to:'],
  ['ROLLBACK WORK TO SAVEPOINT a', 'rollback_to:'],
  ['SAVEPOINT a', 'savepoint:'],
  ['RELEASE SAVEPOINT a', 'release_savepoint:'],
  ["XA START 'a'", 'xa_start: Xa'],
  ["XA BEGIN 'a'", 'xa_start: Xa'],
  ["XA END 'a'", 'xa_end: Xa'],
  ["XA PREPARE 'a'", 'xa_prepare: Xa'],
  ["XA COMMIT 'a' ONE PHASE", 'xa_commit: Xa | EndsTransaction ContainsCommit'],
  ["XA ROLLBACK 'a'", 'xa_rollback: Xa | EndsTransaction'],
  ['XA RECOVER', 'xa_recover:'],
]);

check('locks and handlers', [
  ['LOCK TABLES t READ, u AS v WRITE', 'lock_tables: TableLock | EndsTransaction'],
  ['LOCK INSTANCE FOR BACKUP', 'lock_instance: TableLock | EndsTransaction'],
  ['LOCK TABLES instance READ', 'lock_tables: TableLock | EndsTransaction'],
  ['UNLOCK TABLES', 'unlock_tables: | EndsTransaction'],
  ['UNLOCK INSTANCE', 'unlock_instance: | EndsTransaction'],
  ['FLUSH TABLES', 'flush: | EndsTransaction'],
  ['FLUSH TABLES WITH READ LOCK', 'flush: TableLock | EndsTransaction'],
  ['FLUSH NO_WRITE_TO_BINLOG TABLES t, u WITH READ LOCK', 'flush: TableLock | EndsTransaction'],
  ['FLUSH TABLES t FOR EXPORT', 'flush: TableLock | EndsTransaction'],
  ['BACKUP STAGE START', 'backup_stage: TableLock | EndsTransaction'],
  ['BACKUP STAGE BLOCK_COMMIT', 'backup_stage: TableLock | EndsTransaction'],
  ['BACKUP STAGE END', 'backup_stage_end: | EndsTransaction'],
  ['BACKUP LOCK t', 'backup_lock: TableLock | EndsTransaction'],
  ['BACKUP UNLOCK', 'backup_unlock: | EndsTransaction'],
  ['HANDLER t OPEN', 'handler_open: Handler'],
  ['HANDLER s.t OPEN AS h', 'handler_open: Handler'],
  ['HANDLER h READ FIRST WHERE f(1)', 'handler_read: Handler | MayRunRoutine ReadsLastInsertId'],
  ['HANDLER close CLOSE', 'handler_close: Handler'],
  ['HANDLER `t` CLOSE', 'handler_close: Handler'],
]);

check('definitions', [
  ['CREATE TABLE t (a INT DEFAULT (uuid()), KEY k (a), x VARCHAR(10))', 'ddl: | EndsTransaction'],
  [
    'CREATE TABLE t (a INT) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (1))',
    'ddl: | WritesLastInsertId EndsTransaction',
  ],
  ['CREATE TABLE t AS SELECT 1', 'ddl: | WritesLastInsertId EndsTransaction'],
  [
    'CREATE TABLE t AS SELECT f(@a)',
    'ddl: ReadsUserVariable | MayRunRoutine ReadsLastInsertId WritesLastInsertId EndsTransaction',
  ],
  [
    'CREATE TABLE t VALUES (f(1))',
    'ddl: | MayRunRoutine ReadsLastInsertId WritesLastInsertId EndsTransaction',
  ],
  ['CREATE TEMPORARY TABLE t (a INT)', 'create_temporary: TemporaryTable'],
  ['CREATE OR REPLACE TEMPORARY TABLE t LIKE u', 'create_temporary: TemporaryTable'],
  [
    'CREATE TEMPORARY TABLE IF NOT EXISTS t SELECT 1',
    'create_temporary: TemporaryTable | WritesLastInsertId',
  ],
  ['CREATE TEMPORARY SEQUENCE s', 'create_temporary: TemporaryTable'],
  ['DROP TEMPORARY TABLE t', 'drop_temporary:'],
  ['DROP TABLE t', 'ddl: | EndsTransaction'],
  ['CREATE TABLE temporary (a INT)', 'ddl: | EndsTransaction'],
  ["CREATE USER u@localhost IDENTIFIED BY 'x'", 'ddl: | EndsTransaction'],
  ["GRANT SELECT (a, b), EXECUTE ON s.* TO 'u'@'%', v@h", 'ddl: | EndsTransaction'],
  ['RENAME USER a@b TO c@d', 'ddl: | EndsTransaction'],
  ['ALTER TABLE t ADD KEY k (a), RENAME TO u', 'ddl: | EndsTransaction ChangesRoutines'],
  ['TRUNCATE t', 'ddl: | EndsTransaction'],
  ["CREATE VIEW v AS SELECT GET_LOCK('a', 1), f(1)", 'ddl: | EndsTransaction ChangesRoutines'],
  [
    "CREATE OR REPLACE DEFINER=u@h SQL SECURITY DEFINER VIEW v AS SELECT GET_LOCK('a', 1)",
    'ddl: | EndsTransaction ChangesRoutines',
  ],
  ['DROP VIEW IF EXISTS v', 'ddl: | EndsTransaction ChangesRoutines'],
  ['DROP PROCEDURE p', 'ddl: | EndsTransaction ChangesRoutines'],
  ['DROP FUNCTION IF EXISTS f', 'ddl: | EndsTransaction ChangesRoutines'],
  ['DROP TRIGGER g', 'ddl: | EndsTransaction ChangesRoutines'],
  ['DROP EVENT e', 'ddl: | EndsTransaction ChangesRoutines'],
  ['DROP PACKAGE BODY k', 'ddl: | EndsTransaction ChangesRoutines'],
  ['DROP LIBRARY l', 'ddl: | EndsTransaction ChangesRoutines'],
  ['DROP DATABASE s', 'ddl: | EndsTransaction ChangesRoutines'],
  ['DROP SCHEMA s', 'ddl: | EndsTransaction ChangesRoutines'],
  ['RENAME TABLE a TO b', 'ddl: | EndsTransaction ChangesRoutines'],
  ['RENAME USER a TO b', 'ddl: | EndsTransaction'],
  ['ALTER PROCEDURE p SQL SECURITY INVOKER', 'ddl: | EndsTransaction ChangesRoutines'],
  ['CREATE DATABASE s', 'ddl: | EndsTransaction'],
  ['DROP TABLE t', 'ddl: | EndsTransaction'],
  ['DROP USER u', 'ddl: | EndsTransaction'],
  ["ALTER ALGORITHM=MERGE VIEW v AS SELECT GET_LOCK('a', 1)", 'ddl: | EndsTransaction ChangesRoutines'],
]);

check('the rest', [
  ['ANALYZE TABLE t', 'admin: | EndsTransaction'],
  ['ANALYZE NO_WRITE_TO_BINLOG TABLE t', 'admin: | EndsTransaction'],
  ['CHECK TABLE t', 'admin: | EndsTransaction'],
  ['START REPLICA', 'admin: | EndsTransaction'],
  ['PURGE BINARY LOGS BEFORE NOW()', 'admin: | EndsTransaction'],
  ["SIGNAL SQLSTATE '45000'", 'signal:'],
  ["BINLOG 'x'", anything('other')],
  ['FROBNICATE t', anything('other')],
  ['1', anything('other')],
  ['`select` 1', anything('other')],
  ['(', anything('other')],
]);

t.test('what only MariaDB has', async (t) => {
  const cases: readonly Case[] = [
    ['BEGIN NOT ATOMIC SELECT 1; SET @a = 2; END', anything('block')],
    ['IF 1 THEN SELECT 1; END IF', anything('block')],
    ['FOR i IN 1..2 DO SELECT 1; END FOR', anything('block')],
    ['DECLARE a INT; BEGIN SELECT 1; END', anything('block')],
    ['ANALYZE SELECT 1', 'explain: | PlainRead'],
    ['ANALYZE FORMAT=JSON UPDATE t SET a = 1', 'explain: | Dml'],
    [
      'ANALYZE INSERT INTO t (a) VALUES (f(1))',
      'explain: | MayRunRoutine Dml ReadsLastInsertId WritesLastInsertId',
    ],
    ['SELECT NEXTVAL(s), LASTVAL(s)', 'select: Sequence'],
    ['SELECT NEXT VALUE FOR s', 'select: Sequence'],
    ['SELECT PREVIOUS VALUE FOR s', 'select: Sequence'],
    ['SELECT s.nextval', 'select: Sequence'],
    ['SELECT SETVAL(s, 5)', 'select:'],
    ['SET STATEMENT max_statement_time = 1 FOR SELECT 1', 'select: | SetStatement'],
    [
      "SET STATEMENT sql_mode = '', a = f(1) FOR SET @a = 1",
      'set: WritesUserVariable | MayRunRoutine ReadsLastInsertId SetStatement',
    ],
    [
      'SET STATEMENT a = (SELECT 1 FOR UPDATE), b = 2 FOR COMMIT',
      'commit: | EndsTransaction ContainsCommit SetStatement',
    ],
    ["SET STATEMENT a = 1 FOR SELECT GET_LOCK('a', 1)", 'select: UserLock | SetStatement'],
  ];
  for (const [sql, expected] of cases) t.equal(summary(traitsOf(sql, mariadb())), expected, sql);
});

t.test('diagnostics', async (t) => {
  const cases: readonly Case[] = [
    ['SHOW WARNINGS LIMIT 5', 'show_warnings: | ReadsDiagnostics'],
    ['SHOW ERRORS', 'show_errors: | ReadsDiagnostics'],
    ['SHOW COUNT(*) WARNINGS', 'show_warnings: | ReadsDiagnostics'],
    ['SHOW COUNT(*) ERRORS', 'show_errors: | ReadsDiagnostics'],
    [
      'GET DIAGNOSTICS @a = ROW_COUNT',
      'get_diagnostics: ReadsUserVariable WritesUserVariable | ReadsDiagnostics',
    ],
    ['SELECT @@warning_count', 'select: | ReadsDiagnostics'],
    ['SELECT @@session.`error_count` + 1', 'select: | ReadsDiagnostics'],
    ['SELECT @@identity, @@last_insert_id', 'select: | ReadsLastInsertId'],
    ['SELECT @@pseudo_thread_id', 'select: | ReadsConnectionId'],
    ['SELECT warning_count, identity FROM t', 'select: | PlainRead'],
    ['SHOW SESSION VARIABLES', 'show: | ReadsLastInsertId ReadsConnectionId ReadsTrackers'],
    ['SHOW GLOBAL VARIABLES', 'show: | PlainRead'],
    [
      'SELECT * FROM performance_schema.session_variables',
      'select: | ReadsLastInsertId ReadsConnectionId ReadsTrackers',
    ],
    [
      'SELECT @@\u00efdentity',
      'select: | ReadsLastInsertId ReadsDiagnostics ReadsConnectionId ReadsTrackers',
    ],
  ];
  for (const [sql, expected] of cases) t.equal(summary(traitsOf(sql, mysql())), expected, sql);
});

t.test('the schema of USE', async (t) => {
  const cases: readonly [sql: string, charset: string, expected: string | null][] = [
    ['USE shop', 'utf8mb4', 'shop'],
    ['use `a``b`;', 'utf8mb4', 'a`b'],
    ['USE /* x */ Shop -- y', 'latin1', 'Shop'],
    ['/*!USE shop*/', 'utf8mb4', 'shop'],
    ['USE 1a', 'utf8mb4', '1a'],
    ['USE $a', 'utf8mb4', '$a'],
    ['USE \u00fcber', 'utf8mb4', '\u00fcber'],
    ['USE `\u00fcber`', 'latin1', null],
    ['USE \u00fc', 'gbk', null],
    [`USE ${'x'.repeat(300)}`, 'utf8mb4', null],
    ['USE a; USE b', 'utf8mb4', null],
    ['SELECT 1', 'utf8mb4', null],
  ];
  for (const [sql, charset, expected] of cases)
    t.equal(traitsOf(sql, mariadb({ charset })).use, expected, sql);
});

t.test('the target of KILL', async (t) => {
  const cases: readonly [sql: string, kind: string, id: bigint | null][] = [
    ['KILL 5', 'connection', 5n],
    ['KILL CONNECTION 18446744073709551615', 'connection', 18446744073709551615n],
    ['KILL QUERY 7;', 'query', 7n],
    ['KILL HARD QUERY 7', 'query', 7n],
    ['KILL SOFT 7', 'connection', 7n],
    ['KILL QUERY ID 9', 'query_id', 9n],
    ['KILL USER u@h', 'user', null],
    ['KILL 5 + 1', 'connection', null],
    ['KILL (5)', 'connection', null],
    ['KILL 0x10', 'connection', null],
    ['KILL 5.0', 'connection', null],
    ['KILL .5', 'connection', null],
    ["KILL '5'", 'connection', null],
    ['KILL ?', 'connection', null],
    ['KILL @a', 'connection', null],
    ['KILL CONNECTION_ID()', 'connection', null],
  ];
  for (const [sql, kind, id] of cases) t.same(traitsOf(sql, mariadb()).kill, { kind, id }, sql);
  t.equal(traitsOf('KILL 5; KILL 6', mariadb()).kill, null);
  t.equal(summary(traitsOf("KILL GET_LOCK('a', 1)", mariadb())), 'kill: UserLock');
});
