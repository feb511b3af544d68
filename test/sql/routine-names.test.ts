import t from 'tap';
import type { LexerContext } from '../../src/sql/lexer-context.js';
import { CHANGING_ROWS } from '../../src/sql/statement-scanner.js';
import { StatementClassifier } from '../../src/sql/trait-cache.js';
import { Flag, Hold, MAX_LISTED_CHANGES, type StatementTraits } from '../../src/sql/traits.js';
import { fc } from '../support/properties.js';
import { cut, cutting } from './arbitraries.js';
import { flagNames, holdNames, mariadb, mysql, traitsOf, traitsOfBytes } from './describe.js';

const classifier = new StatementClassifier(0);

function inPieces(
  text: Buffer,
  cuts: readonly number[],
  context: LexerContext,
  by = classifier,
): StatementTraits {
  const reading = by.begin(context);
  for (const chunk of cut(text, cuts)) reading.push(chunk, 0, chunk.length);
  return reading.finish();
}

const NAMED: readonly [sql: string, routines: string][] = [
  ['SELECT F(1), `g`(2), s.h(3), `S` . `i` (4)', 'f g s.h s.i'],
  ['SELECT f(g(h()))', 'f g h'],
  ['SELECT f(1), F(2)', 'f'],
  ['SELECT UPPER(a), s.upper(a), COUNT (*), 1abc(1), $a(1)', 's.upper count 1abc $a'],
  ['SELECT `a``b`(1), `if`(1)', 'a`b if'],
  ['SELECT t.a, s.t.b, f(1)', 'f'],
  ['CALL p', 'p'],
  ['CALL P()', 'p'],
  ['CALL `s`.`P` (f(1), @a)', 'f s.p'],
  ['CALL upper(1)', 'upper'],
  ['CALL s.p; SELECT f(1)', 's.p f'],
  ['SET @a = f(1)', 'f'],
  ['SET STATEMENT a = 1 FOR CALL p(1)', 'p'],
  ['INSERT INTO t (a) VALUES (f(1))', 'f'],
  ['WITH a (n) AS (SELECT f(1)) SELECT n FROM a', 'f'],
  ['CREATE TABLE t (a INT) SELECT f(1)', 'f'],
  ['CREATE PROCEDURE p() SELECT f(1)', ''],
  ["SELECT 'f(1)', f, `f(1)`", ''],
  ['SELECT é(1), `Ü`.`Ö`(2)', 'é ü.ö'],
];

t.test('names of routines', async (t) => {
  for (const [sql, expected] of NAMED) {
    for (const context of [mariadb(), mysql()]) {
      const traits = traitsOf(sql, context);
      t.equal(traits.routines.join(' '), expected, sql);
      t.equal(traits.holds & Hold.Unknown, 0, sql);
      if (expected !== '') t.ok(flagNames(traits).includes('MayRunRoutine'));
    }
  }
  const { each } = traitsOf('SELECT f(1); CALL p', mysql());
  t.same(
    each.map((one) => one.routines),
    [['f'], ['p']],
  );
});

t.test('names of routines in texts that come in pieces', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...NAMED), cutting, ([sql, expected], cuts) => {
      return inPieces(Buffer.from(sql), cuts, mysql()).routines.join(' ') === expected;
    }),
    { numRuns: 500 },
  );
});

t.test('a name that cannot be read', async (t) => {
  const long = 'x'.repeat(257);
  for (const sql of [
    'SELECT \xe9(1)',
    'CALL \xe9',
    'CALL `\xe9`.p',
    `SELECT ${long}(1)`,
    'SELECT a.b.c(1)',
  ]) {
    const traits = traitsOfBytes(sql, mysql({ charset: 'latin1' }));
    t.same(traits.routines, [], sql);
    t.ok(holdNames(traits).includes('Unknown'), sql);
  }
  const many = Array.from({ length: MAX_LISTED_CHANGES }, (_, i) => `f${i}()`).join(', ');
  t.equal(traitsOf(`SELECT ${many}`, mysql()).routines.length, MAX_LISTED_CHANGES);
  t.equal(traitsOf(`SELECT ${many}`, mysql()).holds, 0);
  t.same(holdNames(traitsOf(`SELECT ${many}, f()`, mysql())), ['Unknown']);
});

t.test('what shows the trackers', async (t) => {
  const cases: readonly [sql: string, isTold: boolean][] = [
    ['SHOW VARIABLES', true],
    ["SHOW SESSION VARIABLES LIKE 'a'", true],
    ['SHOW LOCAL VARIABLES', true],
    ['SHOW GLOBAL VARIABLES', false],
    ['SELECT @@session_track_schema', true],
    ['SELECT @@session.session_track_state_change + 1', true],
    ['SELECT @@LOCAL.`session_track_system_variables`', true],
    ['SET @a = @@session_track_transaction_info', true],
    ['SELECT @@global.session_track_schema', false],
    ['SET session_track_schema = 1', false],
    ['SELECT session_track_schema FROM t', false],
    ['SELECT * FROM performance_schema.session_variables', true],
    ['SELECT * FROM performance_schema.variables_by_thread', true],
    ['SELECT * FROM information_schema.SYSTEM_VARIABLES', true],
    ['SELECT @@session_track_gtids', true],
  ];
  for (const [sql, isTold] of cases) {
    for (const context of [mariadb(), mysql()])
      t.equal((traitsOf(sql, context).flags & Flag.ReadsTrackers) !== 0, isTold, sql);
  }
});

