import t from 'tap';
import type { LexerContext } from '../../src/sql/lexer-context.js';
import { StatementForm } from '../../src/sql/statement-form.js';
import { StatementClassifier } from '../../src/sql/trait-cache.js';
import { fc } from '../support/properties.js';
import { contexts, texts } from './arbitraries.js';
import { mariadb, mysql, summary } from './describe.js';

const HAZARDS = new Map([
  ['x', 1 << 0],
  ['t', 1 << 20],
  ['f()', 1 << 3],
]);

/** Null where it has none. */
function formOf(sql: string | Buffer, context: LexerContext = mysql()): string | null {
  const text = Buffer.from(sql);
  const padded = Buffer.concat([Buffer.from("'<"), text, Buffer.from(">'")]);
  const form = new StatementForm();
  return form.take(padded, 2, 2 + text.length, context)
    ? form.bytes.toString('latin1', 0, form.length)
    : null;
}

t.test('a form', async (t) => {
  t.equal(formOf("SELECT a1, 'b' FROM `t 1`  WHERE c = 1"), 'SELECT a1, \x01 FROM `t 1` WHERE c = \x01');
  t.equal(formOf('f(1) f (1) f(1, 2) f( ) f(a, 1)'), 'f\x02 f \x02 f\x03 f( ) f(a, \x01)');
  t.equal(formOf("VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e')"), formOf('VALUES (1,2),(1,2),(1,2),(1,2)'));
  t.equal(formOf('LIMIT 5, 10'), 'LIMIT \x01,\x01');
  t.equal(formOf("a /* it's */ b -- '\n# \"\nc"), 'a b c');
  t.equal(formOf("a /*+ it's */ b"), 'a b', 'a hint is a comment');
  t.equal(formOf('a \x01 b'), null, 'a byte that stands for a literal');
  t.equal(formOf('a `\x02` b'), null);
  t.equal(formOf('a /*!50000 b */ c'), null);
});

/** Two classifiers, of which one remembers; what they say of the texts given to both of them. */
class Pair {
  /** Texts that had another text's traits. */
  shared = 0;
  readonly #remembering = new StatementClassifier(64 * 1024);
  readonly #fresh = new StatementClassifier(0);
  readonly #first = new Map<unknown, string>();

  constructor(hazards: ReadonlyMap<string, number>) {
    this.#remembering.hazards = hazards;
    this.#fresh.hazards = hazards;
  }

  take(text: Buffer, context: LexerContext): void {
    const padded = Buffer.concat([Buffer.from("'<"), text, Buffer.from(">'")]);
    const told = this.#remembering.classify(padded, 2, 2 + text.length, context);
    const { remembered } = this.#remembering;
    const expected = this.#fresh.classify(padded, 2, 2 + text.length, context);
    if (show(told) !== show(expected))
      throw new Error(`${text.toString('latin1')}: ${summary(told)}, not ${summary(expected)}`);
    if (remembered === null) return;
    const sql = text.toString('latin1');
    const first = this.#first.get(remembered);
    if (first === undefined) this.#first.set(remembered, sql);
    else if (first !== sql) this.shared++;
  }
}

