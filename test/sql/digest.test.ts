import t from 'tap';
import { digestText } from '../../src/sql/digest.js';
import { fc } from '../support/properties.js';
import { contexts, texts } from './arbitraries.js';
import { mariadb, mysql } from './describe.js';

function digest(sql: string, context = mysql(), maxLength?: number): string {
  return digestText(Buffer.from(sql), context, maxLength);
}

t.test('literals are gone', async (t) => {
  const cases: readonly [sql: string, expected: string][] = [
    ['', ''],
    [
      "select a , b from t where c = 1 and d = 'x''y' limit 5;",
      'SELECT a, b FROM t WHERE c = ? AND d = ? LIMIT ?',
    ],
    ['SELECT\n\t*/* x */FROM`T`-- y', 'SELECT * FROM `T`'],
    ['SELECT t.*, s.t.`a``b` FROM s . t', 'SELECT t.*, s.t.`a`b` FROM s.t'],
    ['SELECT COUNT(*), f (a)', 'SELECT COUNT (*), f (a)'],
    ['SELECT -1, a - 1, a-1, 1--1, (+.5e3), a*-1', 'SELECT ?, a - ?, a - ?, ? - ?, (?), a * ?'],
    ["SELECT 'a' 'b', N'c', X'41', b'1', _utf8mb4 'x', 0x1F", 'SELECT ?, ...'],
    ['SELECT 1, 2, 3, 4 FROM t', 'SELECT ?, ... FROM t'],
    ['SELECT 1, 2 FROM t', 'SELECT ?, ? FROM t'],
    ['a IN (1)', 'a IN (?)'],
    ['a IN (1, 2)', 'a IN (...)'],
    ["a IN (1, 'b', -3, NULL, ?, TRUE)", 'a IN (...)'],
    ['a IN (b, 1, 2)', 'a IN (b, ?, ?)'],
    ['INSERT INTO t (a, b) VALUES (1, 2)', 'INSERT INTO t (a, b) VALUES (...)'],
    [
      'INSERT INTO t (a, b) VALUES (1, 2), (3, 4), (5, NULL), (6, 7)',
      'INSERT INTO t (a, b) VALUES (...), ...',
    ],
    [
      'INSERT INTO t VALUES (1),(2),(3) ON DUPLICATE KEY UPDATE a=1',
      'INSERT INTO t VALUES (?), ... ON DUPLICATE KEY UPDATE a = ?',
    ],
    ['INSERT INTO t VALUES (1, NOW()), (2, NOW())', 'INSERT INTO t VALUES (?, NOW ()), (?, NOW ())'],
    [
      'SELECT a IS NULL, a <=> NULL, a = NULL, a>=1, a!=2, a||b, a->>"$.x"',
      'SELECT a IS NULL, a <=> NULL, a = ?, a >= ?, a != ?, a || b, a ->> ?',
    ],
    [
      'SET @a := 5, @`b c` = 1, @@session.sql_mode = DEFAULT',
      'SET @a := ?, @? = ?, @@SESSION.sql_mode = DEFAULT',
    ],
    ["CREATE USER 'a'@'b' IDENTIFIED BY 'c'", 'CREATE USER ? @? IDENTIFIED BY ?'],
    ['SELECT 1; SELECT 2;', 'SELECT ?; SELECT ?'],
    ['SELECT /*! 5, */ /*!999999 6 */ a', 'SELECT ?, a'],
    ['SELECT /*!5000GET_LOCK("a", 1)*/', 'SELECT ? (...)'],
    ['SELECT 12ab, $5, a$b', 'SELECT ?, ?, a$b'],
    ['SELECT é, `ü`', 'SELECT é, `ü`'],
    ['SELECT `a\nb\u0007`', 'SELECT `a?b?`'],
    ['SELECT (1', 'SELECT (?'],
    ['SELECT 1))', 'SELECT ?))'],
    ['SELECT 1e+ a', 'SELECT ? + a'],
  ];
  for (const [sql, expected] of cases) t.equal(digest(sql), expected, sql);
});

t.test('quotes are those of the session', async (t) => {
  t.equal(digest('SELECT "a b"'), 'SELECT ?');
  t.equal(digest('SELECT "a b"', mysql({ ansiQuotes: true })), 'SELECT `a b`');
  t.equal(digest("SELECT '\\', secret, '", mysql({ noBackslashEscapes: true })), 'SELECT ...');
  t.equal(digest("SELECT '\\', secret, '"), 'SELECT ?');
});

