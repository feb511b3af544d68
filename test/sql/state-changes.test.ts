import t from 'tap';
import type { LexerContext } from '../../src/sql/lexer-context.js';
import { MAX_LITERAL } from '../../src/sql/literal-reader.js';
import { MAX_PREPARED } from '../../src/sql/named-grammar.js';
import { Hold, MAX_LISTED_CHANGES, type StateChange, type TableName } from '../../src/sql/traits.js';
import { mariadb, mysql, traitsOf, traitsOfBytes } from './describe.js';

const BOTH = { mariadb: mariadb(), mysql: mysql() };

function table({ schema, name }: TableName): string {
  return schema === null ? String(name) : `${schema}|${name}`;
}

/** One change in a few words; `null` is one that cannot be told. */
function describe(change: StateChange): string {
  switch (change.kind) {
    case 'create_temporary':
    case 'drop_table':
      return `${change.kind} ${table(change.table)}`;
    case 'rename_table':
      return `rename ${table(change.from)} > ${table(change.to)}`;
    case 'drop_schema':
      return `drop_schema ${change.schema}`;
    case 'user_variable':
      return `${change.name} = ${change.literal}`;
    case 'prepare':
      return `prepare ${change.name}: ${change.text}`;
    case 'execute_immediate':
      return `immediate: ${change.text}`;
    default:
      return `${change.kind} ${change.name}`;
  }
}

function changes(sql: string, context: LexerContext): string {
  return traitsOf(sql, context).changes.map(describe).join('; ');
}

type Case = readonly [sql: string, expected: string];

function check(title: string, contexts: Record<string, LexerContext>, cases: readonly Case[]): void {
  t.test(title, async (t) => {
    for (const [name, context] of Object.entries(contexts)) {
      for (const [sql, expected] of cases) t.equal(changes(sql, context), expected, `${name}: ${sql}`);
    }
  });
}

check('user variables', BOTH, [
  ['SET @a = 1', 'a = 1'],
  ['SET @A:=1', 'a = 1'],
  ["SET @a.b$C_1 = 1, @`d e` = 2, @'F''G\\n' = 3, @\"h\" = 4", "a.b$c_1 = 1; d e = 2; f'g\n = 3; h = 4"],
  ['SET @`a``b` = 1, @"c""d" = 2', 'a`b = 1; c"d = 2'],
  ['SET @é = 1, @`é` = 2, @"é" = 3', 'null = 1; null = 2; null = 3'],
  [`SET @${'x'.repeat(257)} = 1, @'${'x'.repeat(257)}' = 2`, 'null = 1; null = 2'],
  ['SET @a = 1, sql_mode = 2, NAMES utf8mb4, GLOBAL c = 3, @b = 4', 'a = 1; b = 4'],
  ['SET @a = 1; SELECT 1; SET @b = 2', 'a = 1; b = 2'],
  ['/*! SET @a = 1 */', 'a = 1'],
]);

check('literals', BOTH, [
  ['SET @a = NULL, @b = True, @c = false', 'a = NULL; b = True; c = false'],
  ['SET @a = 0, @b = 1.50, @c = .5, @d = 1e-5, @e = 5.', 'a = 0; b = 1.50; c = .5; d = 1e-5; e = 5.'],
  ['SET @a = -1, @b = + 1.5, @c = -/**/ .5', 'a = -1; b = +1.5; c = -.5'],
  ["SET @a = 0x1F, @b = 0b01, @c = X'1f', @d = b'01'", "a = 0x1F; b = 0b01; c = X'1f'; d = b'01'"],
  ["SET @a = '', @b = 'x', @c = \"x'y\"", "a = ''; b = 'x'; c = \"x'y\""],
  [
    "SET @a = 'x''y', @b = 'x\\'y', @c = 'x\\\\', @d = 'x, @y = 1'",
    "a = 'x''y'; b = 'x\\'y'; c = 'x\\\\'; d = 'x, @y = 1'",
  ],
  ["SET @a = N'x', @b = _utf8mb4'x', @c = _latin1 'x'", "a = N'x'; b = _utf8mb4 'x'; c = _latin1 'x'"],
  [
    "SET @a = _binary 0x41, @b = _latin1 X'41', @c = _latin1 b'1'",
    "a = _binary 0x41; b = _latin1 X'41'; c = _latin1 b'1'",
  ],
  ["SET @a = /* x */ 'x' -- y", "a = 'x'"],
]);

