import { Hold, type Kind } from '../model.js';
import { custom, query, sequence, sql } from './kind.js';

const SESSION = { opens: [Hold.Session] };

const USER_VARIABLES: Kind[] = [
  sql('var.set', ['SET <var> = <literal>', 'SET <var> := <literal>'], { weight: 3 }),
  sql('var.set-several', 'SET @a = <literal>, @b = <literal>, @c = <literal>'),
  sql(
    'var.set-expression',
    ['SET @a = 1 + <n>', "SET @b = CONCAT(@a, 'x')", 'SET @c = NOW() IS NULL'],
    SESSION,
  ),
  sql(
    'var.set-select',
    ['SET @a = (SELECT MAX(a) FROM t3)', 'SET @b = @@sql_mode', 'SET @a = @b, @b = @a'],
    SESSION,
  ),
  sql('var.mixed', 'SET @a = <n>, time_zone = <zone>, @@group_concat_max_len = 999', SESSION),
  sql(
    'var.assign',
    ['SELECT @a := <n>', 'SELECT @a := @a + 1, @b := <literal>', 'SELECT a, @c := a FROM t3 ORDER BY a'],
    { ...SESSION, weight: 2 },
  ),
  sql(
    'var.into',
    [
      'SELECT 1 INTO @a',
      'SELECT a, b INTO @a, @b FROM t3 WHERE a = 1',
      'SELECT a INTO @c FROM t3 WHERE a = 100',
    ],
    { ...SESSION, weight: 2 },
  ),
  sql('var.into-fails', 'SELECT a INTO @a FROM t3', SESSION),
  sql('var.assign-in-update', 'UPDATE t1 SET n = (@a := <n>) WHERE id = 1', SESSION),
  sql('var.charset', ["SET @a = _latin1'\u00e9'", "SET @b = 'x' COLLATE utf8mb4_bin"], SESSION),
  sql('var.read', ['SELECT @a, @b, @c', 'SELECT <var>', 'SELECT @a + 1, CHARSET(@a), COLLATION(@b)'], {
    weight: 2,
  }),
  sql('var.read-in-where', 'SELECT a FROM t3 WHERE a = @a'),
  sql('var.limit', 'SELECT @unset, @unset IS NULL'),
];

