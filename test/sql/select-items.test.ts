import t from 'tap';
import type { LexerContext } from '../../src/sql/lexer-context.js';
import { Details, StatementScanner } from '../../src/sql/statement-scanner.js';
import { StatementClassifier } from '../../src/sql/trait-cache.js';
import { MAX_LISTED_CHANGES, type StatementTraits } from '../../src/sql/traits.js';
import { fc } from '../support/properties.js';
import { contexts, cut, cutting, texts } from './arbitraries.js';
import { mariadb, mysql, traitsOf, traitsOfBytes } from './describe.js';

/** The values of a text, as they stand in it; `*` where one names a column. */
function valuesIn(text: Buffer, traits: StatementTraits): string[] {
  return traits.sessionValues.map(
    ({ start, end, namesColumn }) => text.toString('latin1', start, end) + (namesColumn ? '*' : ''),
  );
}

function values(sql: string, context: LexerContext): string {
  return valuesIn(Buffer.from(sql), traitsOf(sql, context)).join(' | ');
}

type Case = readonly [sql: string, onMariadb: string, onMysql?: string];

function check(title: string, cases: readonly Case[]): void {
  t.test(title, async (t) => {
    for (const [sql, onMariadb, onMysql] of cases) {
      t.equal(values(sql, mariadb()), onMariadb, `mariadb: ${sql}`);
      t.equal(values(sql, mysql()), onMysql ?? onMariadb, `mysql: ${sql}`);
    }
  });
}

check('values that are whole columns', [
  ['SELECT CONNECTION_ID()', 'CONNECTION_ID()*'],
  ['select connection_id ( /* x */ ) ;', 'connection_id ( /* x */ )*'],
  ['/* a */ SELECT 1, FOUND_ROWS(), ROW_COUNT()', 'FOUND_ROWS()* | ROW_COUNT()*'],
  ['SELECT DISTINCT SQL_NO_CACHE FOUND_ROWS() FROM t', 'FOUND_ROWS()*'],
  ['SELECT `connection_id` ()', '`connection_id` ()*'],
  ['SELECT `row_count`()', '`row_count`()*', ''],
  ['SELECT @@warning_count, @@session.error_count', '@@warning_count* | @@session.error_count*'],
  ['SELECT @@`warning_count`, @@LOCAL.`Error_Count`', '@@`warning_count`* | @@LOCAL.`Error_Count`*'],
  ["SELECT CONNECTION_ID() INTO OUTFILE 'x'", 'CONNECTION_ID()*'],
  ['SELECT FOUND_ROWS() UNION SELECT 1', ''],
  ['SELECT CONNECTION_ID() UNION SELECT CONNECTION_ID() FROM t', 'CONNECTION_ID()* | CONNECTION_ID()*'],
  ['WITH a AS (SELECT 1) SELECT CONNECTION_ID() FROM a', 'CONNECTION_ID()*'],
  ["SELECT 'é', /* é */ CONNECTION_ID()", 'CONNECTION_ID()*'],
]);

check('values that name no column', [
  ['SELECT CONNECTION_ID() AS a', 'CONNECTION_ID()'],
  [
    'SELECT CONNECTION_ID() a, FOUND_ROWS()`b`, ROW_COUNT()"c"',
    'CONNECTION_ID() | FOUND_ROWS() | ROW_COUNT()',
  ],
  ['SELECT CONNECTION_ID()value FROM t', 'CONNECTION_ID()'],
  ['SELECT 1 + CONNECTION_ID() AS a', 'CONNECTION_ID()'],
  ['SELECT IF(FOUND_ROWS() > 1, 2, (3)) AS a, 4', 'FOUND_ROWS()'],
  ['SELECT a FROM t WHERE b = CONNECTION_ID() ORDER BY CONNECTION_ID()', 'CONNECTION_ID() | CONNECTION_ID()'],
  ['SELECT a FROM (SELECT CONNECTION_ID() AS a) t', 'CONNECTION_ID()'],
  ['SELECT (SELECT CONNECTION_ID() AS a) AS b', 'CONNECTION_ID()'],
  ['INSERT INTO t (a) VALUES (CONNECTION_ID()), (ROW_COUNT())', 'CONNECTION_ID() | ROW_COUNT()'],
  ['INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a) + CONNECTION_ID()', 'CONNECTION_ID()'],
  ['UPDATE t SET a = CONNECTION_ID() WHERE b = ROW_COUNT()', 'CONNECTION_ID() | ROW_COUNT()'],
  ['DELETE FROM t WHERE a = CONNECTION_ID()', 'CONNECTION_ID()'],
  ['SET @a = FOUND_ROWS(), @b = ROW_COUNT()', 'FOUND_ROWS() | ROW_COUNT()'],
  ['SELECT @@warning_count AS a, @@error_count b FROM DUAL', '@@warning_count | @@error_count'],
  ['DO CONNECTION_ID(), 1 + CONNECTION_ID()', 'CONNECTION_ID() | CONNECTION_ID()'],
  ['CALL p(CONNECTION_ID())', 'CONNECTION_ID()'],
  ['SET STATEMENT a = 1 FOR SELECT CONNECTION_ID() AS a', 'CONNECTION_ID()'],
]);