function show(traits: unknown): string {
  return JSON.stringify(traits, (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
}

/** Where a literal stands there is a `?`. */
const SEEDS = [
  'SELECT a, b AS ? FROM t WHERE c = ? AND d IN (?, ?, ?) ORDER BY ? LIMIT ?',
  'SELECT a FROM t LIMIT ?, ?',
  'SELECT a FROM t LIMIT ? OFFSET ?',
  'SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT ?',
  'SELECT ?, -?, +?, ?-?, ?--?, ? -- c\n, N?, x?, 0x?, ?e?, t.?, t .?, t. ?, @?, @@?, @`?`, $?',
  'SELECT f(?), f (?), upper(?), GET_LOCK(?, ?), LAST_INSERT_ID(?), LAST_INSERT_ID(), s.f(?)',
  'SELECT last_insert_id(?)',
  'SELECT IF(?, SLEEP(?), RAND(?)), CAST(? AS CHAR(?)), (?, ?) = (?, ?), ((?))',
  'SELECT a INTO @x FROM t WHERE b = ?',
  "SELECT a FROM t WHERE b = ? INTO OUTFILE 'x'",
  'SELECT @a := ?, @b FROM t WHERE c = ?',
  'SELECT @@session.sql_mode, ?',
  'SELECT CONNECTION_ID(), ?',
  'SELECT a FROM t WHERE b = ? FOR UPDATE',
  'SELECT a FROM t UNION SELECT ? LIMIT ?',
  'WITH q (n) AS (SELECT ?) SELECT n FROM q WHERE n = ?',
  'WITH q AS (SELECT ?) DELETE FROM t WHERE a = ?',
  'INSERT INTO t (a, b) VALUES (?, ?), (?, ?), (?, ?), (?, ?), (?, ?)',
  'INSERT INTO t VALUES (?, f(?))',
  'INSERT INTO t SET a = ?, b = ? ON DUPLICATE KEY UPDATE a = VALUES(a) + ?',
  'INSERT INTO x SELECT ?, g(?)',
  'REPLACE INTO t VALUES (?)',
  'UPDATE t SET a = ?, b = (SELECT ?) WHERE c = ?',
  'DELETE FROM t WHERE a = ? LIMIT ?',
  'SET @a = ?, b = ?',
  'SET NAMES ?',
  'SET sql_mode = ?; SELECT ?',
  'KILL ?',
  'PREPARE s FROM ?',
  'EXECUTE IMMEDIATE ?',
  'GRANT ALL ON t TO ?@?',
  'SELECT ?; SELECT ?',
  '/* ? */ SELECT a FROM t WHERE b = ?',
  'SELECT /*+ ? */ a FROM t WHERE b = ?',
  '/*!50000 SELECT */ ? FROM t',
  'SELECT \'a\\\'?\', "b""?" FROM t',
] as const;

const LITERALS = [
  ...['0', '1', '23', '007', '1.5', '50000', '0x1F', '1e5', '18446744073709551616'],
  ...["'a'", "''", "'it''s'", "'\\''", "'\\\\'", "'--'", "'/*'", "'*/'", "'@x'", "'SELECT GET_LOCK(1)'"],
  ...[
    '"a"',
    '"\'"',
    '`a`',
    'NULL',
    'a',
    '',
    '(1)',
    '-1',
    '@x',
    '/* c */',
    '\x01',
    "'\xe9'",
    "'\\",
    '1, 1',
    "'a' 'b'",
  ],
];

const statements = fc
  .record({
    seed: fc.constantFrom(...SEEDS),
    literals: fc.array(fc.constantFrom(...LITERALS), { minLength: 1, maxLength: 24 }),
    usual: fc.nat({ max: 3 }),
  })
  .map(({ seed, literals, usual }) => {
    let i = 0;
    const next = (): string => literals[i++ % literals.length] as string;
    // Most texts have literals only where one may stand, so that many have the same form.
    return Buffer.from(
      seed.replace(/\?/g, () => (usual > 0 ? (LITERALS[i++ % 4] as string) : next())),
      'latin1',
    );
  });

/** A byte of the text is another one. */
const damaged = fc
  .tuple(statements, fc.nat(), fc.constantFrom(...'\'"`\\ 1a.@(),-#/*;\n\x01'))
  .map(([text, at, char]) => {
    const bytes = Buffer.from(text);
    bytes[at % bytes.length] = char.charCodeAt(0);
    return bytes;
  });

t.test('texts of the same form have the same traits', async (t) => {
  for (const hazards of [new Map<string, number>(), HAZARDS]) {
    const pair = new Pair(hazards);
    const sessions = fc.oneof(
      contexts,
      ...Array.from({ length: 7 }, () => fc.constantFrom(mysql(), mariadb())),
    );
    fc.assert(
      fc.property(fc.oneof(statements, statements, statements, damaged, texts), sessions, (text, context) =>
        pair.take(Buffer.from(text), context),
      ),
      { numRuns: 6_000 },
    );
    t.ok(pair.shared > 100, `${pair.shared} texts had the traits of another one`);
  }
});

t.test('what depends on a literal is not told by the form', async (t) => {
  const classifier = new StatementClassifier(1024);
  const classify = (sql: string): string => {
    const buf = Buffer.from(sql);
    return show(classifier.classify(buf, 0, buf.length, mysql()));
  };
  for (const [one, other] of [
    ['KILL 1', 'KILL 2'],
    ["PREPARE s FROM 'a'", "PREPARE s FROM 'b'"],
    ['SELECT LAST_INSERT_ID()', 'SELECT LAST_INSERT_ID(1)'],
    ['SELECT a FROM t LIMIT 1', 'SELECT a FROM t LIMIT 1, 2'],
    ['SELECT CONNECTION_ID(), 1', 'SELECT 10, CONNECTION_ID()'],
  ] as const) {
    for (let i = 0; i < 3; i++) classify(one);
    const told = classify(other);
    t.equal(told, show(new StatementClassifier(0).classify(Buffer.from(other), 0, other.length, mysql())));
    t.not(told, classify(one));
  }
});

t.test('other literals are recognised', async (t) => {
  const classifier = new StatementClassifier(64);
  const seen = new Set<unknown>();
  for (let i = 0; i < 10; i++) {
    const buf = Buffer.from(
      `SELECT a, b FROM t WHERE c = ${i} AND d IN (${'1,'.repeat(10 + i)} 2) AND e = '${'x'.repeat(900 + i)}'`,
    );
    classifier.classify(buf, 0, buf.length, mysql());
    if (i > 0) seen.add(classifier.remembered);
  }
  t.equal(seen.size, 1);
  t.notOk(seen.has(null));
});
