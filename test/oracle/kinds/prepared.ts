import { ClientStyle, Hold, type Kind, type Operation } from '../model.js';
import type { Random } from '../random.js';
import { BINARY, custom, type KindOptions, sequence, sql } from './kind.js';
import { alike, NAMES, values } from './parameters.js';
import { expand } from './vocabulary.js';

const PS = { opens: [Hold.Prepared] };

const TEXT: Kind[] = [
  sql(
    'text-ps.prepare',
    [
      "PREPARE <ps> FROM 'SELECT ? + 1 AS x'",
      "PREPARE <ps> FROM 'SELECT a FROM t3 WHERE a = ?'",
      'prepare <ps> from "SELECT 2"',
      "PREPARE <ps> FROM 'INSERT INTO t2 (a) VALUES (?)'",
    ],
    { ...PS, weight: 3 },
  ),
  sql('text-ps.prepare-variable', ["SET @sql = 'SELECT 5 AS five'; PREPARE ps1 FROM @sql"], {
    opens: [Hold.Prepared, Hold.Session],
  }),
  sql(
    'text-ps.prepare-fails',
    ["PREPARE <ps> FROM 'SELEKT'", "PREPARE <ps> FROM 'SELECT * FROM nothing'"],
    PS,
  ),
  sql(
    'text-ps.prepare-state',
    [
      "PREPARE <ps> FROM 'SET SESSION time_zone = ''+02:00'''",
      "PREPARE <ps> FROM 'CREATE TEMPORARY TABLE tmp1 (a INT)'",
      "PREPARE <ps> FROM 'SELECT GET_LOCK(''l1_{tag}'', 0)'",
      "PREPARE <ps> FROM 'SET @a = 8'",
    ],
    { opens: [Hold.Prepared, Hold.Locks, Hold.Temporary, Hold.Session] },
  ),
  sql('text-ps.execute', ['EXECUTE <ps>', 'EXECUTE <ps> USING @a', 'execute ps1'], {
    opens: [Hold.Session],
    weight: 3,
  }),
  sql('text-ps.deallocate', ['DEALLOCATE PREPARE <ps>', 'DROP PREPARE <ps>'], { weight: 2 }),
  sequence(
    'text-ps.whole',
    [
      "PREPARE ps1 FROM 'SELECT a FROM t3 WHERE a = ?'",
      'SET @a = 2',
      'EXECUTE ps1 USING @a',
      'DEALLOCATE PREPARE ps1',
    ],
    { opens: [Hold.Prepared, Hold.Session] },
  ),
  sql(
    'text-ps.immediate',
    [
      "EXECUTE IMMEDIATE 'SELECT 3'",
      "EXECUTE IMMEDIATE CONCAT('SELECT ', 4)",
      "EXECUTE IMMEDIATE 'SET time_zone = ''-05:30'''",
      "EXECUTE IMMEDIATE 'SELECT ?' USING 5",
      "EXECUTE IMMEDIATE 'SELEKT'",
    ],
    { only: 'mariadb', opens: [Hold.Session] },
  ),
  sql(
    'text-ps.immediate-holds',
    [
      "EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE tmp1 (a INT)'",
      "EXECUTE IMMEDIATE 'SELECT GET_LOCK(\\'l2_{tag}\\', 0)'",
      "EXECUTE IMMEDIATE 'BEGIN'",
    ],
    { only: 'mariadb', opens: [Hold.Temporary, Hold.Locks, Hold.Transaction, Hold.Session] },
  ),
];

/** Prepares and, after whatever comes between, executes. */
function prepared(
  name: string,
  texts: readonly string[],
  options: KindOptions & { readonly closes?: boolean } = {},
): Kind {
  return custom(
    `ps.${name}`,
    (random) => {
      const statement = random.pick(NAMES);
      const first = values(random);
      const list: Operation[] = [
        { do: 'prepare', name: statement, sql: expand(random.pick(texts), random) },
        { do: 'execute', name: statement, values: first },
      ];
      if (random.chance(0.5)) list.push({ do: 'execute', name: statement, values: alike(random, first) });
      if (random.chance(0.3)) list.push({ do: 'close', name: statement });
      return list;
    },
    { styles: [...BINARY, ClientStyle.Driver], ...options },
  );
}

