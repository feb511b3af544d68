import t from 'tap';
import type { LexerContext } from '../../src/sql/lexer-context.js';
import { StatementClassifier } from '../../src/sql/trait-cache.js';
import type { StatementTraits } from '../../src/sql/traits.js';
import { fc } from '../support/properties.js';
import { contexts, cut, cutting, texts } from './arbitraries.js';
import { mariadb, mysql, summary, traitsOf } from './describe.js';

const classifier = new StatementClassifier(0);
const hazardous = new StatementClassifier(0);
hazardous.hazards = new Map([
  ['null', 1],
  ['t', 1 << 17],
]);

/** Statements with a space wherever white space or a comment may stand, or already stands. */
const SEEDS = [
  'SELECT a , b FROM t WHERE c = 1 AND d IN ( 1 , 2 )',
  "SELECT GET_LOCK ( 'a' , 1 )",
  "SELECT x , `GET_LOCK` ( 'a' , 1 ) FROM t",
  'SELECT s.f ( 1 ) , upper ( a )',
  'SELECT LAST_INSERT_ID ( ) , LAST_INSERT_ID ( 5 )',
  'SELECT @a := @b , @@session.sql_mode , @@identity',
  'SELECT a INTO @b FROM t',
  'SELECT SQL_CALC_FOUND_ROWS a FROM t FOR UPDATE',
  'WITH a ( n ) AS ( SELECT 1 ) , b ( m ) AS ( SELECT f ( 2 ) ) SELECT n FROM a',
  'WITH a AS ( SELECT 1 ) DELETE FROM t',
  'INSERT INTO t ( a , b ) VALUES ( 1 , f ( 2 ) ) ON DUPLICATE KEY UPDATE a = 1',
  "LOAD DATA LOCAL INFILE 'x' INTO TABLE t ( a , @b ) SET c = f ( @b )",
  'CALL p ( @a )',
  'SET GLOBAL a = 1 , b = 2 , SESSION insert_id = 3 , @@c = 4 , @d = 5 , NAMES utf8mb4',
  'SET STATEMENT a = 1 FOR SELECT @x',
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED , READ ONLY',
  'SET ROLE NONE',
  "SET PASSWORD FOR 'u' = 'x'",
  'BEGIN WORK ; COMMIT AND NO CHAIN RELEASE ; ROLLBACK TO SAVEPOINT a ; START TRANSACTION READ ONLY',
  'LOCK TABLES t READ ; UNLOCK TABLES ; FLUSH TABLES t FOR EXPORT ; HANDLER t CLOSE',
  'CREATE OR REPLACE TEMPORARY TABLE t ( a VARCHAR ( 5 ) ) SELECT f ( 1 )',
  "CREATE PROCEDURE p ( ) BEGIN IF ( a ) THEN SELECT GET_LOCK ( 'a' , 1 ) ; END IF ; END ; SELECT @a",
  'CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = 1 ; SELECT SLEEP ( 1 )',
  'BEGIN NOT ATOMIC SELECT 1 ; END',
  'SHOW WARNINGS ; SHOW VARIABLES ; EXPLAIN ANALYZE UPDATE t SET a = 1 ; ANALYZE TABLE t',
  'SELECT NEXT VALUE FOR s , FOUND_ROWS ( ) , ROW_COUNT ( ) , CONNECTION_ID ( )',
  "PREPARE s FROM 'x' ; DEALLOCATE PREPARE s ; XA COMMIT 'a'",
  "SET @a = - 5 , @`b` := _utf8mb4 'x''y\\n' , @c = NULL , @d = ( @e := 5 ) , insert_id = 0 , timestamp = DEFAULT",
  'CREATE OR REPLACE TEMPORARY TABLE IF NOT EXISTS s . t ( a INT ) ; DROP TEMPORARY TABLE IF EXISTS t , s . `u` CASCADE',
  'ALTER TABLE t ADD COLUMN a INT , RENAME AS s . u ; RENAME TABLE a TO b , s . c TO `d` ; DROP DATABASE IF EXISTS s',
  "PREPARE s FROM 'SELECT''1''' ; EXECUTE s USING @a ; EXECUTE IMMEDIATE 'x' USING 5 ; DROP PREPARE s",
  'HANDLER s . t OPEN AS h ; HANDLER `h` CLOSE',
  'KILL HARD QUERY 5',
  'SELECT \'a\'\'b\' , "c""d" , 1.5e3 , 0x1F',
];

const gaps = fc.constantFrom(
  ' ',
  '\t',
  '\r\n ',
  '/* SELECT */',
  '/**/',
  " /* ' */ ",
  '-- x "\n',
  '--\t`\n',
  "# it's\n",
  '/*!999999 GET_LOCK( /* ; */ */',
  '\f\v',
);

function inOtherCase(text: string, bits: bigint): string {
  const isUpper = (i: number) => ((bits >> BigInt(i % 64)) & 1n) === 1n;
  return [...text].map((char, i) => (isUpper(i) ? char.toUpperCase() : char.toLowerCase())).join('');
}

/** Everything but what is spelled as written. */
function outline(traits: StatementTraits): unknown {
  const { assignments, kill, changes, each } = traits;
  const named = JSON.stringify(changes).toLowerCase();
  return { traits: summary(traits), assignments, kill, changes: named, each: each.map(outline) };
}

