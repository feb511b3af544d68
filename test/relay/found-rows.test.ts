import t from 'tap';
import { Count, countAfter, countAfterError } from '../../src/relay/found-rows.js';
import { mariadb, mysql, traitsOf } from '../sql/describe.js';

/** What is true of the servers is measured in test/backend/truth/found-rows.test.ts. */

const after = (sql: string, isMysql: boolean, rows: number | null = 0): Count =>
  countAfter({ traits: traitsOf(sql, isMysql ? mysql() : mariadb()), sql: Buffer.from(sql) }, rows, isMysql);

const afterError = (sql: string, errno: number, late: boolean, isMysql: boolean): Count =>
  countAfterError({ traits: traitsOf(sql, isMysql ? mysql() : mariadb()) }, errno, late, isMysql);

t.test('what succeeded', async (t) => {
  const cases: readonly (readonly [sql: string, mariadb: Count, mysql: Count])[] = [
    ['SELECT a FROM t', Count.Rows, Count.Rows],
    ['SELECT a FROM t LIMIT 3', Count.Rows, Count.Rows],
    ['SELECT a FROM t LIMIT 3, 3', Count.Unlikely, Count.Unlikely],
    ['SELECT a FROM t UNION SELECT 1', Count.Unlikely, Count.Rows],
    ['SELECT f(a) FROM t', Count.Unlikely, Count.Unlikely],
    ['SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1', Count.Likely, Count.Likely],
    ['SHOW TABLES', Count.Rows, Count.Rows],
    ['SHOW GRANTS', Count.Kept, Count.Kept],
    ['SHOW SLAVE HOSTS', Count.Unlikely, Count.Unlikely],
    ['EXPLAIN SELECT * FROM t', Count.Kept, Count.Kept],
    ['EXPLAIN SELECT 1', Count.Unlikely, Count.Kept],
    ['EXPLAIN t', Count.Unlikely, Count.Unlikely],
    ['DO 1', Count.Kept, Count.One],
    ['UPDATE t SET a = 1', Count.Kept, Count.Unlikely],
    ['UPDATE t STRAIGHT_JOIN u SET a = 1', Count.Unlikely, Count.Unlikely],
    ['DELETE FROM t', Count.Kept, Count.Kept],
    ['DELETE t FROM t JOIN u', Count.Unlikely, Count.Unlikely],
    ['INSERT INTO t VALUES (1)', Count.Kept, Count.Kept],
    ['INSERT INTO t SELECT 1', Count.Unlikely, Count.Unlikely],
    ['CALL p()', Count.Unlikely, Count.Unlikely],
    ['SET @a = 1; SET @b = 2', Count.Kept, Count.Kept],
    ['SET @a = 1; SELECT 2', Count.Rows, Count.Rows],
    ['SET @a = 1; CALL p()', Count.Unlikely, Count.Unlikely],
  ];
  for (const [sql, onMariadb, onMysql] of cases) {
    t.equal(after(sql, false), onMariadb, `mariadb: ${sql}`);
    t.equal(after(sql, true), onMysql, `mysql: ${sql}`);
  }
  t.equal(after('SELECT a FROM t', true, null), Count.Unlikely, 'rows that are still to be fetched');
});

t.test('what failed', async (t) => {
  t.equal(afterError('SELECT nothing', 1054, false, false), Count.Kept);
  t.equal(afterError('SELECT EXP(a) FROM t', 1690, true, false), Count.Unlikely);
  t.equal(afterError('SELECT EXP(a) FROM t', 1690, true, true), Count.Kept);
  t.equal(afterError('SELECT (SELECT a FROM t)', 1242, false, false), Count.Unlikely);
  t.equal(afterError('CALL p()', 1644, true, true), Count.Unlikely);
  t.equal(afterError('CALL p()', 1305, false, true), Count.Unlikely, 'it may have called another one');
  t.equal(afterError('SELECT f()', 1305, false, true), Count.Kept);
  t.equal(afterError('SELECT 1; SELEKT 2', 1064, true, true), Count.Unlikely, 'the first has counted');
  t.equal(afterError('SELEKT 1; SELECT 2', 1064, false, true), Count.Kept);
});
