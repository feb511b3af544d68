import t from 'tap';
import { flagNames, holdNames, mariadb, mysql, summary, traitsOf, traitsOfBytes } from './describe.js';

const ROUTINE = 'select: | MayRunRoutine ReadsLastInsertId';
const PLAIN = 'select: | PlainRead';

type Case = readonly [sql: string, onMariadb: string, onMysql?: string];

function check(title: string, cases: readonly Case[]): void {
  t.test(title, async (t) => {
    for (const [sql, onMariadb, onMysql] of cases) {
      t.equal(summary(traitsOf(sql, mariadb())), onMariadb, `mariadb: ${sql}`);
      t.equal(summary(traitsOf(sql, mysql())), onMysql ?? onMariadb, `mysql: ${sql}`);
    }
  });
}

check('functions of the server and of others', [
  ['SELECT UPPER(a), upper (a), `upper`(a)', PLAIN],
  ['SELECT COUNT(*), NOW(), MAX(a)', PLAIN],
  ['SELECT COUNT (*)', ROUTINE],
  ['SELECT now/**/()', ROUTINE],
  ['SELECT `count`(a)', ROUTINE],
  ['SELECT `if`(1, 2, 3)', ROUTINE],
  ['SELECT IF (1, 2, 3), LEFT (a, 1), VALUES (a), COALESCE (a, b)', PLAIN],
  ['SELECT f(1)', ROUTINE],
  ['SELECT f (1)', ROUTINE],
  ['SELECT s.f(1)', ROUTINE],
  ['SELECT s.upper(a)', ROUTINE],
  ['SELECT `s`.`f` (1)', ROUTINE],
  ['SELECT 1abc(1)', ROUTINE],
  ['SELECT f', PLAIN],
  // Words of one server's grammar, or functions of one server.
  ['SELECT NVL(a, b), SHA1(a)', PLAIN, ROUTINE],
  ['SELECT ANY_VALUE(a)', ROUTINE, PLAIN],
  ['SELECT REGEXP_LIKE(a, b)', ROUTINE, PLAIN],
  // A word of MySQL's grammar that MariaDB takes for a function.
  ['SELECT grouping(a)', ROUTINE, PLAIN],
  ['SELECT RANK() OVER (ORDER BY a)', PLAIN],
  ['SELECT RANK () OVER (ORDER BY a)', ROUTINE, PLAIN],
  ['SELECT AVG (a), CHAR (65)', PLAIN],
  ['SELECT POINT(1, 2), ST_X(p)', PLAIN],
]);

t.test('what an older server knows of its own functions', async (t) => {
  const cases: readonly [sql: string, isMariadb: boolean, version: number, expected: string][] = [
    ['SELECT JSON_OVERLAPS(a, b)', false, 80016, ROUTINE],
    ['SELECT JSON_OVERLAPS(a, b)', false, 80017, PLAIN],
    ['SELECT JSON_OVERLAPS(a, b)', true, 100800, ROUTINE],
    ['SELECT JSON_OVERLAPS(a, b)', true, 101100, PLAIN],
    ['SELECT MD5(a)', false, 80400, PLAIN],
    ['SELECT MD5(a)', false, 90700, ROUTINE],
    // Known by both servers, so long known; known by one, so maybe younger than 5.7.
    ['SELECT UPPER(a)', false, 50744, PLAIN],
    ['SELECT UUID_TO_BIN(a)', false, 50744, ROUTINE],
    ['SELECT UUID_TO_BIN(a)', false, 80011, PLAIN],
  ];
  for (const [sql, isMariadb, serverVersion, expected] of cases) {
    const context = isMariadb ? mariadb({ serverVersion }) : mysql({ serverVersion });
    t.equal(summary(traitsOf(sql, context)), expected, `${sql} on ${serverVersion}`);
  }
});