const INSERTS: Kind[] = [
  sql(
    'insert.one',
    ['INSERT INTO t2 (a) VALUES (<n>)', 'INSERT t2 SET a = <n>', 'INSERT INTO t2 VALUES (NULL, <n>)'],
    { weight: 3 },
  ),
  sql('insert.several', 'INSERT INTO t2 (a) VALUES (<n>), (<n>), (<n>)', { weight: 2 }),
  sql('insert.explicit', 'INSERT INTO t2 (id, a) VALUES (<n>00, 1) ON DUPLICATE KEY UPDATE a = a + 1'),
  sql('insert.explicit-mixed', 'INSERT INTO t4 (id, a) VALUES (NULL, 1), (NULL, 2), (NULL, 3)'),
  sql('insert.zero', 'INSERT INTO t2 (id, a) VALUES (0, <n>)'),
  sql(
    'insert.duplicate-update',
    'INSERT INTO t1 (v, n) VALUES (<word>, <n>) ON DUPLICATE KEY UPDATE n = VALUES(n) + 1',
    { weight: 2 },
  ),
  sql(
    'insert.duplicate-update-id',
    'INSERT INTO t1 (v) VALUES (<word>) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), n = <n>',
    { weight: 2 },
  ),
  sql('insert.ignore', 'INSERT IGNORE INTO t1 (v) VALUES (<word>), (<word>)'),
  sql('insert.replace', ['REPLACE INTO t1 (v, n) VALUES (<word>, <n>)', 'REPLACE t1 SET v = <word>'], {
    weight: 2,
  }),
  sql('insert.select', [
    'INSERT INTO t2 (a) SELECT a FROM t3',
    'INSERT INTO t2 (a) SELECT a FROM t3 WHERE a > 100',
  ]),
  sql('insert.duplicate', ["INSERT INTO t1 (v) VALUES ('a')", "INSERT INTO t3 VALUES (1, 'x')"], {
    weight: 2,
  }),
  sql(
    'insert.half-way',
    [
      "INSERT INTO t1 (v) VALUES ('h1'), ('a'), ('h2')",
      "INSERT INTO t4 (a, data) VALUES (1, 'x'), ('y', REPEAT('z', 5))",
    ],
    { weight: 2 },
  ),
  sql('insert.half-way-myisam', 'INSERT INTO tm (a) VALUES (<n>0), (<n>), (1), (<n>1)', { only: 'mariadb' }),
  sql('mysql.insert-half-way-myisam', 'INSERT INTO tm (a) VALUES (<n>0), (<n>), (1), (<n>1)', {
    only: 'mysql',
  }),
  sql('insert.other-schema', 'INSERT INTO {alt}.t1 (v) VALUES (<word>)'),
  sql('insert.last-id-expression', [
    'UPDATE t1 SET n = n, id = LAST_INSERT_ID(id) WHERE v = <word>',
    'UPDATE t4 SET a = LAST_INSERT_ID(a + 1)',
  ]),
  sql('insert.last-id-in-insert', 'INSERT INTO t2 (a) VALUES (LAST_INSERT_ID())'),
  sql('insert.cte', 'INSERT INTO t2 (a) WITH x AS (SELECT 5 AS a) SELECT a FROM x'),
  sql('insert.returning', 'INSERT INTO t2 (a) VALUES (<n>), (<n>) RETURNING id, a', { only: 'mariadb' }),
  sql('insert.myisam', 'INSERT DELAYED INTO tm (a) VALUES (NULL)', { only: 'mariadb' }),
  sql('mysql.insert-myisam', 'INSERT DELAYED INTO tm (a) VALUES (NULL)', { only: 'mysql' }),
  sql('insert.default', 'INSERT INTO t2 () VALUES ()'),
  sql('delete', ['DELETE FROM t2 WHERE a = <n>', 'DELETE FROM t1 WHERE v = <word>', 'DELETE FROM t2']),
  sql('delete.ordered', 'DELETE FROM t2 ORDER BY id LIMIT 1'),
  sql(
    'update',
    [
      'UPDATE t1 SET n = <n> WHERE id = <n>',
      'UPDATE t1 SET n = n',
      "UPDATE t1 SET v = CONCAT(v, '') WHERE id < 3",
    ],
    { weight: 2 },
  ),
  sql('update.multi-table', 'UPDATE t1 STRAIGHT_JOIN t3 SET t1.n = t3.a WHERE t1.id = t3.a'),
  sql('delete.multi-table', 'DELETE t2 FROM t2 STRAIGHT_JOIN t3 ON t2.a = t3.a'),
  custom('load-data.local', (random) => [
    {
      do: 'query',
      sql: random.pick([
        "LOAD DATA LOCAL INFILE 'x.csv' INTO TABLE t2 (a)",
        "LOAD DATA LOCAL INFILE 'x.csv' INTO TABLE t2 LINES TERMINATED BY '\\n' (a) SET a = a + 1",
      ]),
      infile: random.pick(['1\n2\n3\n', 'x\n4\n', '', '5']),
    },
  ]),
  custom(
    'load-data.user-variable',
    () => [
      { do: 'query', sql: "LOAD DATA LOCAL INFILE 'x.csv' INTO TABLE t2 (@a) SET a = @a", infile: '7\n8\n' },
    ],
    SESSION,
  ),
  custom('load-data.fails', () => [
    { do: 'query', sql: "LOAD DATA LOCAL INFILE 'x.csv' INTO TABLE nothing (a)", infile: '1\n' },
  ]),
];

const INSERT_IDS: Kind[] = [
  sql(
    'id.read',
    [
      'SELECT LAST_INSERT_ID()',
      'select last_insert_id() as x',
      'SELECT @@identity',
      'SELECT @@last_insert_id',
      'SELECT @@session.identity',
    ],
    { weight: 4 },
  ),
  sql('id.read-inside', [
    'SELECT LAST_INSERT_ID() + 1, a FROM t3 ORDER BY a',
    'SELECT COUNT(*) FROM t2 WHERE id = LAST_INSERT_ID()',
    'SELECT id FROM t2 WHERE id <= LAST_INSERT_ID() ORDER BY id LIMIT 2',
  ]),
  sql(
    'id.set-function',
    ['SELECT LAST_INSERT_ID(<n>0)', 'DO LAST_INSERT_ID(<n>0)', 'SELECT LAST_INSERT_ID(a) FROM t3 ORDER BY a'],
    { weight: 2 },
  ),
  sql('id.in-set', 'SET @a = LAST_INSERT_ID()', SESSION),
  sql('id.row-by-null', 'SELECT * FROM t2 WHERE id IS NULL'),
];

