import t from 'tap';
import { digestText } from '../../src/sql/digest.js';
import { Fingerprint } from '../../src/sql/fingerprint.js';
import type { LexerContext } from '../../src/sql/lexer-context.js';
import { fc } from '../support/properties.js';
import { contexts, texts } from './arbitraries.js';
import { mariadb, mysql } from './describe.js';

/** Null where nothing is told of the text. */
function fingerprint(sql: string | Buffer, context: LexerContext = mysql()): string | null {
  const text = Buffer.from(sql);
  const padded = Buffer.concat([Buffer.from("'<"), text, Buffer.from(">'")]);
  const one = new Fingerprint();
  return one.take(padded, 2, 2 + text.length, context) ? `${one.low} ${one.high}` : null;
}

t.test('literals make no difference', async (t) => {
  const same: readonly (readonly string[])[] = [
    ['SELECT a FROM t WHERE b = 1', 'SELECT a FROM t WHERE b = 234', "SELECT  a FROM t\nWHERE b = 'it''s'"],
    ["SELECT 'a\\'b', 1", "SELECT '', 2.5"],
    ['SELECT "a", 1', "SELECT 'b', 1"],
    ['SELECT 1 /* request 4711 */ FROM t', 'SELECT 2 /* request 4712 */ FROM t'],
    ['SELECT 1 FROM t -- a\n', "SELECT 2 FROM t # it's\n"],
    ['a IN (1, 2)', 'a IN (1,2,3,4,5)', "a IN ('a', 'b', 'c')"],
    ['SELECT 1, 2, 3, 4 FROM t', `SELECT ${'1,'.repeat(99)} 5 FROM t`],
    [
      'INSERT INTO t VALUES (1, 2), (3, 4), (5, 6), (7, 8)',
      `INSERT INTO t VALUES ${"(1,'x'), ".repeat(40)}(1, 2)`,
    ],
  ];
  for (const texts of same) {
    const [first, ...others] = texts.map((sql) => fingerprint(sql));
    t.not(first, null);
    for (const [i, other] of others.entries()) t.equal(other, first, `${texts[i + 1]}`);
  }
});

t.test('everything else does', async (t) => {
  const different = [
    'SELECT a1 FROM t',
    'SELECT a2 FROM t',
    'SELECT `a1` FROM t',
    'SELECT `a2` FROM t',
    'SELECT 1 FROM t',
    'SELECT 1, 2 FROM t',
    'SELECT (1) FROM t',
    'SELECT (1, 2) FROM t',
    'SELECT (1), (2) FROM t',
    'SELECT @1 FROM t',
    'SELECT @2 FROM t',
    'SELECT t.1 FROM t',
    'SELECT t.2 FROM t',
    'SELECT 1a FROM t',
    'SELECT 2a FROM t',
    'SELECT 1 - 1 FROM t',
    'SELECT 1 + 1 FROM t',
    'SELECT f(1) FROM t',
    'SELECT g(1) FROM t',
  ];
  t.equal(new Set(different.map((sql) => fingerprint(sql))).size, different.length);
});

t.test('nothing is told of what is rare', async (t) => {
  const ansi = mysql({ ansiQuotes: true });
  t.equal(fingerprint('SELECT /*! 5, */ 6'), null, 'code in a comment');
  t.equal(fingerprint("SELECT 'a"), null);
  t.equal(fingerprint('SELECT `a'), null);
  t.equal(fingerprint('SELECT /* a'), null);
  t.equal(fingerprint('SELECT $$a$$'), null);
  t.equal(fingerprint('SELECT [a]', mariadb()), null);
  t.equal(fingerprint('SELECT 1', mysql({ charset: 'sjis' })), null, 'where half a character may be a quote');
  t.not(fingerprint('SELECT "a"', ansi), fingerprint('SELECT "b"', ansi), 'a name');
  t.not(fingerprint(`SELECT '${'x'.repeat(20_000)}'`), null, 'long literals are none of that');
  t.not(
    fingerprint(`SELECT ${'x,'.repeat(10_000)}1`),
    fingerprint(`SELECT ${'x,'.repeat(5_000)}1`),
    'long texts',
  );
});

t.test('who has the same fingerprint has the same digest', async (t) => {
  const pieces = fc.constantFrom(
    ...[
      'SELECT',
      'a',
      'b1',
      '1',
      '22',
      '3.5',
      '0x1F',
      '1e5',
      "'x'",
      "'y''z'",
      "'\\''",
      '"q"',
      '`n`',
      '@',
      '.',
    ],
    ...[
      ',',
      ', ',
      '(',
      ')',
      ' ',
      '\n',
      '-',
      '--',
      '-- c\n',
      '# d\n',
      '/* e */',
      "/*+ it's */",
      '+',
      '=',
      ';',
      '$',
      '?',
      'N',
      '\xe9',
    ],
  );
  const literals = fc.constantFrom('1', '22', '3.5', "'x'", "'y''z'", "'--'", "'/*'");
  const text = fc.array(pieces, { maxLength: 14 });
  // The same text with other literals, and with more of them.
  const pair = fc
    .tuple(text, fc.array(literals, { minLength: 14, maxLength: 14 }))
    .map(([parts, others]) => [
      parts.join(''),
      parts.map((part, i) => (/^(\d+(\.\d)?|'.*')$/.test(part) ? (others[i] as string) : part)).join(''),
    ]);
  const seen = new Map<string, string>();
  let equal = 0;
  const look = (sql: string | Buffer, context: LexerContext): void => {
    const found = fingerprint(sql, context);
    if (found === null) return;
    const key = `${found} ${context.charset} ${context.ansiQuotes} ${context.noBackslashEscapes} ${context.mariadb} ${context.serverVersion}`;
    const digest = digestText(Buffer.from(sql), context);
    const before = seen.get(key);
    if (before !== undefined) equal++;
    if (before !== undefined && before !== digest) throw new Error(`${sql}: ${digest} is not ${before}`);
    seen.set(key, digest);
  };
  fc.assert(
    fc.property(pair, fc.boolean(), (texts, isMariadb) => {
      for (const sql of texts) look(sql, isMariadb ? mariadb() : mysql());
    }),
    { numRuns: 5_000 },
  );
  fc.assert(
    fc.property(texts, contexts, (bytes, context) => look(Buffer.from(bytes), context)),
    { numRuns: 2_000 },
  );
  t.ok(equal > 300, `${equal} texts had the fingerprint of another one`);
});