check('where one use is in doubt none is listed', [
  // The source of the item, or of the derived table's column, is a name that somebody sees.
  ['SELECT 1 + CONNECTION_ID()', ''],
  ['SELECT CONNECTION_ID() IS NULL', ''],
  ['SELECT CONNECTION_ID(), 1 + CONNECTION_ID()', ''],
  ['SELECT (CONNECTION_ID())', ''],
  ['SELECT (SELECT CONNECTION_ID() AS a)', ''],
  ['SELECT * FROM (SELECT CONNECTION_ID()) t', ''],
  ['(SELECT CONNECTION_ID())', ''],
  ['VALUES (CONNECTION_ID())', ''],
  ['VALUES ROW(CONNECTION_ID())', ''],
  ['INSERT INTO t SELECT * FROM (VALUES (CONNECTION_ID())) v', ''],
  ['INSERT INTO t (a) VALUES (1) RETURNING CONNECTION_ID()', ''],
  ['SELECT CONNECTION_ID() INTERSECT SELECT 1', ''],
  ['SELECT CONNECTION_ID() EXCEPT (SELECT 1)', ''],
  ['SELECT CONNECTION_ID() WINDOW w AS ()', ''],
  ['SELECT CONNECTION_ID() a b', ''],
  ["SELECT CONNECTION_ID() 'a' 'b'", ''],
  // Other spellings of the same.
  ['SELECT CONNECTION_ID(), @@pseudo_thread_id', ''],
  ['SELECT CONNECTION_ID() FROM performance_schema.session_variables', ''],
  ['SELECT CONNECTION_ID(), CONNECTION_ID(1)', ''],
  ['SELECT s.CONNECTION_ID()', ''],
  ['SELECT s . CONNECTION_ID(), CONNECTION_ID() AS a', ''],
  ['SELECT @@ warning_count', ''],
  ['SELECT @@session . warning_count', ''],
  ['SELECT @@session /* x */.warning_count', ''],
  ['SELECT @@warning_count.a', ''],
  ['SELECT @@`session`.warning_count', ''],
  ['SELECT @@global.warning_count', ''],
  // It is evaluated later, or not as it stands.
  ['CREATE TABLE t (a INT DEFAULT (CONNECTION_ID()))', ''],
  ['CREATE TABLE t AS SELECT CONNECTION_ID() AS a', ''],
  ['CREATE VIEW v AS SELECT CONNECTION_ID() AS a', ''],
  ['CREATE PROCEDURE p() SELECT CONNECTION_ID() AS a', ''],
  ['EXPLAIN SELECT CONNECTION_ID() AS a', ''],
  ['KILL CONNECTION_ID()', ''],
  ['CALL connection_id()', ''],
  ['INSERT INTO connection_id() VALUES (1)', ''],
  ['INSERT INTO found_rows() VALUES (FOUND_ROWS())', ''],
  ['SET connection_id() = 1', ''],
  ['SET @@warning_count = 1', ''],
  ['SELECT FOUND_ROWS() AS a FROM t WHERE b IN (TABLE u)', ''],
  // Something may warn before it is evaluated, or the warnings are cleared.
  ['SELECT @@warning_count FROM t', ''],
  ['SELECT @@warning_count WHERE 1', ''],
  ['SELECT @@warning_count, 1/0', ''],
  ['SELECT @@warning_count + 1 AS a', ''],
  ['SELECT SQL_NO_CACHE @@warning_count', ''],
  ['SELECT @@warning_count, FOUND_ROWS()', ''],
  ['SET @a = @@warning_count', ''],
  ['INSERT INTO t VALUES (@@warning_count)', ''],
  ['SELECT SQL_CALC_FOUND_ROWS a, (SELECT 1) AS b, FOUND_ROWS() AS c FROM t', ''],
  ['SELECT f(), ROW_COUNT()', ''],
  ['SELECT /*! CONNECTION_ID() */', ''],
  ['SELECT CONNECTION_ID /*! () */', ''],
  ['SELECT /*! 1, */ CONNECTION_ID()', ''],
  ['SELECT CONNECTION_ID(/*!999999 x */)', ''],
  // Nobody can tell its name.
  ['SELECT CONNECTION_ID(/* é */)', ''],
  ['SELECT CONNECTION_ID(/* \x01 */)', ''],
  [`SELECT CONNECTION_ID(/* ${'x'.repeat(128)} */)`, ''],
  ["SELECT 'CONNECTION_ID()', `CONNECTION_ID()`, /* CONNECTION_ID() */ 1 -- CONNECTION_ID()", ''],
  ['SELECT CONNECTION_ID(); SELECT FOUND_ROWS()', ''],
  ['SELECT connection_id, found_rows', ''],
  ["SELECT IS_USED_LOCK('x') = CONNECTION_ID()", ''],
  ['SELECT time FROM information_schema.`processlist` WHERE id = CONNECTION_ID()', ''],
  ["SELECT CONNECTION_ID(), 'a", ''],
]);