check('no literals', BOTH, [
  ["SET @a = 'a' 'b', @b = N'a' 'b', @c = _utf8mb4'a' 'b'", 'a = null; b = null; c = null'],
  ["SET @a = 'a' COLLATE utf8mb4_bin, @b = 1 + 1, @c = 1--1", 'a = null; b = null; c = null'],
  [
    'SET @a = - -1, @b = -0x41, @c = -NULL, @d = (1), @e = !1',
    'a = null; b = null; c = null; d = null; e = null',
  ],
  ['SET @a = (1, 2), @b = f(1, 2), @c = (SELECT 1, 2), @d = x', 'a = null; b = null; c = null; d = null'],
  [
    "SET @a = @b, @c = @@sql_mode, @d = ?, @e = NOW(), @f = DATE'2020-01-01'",
    'a = null; c = null; d = null; e = null; f = null',
  ],
  [
    "SET @a = `x`, @b = NULL IS NULL, @c = TRUE AND TRUE, @d = _utf8mb4, @e = N, @f = -'5'",
    'a = null; b = null; c = null; d = null; e = null; f = null',
  ],
  ['SET @a = $$x$$', 'a = null'],
  // The others in the value are set as well.
  ['SET @a = @b := 1, sql_mode = (@C := 2)', 'b = null; a = null; c = null'],
  ['SELECT @a := 1', ''],
  ['SET STATEMENT max_statement_time = @w := 5 FOR SET @v = 1', 'w = null; v = 1'],
]);

check('long literals', BOTH, [
  [`SET @a = '${'x'.repeat(MAX_LITERAL - 2)}'`, `a = '${'x'.repeat(MAX_LITERAL - 2)}'`],
  [`SET @a = '${'x'.repeat(MAX_LITERAL - 1)}', @b = 1`, 'a = null; b = 1'],
  [`SET @a = 0x${'1'.repeat(MAX_LITERAL - 2)}`, `a = 0x${'1'.repeat(MAX_LITERAL - 2)}`],
  [`SET @a = ${'1'.repeat(MAX_LITERAL + 1)}, @b = 1`, 'a = null; b = 1'],
  [`SET @a = N'${'x'.repeat(MAX_LITERAL - 2)}'`, 'a = null'],
]);

t.test('literals are told byte by byte, in any character set and mode', async (t) => {
  const literal = (sql: string, context: LexerContext) => {
    const [change] = traitsOfBytes(sql, context).changes;
    return change?.kind === 'user_variable' ? change.literal : undefined;
  };
  t.equal(literal("SET @a = '\xc3\xa9'", mysql()), "'\xc3\xa9'");
  t.equal(literal("SET @a = '\xbf\\'", mysql({ charset: 'gbk' })), "'\xbf\\'");
  t.equal(literal("SET @a = '\\'", mysql({ noBackslashEscapes: true })), "'\\'");
  t.equal(literal('SET @a = "x"', mysql({ ansiQuotes: true })), null, 'a column');
});

