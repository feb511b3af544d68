import { Hold, type Kind } from '../model.js';
import { custom, query, sequence, sql } from './kind.js';

const TMP = { opens: [Hold.Temporary] };

const TEMPORARY: Kind[] = [
  sql(
    'tmp.create',
    [
      'CREATE TEMPORARY TABLE <tmp> (a INT)',
      'create temporary table if not exists <tmp> (a INT, b VARCHAR(5))',
    ],
    { ...TMP, weight: 3 },
  ),
  sql(
    'tmp.create-select',
    ['CREATE TEMPORARY TABLE tmp1 SELECT * FROM t3', 'CREATE TEMPORARY TABLE tmp2 AS SELECT 1 AS a, 2 AS b'],
    TMP,
  ),
  sql('tmp.create-like', 'CREATE TEMPORARY TABLE tmp1 LIKE t1', TMP),
  sql(
    'tmp.create-comment',
    [
      'CREATE/* x */TEMPORARY/**/TABLE tmp1 (a INT)',
      'CREATE /*! TEMPORARY */ TABLE tmp1 (a INT)',
      '/*! CREATE TEMPORARY TABLE tmp2 (a INT) */',
    ],
    TMP,
  ),
  sql(
    'tmp.create-half-way',
    [
      'CREATE TEMPORARY TABLE tmp1 (a TINYINT PRIMARY KEY) SELECT 1 AS a UNION ALL SELECT 1',
      'CREATE TEMPORARY TABLE tmp2 (a INT) SELECT nothing FROM t3',
    ],
    TMP,
  ),
  sequence(
    'tmp.shadow',
    [
      'CREATE TEMPORARY TABLE t1 (id INT, v VARCHAR(10), n INT)',
      "INSERT INTO t1 VALUES (50, 'shadow', 1)",
      'SELECT * FROM t1',
      'DROP TEMPORARY TABLE t1',
      'SELECT id, v FROM t1 ORDER BY id',
    ],
    TMP,
  ),
  sql('tmp.insert', ['INSERT INTO tmp1 (a) VALUES (<n>)', 'INSERT INTO tmp2 (a) VALUES (<n>), (<n>)'], {
    weight: 2,
  }),
  sql('tmp.select', ['SELECT * FROM <tmp> LIMIT 3', 'SELECT COUNT(*) FROM tmp1'], { weight: 2 }),
  sql('tmp.drop', ['DROP TEMPORARY TABLE <tmp>', 'DROP TABLE tmp1', 'DROP TABLE IF EXISTS tmp1, tmp2'], {
    weight: 2,
  }),
  sql('tmp.drop-if-exists', [
    'DROP TEMPORARY TABLE IF EXISTS tmp1, <tmp>',
    'DROP TEMPORARY TABLE IF EXISTS nothing',
  ]),
  sequence(
    'tmp.drop-shadowed',
    ['CREATE TEMPORARY TABLE t2 (a INT)', 'DROP TABLE t2', 'SELECT COUNT(*) FROM t2'],
    TMP,
  ),
  sequence(
    'tmp.drop-several',
    [
      'CREATE TEMPORARY TABLE tmp1 (a INT)',
      'CREATE TEMPORARY TABLE {alt}.tmp1 (b INT)',
      'DROP TABLE tmp1, nothing_here',
      'SELECT * FROM {alt}.tmp1',
      'DROP TABLE {alt}.tmp1',
    ],
    TMP,
  ),
  sequence(
    'tmp.rename',
    [
      'CREATE TEMPORARY TABLE tmp1 (a INT)',
      'ALTER TABLE tmp1 RENAME TO tmp2',
      'SELECT * FROM tmp2',
      'DROP TABLE tmp2',
    ],
    TMP,
  ),
  sequence(
    'tmp.rename-table',
    [
      'CREATE TEMPORARY TABLE tmp1 (a INT)',
      'RENAME TABLE tmp1 TO tmp2',
      'SELECT * FROM tmp2',
      'DROP TEMPORARY TABLE IF EXISTS tmp1, tmp2',
    ],
    TMP,
  ),
  sequence(
    'tmp.truncate',
    [
      'CREATE TEMPORARY TABLE tmp1 SELECT 1 AS a',
      'TRUNCATE TABLE tmp1',
      'SELECT COUNT(*) FROM tmp1',
      'DROP TABLE tmp1',
    ],
    TMP,
  ),
  sequence(
    'tmp.alter',
    [
      'CREATE TEMPORARY TABLE tmp1 (a INT)',
      'ALTER TABLE tmp1 ADD b INT DEFAULT 5',
      'INSERT INTO tmp1 (a) VALUES (1)',
      'SELECT * FROM tmp1',
      'DROP TABLE tmp1',
    ],
    TMP,
  ),
  sequence(
    'tmp.auto-increment',
    [
      'CREATE TEMPORARY TABLE tmp1 (id INT AUTO_INCREMENT PRIMARY KEY, a INT)',
      'INSERT INTO tmp1 (a) VALUES (1), (2)',
      'SELECT LAST_INSERT_ID()',
      'DROP TABLE tmp1',
      'SELECT LAST_INSERT_ID()',
    ],
    TMP,
  ),
  sequence(
    'tmp.dropped-with-schema',
    [
      'CREATE DATABASE {alt}z',
      'CREATE TEMPORARY TABLE {alt}z.tmp1 (a INT)',
      'DROP DATABASE {alt}z',
      'SELECT * FROM {alt}z.tmp1',
      'DROP TEMPORARY TABLE IF EXISTS {alt}z.tmp1',
    ],
    { ...TMP, weight: 0.5 },
  ),
  sequence(
    'tmp.show-create',
    ['CREATE TEMPORARY TABLE tmp1 (a INT)', 'SHOW CREATE TABLE tmp1', 'DESCRIBE tmp1', 'DROP TABLE tmp1'],
    TMP,
  ),
  sequence(
    'tmp.in-transaction',
    [
      'BEGIN',
      'CREATE TEMPORARY TABLE tmp1 (a INT)',
      'INSERT INTO tmp1 VALUES (1)',
      'ROLLBACK',
      'SELECT * FROM tmp1',
      'DROP TABLE tmp1',
    ],
    { opens: [Hold.Temporary, Hold.Transaction] },
  ),
  sequence(
    'mariadb.tmp-or-replace',
    [
      'CREATE OR REPLACE TEMPORARY TABLE tmp1 (a INT)',
      'CREATE OR REPLACE TEMPORARY TABLE tmp1 (b INT)',
      'SELECT * FROM tmp1',
      'DROP TABLE tmp1',
    ],
    { ...TMP, only: 'mariadb' },
  ),
];

