import t from 'tap';
import { Hold, MAX_LISTED_STATEMENTS } from '../../src/sql/traits.js';
import {
  anything,
  flagNames,
  holdNames,
  mariadb,
  mysql,
  summary,
  traitsOf,
  traitsOfBytes,
} from './describe.js';

t.test('several statements', async (t) => {
  const traits = traitsOf("SELECT 1; ; SET @a = 1;SELECT GET_LOCK('a', 1) ;", mysql());
  t.equal(traits.statements, 3);
  t.equal(summary(traits), 'select: UserLock WritesUserVariable | Multi');
  t.same(traits.each.map(summary), ['select: | PlainRead', 'set: WritesUserVariable', 'select: UserLock']);
  t.equal(traitsOf('SELECT 1;', mysql()).statements, 1);
  t.same(traitsOf('SELECT 1;', mysql()).each, []);
  t.same(flagNames(traitsOf('SELECT 1; SELECT 2', mysql())), ['Multi'], 'no plain read');
  t.equal(traitsOf(';;', mysql()).statements, 0);
  t.same(
    traitsOf('USE a; KILL 5', mysql()).each.map(({ use, kill }) => ({ use, kill })),
    [
      { use: 'a', kill: null },
      { use: null, kill: { kind: 'connection', id: 5n } },
    ],
  );
});

t.test('more statements than are listed', async (t) => {
  const text = 'SELECT 1;'.repeat(MAX_LISTED_STATEMENTS);
  t.equal(traitsOf(text, mysql()).each.length, MAX_LISTED_STATEMENTS);
  const more = traitsOf(`${text}SELECT GET_LOCK('a', 1)`, mysql());
  t.equal(more.statements, MAX_LISTED_STATEMENTS + 1);
  t.same(more.each, []);
  t.same(holdNames(more), ['UserLock']);
  t.same(holdNames(traitsOf(`${text}SET sql_mode = 1`, mysql())), ['Unknown'], 'an assignment is not listed');
});

t.test('traits are frozen and shared', async (t) => {
  const a = traitsOf('SELECT a FROM t', mysql());
  t.equal(traitsOf('SELECT b FROM u', mysql()), a);
  t.ok(Object.isFrozen(a));
  const set = traitsOf('SET a = 1; SET b = 2', mysql());
  t.ok(Object.isFrozen(set) && Object.isFrozen(set.each) && Object.isFrozen(set.assignments));
  t.ok(Object.isFrozen(set.assignments[0]));
  t.ok(Object.isFrozen(traitsOf('KILL 5', mysql()).kill));
});

t.test('a text that cannot be told apart', async (t) => {
  for (const sql of ["SELECT 'a", 'SELECT /* a', 'SELECT `a', 'SELECT 1 /*! + 1', "SELECT 1; SELECT 'x"]) {
    const traits = traitsOf(sql, mysql());
    t.equal(summary(traits), `${anything('select')} Undecidable`, sql);
  }
  t.same(flagNames(traitsOf("'", mysql())), flagNames(traitsOf("SELECT '", mysql())));
  const locked = traitsOf("SELECT GET_LOCK('a', 1), 'x", mysql());
  t.not(locked.holds & Hold.UserLock, 0, 'what was seen stays');
  t.same(flagNames(traitsOf('SELECT 1', mysql({ charset: 'klingon' }))).at(-1), 'Undecidable');
});

t.test('a statement is read with what those before it have set', async (t) => {
  const cases: readonly [sql: string, isUndecidable: boolean][] = [
    ['SET sql_mode = x; SELECT "a"', true],
    ["SET sql_mode = x; SELECT 'a\\'b'", true],
    ["SET sql_mode = x; SELECT 'a', `b`, 5 -- c", false],
    ['SET sql_mode = "a"; SELECT 1', false],
    ['SET GLOBAL sql_mode = x; SELECT "a"', false],
    ['SET @@sql_mode = x; SELECT 1; SELECT "a"', true],
    ['SET NAMES gbk; SELECT "a"', false],
    ["SET NAMES gbk; SELECT 'a\\'b'", false],
    ["SET NAMES gbk; SELECT 'a\u00e9b'", false],
    ["SET NAMES gbk; SELECT 'a\u00e9\\'b'", true],
    ['SET NAMES gbk; SELECT `\u00e9`', true],
    ['SET NAMES gbk; SELECT \u00e9', true],
    ['SET NAMES gbk; SELECT 1 --\u00e9', true],
    ['SET character_set_client = gbk; SELECT `\u00e9`', true],
    ['CALL p; SELECT "a"', true],
    ['CALL p; SELECT @a', false],
    ['SELECT f(1); SELECT "a"', true],
    ["SELECT 1; SELECT \"a\", '\u00e9\\''", false],
  ];
  for (const [sql, isUndecidable] of cases) {
    t.equal(flagNames(traitsOf(sql, mysql())).includes('Undecidable'), isUndecidable, sql);
  }
  const gbk = mysql({ charset: 'gbk' });
  t.ok(flagNames(traitsOfBytes("SET NAMES utf8mb4; SELECT '\xbf\\'", gbk)).includes('Undecidable'));
});