const GET_CONDITION = [
  'SELECT nothing',
  'GET DIAGNOSTICS CONDITION 1 @a = RETURNED_SQLSTATE, @b = MESSAGE_TEXT',
  'SELECT @a, @b',
] as const;

const DIAGNOSTICS: Kind[] = [
  sequence('diag.found-rows', ['SELECT SQL_CALC_FOUND_ROWS a FROM t3 LIMIT 1', 'SELECT FOUND_ROWS()'], {
    weight: 2,
  }),
  sequence('diag.found-rows-plain', ['SELECT a FROM t3 WHERE a < <n>', 'SELECT FOUND_ROWS() AS f']),
  sequence('diag.found-rows-inside', [
    'SELECT SQL_CALC_FOUND_ROWS id FROM t1 LIMIT 2',
    'SELECT FOUND_ROWS() + 1, 2',
  ]),
  sequence(
    'diag.found-rows-after-set',
    ['SELECT SQL_CALC_FOUND_ROWS id FROM t1 LIMIT 2', 'SET @x = 1', 'SELECT FOUND_ROWS()'],
    SESSION,
  ),
  sequence('diag.found-rows-twice', [
    'SELECT SQL_CALC_FOUND_ROWS id FROM t1 LIMIT 1',
    'SELECT FOUND_ROWS()',
    'SELECT FOUND_ROWS()',
  ]),
  sequence('diag.found-rows-show', ['SHOW TABLES LIKE "t%"', 'SELECT FOUND_ROWS()']),
  sequence('diag.row-count', ['UPDATE t1 SET n = <n>', 'SELECT ROW_COUNT()'], { weight: 2 }),
  sequence('diag.row-count-delete', ['DELETE FROM t2', 'SELECT ROW_COUNT() AS r']),
  sequence('diag.row-count-select', ['SELECT a FROM t3', 'SELECT ROW_COUNT(), FOUND_ROWS()']),
  sequence('diag.row-count-error', ["INSERT INTO t3 VALUES (1, 'x')", 'SELECT ROW_COUNT()']),
  sequence('diag.row-count-ddl', ['CREATE TABLE IF NOT EXISTS t3 (a INT)', 'SELECT ROW_COUNT()']),
  sequence('diag.show-warnings', ['SELECT CAST("1x" AS SIGNED)', 'SHOW WARNINGS'], { weight: 2 }),
  sequence('diag.show-warnings-limit', [
    "SELECT CAST('1x' AS SIGNED), CAST('2y' AS SIGNED)",
    'SHOW WARNINGS LIMIT 1',
    'SHOW WARNINGS',
  ]),
  sequence('diag.show-count', [
    "SELECT CAST('1x' AS SIGNED), 1/0",
    'SHOW COUNT(*) WARNINGS',
    'SHOW WARNINGS',
  ]),
  sequence('diag.show-errors', ['SELECT nothing', 'SHOW ERRORS', 'SHOW COUNT(*) ERRORS']),
  sequence('diag.warning_count', [
    "SELECT CAST('1x' AS SIGNED)",
    'SELECT @@warning_count, @@error_count',
    'SELECT @@warning_count',
  ]),
  sequence('diag.error_count', ['SELECT * FROM nothing', 'SELECT @@error_count', 'SHOW WARNINGS']),
  sequence('diag.after-set', ["SELECT CAST('1x' AS SIGNED)", 'SET time_zone = <zone>', 'SHOW WARNINGS']),
  sequence('diag.after-use', ["SELECT CAST('1x' AS SIGNED)", 'USE {db}', 'SHOW WARNINGS']),
  sequence('diag.get-diagnostics', GET_CONDITION, { ...SESSION, only: 'mariadb' }),
  sequence('mysql.get-diagnostics', GET_CONDITION, { ...SESSION, only: 'mysql' }),
  sequence(
    'diag.get-diagnostics-counts',
    ['UPDATE t1 SET n = <n>', 'GET DIAGNOSTICS @a = NUMBER, @b = ROW_COUNT', 'SELECT @a, @b'],
    SESSION,
  ),
  sequence('diag.none', ['SELECT 1', 'SHOW WARNINGS', 'SHOW ERRORS']),
  sequence('diag.if-exists', ['DROP TABLE IF EXISTS nothing', 'SHOW WARNINGS']),
  sequence('diag.insert-warns', [
    'INSERT IGNORE INTO t1 (n) VALUES (1000)',
    'SHOW WARNINGS',
    'SELECT LAST_INSERT_ID()',
  ]),
  sequence('diag.explain', ['EXPLAIN SELECT * FROM t3 WHERE a = 1', 'SHOW WARNINGS']),
];