const LOCKED: Kind[] = [
  sequence(
    'lock-tables.write',
    ['LOCK TABLES t1 WRITE', 'UPDATE t1 SET n = <n> WHERE id = 1', 'SELECT * FROM t3', 'UNLOCK TABLES'],
    { opens: [Hold.Tables] },
  ),
  sequence(
    'lock-tables.read',
    [
      'LOCK TABLES t1 READ, t3 AS x READ',
      'SELECT COUNT(*) FROM t1',
      'INSERT INTO t1 (v) VALUES (NULL)',
      'UNLOCK TABLES',
    ],
    { opens: [Hold.Tables] },
  ),
  sql('lock-tables.open', ['LOCK TABLES t2 WRITE', 'LOCK TABLE t2 READ LOCAL', 'lock tables `t2` write'], {
    opens: [Hold.Tables],
  }),
  sql('lock-tables.fails', ['LOCK TABLES nothing WRITE', 'LOCK TABLES t1 WRITE, nothing READ'], {
    opens: [Hold.Tables],
  }),
  sequence(
    'lock-tables.begin-unlocks',
    ['LOCK TABLES t2 WRITE', 'BEGIN', 'SELECT COUNT(*) FROM t3', 'COMMIT'],
    { opens: [Hold.Tables, Hold.Transaction] },
  ),
  sequence(
    'lock-tables.locks-again',
    ['LOCK TABLES t2 WRITE', 'LOCK TABLES t3 READ', 'SELECT COUNT(*) FROM t2', 'UNLOCK TABLES'],
    { opens: [Hold.Tables] },
  ),
  sequence(
    'lock-tables.temporary',
    [
      'CREATE TEMPORARY TABLE tmp1 (a INT)',
      'LOCK TABLES t2 WRITE',
      'INSERT INTO tmp1 VALUES (1)',
      'UNLOCK TABLES',
      'DROP TABLE tmp1',
    ],
    { opens: [Hold.Tables, Hold.Temporary] },
  ),
  sql('unlock-tables', ['UNLOCK TABLES', 'unlock table']),
  sequence('flush-for-export', ['FLUSH TABLES t2 FOR EXPORT', 'SELECT COUNT(*) FROM t2', 'UNLOCK TABLES'], {
    opens: [Hold.Tables],
    weight: 0.3,
  }),
];