check('temporary tables', BOTH, [
  ['CREATE TEMPORARY TABLE t (a INT)', 'create_temporary t'],
  ['CREATE OR REPLACE TEMPORARY TABLE T SELECT 1', 'create_temporary T'],
  ['CREATE TEMPORARY TABLE IF NOT EXISTS s.t LIKE u.v', 'create_temporary s|t'],
  ['CREATE TEMPORARY TABLE `a``b` . `c d`(a INT)', 'create_temporary a`b|c d'],
  ['CREATE TEMPORARY TABLE été (a INT)', 'create_temporary été'],
  ['CREATE TEMPORARY TABLE s.if (a INT)', 'create_temporary s|if'],
  ['CREATE TEMPORARY TABLE 1a.2b (a INT)', 'create_temporary 1a|2b'],
  ['CREATE /*! TEMPORARY */ TABLE t AS SELECT 1', 'create_temporary t'],
  ['CREATE TEMPORARY TABLE t', 'create_temporary t'],
  [`CREATE TEMPORARY TABLE ${'x'.repeat(257)}.t (a INT)`, 'create_temporary null'],
  [
    'CREATE TEMPORARY TABLE t (a INT); CREATE TEMPORARY TABLE u (a INT)',
    'create_temporary t; create_temporary u',
  ],
  ['SET STATEMENT max_statement_time = 1 FOR CREATE TEMPORARY TABLE t (a INT)', 'create_temporary t'],
  ['CREATE TABLE t (a INT)', ''],
  ['CREATE TABLE temporary (a INT)', ''],
]);

check('dropped', BOTH, [
  ['DROP TABLE t', 'drop_table t'],
  ['DROP TEMPORARY TABLE t', 'drop_table t'],
  ['DROP TABLES IF EXISTS a, s.b , `c` CASCADE', 'drop_table a; drop_table s|b; drop_table c'],
  ['DROP TEMPORARY TABLES a , b', 'drop_table a; drop_table b'],
  ['DROP TABLE a, b WAIT 5 RESTRICT', 'drop_table a; drop_table b'],
  ['DROP TABLE .t', 'drop_table t'],
  ['DROP DATABASE s', 'drop_schema s'],
  ['DROP SCHEMA IF EXISTS `a b`', 'drop_schema a b'],
  ['DROP VIEW v', ''],
  ['DROP INDEX i ON t', ''],
]);

check('renamed by RENAME TABLE', { mariadb: mariadb() }, [
  ['RENAME TABLE a TO b', 'rename a > b'],
  ['RENAME TABLES a TO s.b, s.c TO `d`', 'rename a > s|b; rename s|c > d'],
  ['RENAME TABLE IF EXISTS a WAIT 5 TO b, c NOWAIT TO d', 'rename a > b; rename c > d'],
  ['RENAME TABLE s.to TO s.to', 'rename s|to > s|to'],
]);

check('which renames no temporary table', { mysql: mysql() }, [['RENAME TABLE a TO b', '']]);

check('renamed', BOTH, [
  ['RENAME USER a TO b', ''],
  ['ALTER TABLE a RENAME b', 'rename a > b'],
  ['ALTER TABLE s.a RENAME TO s.b', 'rename s|a > s|b'],
  ['ALTER TABLE a RENAME AS b', 'rename a > b'],
  ['ALTER TABLE a RENAME = b', 'rename a > b'],
  ['ALTER ONLINE TABLE a ADD COLUMN b INT, RENAME c, ENGINE = InnoDB', 'rename a > c'],
  ['ALTER IGNORE TABLE IF EXISTS a ADD b DECIMAL(5, 2), RENAME c', 'rename a > c'],
  ['ALTER TABLE a RENAME b, RENAME c', 'rename a > c'],
  ['ALTER TABLE a RENAME COLUMN b TO c', ''],
  ['ALTER TABLE a RENAME INDEX b TO c, RENAME KEY d TO e, RENAME f', 'rename a > f'],
  ['ALTER TABLE a RENAME COLUMN b TO c, RENAME TO d', 'rename a > d'],
  ['ALTER TABLE a ADD `rename` INT', ''],
  ['ALTER TABLE a COMMENT = "rename b"', ''],
]);