function traitsOfChunks(chunks: readonly Buffer[], context: LexerContext): StatementTraits {
  const reading = classifier.begin(context);
  for (const chunk of chunks) reading.push(chunk, 0, chunk.length);
  return reading.finish();
}

t.test('white space, comments and case mean nothing', async (t) => {
  for (const seed of SEEDS) {
    const words = seed.split(' ');
    for (const context of [mariadb(), mysql()]) {
      const expected = outline(traitsOf(seed, context));
      const variants = fc.record({
        between: fc.array(gaps, { minLength: words.length, maxLength: words.length }),
        before: fc.constantFrom('', ' ', '/* x */'),
        cases: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      });
      const property = fc.property(variants, ({ between, before, cases }) => {
        const sql = words.map((word, i) => inOtherCase(word, cases) + between[i]).join('');
        t.same(outline(traitsOf(before + sql, context)), expected);
      });
      fc.assert(property, { numRuns: 25 });
    }
  }
});

t.test('traits are the same however the text is cut', async () => {
  const seeds = fc.constantFrom(...SEEDS).map((seed) => Buffer.from(seed));
  fc.assert(
    fc.property(fc.oneof(seeds, texts), contexts, cutting, (text, context, cuts) => {
      const whole = JSON.stringify(classifier.classify(text, 0, text.length, context), asText);
      const single = [...text].map((byte) => Buffer.of(byte));
      return (
        JSON.stringify(traitsOfChunks(single, context), asText) === whole &&
        JSON.stringify(traitsOfChunks(cut(text, cuts), context), asText) === whole
      );
    }),
    { numRuns: 3000 },
  );
});

/** Before lists of literals, and in them: what is passed over as a whole, and what must not be. */
const BEFORE_LISTS = [
  'INSERT INTO t VALUES ',
  'INSERT INTO t VALUES (1, ',
  'REPLACE t (a, b) VALUES (',
  'SELECT a FROM t WHERE b IN (',
  'SELECT 1, ',
  'SELECT LAST_INSERT_ID(',
  'SELECT a FROM t LIMIT 5, ',
  'CALL p(',
  'SET @a = 1, ',
  'WITH q (a, b) AS (SELECT ',
  "SET sql_mode = 'ANSI_QUOTES'; SELECT (",
  'GRANT a (',
  'EXPLAIN SELECT (1, ',
];
const IN_LISTS = [
  ...[
    '1',
    '23',
    '0',
    '007',
    '1.5',
    '1.',
    '.5',
    '1e5',
    '1e',
    '0x1F',
    '0x',
    '0X1F',
    '0b1',
    '-1',
    '- 1',
    '+1',
    '--1',
    '1a',
  ],
  ...[
    "'a'",
    "''",
    "'a''b'",
    "'\\''",
    "'\\\\'",
    `'${'x'.repeat(60)}'`,
    `'${'x'.repeat(60)}\\''`,
    '"b"',
    "'",
    '"',
    '\\',
    '`c`',
  ],
  ...[
    'NULL',
    'null',
    'nul',
    'NULL.a',
    'NULL (',
    "N'x'",
    "_binary 'x'",
    '_binary',
    "_binary'\xe9'",
    "_binaryx 'y'",
    'DEFAULT',
  ],
  ...[
    'get_lock',
    'last_insert_id',
    '@a',
    '@',
    'LIMIT',
    'as',
    'INTO',
    '-- \n',
    '#',
    '/*',
    '*/',
    '/*!',
    ';',
    ':=',
    '.',
  ],
  ...Array.from({ length: 12 }, () => ','),
  ...Array.from({ length: 6 }, () => '),('),
  ...['(', '((', ')', ' ', '\n', '\xa0', '\0'],
  ...Array.from({ length: 4 }, (_, i) => `${'(1,2),'.repeat(i)}(3,`),
];

t.test('lists of literals are the same however the text is cut', async () => {
  const lists = fc
    .tuple(
      fc.constantFrom(...BEFORE_LISTS),
      fc.array(fc.constantFrom(...IN_LISTS), { maxLength: 25 }),
      fc.boolean(),
    )
    .map(([before, pieces, commas]) => Buffer.from(before + pieces.join(commas ? ',' : ''), 'latin1'));
  fc.assert(
    fc.property(lists, contexts, cutting, fc.boolean(), (text, context, cuts, named) => {
      const reader = named ? hazardous : classifier;
      const whole = JSON.stringify(reader.classify(text, 0, text.length, context), asText);
      const single = [...text].map((byte) => Buffer.of(byte));
      return [single, cut(text, cuts), [text]].every((chunks) => {
        const reading = reader.begin(context);
        for (const chunk of chunks) reading.push(chunk, 0, chunk.length);
        return JSON.stringify(reading.finish(), asText) === whole;
      });
    }),
    { numRuns: 3_000 },
  );
});

/** What texts in pieces do not tell: the lists of {@link StatementClassifier.begin}. */
function asText(key: string, value: unknown): unknown {
  if (key === 'lockColumns' || key === 'sessionValues') return undefined;
  return typeof value === 'bigint' ? String(value) : value;
}