const FAILURES: Kind[] = [
  sql('error.parse', ['SELEKT 1', 'SELECT', 'SELECT 1 FROM', "SELECT 'unfinished", '/* unfinished'], {
    weight: 2,
  }),
  sql('error.empty', ['', ';', '-- nothing', '/* nothing */']),
  sql('error.no-table', ['SELECT * FROM nothing', 'INSERT INTO nothing VALUES (1)'], { weight: 2 }),
  sql('error.no-column', 'SELECT nothing FROM t1'),
  sql('error.too-long', "INSERT INTO t3 VALUES (50, 'too long for it')"),
  sql('error.division', ['INSERT INTO t2 (a) VALUES (1 / 0)', 'UPDATE t1 SET n = 1 MOD 0 WHERE id = 1']),
  sql('error.range', 'INSERT INTO t1 (n) VALUES (300)'),
  sql('error.date', "INSERT INTO t1 (d) VALUES ('2024-02-30'), ('0000-00-00')"),
  sql('error.foreign-key', ['INSERT INTO child VALUES (1, 99)', 'DELETE FROM parent WHERE id = 1']),
  sql('error.foreign-key-child', 'REPLACE INTO child VALUES (2, 1)'),
  sql('error.not-null', ['INSERT INTO t3 (a) VALUES (60)', 'INSERT INTO t3 VALUES (61, NULL)']),
  sql('error.safe-update', 'UPDATE t1 SET n = 1 WHERE n = 2'),
  sql('error.signal', [
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'signalled'",
    "SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'warned', MYSQL_ERRNO = 1000",
  ]),
  sql('error.in-rows', ['SELECT (SELECT a FROM t3)', 'SELECT a, EXP(a * 1000) FROM t3']),
  sql('error.denied', ['SELECT * FROM mysql.user', 'CREATE USER nobody', 'SHUTDOWN']),
  sql(
    'multi.two',
    [
      'SELECT 1; SELECT 2',
      'SET time_zone = <zone>; SELECT @@time_zone',
      'INSERT INTO t2 (a) VALUES (1); SELECT LAST_INSERT_ID()',
    ],
    { weight: 2 },
  ),
  sql(
    'multi.half-way',
    [
      'SET time_zone = <zone>; SELECT nothing; SET sql_mode = <mode>',
      "SELECT 1; INSERT INTO t3 VALUES (1, 'x'); SELECT 2",
      'SET SESSION sql_mode = <mode>; SELEKT',
    ],
    { weight: 2 },
  ),
  sql('multi.use', 'USE {alt}; SELECT DATABASE(); USE {db}'),
  sql('multi.transaction', [
    'BEGIN; INSERT INTO t2 (a) VALUES (1); COMMIT',
    'BEGIN; UPDATE t1 SET n = 3; ROLLBACK; SELECT n FROM t1 ORDER BY id',
  ]),
  sql('multi.leaves-transaction', 'SELECT 1; BEGIN', { opens: [Hold.Transaction] }),
  sql('multi.counts', [
    'SELECT SQL_CALC_FOUND_ROWS a FROM t3 LIMIT 1; SELECT FOUND_ROWS(); SELECT ROW_COUNT()',
    "SELECT CAST('1x' AS SIGNED); SHOW WARNINGS",
  ]),
  sql('multi.set-names', 'SET NAMES latin1; SELECT @@character_set_client; SET NAMES utf8mb4'),
  sql('multi.trailing', ['SELECT 1;', 'SELECT 1; ', 'SELECT 1; -- x']),
];