t.test('of several statements none lists a value', async (t) => {
  const { each } = traitsOf('SELECT CONNECTION_ID(); SELECT FOUND_ROWS()', mysql());
  t.same(
    each.map((one) => one.sessionValues),
    [[], []],
  );
});

t.test('as many values as are listed', async (t) => {
  const list = (count: number) => `SELECT ${Array(count).fill('CONNECTION_ID()').join(', ')}`;
  t.equal(traitsOf(list(MAX_LISTED_CHANGES), mysql()).sessionValues.length, MAX_LISTED_CHANGES);
  t.equal(traitsOf(list(MAX_LISTED_CHANGES + 1), mysql()).sessionValues.length, 0);
});

t.test('in a text that starts anywhere in its buffer', async (t) => {
  const buf = Buffer.from('SELECT 1, SELECT 2, CONNECTION_ID(), FOUND_ROWS');
  const start = buf.lastIndexOf('SELECT');
  const traits = new StatementClassifier(0).classify(buf, start, buf.lastIndexOf(','), mysql());
  t.same(valuesIn(buf.subarray(start), traits), ['CONNECTION_ID()*']);
});

function allOf(chunks: readonly Buffer[], context: LexerContext): StatementTraits {
  const scanner = new StatementScanner(context);
  scanner.begin(context, Details.All);
  for (const chunk of chunks) {
    // Elsewhere in memory, with something else around it.
    const buf = Buffer.concat([Buffer.from("'("), chunk, Buffer.from(')`')]);
    scanner.push(buf, 2, 2 + chunk.length);
    buf.fill('(');
  }
  return scanner.finish();
}

const gap = fc.constantFrom('', '', ' ', '\n\t', '/**/', '/* ) */ ', '-- (\n', '# `\n', " /* ' */ ");
const call = fc
  .tuple(
    fc.constantFrom('CONNECTION_ID', 'connection_id', 'Connection_Id', '`connection_id`'),
    gap,
    gap,
    fc.constant(''),
  )
  .map(([name, before, inside]) => `${name}${before}(${inside})`);