t.test('hazards', async (t) => {
  const hazards = new StatementClassifier(64);
  const holdsOf = (sql: string, context = mysql()) => {
    const buf = Buffer.from(sql);
    const traits = hazards.classify(buf, 0, buf.length, context);
    t.same(inPieces(buf, [3, 9, 14], context, hazards).holds, traits.holds, `in pieces: ${sql}`);
    if (holdNames(traits).length > 0) t.notOk(flagNames(traits).includes('PlainRead'));
    return holdNames(traits).join(' ');
  };
  for (let i = 0; i < 3; i++) t.equal(holdsOf('SELECT * FROM v'), '');
  hazards.hazards = new Map([
    ['v', Hold.UserLock],
    ['p()', Hold.TemporaryTable | Hold.Unknown],
    ['é', Hold.Role],
    ['value', Hold.TableLock],
  ]);
  t.equal(holdsOf('SELECT * FROM v'), 'UserLock', 'what was remembered is forgotten');
  t.equal(holdsOf('SELECT * FROM s.`V` WHERE v.a = 1'), 'UserLock');
  t.equal(holdsOf('CALL p(1); INSERT INTO v VALUES (1)'), 'TemporaryTable UserLock Unknown');
  t.equal(holdsOf('SELECT P(1)'), 'TemporaryTable Unknown');
  t.equal(holdsOf('SELECT s . p (1)'), 'TemporaryTable Unknown');
  t.equal(holdsOf('SELECT p FROM p'), '', 'no routine');
  t.equal(holdsOf('DELETE FROM É'), 'Role');
  t.equal(holdsOf('DELETE FROM é', mysql({ charset: 'latin1' })), '', 'which nobody can read');
  t.equal(holdsOf('SELECT * FROM value'), 'TableLock');
  t.equal(holdsOf('SELECT "v"', mysql({ ansiQuotes: true })), 'UserLock');
  t.equal(holdsOf('SELECT 1 FROM a WHERE b = "v" AND c = \'v\' /* v */'), '');
  t.equal(holdsOf('SELECT vv, @v FROM a'), 'ReadsUserVariable');
  t.equal(holdsOf('CREATE PROCEDURE q() SELECT * FROM v'), '');
  t.equal(holdsOf('DROP VIEW v'), '', 'definitions run nothing');
  t.equal(holdsOf('ALTER PROCEDURE p COMMENT "x"'), '');
  t.equal(holdsOf('SHOW CREATE VIEW v'), '');
  t.equal(holdsOf('CREATE TABLE t(a INT) SELECT * FROM v'), 'UserLock', 'but for this one');
  t.equal(holdsOf('DROP VIEW v; SELECT * FROM v'), 'UserLock');
  t.same(flagNames(traitsOf('SELECT 1', mysql())), ['PlainRead'], 'others know nothing of it');
  t.equal(hazards.hazards.size, 4);
  hazards.hazards = new Map();
  t.equal(holdsOf('SELECT * FROM v'), '');
});

t.test('hazards for statements that change rows', async (t) => {
  const hazards = new StatementClassifier(0);
  hazards.hazards = new Map([['t', Hold.UserLock | (Hold.Role << CHANGING_ROWS)]]);
  const holdsOf = (sql: string) => {
    const buf = Buffer.from(sql);
    return holdNames(hazards.classify(buf, 0, buf.length, mysql())).join(' ');
  };
  t.equal(holdsOf('SELECT a FROM t'), 'UserLock');
  const changes = [
    'INSERT INTO t VALUES(1)',
    'REPLACE t SELECT 1',
    'UPDATE a, t SET b = 1',
    'DELETE a FROM a JOIN t',
    "LOAD DATA INFILE 'x' INTO TABLE t",
    'WITH c AS (SELECT 1 FROM t) UPDATE t SET b = 1',
  ];
  for (const sql of changes) t.equal(holdsOf(sql), 'UserLock Role', sql);
  t.equal(holdsOf('SELECT a FROM t; INSERT INTO u VALUES(1)'), 'UserLock');
});

t.test('a hazard that adds no hold still makes it no plain read', async (t) => {
  const hazards = new StatementClassifier(0);
  hazards.hazards = new Map([['v', 0]]);
  const buf = Buffer.from('SELECT * FROM v');
  t.same(flagNames(hazards.classify(buf, 0, buf.length, mysql())), []);
});