t.test('the definition of a routine ends where the server ends it', async (t) => {
  const LOCK = "SELECT GET_LOCK('a', 1)";
  const ddl = 'ddl: | EndsTransaction ChangesRoutines';
  const inside: readonly string[] = [
    `CREATE PROCEDURE p() ${LOCK}`,
    `CREATE PROCEDURE p() BEGIN ${LOCK}; END`,
    `CREATE OR REPLACE DEFINER=u@h PROCEDURE p(IN a INT, OUT b VARCHAR(5)) COMMENT 'x' BEGIN ${LOCK}; SET @a = 1; END;`,
    `CREATE PROCEDURE p() NOT DETERMINISTIC SQL SECURITY INVOKER l: BEGIN BEGIN ${LOCK}; END; ${LOCK}; END l`,
    `CREATE PROCEDURE p() BEGIN IF (a) THEN ${LOCK}; ELSE ${LOCK}; END IF; ${LOCK}; END`,
    `CREATE PROCEDURE p() BEGIN WHILE a DO ${LOCK}; END WHILE; REPEAT ${LOCK}; UNTIL a END REPEAT; l: LOOP ${LOCK}; END LOOP; END`,
    `CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN ${LOCK}; END CASE; SELECT CASE WHEN a THEN 1 END FOR UPDATE; ${LOCK}; END`,
    `CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION, NOT FOUND BEGIN ${LOCK}; END; ${LOCK}; END`,
    `CREATE PROCEDURE p() BEGIN FOR i IN 1..5 DO ${LOCK}; END FOR; ${LOCK}; END`,
    `CREATE FUNCTION f(a DECIMAL(5, 2)) RETURNS VARCHAR(5) CHARSET utf8mb4 BEGIN DO GET_LOCK('a', 1); RETURN 1; END`,
    `CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = GET_LOCK('a', 1); END`,
    `CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW FOLLOWS begin SET @a = GET_LOCK('a', 1)`,
    `CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN ${LOCK}; END`,
    `ALTER EVENT e DO ${LOCK}`,
    `/*!50003 CREATE*/ /*!50017 DEFINER=u@h*/ /*!50003 TRIGGER g AFTER DELETE ON t FOR EACH ROW BEGIN SET @a = 1; END */`,
  ];
  for (const sql of inside) t.equal(summary(traitsOf(sql, mysql())), ddl, sql);
  t.equal(
    summary(traitsOf('CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $$ ";@a" $$', mysql())),
    ddl,
  );

  const behind: readonly string[] = [
    `CREATE PROCEDURE p() SELECT 1; ${LOCK}`,
    `CREATE PROCEDURE p() BEGIN SELECT 1; END; ${LOCK}`,
    `CREATE PROCEDURE begin() SELECT 1; ${LOCK}`,
    `CREATE PROCEDURE p() SELECT 1 begin; ${LOCK}`,
    `CREATE PROCEDURE p() SELECT f(1) begin; ${LOCK}`,
    `CREATE PROCEDURE p() BEGIN SELECT 1 begin; SELECT a.begin; END; ${LOCK}`,
    `CREATE PROCEDURE p() BEGIN SELECT CASE WHEN a THEN begin END; END; ${LOCK}`,
    `CREATE PROCEDURE p() BEGIN DECLARE handler CURSOR FOR SELECT 1 begin; END; ${LOCK}`,
    `CREATE PROCEDURE p() BEGIN DECLARE c CURSOR FOR SELECT 1; DECLARE EXIT HANDLER FOR NOT FOUND SELECT 1 begin; END; ${LOCK}`,
    `CREATE PROCEDURE p() CASE a WHEN 1 THEN SELECT 1; END CASE; ${LOCK}`,
    `CREATE PROCEDURE p() SELECT CASE a WHEN 1 THEN 2 END FOR UPDATE; ${LOCK}`,
    `CREATE PROCEDURE p() BEGIN IF a THEN SELECT 1; END IF; END; ${LOCK}`,
    `CREATE PROCEDURE p() FOR i IN 1..5 DO SELECT 1; END FOR; ${LOCK}`,
    `CREATE TRIGGER g BEFORE INSERT ON begin FOR EACH ROW FOLLOWS begin SET NEW.a = 1; ${LOCK}`,
    `CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW IF a THEN SET NEW.a = 1; END IF; ${LOCK}`,
    `CREATE EVENT e ON SCHEDULE AT CASE 1 WHEN 1 THEN NOW() END DO SELECT 1 begin; ${LOCK}`,
    `CREATE VIEW v AS SELECT 1 begin; ${LOCK}`,
    `CREATE FUNCTION f RETURNS STRING SONAME 'x'; ${LOCK}`,
    `CREATE TABLE procedure (begin INT); ${LOCK}`,
    `CREATE USER event@h; ${LOCK}`,
    `CREATE DEFINER=event@h VIEW v AS SELECT 1; ${LOCK}`,
    `CREATE PROCEDURE p AS BEGIN SELECT f(1) begin; END; ${LOCK}`,
    `CREATE PROCEDURE p() BEGIN SELECT "; END; SELECT 1; ${LOCK.replaceAll("'", "''")}" ; END; ${LOCK}`,
  ];
  for (const sql of behind) t.ok(holdNames(traitsOf(sql, mariadb())).includes('UserLock'), sql);
});

t.test('a block outside of routines swallows the rest', async (t) => {
  const traits = traitsOf("BEGIN NOT ATOMIC SELECT 1; END; SELECT 'x'", mariadb());
  t.equal(traits.statements, 1);
  t.equal(summary(traits), anything('block'));
});
