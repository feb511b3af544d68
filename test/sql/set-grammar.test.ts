import t from 'tap';
import type { LexerContext } from '../../src/sql/lexer-context.js';
import { MAX_LISTED_ASSIGNMENTS } from '../../src/sql/traits.js';
import { holdNames, mariadb, mysql, summary, traitsOf } from './describe.js';

/** `name scope, name scope` */
function assignments(sql: string, context: LexerContext): string {
  return traitsOf(sql, context)
    .assignments.map(({ name, scope }) => `${name} ${scope}`)
    .join(', ');
}

t.test('names and scopes', async (t) => {
  const cases: readonly [sql: string, expected: string][] = [
    ['SET sql_mode = 1', 'sql_mode none'],
    ['SET SQL_MODE := 1', 'sql_mode none'],
    ['SET SESSION `Sql_Mode` = 1', 'sql_mode session'],
    ['SET LOCAL a = 1', 'a session'],
    ['SET GLOBAL a = 1', 'a global'],
    ['SET PERSIST a = 1, b = 2', 'a global, b global'],
    ['SET PERSIST_ONLY a = 1', 'a global'],
    ['SET @@a = 1', 'a at_none'],
    [
      'SET @@session.a = 1, @@local.b = 2, @@global.c = 3, @@persist.d = 4',
      'a session, b session, c global, d global',
    ],
    ['SET @@session . `a` = 1', 'a session'],
    ['SET @@`a` = 1', 'a at_none'],
    // A scope holds until the next one; not that of @@scope.
    ['SET GLOBAL a = 1, b = 2, SESSION c = 3, d = 4', 'a global, b global, c session, d session'],
    ['SET @@global.a = 1, b = 2', 'a global, b none'],
    ['SET a = 1, GLOBAL b = 2, @@c = 3, d = 4', 'a none, b global, c at_none, d global'],
    ['SET GLOBAL hot.key_buffer_size = 1, @@global.hot.x = 2', 'hot.key_buffer_size global, hot.x global'],
    // Commas in values.
    ["SET a = f(1, 2), b = 'x, y', c = (SELECT 1, 2), d = /* , */ 4", 'a none, b none, c none, d none'],
    ['SET @u = 1, a = 2, @v = 3', 'a none'],
    ['SET NAMES utf8mb4, a = 1', 'a none'],
    ["SET a = 1, NAMES 'utf8mb4' COLLATE 'x', b = 2", 'a none, b none'],
    ['SET CHARACTER SET latin1, a = 1', 'a none'],
    ["SET PASSWORD = 'x', a = 1", 'a none'],
    ['SET a = 1, ROLE NONE, b = 2', 'a none, b none'],
    ['/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE=1 */', 'sql_mode none'],
    ['SET default_storage_engine = InnoDB', 'default_storage_engine none'],
    ['SET insert\u00e9 = 1', 'null none'],
    [`SET ${'x'.repeat(300)} = 1`, 'null none'],
    [`SET ${'a.'.repeat(500)}b = 1`, 'null none'],
    ['SET a = 1; SET GLOBAL b = 2; SET c = 3', 'a none, b global, c none'],
    ['SET', ''],
    ['SET a', ''],
    ['SET STATEMENT a = 1 FOR SET b = 2', 'b none'],
  ];
  for (const [sql, expected] of cases) {
    t.equal(assignments(sql, mariadb()), expected, `mariadb: ${sql}`);
    t.equal(assignments(sql, mysql()), expected, `mysql: ${sql}`);
  }
});

t.test('characteristics of transactions', async (t) => {
  const sql = 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY';
  t.equal(assignments(sql, mysql()), 'transaction_isolation session, transaction_read_only session');
  t.equal(assignments(sql, mariadb()), 'tx_isolation session, tx_read_only session');
  t.equal(
    assignments(sql, mariadb({ serverVersion: 110400 })),
    'transaction_isolation session, transaction_read_only session',
  );
  t.equal(summary(traitsOf(sql, mysql())), 'set_transaction:');
  t.equal(summary(traitsOf('SET TRANSACTION READ ONLY', mysql())), 'set_transaction: OneShot');
  t.equal(assignments('SET TRANSACTION READ ONLY', mysql()), '', 'for the next one only');
  t.equal(assignments('SET GLOBAL TRANSACTION READ WRITE', mysql()), 'transaction_read_only global');
});

