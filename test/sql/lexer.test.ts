import t from 'tap';
import { SqlLexer } from '../../src/sql/lexer.js';
import type { LexerContext } from '../../src/sql/lexer-context.js';
import { Token } from '../../src/sql/tokens.js';
import { FOREIGN_WORD, Word } from '../../src/sql/words.js';
import { fc } from '../support/properties.js';
import { contexts, cut, cutting, texts } from './arbitraries.js';
import { mariadb, mysql } from './describe.js';

const SYMBOLS: Partial<Record<Token, string>> = {
  [Token.QuotedName]: 'name',
  [Token.String]: 'string',
  [Token.Number]: 'number',
  [Token.UserVariable]: '@var',
  [Token.SystemVariable]: '@@',
  [Token.LeftParen]: '(',
  [Token.SpacedLeftParen]: '_(',
  [Token.RightParen]: ')',
  [Token.Comma]: ',',
  [Token.Dot]: '.',
  [Token.Equal]: '=',
  [Token.Assign]: ':=',
  [Token.Semicolon]: ';',
  [Token.Colon]: ':',
  [Token.Operator]: 'op',
};

const WORDS = new Map(Object.entries(Word).map(([name, number]) => [number, name]));

function symbol(kind: Token, word: number): string {
  const text = word === FOREIGN_WORD ? 'foreign' : WORDS.get(word);
  if (kind === Token.Word) return text ?? 'word';
  return `${SYMBOLS[kind]}${text === undefined ? '' : `:${text}`}`;
}

/** The tokens of a text cut into chunks, and `?` at the end when they are not certain. */
function tokensOf(chunks: readonly Buffer[], context: LexerContext): string {
  const tokens: string[] = [];
  const lexer = new SqlLexer({ token: (kind, word) => tokens.push(symbol(kind, word)) }, context);
  for (const chunk of chunks) lexer.push(chunk, 0, chunk.length);
  if (!lexer.finish()) tokens.push('?');
  return tokens.join(' ');
}

/** Each character of `sql` is one byte. */
function tokens(sql: string, context: LexerContext): string {
  return tokensOf([Buffer.from(sql, 'latin1')], context);
}

type Case = readonly [sql: string, expected: string];

function check(title: string, contexts: Record<string, LexerContext>, cases: readonly Case[]): void {
  t.test(title, async (t) => {
    for (const [name, context] of Object.entries(contexts)) {
      for (const [sql, expected] of cases)
        t.equal(tokens(sql, context), expected, `${name}: ${JSON.stringify(sql)}`);
    }
  });
}

const BOTH = { mariadb: mariadb(), mysql: mysql() };

check('words and punctuation', BOTH, [
  ['', ''],
  ['SELECT 1', 'select number'],
  ['sElEcT\ta,b\r\nFROM\x0bt\x0cWHERE x', 'select word , word from word where word'],
  ['selects select_ select1 $select a$', 'word word word word word'],
  ['f(x) f (x) f/**/(x)', 'word ( word ) word _( word ) word _( word )'],
  ['x=1;y<=>2', 'word = number ; word op = op number'],
  ["a:=1, b: c ? 'x' -> '$.a'", 'word := number , word : word op string op op string'],
  ['{fn now()} \\N', 'op word word ( ) op op word'],
  ['\x00\x01', 'op op'],
  ['\xe9t\xe9 x\xe9(', 'foreign foreign ('],
]);

check('names', BOTH, [
  ['a.b.c', 'word . word . word'],
  ['a . b', 'word . word'],
  ['`a``b`.`c d`', 'name . name'],
  ['`Select` `sele``ct` `select `', 'name:select name name'],
  ['`a\\`b', 'name word'],
  ['`\xe9`', 'name:foreign'],
  // After a dot even digits are a name, but not after a quoted name or a space.
  ['t.1e5 t.5for', 'word . word word . word'],
  ['`t`.5for t .5for', 'name number for word number for'],
]);

check('numbers and names that start with digits', BOTH, [
  ['1 12.5 .5 1. 1e5 1E-5 1.5e+3', 'number number number number number number number'],
  ['1e5for 1.for .5for 1.5e3for', 'number for number for number for number for'],
  [
    '1for 0x1for 1e 1e+ 1e+x 1ex 0X1F 0b12 0x 0b',
    'word word word word op word op word word word word word word',
  ],
  ['0x1F 0xfFF 0b01 0xF.', 'number number number number .'],
  ['1..2', 'number number'],
  // Servers differ.
  ['1.5e, 1', 'number , number ?'],
  ['1.5e+, 1', 'number , number ?'],
  ['1e-- x', 'word'],
  ['1e--x', 'word op op word'],
  ['1abc.def(', 'word . word ('],
]);

check('strings', BOTH, [
  ["'a''b' 'a\\'b' 'a\\\\' 'x'", 'string string string string'],
  [`"a""b" "a'b" "a\\"b"`, 'string string string'],
  ["N'a' x'41' _utf8mb4'x' b'01'", 'word string word string word string word string'],
  ["''''", 'string'],
  ["'a", '?'],
  ["'a\\'", '?'],
  ['`a', '?'],
  [`'${'x'.repeat(200)}' 1`, 'string number'],
  [`'${'x'.repeat(200)}\\'${'y'.repeat(100)}'' ' 1`, 'string number'],
]);

