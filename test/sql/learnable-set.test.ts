import t from 'tap';
import { isLearnable, MAX_LEARNABLE } from '../../src/sql/learnable-set.js';
import { fc } from '../support/properties.js';
import { contexts, texts } from './arbitraries.js';
import { mariadb, mysql, traitsOf } from './describe.js';

function learnable(sql: string, context = mysql()): boolean {
  const buf = Buffer.from(`x${sql};SELECT 1`);
  return isLearnable(buf, 1, buf.length - ';SELECT 1'.length, context);
}

/** What drivers and frameworks send first. */
const PREAMBLES = [
  'SET SQL_AUTO_IS_NULL = 0',
  'SET NAMES utf8mb4',
  "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'",
  "SET NAMES utf8mb4 COLLATE utf8mb4_bin, @@SESSION.sql_mode = 'STRICT_ALL_TABLES'",
  "SET @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483, @@SESSION.sql_mode = 'STRICT_ALL_TABLES'",
  "SET NAMES utf8mb4, @@SESSION.sql_mode = CONCAT(CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), ',NO_AUTO_VALUE_ON_ZERO'), @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483",
  "SET sql_mode = REPLACE(@@session.sql_mode, 'ONLY_FULL_GROUP_BY', '')",
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  'set local transaction isolation level serializable',
  "SET SQL_AUTO_IS_NULL = 0; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET sql_mode='A'",
  'SET AUTOCOMMIT = 0',
  'SET autocommit=1;',
  'SET character_set_results = NULL',
  "/* connector */ SET character_set_client = utf8mb4, SESSION a = ON, b := 'x'",
  "SET time_zone = '+00:00', foreign_key_checks = -1",
  'SET CHARACTER SET utf8mb4',
  "SET CHARSET 'latin1'",
  "SET @@sql_mode = '', @@local.`big_tables` = 1.5",
  'SET transaction_isolation = "READ-COMMITTED"',
  'SET @@session.transaction_isolation = "READ-COMMITTED"',
];

const OTHERS = [
  '',
  ';',
  'SELECT 1',
  'SET',
  'SET a',
  'SET a =',
  'SET a = 1,',
  'SET a = 1 b',
  'SET a = 1; SELECT 1',
  'SET a = 1;; SET b = 1',
  'SET GLOBAL a = 1',
  'SET a = 1, GLOBAL b = 2',
  'SET @@global.a = 1',
  'SET PERSIST a = 1',
  'SET @@persist_only.a = 1',
  'SET @a = 1',
  'SET a = 1, @b = 2',
  'SET a = DEFAULT',
  'SET a = @@b',
  'SET a = b.c',
  'SET a = b()',
  'SET a = CURRENT_TIMESTAMP',
  'SET a = (1)',
  'SET a = 1 + 1',
  'SET a = (SELECT 1)',
  'SET a = ?',
  "SET a = _utf8mb4'x'",
  "SET a = 'x' 'y'",
  'SET a.b = 1',
  "SET time_zone = CONCAT(@@sql_mode, 'x')",
  "SET sql_mode = CONCAT(@@global.sql_mode, 'x')",
  "SET sql_mode = CONCAT('x', @@sql_mode)",
  'SET sql_mode = CONCAT(@@sql_mode, USER())',
  'SET sql_mode = CONCAT(@@sql_mode)',
  "SET sql_mode = REPLACE(@@sql_mode, 'x')",
  "SET sql_mode = REPLACE(@@sql_mode, 'x', 'y') + 1",
  "SET sql_mode = `concat`(@@sql_mode, 'x')",
  'SET NAMES DEFAULT',
  'SET NAMES',
  'SET NAMES utf8mb4 COLLATE',
  'SET NAMES utf8mb4 utf8mb4',
  'SET NAMES = 1',
  'SET CHARACTER SET DEFAULT',
  'SET TRANSACTION ISOLATION LEVEL READ COMMITTED',
  'SET SESSION TRANSACTION READ ONLY',
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY',
  'SET SESSION TRANSACTION ISOLATION LEVEL READ',
  'SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED',
  'SET a = 1, SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  "SET @@transaction_isolation = 'READ-COMMITTED'",
  "SET @@tx_isolation = 'READ-COMMITTED'",
  'SET @@transaction_read_only = 1',
  'SET last_insert_id = 5',
  'SET identity = 5',
  'SET SESSION insert_id = 5',
  'SET @@timestamp = 5',
  'SET rand_seed1 = 5',
  'SET pseudo_thread_id = 5',
  'SET pseudo_slave_mode = 1',
  "SET gtid_next = 'AUTOMATIC'",
  'SET session_track_schema = 1',
  'SET @@session.`session_track_schema` = 1',
  'SET sql_log_bin = 0',
  'SET sql_log_off = 0',
  'SET profiling = 1',
  'SET wsrep_on = 0',
  'SET ROLE a',
  'SET ROLE NONE',
  'SET DEFAULT ROLE a TO b',
  "SET PASSWORD = 'x'",
  "SET PASSWORD FOR a = 'x'",
  'SET STATEMENT a = 1 FOR SELECT 1',
  'SET RESOURCE GROUP a',
  'SET /*! a */ = 1',
  'SET a /*!999999 x */ = 1',
  "SET a = 'x",
  'SET sql_mode = \'ANSI_QUOTES\'; SET a = "x"',
  "SET sql_mode = 'x'; SET a = 'b\\'c'",
  'SET é = 1',
  'SET a = é',
  `SET a = '${'x'.repeat(MAX_LEARNABLE)}'`,
];

t.test('what sets nothing but variables, to what it says', async (t) => {
  for (const context of [mariadb(), mysql()]) {
    for (const sql of PREAMBLES) t.ok(learnable(sql, context), sql);
    for (const sql of OTHERS) t.notOk(learnable(sql, context), sql);
  }
  t.notOk(learnable('SET a = 1', mysql({ charset: 'klingon' })));
  t.notOk(learnable('SET a = "x"', mysql({ ansiQuotes: true })), 'which is a name');
  t.ok(learnable(`SET a = '${'x'.repeat(MAX_LEARNABLE - "SET a = ''".length)}'`));
});

const piece = fc.constantFrom(
  ...[
    'SET',
    'SESSION',
    '@@',
    'session.',
    'GLOBAL',
    'a',
    'sql_mode',
    'insert_id',
    '=',
    ',',
    '1',
    "'x'",
    '@b',
    '(',
    ')',
  ],
  ...[
    'CONCAT(@@sql_mode,',
    'NAMES',
    'utf8mb4',
    'COLLATE',
    'TRANSACTION',
    ';SET',
    'DEFAULT',
    '/*!',
    '*/',
    '-',
    'f()',
    ':=',
  ],
);

t.test('no text is learnable of which the scanner says more', async (t) => {
  let found = 0;
  const odd = fc.array(piece, { maxLength: 12 }).map((all) => Buffer.from(`SET a=${all.join(' ')}`));
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: odd }, texts), contexts, (text, context) => {
      if (!isLearnable(text, 0, text.length, context)) return;
      found++;
      const { first, holds, routines, changes } = traitsOf(text.toString(), context);
      t.ok(first === 'set' || first === 'set_transaction');
      t.same(
        { holds: holds & ~(1 << 13), routines, changes },
        { holds: 0, routines: [], changes: [] },
        String(text),
      );
    }),
    { numRuns: 5000 },
  );
  t.ok(found > 5);
});