check('functions with an effect', [
  ["SELECT GET_LOCK('a', 1)", 'select: UserLock'],
  ["SELECT get_lock ('a', 1)", 'select: UserLock'],
  ["SELECT Get_Lock/* x */('a', 1)", 'select: UserLock'],
  ["SELECT `GET_LOCK`('a', 1)", 'select: UserLock'],
  ["SELECT mariadb_schema.get_lock('a', 1)", 'select: UserLock | MayRunRoutine ReadsLastInsertId'],
  ["SELECT {fn get_lock('a', 1)}", 'select: UserLock'],
  ["SELECT * FROM t WHERE a = (SELECT GET_LOCK('a', 1))", 'select: UserLock'],
  ["SHOW TABLES WHERE GET_LOCK('a', 1)", 'show: UserLock'],
  ["EXPLAIN SELECT * FROM (SELECT GET_LOCK('a', 1)) a", 'explain: UserLock'],
  ["VALUES ROW(GET_LOCK('a', 1))", 'select: UserLock | CountsOtherRows'],
  ['SELECT get_lock FROM t', PLAIN],
  ["SELECT 'GET_LOCK(1, 2)', `a(b`", PLAIN],
  ["SELECT RELEASE_LOCK('a')", 'select: | ReleasesUserLock'],
  ['DO RELEASE_ALL_LOCKS()', 'do: | ReleasesUserLock'],
  ["SELECT service_get_write_locks('n', 'a', 1)", 'select: UserLock | MayRunRoutine ReadsLastInsertId'],
  ['SELECT IS_FREE_LOCK(a), UUID(), RAND()', PLAIN],
  ['SELECT SLEEP(1)', 'select:'],
  ['SELECT BENCHMARK(1, 2)', 'select:'],
  ['SELECT FOUND_ROWS()', 'select: | ReadsFoundRows'],
  ['SELECT ROW_COUNT()', 'select: | ReadsRowCount'],
  ['SELECT CONNECTION_ID()', 'select: | ReadsConnectionId'],
  ['SELECT LAST_INSERT_ID()', 'select: | ReadsLastInsertId'],
  ['SELECT last_insert_id ( /* none */ )', 'select: | ReadsLastInsertId'],
  ['SELECT LAST_INSERT_ID(5)', 'select: | ReadsLastInsertId WritesLastInsertId'],
  [
    'SELECT LAST_INSERT_ID(), LAST_INSERT_ID(@a)',
    'select: ReadsUserVariable | ReadsLastInsertId WritesLastInsertId',
  ],
]);

t.test('a name beyond ASCII may be that of any function', async (t) => {
  for (const sql of ["SELECT GET_LOCK\xbf('a', 1)", "SELECT `GET_LOCK\xc3`('a', 1)"]) {
    const traits = traitsOfBytes(sql, mysql());
    t.ok(holdNames(traits).includes('UserLock'), sql);
    t.ok(flagNames(traits).includes('MayRunRoutine'), sql);
    t.ok(flagNames(traits).includes('WritesLastInsertId'), sql);
  }
});

check('user variables', [
  ['SELECT @a', 'select: ReadsUserVariable'],
  ["SELECT @`a b`, @'c'", 'select: ReadsUserVariable'],
  ['SELECT @a := 1', 'select: ReadsUserVariable WritesUserVariable'],
  ['SELECT @a := @a + 1 FROM t', 'select: ReadsUserVariable WritesUserVariable'],
  ['UPDATE t SET a = (@b := a)', 'update: ReadsUserVariable WritesUserVariable | Dml'],
  ['SELECT a INTO @b FROM t', 'select: ReadsUserVariable WritesUserVariable | CountsOtherRows'],
  ['SELECT@a', 'select: ReadsUserVariable'],
  ['SHOW GRANTS FOR u@h', 'show: | PlainRead'],
  ['GRANT ALL ON *.* TO current_user', 'ddl: | EndsTransaction'],
  ["CREATE USER 'a'@b, `c`@'d'", 'ddl: | EndsTransaction'],
  ['SELECT * FROM performance_schema.user_variables_by_thread', 'select: ReadsUserVariable'],
]);

t.test('a sequence is one on MariaDB only', async (t) => {
  t.same(holdNames(traitsOf('SELECT s.currval', mariadb())), ['Sequence']);
  t.same(holdNames(traitsOf('SELECT s.currval', mysql())), []);
});

t.test('a prepared statement is no other than its text', async (t) => {
  t.equal(summary(traitsOf('SELECT * FROM t WHERE a = ? AND b IN (?, ?)', mysql())), PLAIN);
  t.same(flagNames(traitsOf('INSERT INTO t (a) VALUES (?)', mysql())), ['Dml', 'WritesLastInsertId']);
});