const BINARY_KINDS: Kind[] = [
  prepared(
    'select',
    [
      'SELECT ? AS x',
      'SELECT a, b FROM t3 WHERE a = ? ORDER BY a',
      'SELECT ?, ? + 1, CONCAT(?)',
      'SELECT * FROM t1 ORDER BY id LIMIT 2',
    ],
    { weight: 4 },
  ),
  prepared('types', [
    "SELECT 1, 1.5, 1e0, 'a', NULL, DATE'2024-02-29', TIMESTAMP'2024-02-29 01:02:03', TIME'-01:02:03', 0xff, 18446744073709551615",
    'SELECT * FROM t4 ORDER BY id',
  ]),
  prepared(
    'insert',
    [
      'INSERT INTO t2 (a) VALUES (?)',
      'INSERT INTO t4 (a, data, txt) VALUES (?, ?, ?)',
      'REPLACE INTO t1 (v) VALUES (?)',
    ],
    { weight: 3 },
  ),
  prepared(
    'insert-id',
    [
      'SELECT LAST_INSERT_ID()',
      'SELECT LAST_INSERT_ID() + ?',
      'SELECT LAST_INSERT_ID(?)',
      'SELECT @@identity',
    ],
    { weight: 2 },
  ),
  prepared('update', ['UPDATE t1 SET n = ? WHERE id = ?', 'DELETE FROM t2 WHERE a = ?']),
  prepared('duplicate', [
    "INSERT INTO t3 VALUES (?, 'x')",
    'INSERT INTO t1 (v) VALUES (?) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)',
  ]),
  prepared('mode', ['SELECT "v" FROM t1 ORDER BY id', "SELECT 'a' || ?", "SELECT 'it\\'s'"], { weight: 2 }),
  prepared('charset', ["SELECT CHARSET('x'), COLLATION('x')", "SELECT HEX('\u00e9')"], { weight: 2 }),
  prepared('charset-of-parameter', ['SELECT CHARSET(?)']),
  prepared('schema', ['SELECT DATABASE(), v FROM t1 ORDER BY id LIMIT 1', 'SELECT f_plain(?)'], {
    weight: 2,
  }),
  prepared('set', ['SET SESSION time_zone = ?', 'SET sql_mode = ?', 'SET SESSION sql_select_limit = ?'], {
    opens: [Hold.Session],
  }),
  prepared('user-variable', ['SET @a = ?', 'SELECT @a := ?', 'SELECT ? INTO @b', 'SELECT @a, @b'], {
    opens: [Hold.Session],
  }),
  prepared(
    'temporary',
    [
      'CREATE TEMPORARY TABLE tmp1 (a INT)',
      'DROP TEMPORARY TABLE IF EXISTS tmp1',
      'INSERT INTO tmp1 VALUES (?)',
      'SELECT * FROM tmp1',
    ],
    { opens: [Hold.Temporary] },
  ),
  prepared(
    'lock',
    ["SELECT GET_LOCK('l1_{tag}', ?)", "DO GET_LOCK('l2_{tag}', 0)", "SELECT RELEASE_LOCK('l1_{tag}')"],
    { opens: [Hold.Locks] },
  ),
  prepared('lock-parameter', ['SELECT GET_LOCK(CONCAT(?, "_{tag}"), 0)'], { opens: [Hold.Locks] }),
  prepared('transaction-mariadb', ['BEGIN', 'START TRANSACTION', 'LOCK TABLES t2 WRITE', 'USE {alt}'], {
    only: 'mariadb',
    opens: [Hold.Transaction, Hold.Tables, Hold.Session],
  }),
  prepared('commit', ['COMMIT', 'ROLLBACK']),
  prepared(
    'call',
    ['CALL p_two()', 'CALL p_out(?, @b, @c)', 'CALL p_sys(?)', 'CALL p_insert()', 'CALL p_fails()'],
    { opens: [Hold.Session], weight: 2 },
  ),
  prepared('function', ['SELECT f_user(?)', 'SELECT f_sys(?)', 'SELECT f_id(?)'], { opens: [Hold.Session] }),
  prepared('warnings', ["SELECT CAST(? AS SIGNED), CAST('1x' AS SIGNED)", 'SHOW WARNINGS']),
  prepared('counts', [
    'SELECT SQL_CALC_FOUND_ROWS a FROM t3 LIMIT 1',
    'SELECT FOUND_ROWS()',
    'SELECT ROW_COUNT()',
  ]),
  prepared('wrong', ['SELEKT', 'SELECT * FROM nothing', 'SELECT 1; SELECT 2', 'SELECT ?, nothing'], {
    styles: BINARY,
  }),
  prepared('connection-id', ['SELECT CONNECTION_ID()', 'SELECT CONNECTION_ID() AS c'], { showsId: true }),
  prepared('connection-id-inside', ['SELECT CONNECTION_ID() = {id} AS c, ? AS x']),
  prepared('sequence', ['SELECT NEXTVAL(s1)', 'SELECT LASTVAL(s1)'], {
    only: 'mariadb',
    opens: [Hold.Session],
  }),
];