check('comments', BOTH, [
  ['a -- b\nc', 'word word'],
  ['a --\tb\nc --', 'word word'],
  ['a --\x01 b\nc', 'word word'],
  ['5--1 5---1 5--- x\n6', 'number op op number number op op op number number op number'],
  ['a # b\nc #', 'word word'],
  ['a -- b\rc', 'word'],
  ['a/* b */c/**/d/***/e/*/ x */f', 'word word word word word'],
  ['a /* /* */ b', 'word word'],
  ['a /* b', 'word ?'],
  ['a /+ b', 'word op op word'],
  ['2 */ 1', 'number op op number'],
  ["a /*+ ' */ b", 'word word'],
  [`a /* ${'x*y/'.repeat(100)} */ b`, 'word word'],
]);

check('comments that are code', BOTH, [
  ['a /*! b */ c', 'word word word'],
  ['a /*!50000 b */ c', 'word word word'],
  ['a /*!50000*/ c', 'word word'],
  ['a /*!5000 b */ c', 'word number word word'],
  ['a /*! 99999 b */', 'word number word'],
  ['a /*! b', 'word word ?'],
  ['a /*!', 'word ?'],
  ['a /*! /* x */ b */ c', 'word word word'],
  ['a /*! /*! b */ c', 'word word word'],
  ['a /*! /*! b */ c */', 'word word word op op'],
  ['a /*! /*!999999 b */ c */', 'word word'],
  ["a /*! ' */ ' */ b", 'word string word'],
  ['a /*! -- */ b\n*/ c', 'word word'],
  ['a /*!999999 b */ c', 'word word'],
  ['a /*!999999 b /* c */ d */ e', 'word word'],
  ["a /*!999999 ' */ b", 'word word'],
  ['a /*! b; c */', 'word word ; word'],
]);

t.test('version comments', async (t) => {
  const cases: readonly [sql: string, mariadb: string, mysql: string][] = [
    ['/*!50699 a*/', 'word', 'word'],
    ['/*!50700 a*/', '', 'word'],
    ['/*!80000 a*/', '', 'word'],
    ['/*!90704 a*/', '', 'word'],
    ['/*!90705 a*/', '', ''],
    ['/*!99999 a*/', '', ''],
    ['/*!100000 a*/', 'word', ''],
    ['/*!101119 a*/', 'word', ''],
    ['/*!101120 a*/', '', ''],
    ['/*!090000 a*/', '', 'word'],
    ['/*!090000,a*/', '', 'number , word'],
    ['/*!500001+1*/', '', 'number op number'],
    ['/*!99997 a*/', 'word ?', ''],
    ['/*M! a*/', 'word', ''],
    ['/*M!50700 a*/', 'word', ''],
    ['/*M!101119 a*/', 'word', ''],
    ['/*M!999999 a*/', '', ''],
    ['/*M a*/', '', ''],
    ['/*m! a*/', '', ''],
    ['/*!M100000 a*/', 'word word', 'word word'],
    ['/*!50000', '?', '?'],
    ['/*!123456', '?', '?'],
  ];
  for (const [sql, onMariadb, onMysql] of cases) {
    t.equal(tokens(sql, mariadb()), onMariadb, `mariadb: ${sql}`);
    t.equal(tokens(sql, mysql()), onMysql, `mysql: ${sql}`);
  }
  const mysql8 = mysql({ serverVersion: 80035 });
  t.equal(tokens('/*!800001 a*/', mysql8), '', 'six digits and a space');
  t.equal(tokens('/*!800001,a*/', mysql8), 'number , word ?', 'which 8.0 reads one way or the other');
  t.equal(tokens('/*!40101 a*/', mysql({ serverVersion: 0 })), 'word ?', 'a server of unknown version');
});

check('variables', BOTH, [
  [`@a @a.b$c @\`x y\` @'x' @"x" @ @`, '@var @var @var @var @var @var @var'],
  ['@a:=1', '@var := number'],
  ['@@a @@session.a @@`a` @@global . a', '@@ word @@ session . word @@ name @@ global . word'],
  ['@@1a', '@@ word'],
  ['u@h.x', 'word @var'],
  ["'u'@'h'", 'string @var'],
  ["@'a", '?'],
]);

check('under ANSI_QUOTES', { mariadb: mariadb({ ansiQuotes: true }), mysql: mysql({ ansiQuotes: true }) }, [
  [`"a""b" "SELECT" 'x'`, 'name name:select string'],
  ['"a\\" b', 'name word'],
  ['@"a\\" b', '@var word'],
]);