const QUERIES: Kind[] = [
  sql(
    'select.plain',
    [
      'SELECT 1',
      "SELECT 'a', NULL, 1.5",
      'SELECT * FROM t3 ORDER BY a',
      'SELECT * FROM t1 ORDER BY id LIMIT 3',
    ],
    { weight: 4 },
  ),
  sql(
    'select.cte',
    'WITH RECURSIVE c AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM c WHERE x < 4) SELECT * FROM c',
  ),
  sql('select.union', 'SELECT a FROM t3 UNION SELECT id FROM t1 ORDER BY 1 LIMIT 2'),
  sql('select.comment', [
    '/* c */ SELECT 1',
    'SELECT /*! 1 + */ 1',
    '# c\nSELECT 2',
    'SELECT 1 -- c',
    'SELECT /*!99999 nothing, */ 3',
  ]),
  sql('select.parenthesised', ['(SELECT 1)', '(SELECT a FROM t3 ORDER BY a LIMIT 1) UNION (SELECT 9)']),
  sql('select.odd-name', 'SELECT `a``b`, `select` FROM `odd name`'),
  sql('select.view', 'SELECT * FROM v_plain ORDER BY id LIMIT 2'),
  sql(
    'show',
    [
      'SHOW TABLES LIKE "t3"',
      'SHOW CREATE TABLE t3',
      'SHOW COLUMNS FROM t3',
      "SHOW VARIABLES LIKE 'time_zone'",
      "SHOW SESSION VARIABLES LIKE 'sql_mode'",
    ],
    { weight: 2 },
  ),
  sql('do', ['DO 1', 'DO 1, 2', 'DO SLEEP(0)']),
  sql('table-statement', ['TABLE t3 ORDER BY a LIMIT 1', 'VALUES ROW(1, 2)'], { only: 'mysql' }),
  sql('values-statement', 'VALUES (1, 2), (3, 4)', { only: 'mariadb' }),
  sql('explain', 'EXPLAIN SELECT 1'),
  sql('check-table', ['CHECK TABLE t3', 'ANALYZE TABLE t2']),
  sql('flush', 'FLUSH NO_WRITE_TO_BINLOG STATUS', { weight: 0.2 }),
  sequence('ddl', [
    'CREATE TABLE made (a INT)',
    'INSERT INTO made VALUES (1)',
    'ALTER TABLE made ADD b INT',
    'SELECT * FROM made',
    'DROP TABLE made',
  ]),
  sequence('ddl.view', [
    'CREATE OR REPLACE VIEW v_made AS SELECT a FROM t3',
    'SELECT * FROM v_made ORDER BY a',
    'DROP VIEW v_made',
  ]),
  sequence(
    'ddl.routine-body',
    [
      'DROP PROCEDURE IF EXISTS p_made',
      'CREATE PROCEDURE p_made() BEGIN SET @a = 5; SELECT @a; END',
      'CALL p_made()',
      'DROP PROCEDURE p_made',
    ],
    SESSION,
  ),
  sequence(
    'ddl.routine-replaced',
    [
      'DROP PROCEDURE IF EXISTS p_again',
      'CREATE PROCEDURE p_again() SELECT COUNT(*) FROM t3',
      'CALL p_again()',
      'DROP PROCEDURE p_again',
      "CREATE PROCEDURE p_again() BEGIN DECLARE x INT; SELECT COUNT(*) INTO x FROM t3; DO GET_LOCK('l2_{tag}', 0); END",
      'CALL p_again()',
      "SELECT IS_USED_LOCK('l2_{tag}') = CONNECTION_ID()",
    ],
    SESSION,
  ),
  sql('anonymous-block', 'BEGIN NOT ATOMIC SET @a = 3; SET SESSION time_zone = <zone>; SELECT @a; END', {
    only: 'mariadb',
    opens: [Hold.Session],
  }),
  sql('connection-id', ['SELECT CONNECTION_ID()', 'SELECT connection_id() AS c'], {
    showsId: true,
    weight: 2,
  }),
  sql(
    'connection-id.inside',
    [
      'SELECT CONNECTION_ID() = {id} AS c',
      'SELECT 1, CONNECTION_ID() = {id} AS c, a FROM t3 ORDER BY a',
      'SELECT COUNT(*) AS c FROM t3 WHERE CONNECTION_ID() <> {id}',
      'SELECT IF(CONNECTION_ID() = {id}, 1, 2) AS c',
    ],
    { weight: 2 },
  ),
  sql('connection-id.variable', [
    'SELECT @@pseudo_thread_id = {id} AS c',
    'SELECT @@session.pseudo_thread_id = CONNECTION_ID() AS c',
  ]),
  sql('kill.nobody', 'KILL 4000000000'),
  sql('current-user', ['SELECT CURRENT_USER(), SESSION_USER() = USER() AS s']),
];

export const STATEMENT_KINDS: readonly Kind[] = [
  ...USER_VARIABLES,
  ...INSERTS,
  ...INSERT_IDS,
  ...DIAGNOSTICS,
  ...FAILURES,
  ...QUERIES,
  custom('query.long', () => [query(`SELECT LENGTH('${'x'.repeat(70_000)}')`)], { weight: 0.2 }),
];