function about(
  name: string,
  make: (statement: string, random: Random) => readonly Operation[],
  options: KindOptions = {},
): Kind {
  return custom(`ps.${name}`, (random) => make(random.pick(NAMES), random), { styles: BINARY, ...options });
}

const COMMANDS: Kind[] = [
  about('again', (name, random) => [{ do: 'execute', name, values: values(random) }], {
    weight: 3,
    opens: [Hold.Session],
    showsId: true,
  }),
  about(
    'without-types',
    (name) => [
      { do: 'prepare', name, sql: 'SELECT ? AS x, ? AS y' },
      { do: 'execute', name, values: [1, 'a'] },
      { do: 'execute', name, values: [2, 'b'], withoutTypes: true },
      { do: 'execute', name, values: [3, 'c'], withoutTypes: true },
    ],
    { weight: 2 },
  ),
  about(
    'types-change',
    (name) => [
      { do: 'prepare', name, sql: 'SELECT ? AS x' },
      { do: 'execute', name, values: [1] },
      { do: 'execute', name, values: ['a'] },
      { do: 'execute', name, values: ['b'], withoutTypes: true },
      { do: 'execute', name, values: [{ double: 2.5 }] },
      { do: 'execute', name, values: [{ double: 3.5 }], withoutTypes: true },
    ],
    { weight: 2 },
  ),
  about(
    'call-out',
    (name, random) => [
      { do: 'prepare', name, sql: 'CALL p_out(?, ?, ?)' },
      // Numbers: after warnings MySQL counts them in one end of the results or another.
      { do: 'execute', name, values: [random.below(9), 1, 2] },
    ],
    { opens: [Hold.Session] },
  ),
  about('types-missing', (name) => [
    { do: 'prepare', name, sql: 'SELECT ? AS never_typed' },
    { do: 'execute', name, values: [1], withoutTypes: true },
  ]),
  about('null-then-value', (name) => [
    { do: 'prepare', name, sql: 'SELECT ? AS x, ? AS y' },
    { do: 'execute', name, values: [null, 1] },
    { do: 'execute', name, values: [5, null] },
  ]),
  about(
    'long-data',
    (name) => [
      { do: 'prepare', name, sql: 'INSERT INTO t4 (a, data) VALUES (?, ?)' },
      { do: 'long_data', name, parameter: 1, data: 'long ' },
      { do: 'long_data', name, parameter: 1, data: 'data' },
      { do: 'execute', name, values: [1, { blob: '' }] },
      { do: 'query', sql: 'SELECT a, data FROM t4 ORDER BY id DESC LIMIT 1' },
    ],
    { opens: [Hold.LongData] },
  ),
  about(
    'long-data-reset',
    (name) => [
      { do: 'prepare', name, sql: 'SELECT ? AS x' },
      { do: 'long_data', name, parameter: 0, data: 'gone' },
      { do: 'statement_reset', name },
      { do: 'execute', name, values: ['kept'] },
    ],
    { opens: [Hold.LongData] },
  ),
  about(
    'long-data-closed',
    (name) => [
      { do: 'prepare', name, sql: 'SELECT ? AS x' },
      { do: 'long_data', name, parameter: 0, data: 'gone' },
      { do: 'close', name },
      { do: 'prepare', name, sql: 'SELECT ? AS x' },
      { do: 'execute', name, values: ['kept'] },
    ],
    { opens: [Hold.LongData] },
  ),
  about(
    'cursor',
    (name) => [
      { do: 'prepare', name, sql: 'SELECT a, b FROM t3 ORDER BY a' },
      { do: 'execute', name, values: [], cursor: true },
      { do: 'fetch', name, rows: 1 },
      { do: 'fetch', name, rows: 5 },
      { do: 'statement_reset', name },
    ],
    { opens: [Hold.Cursor], weight: 2 },
  ),
  about(
    'cursor-closed',
    (name) => [
      { do: 'prepare', name, sql: 'SELECT id FROM t1 ORDER BY id' },
      { do: 'execute', name, values: [], cursor: true },
      { do: 'fetch', name, rows: 1 },
      { do: 'close', name },
    ],
    { opens: [Hold.Cursor] },
  ),
  about(
    'cursor-between',
    (name) => [
      { do: 'prepare', name, sql: 'SELECT a FROM t3 WHERE a > ? ORDER BY a' },
      { do: 'execute', name, values: [0], cursor: true },
      { do: 'query', sql: 'SELECT 1' },
      { do: 'fetch', name, rows: 2 },
      { do: 'execute', name, values: [1], cursor: true },
      { do: 'fetch', name, rows: 9 },
      { do: 'statement_reset', name },
    ],
    { opens: [Hold.Cursor] },
  ),
  about('fetch-nothing', (name) => [
    { do: 'fetch', name, rows: 1 },
    // By design: an error that the proxy answers itself is not in SHOW WARNINGS.
    { do: 'query', sql: 'SELECT 1 FROM (SELECT 1 AS x) AS t' },
  ]),
  about('reset', (name) => [{ do: 'statement_reset', name }]),
  about('close', (name) => [{ do: 'close', name }], { weight: 2 }),
  about(
    'across-ddl',
    (name) => [
      { do: 'query', sql: 'CREATE TABLE changing (a INT)' },
      { do: 'prepare', name, sql: 'SELECT * FROM changing' },
      { do: 'execute', name, values: [] },
      { do: 'query', sql: 'ALTER TABLE changing ADD b INT DEFAULT 3' },
      { do: 'query', sql: 'INSERT INTO changing (a) VALUES (1)' },
      { do: 'execute', name, values: [] },
      { do: 'query', sql: 'DROP TABLE changing' },
      { do: 'execute', name, values: [] },
      // By design: the proxy may have failed to prepare it anew, and no session has that error.
      { do: 'query', sql: 'SELECT 1 FROM (SELECT 1 AS x) AS t' },
    ],
    { weight: 2 },
  ),
  about(
    'across-temporary',
    (name) => [
      { do: 'prepare', name, sql: 'SELECT * FROM t3 ORDER BY 1 LIMIT 1' },
      { do: 'execute', name, values: [] },
      { do: 'query', sql: 'CREATE TEMPORARY TABLE t3 (only_here INT)' },
      { do: 'execute', name, values: [] },
      { do: 'prepare', name: 's2', sql: 'SELECT * FROM t3 LIMIT 1' },
      { do: 'query', sql: 'DROP TEMPORARY TABLE t3' },
      { do: 'execute', name, values: [] },
    ],
    { opens: [Hold.Temporary] },
  ),
  about(
    'across-mode',
    (name) => [
      { do: 'query', sql: "SET sql_mode = 'ANSI_QUOTES'" },
      { do: 'prepare', name, sql: 'SELECT "v" FROM t1 ORDER BY id LIMIT 1' },
      { do: 'query', sql: "SET sql_mode = ''" },
      { do: 'execute', name, values: [] },
      { do: 'prepare', name: 's3', sql: 'SELECT "v" FROM t1 ORDER BY id LIMIT 1' },
      { do: 'execute', name: 's3', values: [] },
      { do: 'execute', name, values: [] },
    ],
    { weight: 2 },
  ),
  about(
    'across-schema',
    (name) => [
      { do: 'init_db', schema: '{db}' },
      { do: 'prepare', name, sql: 'SELECT v, DATABASE() FROM t1 ORDER BY id LIMIT 1' },
      { do: 'init_db', schema: '{alt}' },
      { do: 'execute', name, values: [] },
      { do: 'init_db', schema: '{db}' },
    ],
    { weight: 2 },
  ),
  about('last-prepared', () => [{ do: 'prepare', name: 's1', sql: 'SELECT 1 AS one' }]),
];

export const PREPARED_KINDS: readonly Kind[] = [...TEXT, ...BINARY_KINDS, ...COMMANDS];