const noEscapes = { noBackslashEscapes: true };
check('under NO_BACKSLASH_ESCAPES', { mariadb: mariadb(noEscapes), mysql: mysql(noEscapes) }, [
  ["'a\\' b", 'string word'],
  ["'a\\'' b' c", 'string word'],
  ['"\\" b', 'string word'],
  [`'${'\\'.repeat(100)}' b`, 'string word'],
]);

t.test('brackets', async (t) => {
  t.equal(tokens('[a]] b] c', mariadb()), 'name word', 'quote names in sql_mode MSSQL, are errors in others');
  t.equal(tokens('[a', mariadb()), '?');
  t.equal(tokens('[a]', mysql()), 'op word op');
});

t.test('dollar quotes', async (t) => {
  const cases: readonly [sql: string, expected: string][] = [
    ["AS $$ it's $ $a $$ x", 'as string word'],
    ["AS $js$ it's $$ $j $js $js$ x", 'as string word'],
    ['$a b', 'word word'],
    ['a$$b', 'word'],
    ['t.$a$', 'word . word'],
    ['$$ a', '?'],
    ['$', 'word'],
    [`$${'x'.repeat(70)}$ a $${'x'.repeat(70)}$`, '?'],
  ];
  for (const [sql, expected] of cases) t.equal(tokens(sql, mysql()), expected, sql);
  t.equal(tokens('$$ a $$', mariadb()), 'word word word');
  t.equal(
    tokens('$$ a $$ b', mysql({ serverVersion: 80040 })),
    'string word ?',
    'some versions of MySQL 8 only',
  );
});

t.test('character sets whose characters may end in ASCII', async (t) => {
  const cases: readonly [charset: string, sql: string, expected: string][] = [
    ['gbk', "'\xbf\\', a", 'string , word'],
    ['gbk', "'\xbf', a", 'string , word'],
    ['gbk', "'\\\xbf\\\\', a", 'string , word'],
    ['gbk', "'\\\xbf\\', a'", 'string'],
    ['gbk', '`\xbf``, a', 'name:foreign , word'],
    ['gbk', '`\xbf` a', '?'],
    ['gbk', 'a\xbf`, b', 'foreign , word'],
    ['gbk', '@a\xbf`, b`', '@var name'],
    ['gbk', '"\xbf\\" a', 'string word'],
    ['utf8mb4', "'\xbf\\', a'", 'string'],
    ['utf8mb4', "'\xc3', a", 'string , word'],
    ['sjis', "'\x81\\', a", 'string , word'],
    ['sjis', "'\xb1\\', a'", 'string'],
    ['cp932', "'\xfc\\', a", 'string , word'],
    ['big5', "'\xa1\\', a", 'string , word'],
    ['big5', "'\x81\\', a'", 'string'],
    ['gb18030', "'\x81\x30\x81\x30\\', a'", 'string'],
    ['gb18030', "'\x81\x30\x81\\', a", 'string , word'],
  ];
  for (const [charset, sql, expected] of cases) {
    t.equal(tokens(sql, mysql({ charset })), expected, `${charset}: ${JSON.stringify(sql)}`);
  }
});

t.test('white space beyond ASCII', async (t) => {
  t.equal(tokens('SELECT\xa0get_lock\xa0(', mysql({ charset: 'latin1' })), 'select get_lock _(');
  t.equal(tokens('SELECT\xa0a', mysql({ charset: 'utf8mb4' })), 'foreign');
  t.equal(tokens('a --\x80 b', mysql({ charset: 'cp1250' })), 'word');
  t.equal(tokens('a --\x80 b', mysql({ charset: 'latin1' })), 'word op op foreign word');
  t.equal(tokens('a --\x7f b', mysql({ charset: 'latin2' })), 'word op op op word');
  t.equal(tokens('{a}', mysql({ charset: 'swe7' })), 'word', 'letters of swe7');
});

t.test('a character set that is not known makes everything uncertain', async (t) => {
  t.equal(tokens('SELECT 1', mysql({ charset: 'klingon' })), 'select number ?');
});

t.test('a context is the same object for the same options', async (t) => {
  t.equal(mariadb({ charset: 'UTF8MB4' }), mariadb());
  t.not(mariadb({ ansiQuotes: true }), mariadb());
});

t.test('tokens are the same however the text is cut', async () => {
  fc.assert(
    fc.property(texts, contexts, cutting, (text, context, cuts) => {
      const whole = tokensOf([text], context);
      const single = [...text].map((byte) => Buffer.of(byte));
      return tokensOf(single, context) === whole && tokensOf(cut(text, cuts), context) === whole;
    }),
    { numRuns: 3000 },
  );
});

t.test('bytes outside the given range are not looked at', async () => {
  fc.assert(
    fc.property(texts, texts, contexts, (text, around, context) => {
      const tokens: string[] = [];
      const lexer = new SqlLexer({ token: (kind, word) => tokens.push(symbol(kind, word)) }, context);
      lexer.push(Buffer.concat([around, text, around]), around.length, around.length + text.length);
      if (!lexer.finish()) tokens.push('?');
      return tokens.join(' ') === tokensOf([text], context);
    }),
    { numRuns: 1000 },
  );
});