t.test('of a text that cannot be told apart the first word', async (t) => {
  for (const sql of ["SELECT 'secret", 'SELECT /* secret', "SELECT a /*! 'x'"])
    t.equal(digest(sql), 'SELECT ...', sql);
  t.equal(digest("SELECT 'a'", mysql({ charset: 'klingon' })), 'SELECT ...');
});

t.test('long ones are cut', async (t) => {
  t.equal(digest('SELECT abcdefgh', mysql(), 15), 'SELECT abcdefgh');
  t.equal(digest('SELECT abcdefghi', mysql(), 15), 'SELECT abcde...');
  t.equal(digest('SELECT 😀😀😀', mysql(), 11), 'SELECT ...');
  t.equal(digest(`SELECT ${'a, '.repeat(100_000)}`).length, 1024);
  t.ok(digest(`SELECT '${'x'.repeat(100_000)}'`).startsWith('SELECT'));
  const rows = (count: number) => `INSERT INTO t VALUES ${Array(count).fill("(1, 'x')").join(',')}`;
  t.equal(digest(rows(2000)), 'INSERT INTO t VALUES (...), ...');
  t.equal(digest(rows(20_000)), 'INSERT INTO t VALUES (...), ...', 'and more than is read');
  t.equal(digest(`SELECT ${Array(5000).fill('1').join(', ')}`), 'SELECT ?, ...');
});

const gap = fc.constantFrom(' ', '\n', '\t', ' /* zq9 */ ', '-- zq9\n', '/*!999999 zq9 */');
const secret = fc.oneof(
  fc.integer({ min: 0, max: 1_000_000_000 }).map((n) => `9${n}`),
  fc.integer({ min: 0, max: 1000 }).map((n) => `9.${n}e-9`),
  fc.constantFrom('0x9f9', '.99', '9e9', "X'9a9a'", "b'1'", "N'zq9'"),
  fc.string({ maxLength: 20 }).map((text) => `'zq9${text.replace(/\\/g, '\\\\').replace(/'/g, "''")}zq9'`),
  fc.string({ maxLength: 20 }).map((text) => `"zq9${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}zq9"`),
  fc.constant("'zq9' 'zq9'"),
  fc.constant("_utf8mb4'zq9\\''"),
);
const expression = fc.letrec<{ item: string }>((tie) => ({
  item: fc.oneof(
    { depthSize: 'small' },
    secret,
    fc.constantFrom('a', '`b`', '@c', '@@d', 'NULL', 'NOW()', "@'zq9'", '-1'),
    fc.tuple(tie('item'), gap, tie('item')).map(([a, b, c]) => `${a}${b}+${b}${c}`),
    fc.array(tie('item'), { minLength: 1, maxLength: 5 }).map((all) => `a IN (${all.join(',')})`),
    tie('item').map((one) => `/*! ${one} */`),
  ),
})).item;
const statement = fc
  .tuple(
    fc.constantFrom('SELECT', 'SELECT a FROM t WHERE', 'INSERT INTO t VALUES'),
    gap,
    fc.array(expression, { minLength: 1, maxLength: 6 }),
  )
  .map(([lead, space, items]) => `${lead}${space}${items.map((item) => `(${item})`).join(`${space},`)}`);

t.test('nothing of a literal is left', async (t) => {
  fc.assert(
    fc.property(statement, fc.boolean(), (sql, isMariadb) => {
      const text = digest(sql, isMariadb ? mariadb() : mysql());
      t.notMatch(text, /zq|[0-9]|[\n\t]/, sql);
      t.ok(text.length > 6);
    }),
    { numRuns: 1000 },
  );
});

t.test('white space, comments and the values of literals mean nothing', async (t) => {
  const words = "SELECT a , COUNT ( * ) FROM t WHERE b = 'x' AND c IN ( 1 , 2 ) OR d >= 5".split(' ');
  const expected = digest(words.join(' '));
  fc.assert(
    fc.property(
      fc.array(gap, { minLength: words.length, maxLength: words.length }),
      secret,
      (gaps, literal) => {
        const sql = words
          .map((word, i) => (/^('x'|\d)$/.test(word) ? literal : word) + (gaps[i] ?? ''))
          .join('');
        t.equal(digest(sql), expected, sql);
      },
    ),
    { numRuns: 300 },
  );
});

t.test('any text at all', async () => {
  fc.assert(
    fc.property(texts, contexts, fc.integer({ min: 3, max: 60 }), (text, context, most) => {
      const found = digestText(text, context, most);
      return found.length <= most && !/\p{Cc}/u.test(found) && digestText(text, context, most) === found;
    }),
    { numRuns: 2000 },
  );
});