const HANDLERS: Kind[] = [
  sequence(
    'handler',
    [
      'HANDLER t3 OPEN',
      'HANDLER t3 READ `PRIMARY` FIRST',
      'HANDLER t3 READ `PRIMARY` NEXT LIMIT 2',
      'HANDLER t3 CLOSE',
    ],
    { opens: [Hold.Handler] },
  ),
  sequence('handler.alias', ['HANDLER t1 OPEN AS h', 'HANDLER h READ FIRST', 'SELECT 1', 'HANDLER h CLOSE'], {
    opens: [Hold.Handler],
  }),
  sql('handler.unknown', ['HANDLER nothing OPEN', 'HANDLER h READ FIRST', 'HANDLER t3 CLOSE']),
];

const SEQUENCES: Kind[] = [
  sequence('sequence.nextval', ['SELECT NEXTVAL(s1)', 'SELECT LASTVAL(s1)'], {
    only: 'mariadb',
    opens: [Hold.Session],
  }),
  sequence('sequence.next-value-for', ['SELECT NEXT VALUE FOR s2', 'SELECT PREVIOUS VALUE FOR s2'], {
    only: 'mariadb',
    opens: [Hold.Session],
  }),
  sql('sequence.lastval', ['SELECT LASTVAL(s1)', 'SELECT LASTVAL(s2) AS l'], { only: 'mariadb' }),
  sql('sequence.setval', 'SELECT SETVAL(s2, 1000, 0)', { only: 'mariadb', opens: [Hold.Session] }),
  sql('sequence.insert', 'INSERT INTO t2 (a) VALUES (NEXTVAL(s1))', {
    only: 'mariadb',
    opens: [Hold.Session],
  }),
];