const variable = fc.constantFrom('@@warning_count', '@@SESSION.error_count', '@@local.`warning_count`');
const markedVariable = variable.map((one) => `«${one}»`);
const other = fc.constantFrom(
  '1',
  "'CONNECTION_ID()'",
  'a.connection_id',
  "'\\'(é'",
  '`x``y`',
  '(2 + (3))',
  'UPPER(b)',
  "CASE a WHEN 1 THEN ',' END",
);
/** A marked value: between two characters that stand nowhere else. */
const marked = call.map((one) => `«${one}»`);
const nested = fc.letrec<{ item: string }>((tie) => ({
  item: fc.oneof(
    { depthSize: 'small' },
    marked,
    other,
    fc.tuple(tie('item'), gap, tie('item')).map(([a, b, c]) => `(${a}${b}+${c})`),
    fc.tuple(tie('item'), gap).map(([a, b]) => `IF(${a},${b}NULL, 1)`),
    tie('item').map((a) => `(SELECT ${a} AS x FROM t WHERE 1)`),
    tie('item').map((a) => `EXISTS (SELECT 1 FROM (SELECT ${a} AS x) d)`),
  ),
})).item;
const statements = fc.oneof(
  fc
    .tuple(
      fc.array(fc.tuple(nested, fc.constantFrom(' AS x', ' AS `y`', "/**/AS\n'z'")), {
        minLength: 1,
        maxLength: 4,
      }),
      gap,
      fc.option(nested, { nil: '1' }),
    )
    .map(([items, space, where]) => {
      const list = items.map(([item, alias]) => item + alias).join(`${space},`);
      return `SELECT${space === '' ? ' ' : space}${list} FROM t WHERE ${where}`;
    }),
  fc
    .array(fc.oneof(marked, markedVariable), { minLength: 1, maxLength: 4 })
    .map((all) => `SELECT ${all.join(',')}`),
  fc.array(nested, { minLength: 1, maxLength: 4 }).map((all) => `SET @a = ${all.join(', @b = ')}`),
  fc.array(nested, { minLength: 1, maxLength: 4 }).map((all) => `DO ${all.join(', ')}`),
  fc.array(nested, { minLength: 1, maxLength: 4 }).map((all) => `INSERT INTO t VALUES (${all.join(', ')})`),
  nested.map((one) => `UPDATE t SET a = ${one} WHERE b = ${one}`),
);

t.test('what stands at the offsets is the source, however it is nested and cut', async (t) => {
  let listed = 0;
  const property = fc.property(statements, cutting, fc.boolean(), (source, cuts, isMariadb) => {
    const text = Buffer.from(source.replace(/[«»]/gu, ''));
    const expected = [...source.matchAll(/«(.*?)»/gsu)].map((match) => match[1]);
    const context = isMariadb ? mariadb() : mysql();
    for (const chunks of [[text], [...text].map((byte) => Buffer.of(byte)), cut(text, cuts)]) {
      const found = allOf(chunks, context).sessionValues.map(({ start, end }) =>
        text.toString('utf8', start, end),
      );
      listed += found.length;
      t.same(found, expected, source);
    }
  });
  fc.assert(property, { numRuns: 500 });
  t.ok(listed > 500);
});

t.test('whatever the text, only such calls are listed, and the same at any cut', async () => {
  const pieces = fc.constantFrom(
    ...[
      'SELECT ',
      'connection_id',
      '(',
      ')',
      '()',
      '@@',
      'warning_count',
      'session',
      '.',
      ' ',
      '`',
      ',',
      ' AS a',
    ],
    ...[
      '/*',
      '*/',
      '/*!',
      "'",
      'FROM',
      '\n',
      '--',
      'DO ',
      'SET @a=',
      'found_rows',
      '()',
      '5',
      ';',
      '/*!50000 ',
    ],
  );
  const odd = fc.array(pieces, { maxLength: 30 }).map((all) => Buffer.from(`SELECT ${all.join('')}`));
  fc.assert(
    fc.property(fc.oneof(odd, texts), contexts, cutting, (text, context, cuts) => {
      const whole = allOf([text], context);
      const same = JSON.stringify(whole.sessionValues);
      const single = [...text].map((byte) => Buffer.of(byte));
      for (const { start, end } of whole.sessionValues) {
        const source = text.toString('latin1', start, end);
        const isCall = /^`?(connection_id|found_rows|row_count)`?[^'`]*\([^']*\)$/is.test(source);
        if (!isCall && !/^@@((session|local)\.)?`?(warning|error)_count`?$/i.test(source)) return false;
      }
      return (
        JSON.stringify(allOf(single, context).sessionValues) === same &&
        JSON.stringify(allOf(cut(text, cuts), context).sessionValues) === same
      );
    }),
    { numRuns: 3000 },
  );
});