t.test('effects', async (t) => {
  const cases: readonly [sql: string, expected: string][] = [
    ['SET sql_mode = 1', 'set:'],
    ['SET @a = 1', 'set: WritesUserVariable'],
    ['SET @a := @b', 'set: ReadsUserVariable WritesUserVariable'],
    ["SET @'a' = 1, @`b` = 2", 'set: WritesUserVariable'],
    ['SET a = @b', 'set: ReadsUserVariable'],
    ['SET a = @@identity', 'set: | ReadsLastInsertId'],
    ["SET a = GET_LOCK('a', 1)", 'set: UserLock'],
    ['SET a = f(1)', 'set: | MayRunRoutine ReadsLastInsertId'],
    ['SET NAMES utf8mb4', 'set: | SetsCharset'],
    ["SET NAMES 'utf8mb4' COLLATE utf8mb4_bin", 'set: | SetsCharset'],
    ['SET CHARACTER SET latin1', 'set: | SetsCharset'],
    ['SET CHARSET latin1', 'set: | SetsCharset'],
    ['SET CHAR SET latin1', 'set: | SetsCharset'],
    ['SET character_set_results = NULL', 'set: | SetsCharset'],
    ['SET @@session.collation_connection = x', 'set: | SetsCharset'],
    ['SET GLOBAL character_set_client = latin1', 'set:'],
    ['SET autocommit = 1', 'set: | EndsTransaction ContainsCommit'],
    ['SET last_insert_id = 5', 'set: | WritesLastInsertId'],
    ['SET identity = 5', 'set: | WritesLastInsertId'],
    ["SET session_track_schema = 'OFF'", 'set: SessionTrack'],
    ['SET insert_id = 5', 'set: OneShot'],
    ['SET timestamp = DEFAULT', 'set: OneShot'],
    ['SET rand_seed1 = 1, rand_seed2 = 2', 'set: OneShot'],
    ['SET SESSION pseudo_thread_id = 1', 'set: OneShot'],
    ["SET gtid_next = 'AUTOMATIC'", 'set: OneShot'],
    ['SET character_set_database = latin1', 'set: OneShot | SetsCharset'],
    ['SET GLOBAL collation_database = latin1_bin', 'set:'],
    ['SET GLOBAL gtid_mode = 1', 'set:'],
    ['SET @@session.transaction_isolation = x', 'set:'],
    ['SET profiling = 1', 'set: Unknown'],
    ['SET ROLE r', 'set_role: Role'],
    ['SET ROLE NONE', 'set_role_none: Role'],
    ['SET ROLE DEFAULT', 'set_role_default: Role'],
    ["SET DEFAULT ROLE r TO 'u'@'h'", 'set_default_role: | EndsTransaction'],
    ['SET DEFAULT ROLE NONE FOR u@h', 'set_default_role: | EndsTransaction'],
    ["SET PASSWORD FOR 'u'@'h' = 'x'", 'set_password: | EndsTransaction'],
    ['SET RESOURCE GROUP g', 'set_resource_group: ResourceGroup'],
    ['SET DEFAULT x', 'set: Unknown'],
    ['SET', 'set:'],
    ['SET 1', 'set: Unknown'],
    ['SET a 1', 'set: Unknown'],
    ['SET @@session = 1', 'set: Unknown'],
    [
      'SET \u00efnsert_id = 5',
      'set: SessionTrack OneShot Unknown | SetsCharset WritesLastInsertId EndsTransaction ContainsCommit',
    ],
    ['SET GLOBAL \u00efnsert_id = 5', 'set:'],
  ];
  for (const [sql, expected] of cases) {
    t.equal(summary(traitsOf(sql, mariadb())), expected, `mariadb: ${sql}`);
    t.equal(summary(traitsOf(sql, mysql())), expected, `mysql: ${sql}`);
  }
});

t.test('without a scope word', async (t) => {
  t.same(holdNames(traitsOf('SET @@sql_mode = 1', mariadb())), ['UnscopedSystemVariable']);
  t.same(holdNames(traitsOf('SET @@sql_mode = 1', mysql())), [], 'MySQL reports it');
  t.same(holdNames(traitsOf('SET @@tx_isolation = 1', mariadb())), ['OneShot', 'UnscopedSystemVariable']);
  t.same(holdNames(traitsOf('SET @@transaction_isolation = 1', mysql())), ['OneShot']);
});

t.test('more assignments than are listed', async (t) => {
  const list = Array.from({ length: MAX_LISTED_ASSIGNMENTS + 1 }, (_, i) => `a${i} = ${i}`);
  const listed = traitsOf(`SET ${list.slice(1).join(', ')}`, mysql());
  t.equal(listed.assignments.length, MAX_LISTED_ASSIGNMENTS);
  t.same(holdNames(listed), []);
  const more = traitsOf(`SET ${list.join(', ')}`, mysql());
  t.equal(more.assignments.length, MAX_LISTED_ASSIGNMENTS);
  t.same(holdNames(more), ['Unknown']);
});