check(
  'names of tables under ANSI_QUOTES',
  { mariadb: mariadb({ ansiQuotes: true }), mysql: mysql({ ansiQuotes: true }) },
  [
    ['CREATE TEMPORARY TABLE "a""b"."c" (d INT)', 'create_temporary a"b|c'],
    ['DROP TABLE "a b", c', 'drop_table a b; drop_table c'],
    ['SET @"a" = 1, @`B` = \'x\'', "a = 1; b = 'x'"],
  ],
);

check('sequences', { mariadb: mariadb() }, [
  ['CREATE TEMPORARY SEQUENCE s', 'create_temporary s'],
  ['DROP SEQUENCE IF EXISTS s, t', 'drop_table s; drop_table t'],
]);

check('text prepared', BOTH, [
  ["PREPARE s FROM 'SELECT 1'", 'prepare s: SELECT 1'],
  ['PREPARE `S T` FROM "SELECT \'1\'"', "prepare s t: SELECT '1'"],
  [
    "PREPARE prepare FROM 'a''b\\'c\\\\d\\n\\0\\t\\r\\b\\Z\\%\\_\\x'",
    "prepare prepare: a'b'c\\d\n\0\t\r\b\x1a\\%\\_x",
  ],
  ['PREPARE s FROM @q', 'prepare s: null'],
  ["PREPARE s FROM 'a' 'b'", 'prepare s: null'],
  ["PREPARE s FROM CONCAT('a', 'b')", 'prepare s: null'],
  ["PREPARE s FROM N'a'", 'prepare s: null'],
  ["PREPARE é FROM 'a'", 'prepare null: a'],
  [`PREPARE s FROM '${'x'.repeat(MAX_PREPARED)}'`, `prepare s: ${'x'.repeat(MAX_PREPARED)}`],
  [`PREPARE s FROM '${"''".repeat(MAX_PREPARED)}'`, `prepare s: ${"'".repeat(MAX_PREPARED)}`],
  [`PREPARE s FROM '${'x'.repeat(MAX_PREPARED + 1)}'`, 'prepare s: null'],
  ['EXECUTE S', 'execute s'],
  ['EXECUTE s USING @a, @b', 'execute s'],
  ['EXECUTE `using`', 'execute using'],
  ['EXECUTE immediate', 'execute immediate'],
  ['EXECUTE `immediate` USING @a', 'execute immediate'],
  ['DEALLOCATE PREPARE S', 'deallocate s'],
  ['DEALLOCATE PREPARE prepare', 'deallocate prepare'],
  ['DROP PREPARE `s`', 'deallocate s'],
]);

check('executed at once', { mariadb: mariadb() }, [
  ["EXECUTE IMMEDIATE 'SELECT 1'", 'immediate: SELECT 1'],
  ["EXECUTE IMMEDIATE 'SELECT ?' USING 5", 'immediate: SELECT ?'],
  ["EXECUTE IMMEDIATE CONVERT('x' USING utf8mb4) USING 5", 'immediate: null'],
  ['EXECUTE IMMEDIATE @q', 'immediate: null'],
  ["EXECUTE IMMEDIATE 'a' 'b'", 'immediate: null'],
]);

t.test('the text is decoded as the server reads it', async (t) => {
  const text = (sql: string, context: LexerContext) => {
    const [change] = traitsOfBytes(sql, context).changes;
    return change?.kind === 'prepare' ? change.text : undefined;
  };
  t.equal(text("PREPARE s FROM 'a\\''", mysql()), "a'");
  t.equal(text("PREPARE s FROM 'a\\n'", mysql({ noBackslashEscapes: true })), 'a\\n');
  t.equal(text("PREPARE s FROM '\xc3\xa9'", mysql()), '\xc3\xa9');
  t.equal(text("PREPARE s FROM '\xe9'", mysql()), null, 'no character');
  t.equal(text("PREPARE s FROM '\xf0\x9f\x98\x80'", mysql()), null, 'none that MySQL keeps there');
  t.equal(text("PREPARE s FROM '\xe9'", mysql({ charset: 'latin1' })), null, 'the server converts it');
  t.equal(text("PREPARE s FROM '\\\xe9'", mysql({ charset: 'latin1' })), null);
  t.equal(text("PREPARE s FROM '\xbf\\'", mysql({ charset: 'gbk' })), null);
  t.equal(text("PREPARE s FROM 'a\\n'", mysql({ charset: 'gbk' })), 'a\n');
  t.equal(text("PREPARE s FROM 'a\\n'", mysql({ charset: 'swe7' })), null, 'no backslash there');
  t.equal(text('PREPARE s FROM "x"', mysql({ ansiQuotes: true })), null);
});