t.test('columns of user locks', async (t) => {
  const cases: readonly [sql: string, expected: string | null][] = [
    ["SELECT GET_LOCK('a', 1)", 'get'],
    ["SELECT get_lock ( 'a' , 1 + (2) ) ;", 'get'],
    ["SELECT RELEASE_LOCK('a') AS r, 1", 'release none'],
    ['SELECT RELEASE_ALL_LOCKS()', 'release_all'],
    ["SELECT 1, GET_LOCK('a', 1) l, `release_lock`('b') `x`, 'a' AS b FROM DUAL", 'none get release none'],
    ["SELECT SQL_NO_CACHE GET_LOCK('a', 1) 'x'", 'get'],
    ['SELECT GET_LOCK((SELECT MAX(a) FROM t), 1), (SELECT 2 FROM t)', 'get none'],
    ["SELECT GET_LOCK('a', 1) value", 'get'],
    ['DO RELEASE_ALL_LOCKS()', 'release_all'],
    ['DO 1, RELEASE_ALL_LOCKS()', 'none release_all'],
    ["DO RELEASE_LOCK('a')", null],
    ["DO GET_LOCK('a', 1)", null],
    ["SELECT GET_LOCK('a', 1) = 1", null],
    ["SELECT GET_LOCK('a', 1) IS NULL", null],
    ["SELECT -GET_LOCK('a', 1)", null],
    ["SELECT (GET_LOCK('a', 1))", null],
    ["SELECT IF(GET_LOCK('a', 1), 2, 3)", null],
    ["SELECT IF(RELEASE_LOCK('a'), 2, 3) AS a, GET_LOCK('b', 1)", null],
    ["SELECT GET_LOCK(GET_LOCK('a', 1), 2)", null],
    ["SELECT GET_LOCK('a', 1) + RELEASE_LOCK('a')", null],
    ["SELECT (SELECT GET_LOCK('a', 1))", null],
    ["SELECT s.GET_LOCK('a', 1)", null],
    ["SELECT GET_LOCK('a', 1) FROM t", null],
    ["SELECT GET_LOCK('a', 1) FROM DUAL WHERE 1", null],
    ["SELECT GET_LOCK('a', 1) FROM DUAL, t", null],
    ["SELECT GET_LOCK('a', 1) WHERE 1", null],
    ["SELECT GET_LOCK('a', 1) LIMIT 0", null],
    ["SELECT GET_LOCK('a', 1) ORDER BY 1", null],
    ["SELECT GET_LOCK('a', 1) INTO @a", null],
    ["SELECT GET_LOCK('a', 1) UNION SELECT 2", null],
    ["SELECT 1 UNION SELECT GET_LOCK('a', 1)", null],
    ["SELECT GET_LOCK('a', 1) HAVING 0", null],
    ["SELECT DISTINCT GET_LOCK('a', 1)", null],
    ["SELECT GET_LOCK('a', 1) FROM", null],
    ["(SELECT GET_LOCK('a', 1))", null],
    ["WITH a AS (SELECT 1) SELECT GET_LOCK('a', 1)", null],
    ["VALUES ROW(GET_LOCK('a', 1))", null],
    ["SET @a = GET_LOCK('a', 1)", null],
    ["SELECT /*! GET_LOCK('a', 1) */", null],
    ["SELECT service_release_locks('n')", null],
    ["SELECT 'GET_LOCK(1, 2)'", null],
    ['SELECT 1', null],
  ];
  for (const [sql, expected] of cases) {
    for (const context of [mariadb(), mysql()])
      t.equal(traitsOf(sql, context).lockColumns?.join(' ') ?? null, expected, sql);
  }
  t.equal(traitsOf('SELECT RELEASE_ALL_LOCKS()', mariadb({ serverVersion: 100400 })).lockColumns, null);
  t.equal(traitsOfBytes("SELECT GET_LOCK\xbf('a', 1)", mysql()).lockColumns, null);
  const { each, lockColumns } = traitsOf(
    "SELECT GET_LOCK('a', 1); SELECT 1; SELECT RELEASE_LOCK('a')",
    mysql(),
  );
  t.equal(lockColumns, null);
  t.same(
    each.map((one) => one.lockColumns),
    [['get'], null, ['release']],
  );
});