const USER_LOCKS: Kind[] = [
  sql(
    'lock.get',
    ['SELECT GET_LOCK(<lock>, 0)', 'DO GET_LOCK(<lock>, 0)', 'select get_lock(<lock>, 1) as l'],
    { opens: [Hold.Locks], weight: 3 },
  ),
  sql('lock.get-set', ['SET @got = GET_LOCK(<lock>, 0)'], { opens: [Hold.Locks, Hold.Session] }),
  sql(
    'lock.get-where',
    [
      'SELECT a FROM t3 WHERE a = 1 AND GET_LOCK(<lock>, 0) = 1',
      'SELECT IF(a = 2, GET_LOCK(<lock>, 0), 0) FROM t3',
    ],
    { opens: [Hold.Locks] },
  ),
  sql(
    'lock.get-dml',
    ['UPDATE t1 SET n = GET_LOCK(<lock>, 0) WHERE id = 2', 'INSERT INTO t2 (a) VALUES (GET_LOCK(<lock>, 0))'],
    { opens: [Hold.Locks] },
  ),
  sql('lock.get-null', ['SELECT GET_LOCK(NULL, 0)', "SELECT GET_LOCK('', 0)"], { opens: [Hold.Locks] }),
  sql(
    'lock.get-comment',
    ['SELECT /*! GET_LOCK(<lock>, 0) */', 'SELECT GET_LOCK/**/(<lock>, 0)', 'SELECT `GET_LOCK`(<lock>, 0)'],
    { opens: [Hold.Locks] },
  ),
  sequence(
    'lock.get-twice',
    [
      "SELECT GET_LOCK('l1_{tag}', 0)",
      "SELECT GET_LOCK('l1_{tag}', 0)",
      "SELECT RELEASE_LOCK('l1_{tag}')",
      "SELECT IS_USED_LOCK('l1_{tag}') = CONNECTION_ID()",
      "SELECT RELEASE_LOCK('l1_{tag}')",
    ],
    { opens: [Hold.Locks], weight: 2 },
  ),
  sql('lock.several', "SELECT GET_LOCK('l1_{tag}', 0), GET_LOCK('l2_{tag}', 0)", { opens: [Hold.Locks] }),
  sql('lock.release', ['SELECT RELEASE_LOCK(<lock>)', 'DO RELEASE_LOCK(<lock>)'], { weight: 2 }),
  sql('lock.release-all', ['SELECT RELEASE_ALL_LOCKS()', 'DO RELEASE_ALL_LOCKS()']),
  sql('lock.is-free', ['SELECT IS_FREE_LOCK(<lock>)', 'SELECT IS_USED_LOCK(<lock>) IS NULL']),
  sequence(
    'lock.across-transaction',
    [
      "SELECT GET_LOCK('l1_{tag}', 0)",
      'BEGIN',
      'INSERT INTO t2 (a) VALUES (1)',
      'COMMIT',
      "DO RELEASE_LOCK('l1_{tag}')",
    ],
    { opens: [Hold.Locks, Hold.Transaction] },
  ),
  sequence(
    'lock.multi-statement',
    ["SELECT GET_LOCK('l1_{tag}', 0); SELECT 1; SELECT RELEASE_LOCK('l1_{tag}')"],
    { opens: [Hold.Locks] },
  ),
];

const SCHEMAS: Kind[] = [
  sql('use.other', ['USE {alt}', 'use `{alt}`'], { weight: 2 }),
  sql('use.own', ['USE {db}', 'USE/**/{db}'], { weight: 3 }),
  sql('use.unknown', 'USE nowhere_{tag}'),
  sequence(
    'schema.dropped',
    [
      'CREATE DATABASE {alt}y',
      'USE {alt}y',
      'SELECT DATABASE()',
      'DROP DATABASE {alt}y',
      'SELECT DATABASE()',
      'USE {db}',
    ],
    { opens: [Hold.Session], weight: 0.5 },
  ),
  sql(
    'schema.select',
    ['SELECT DATABASE()', 'SELECT SCHEMA() AS s', 'SELECT v FROM t1 ORDER BY id LIMIT 1'],
    { weight: 2 },
  ),
  sql('schema.qualified', [
    'SELECT v FROM {alt}.t1 ORDER BY id LIMIT 1',
    'SELECT {alt}.f_plain(1), {db}.f_plain(1)',
  ]),
  sql('schema.alter', 'ALTER DATABASE {alt} CHARACTER SET latin1', { weight: 0.3 }),
];

export const TABLE_KINDS: readonly Kind[] = [
  ...TEMPORARY,
  ...LOCKED,
  ...HANDLERS,
  ...SEQUENCES,
  ...USER_LOCKS,
  ...SCHEMAS,
  custom(
    'role.set',
    (random) => [query(random.pick(['SET ROLE {role}', 'SET ROLE `{role}`', "SET ROLE '{role}'"]))],
    { opens: [Hold.Role] },
  ),
  sql('role.none', ['SET ROLE NONE', 'set role none']),
  sql('role.unknown', 'SET ROLE no_such_role'),
  sql('role.current', 'SELECT CURRENT_ROLE()'),
  sql('role.default', 'SET ROLE DEFAULT', { only: 'mysql', opens: [Hold.Role] }),
];