check('handlers', BOTH, [
  ['HANDLER t OPEN', 'handler_open t'],
  ['HANDLER S.T OPEN', 'handler_open t'],
  ['HANDLER t OPEN AS H', 'handler_open h'],
  ['HANDLER `a b`.t OPEN `c D`', 'handler_open c d'],
  ['HANDLER open OPEN', 'handler_open open'],
  ['HANDLER s.open OPEN close', 'handler_open close'],
  ['HANDLER été OPEN', 'handler_open null'],
  ['HANDLER H CLOSE', 'handler_close h'],
  ['HANDLER close CLOSE', 'handler_close close'],
  ['HANDLER h READ FIRST', ''],
]);

check('spaces at the end of names on MariaDB', { mariadb: mariadb() }, [
  ['EXECUTE `a `', 'execute a '],
  ["SET @`A ` = 1, @'b ' = 2", 'a  = 1; b  = 2'],
  ['HANDLER t OPEN `a `', 'handler_open a '],
]);

check('spaces at the end of names on MySQL', { mysql: mysql() }, [
  ["PREPARE `a  ` FROM ' '", 'prepare a:  '],
  ['EXECUTE `a `', 'execute a'],
  ["SET @`A ` = 1, @'b ' = 2", 'a = 1; b = 2'],
  ['HANDLER t OPEN `a `', 'handler_open a'],
]);

check('what does not run now', BOTH, [
  ["CREATE PROCEDURE p() BEGIN SET @a = 1; DROP TABLE t; PREPARE s FROM 'x'; END", ''],
  ['CREATE PROCEDURE p() SET @a = 1', ''],
  ['CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = 1', ''],
  ['CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DROP TABLE t', ''],
  ['CREATE PROCEDURE p() BEGIN SET @a = 1; END; SET @b = 2', 'b = 2'],
  ['BEGIN NOT ATOMIC SET @a = 1; DROP TABLE t; END', ''],
  ['SELECT 1 FROM `SET @a = 1`; # SET @b = 1', ''],
  ["SET @a = 'x", ''],
]);

t.test('too many changes', async (t) => {
  const most = Array.from({ length: MAX_LISTED_CHANGES }, (_, i) => `t${i}`).join();
  const listed = traitsOf(`DROP TABLE ${most}`, mysql());
  t.equal(listed.changes.length, MAX_LISTED_CHANGES);
  t.equal(listed.holds & Hold.Unknown, 0);
  const more = traitsOf(`DROP TABLE ${most}, u`, mysql());
  t.equal(more.changes.length, MAX_LISTED_CHANGES);
  t.not(more.holds & Hold.Unknown, 0);
  t.not(traitsOf(`${'SELECT 1; '.repeat(40)} DROP TABLE t`, mysql()).holds & Hold.Unknown, 0);
});

t.test('assignments of a default', async (t) => {
  const sql =
    'SET a = DEFAULT, b = 0, @@c := default, d = 00, e = 0.0, f = `DEFAULT`, g = DEFAULT(x), h = 0 + 1, ' +
    "i = '0', j = -0, k = 1, l = (0), SESSION m = DEFAULT";
  const defaults = traitsOf(sql, mysql()).assignments.filter(({ isDefault }) => isDefault);
  t.same(
    defaults.map(({ name }) => name),
    ['a', 'b', 'c', 'm'],
  );
});
