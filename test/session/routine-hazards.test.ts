import t from 'tap';
import {
  type Definition,
  hazardsOf,
  type OwnUse,
  ownUse,
  StoredKind,
  type StoredObject,
} from '../../src/session/routine-hazards.js';
import type { ServerInfo } from '../../src/session/server-info.js';
import { Hold } from '../../src/sql/traits.js';

const MARIADB = { flavor: 'mariadb', versionText: '10.11.19-MariaDB', versionNumber: 101119 } as ServerInfo;
const MYSQL = { flavor: 'mysql', versionText: '9.7.4', versionNumber: 90704 } as ServerInfo;

interface Written extends StoredObject {
  readonly definition: Definition | null;
}

function useOf({ kind, definition }: Written, server: ServerInfo): OwnUse {
  return ownUse(kind, definition, server);
}

function procedure(body: string, name = 'p', sqlMode = ''): Written {
  const definition = `CREATE DEFINER=\`a\`@\`%\` PROCEDURE \`${name}\`(IN a INT, OUT b DECIMAL(10,2))\n    READS SQL DATA\n    COMMENT 'it''s (odd'\n${body}`;
  return {
    kind: StoredKind.Procedure,
    schema: 's',
    name,
    usedAs: name,
    definition: { text: definition, sqlMode },
  };
}

function func(body: string, name = 'f', returns = 'int(11)'): Written {
  const definition = `CREATE DEFINER=\`a\`@\`%\` FUNCTION \`${name}\`() RETURNS ${returns}\n    NO SQL\n    DETERMINISTIC\n${body}`;
  return {
    kind: StoredKind.Function,
    schema: 's',
    name,
    usedAs: name,
    definition: { text: definition, sqlMode: '' },
  };
}

function trigger(body: string, table: string, order = ''): Written {
  const definition = `CREATE DEFINER=\`a\`@\`%\` TRIGGER tr BEFORE INSERT ON \`${table}\` FOR EACH ROW ${order}${body}`;
  return {
    kind: StoredKind.Trigger,
    schema: 's',
    name: 'tr',
    usedAs: table,
    definition: { text: definition, sqlMode: '' },
  };
}

function view(query: string, name = 'v'): Written {
  return { kind: StoredKind.View, schema: 's', name, usedAs: name, definition: { text: query, sqlMode: '' } };
}

function holdsOf(object: Written, server = MYSQL): number {
  return useOf(object, server).holds;
}

function hazards(...objects: Written[]): Record<string, readonly [always: number, changingRows: number]> {
  const found = hazardsOf(new Map(objects.map((object) => [object, useOf(object, MYSQL)])));
  return Object.fromEntries(
    [...found].map(([name, { always, changingRows }]) => [name, [always, changingRows] as const]),
  );
}

t.test('what bodies do', async (t) => {
  const bodies: readonly (readonly [holds: number, body: string])[] = [
    [0, 'SELECT 1'],
    [0, 'BEGIN END'],
    [0, 'BEGIN SELECT a FROM t; INSERT INTO t VALUES(1), (2); UPDATE t SET a = 2; END'],
    [0, "BEGIN DECLARE x, y INT DEFAULT 3; SET x = y + 1; SET SESSION sql_mode = 'ANSI_QUOTES'; END"],
    [
      0,
      "BEGIN DECLARE x VARCHAR(20) CHARACTER SET latin1 DEFAULT 'get_lock()'; SELECT 'GET_LOCK(1, 2)'; END",
    ],
    [0, 'BEGIN /* DO GET_LOCK(1, 2) */ SELECT 1; -- SET @x = 1\n END'],
    [
      0,
      'one: BEGIN two: LOOP LEAVE two; END LOOP two; one_more: REPEAT SET b = 1; UNTIL b > 3 END REPEAT; END one',
    ],
    [0, 'BEGIN IF a > 1 THEN SELECT 1; ELSEIF IF(a, 1, 2) THEN SELECT 2; ELSE SELECT 3; END IF; END'],
    [
      0,
      'BEGIN CASE a WHEN 1 THEN SELECT 1; WHEN 2 THEN SELECT CASE WHEN a THEN 1 ELSE 2 END; ELSE BEGIN END; END CASE; END',
    ],
    [0, 'BEGIN DECLARE c CURSOR FOR SELECT a FROM t; OPEN c; FETCH NEXT FROM c INTO b; CLOSE c; END'],
    [
      0,
      "BEGIN DECLARE odd CONDITION FOR SQLSTATE '45000'; DECLARE EXIT HANDLER FOR odd, NOT FOUND, 1062 SET b = 1; END",
    ],
    [0, 'BEGIN START TRANSACTION; INSERT INTO t VALUES(1); COMMIT; SET TRANSACTION READ ONLY; END'],
    [Hold.UserLock, "BEGIN DO GET_LOCK('x', 0); END"],
    [Hold.UserLock, "IF GET_LOCK('x', 0) THEN SELECT 1; END IF"],
    [Hold.UserLock, "BEGIN WHILE NOT GET_LOCK('x', 0) DO SELECT 1; END WHILE; END"],
    [Hold.UserLock, "BEGIN REPEAT SELECT 1; UNTIL GET_LOCK('x', 0) END REPEAT; END"],
    [Hold.UserLock, "BEGIN CASE GET_LOCK('x', 0) WHEN 1 THEN BEGIN END; END CASE; END"],
    [
      Hold.UserLock,
      "BEGIN CASE WHEN a = 1 THEN SELECT 1; WHEN GET_LOCK('x', 0) THEN SELECT 2; END CASE; END",
    ],
    [Hold.UserLock, "BEGIN IF CASE a WHEN 1 THEN 2 END THEN DO GET_LOCK('x', 0); END IF; END"],
    [Hold.UserLock, "BEGIN DECLARE x INT DEFAULT GET_LOCK('x', 0); END"],
    [Hold.UserLock, "BEGIN DECLARE c CURSOR FOR SELECT GET_LOCK('x', 0); OPEN c; END"],
    [
      Hold.UserLock,
      "BEGIN DECLARE CONTINUE HANDLER FOR SQLSTATE VALUE '02000', SQLWARNING DO GET_LOCK('x', 0); END",
    ],
    [
      Hold.UserLock,
      "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO GET_LOCK('x', 0); END; END",
    ],
    [Hold.UserLock, "BEGIN SELECT 'it''s', GET_LOCK('x', 0), 'b'; END"],
    [Hold.UserLock, "a_label: LOOP DO GET_LOCK('x', 0); LEAVE a_label; END LOOP"],
    [Hold.TemporaryTable, 'BEGIN CREATE TEMPORARY TABLE tmp(a INT); END'],
    [Hold.TemporaryTable, 'BEGIN CREATE TEMPORARY TABLE tmp SELECT 1; DROP TEMPORARY TABLE tmp; END'],
    [Hold.WritesUserVariable, 'BEGIN SET @x = 1; END'],
    [Hold.WritesUserVariable, 'BEGIN SELECT 1 INTO @x; END'],
    [Hold.ReadsUserVariable, 'BEGIN SELECT @x; END'],
    [Hold.SessionTrack, 'BEGIN SET SESSION session_track_state_change = OFF; END'],
    [Hold.Role, 'BEGIN SET ROLE NONE; END'],
    [Hold.OneShot, 'BEGIN SET timestamp = 5; END'],
    [Hold.TextPrepare, "BEGIN PREPARE x FROM 'SELECT 1'; END"],
    [Hold.Unknown, 'BEGIN EXECUTE x; END'],
    [Hold.Unknown, 'BEGIN SELECT 1; WHATEVER THIS IS; END'],
  ];
  for (const [holds, body] of bodies) {
    const found = holdsOf(procedure(body));
    if (holds === 0) t.equal(found, 0, body);
    else t.equal(found & holds, holds, body);
  }
  t.equal(holdsOf(procedure("BEGIN DO GET_LOCK('x', 0); END")), Hold.UserLock, 'and nothing else');
});

t.test('functions: types and characteristics are no statements', async (t) => {
  for (const returns of [
    "enum('begin','x')",
    "set('a','b')",
    'varchar(20) CHARSET utf8mb4 COLLATE utf8mb4_bin',
    'int unsigned',
    'char(1) CHARACTER SET latin1',
    'json',
  ]) {
    t.equal(holdsOf(func('RETURN 1', 'f', returns)), 0, returns);
    t.equal(holdsOf(func("RETURN GET_LOCK('x', 0)", 'f', returns)), Hold.UserLock, returns);
  }
});

t.test('MariaDB', async (t) => {
  t.equal(
    holdsOf(procedure('BEGIN SET @@wait_timeout = 5; END'), MARIADB),
    Hold.Unknown,
    'no tracker shows it',
  );
  t.equal(holdsOf(procedure('BEGIN SET @@wait_timeout = 5; END'), MYSQL), 0);
  t.equal(holdsOf(procedure('FOR i IN 1 .. 10 DO SELECT i; END FOR'), MARIADB), 0);
  t.equal(
    holdsOf(procedure("BEGIN FOR r IN (SELECT a FROM t) DO DO GET_LOCK('x', 0); END FOR; END"), MARIADB),
    Hold.UserLock,
  );
  t.equal(holdsOf(procedure('BEGIN NOT ATOMIC SELECT 1; END'), MARIADB), 0);
  t.equal(holdsOf(procedure('BEGIN NULL; END', 'p', 'PIPES_AS_CONCAT,ORACLE'), MARIADB), Hold.Unknown);
});

t.test('what cannot be read may do anything', async (t) => {
  t.equal(holdsOf({ ...procedure('SELECT 1'), definition: null }), Hold.Unknown);
  t.equal(holdsOf({ ...procedure('SELECT 1'), kind: StoredKind.Other }), Hold.Unknown);
  t.equal(
    holdsOf({
      ...procedure(''),
      definition: { text: 'CREATE PROCEDURE `p`()\n LANGUAGE JAVASCRIPT\nAS $$ 1 $$', sqlMode: '' },
    }),
    Hold.Unknown,
  );
  t.equal(holdsOf(procedure("BEGIN SELECT 'open")), Hold.Unknown);
  t.equal(holdsOf(procedure('BEGIN DECLARE x')), Hold.Unknown);
  t.equal(holdsOf({ ...procedure('SELECT 1'), definition: { text: 'nonsense', sqlMode: '' } }), Hold.Unknown);
});

t.test('the sql_mode of a definition decides how it is read', async (t) => {
  const body = "BEGIN SELECT 'a\\', GET_LOCK('x', 0); END";
  t.equal(holdsOf(procedure(body, 'p', 'NO_BACKSLASH_ESCAPES')), Hold.UserLock);
  const quoted = 'BEGIN SELECT "GET_LOCK"(1, 2); END';
  t.equal(holdsOf(procedure(quoted, 'p', 'STRICT_TRANS_TABLES,ANSI_QUOTES')), Hold.UserLock);
  t.equal(holdsOf(procedure(quoted)), 0);
});

t.test('objects that use others do what those do', async (t) => {
  const lock = func("RETURN GET_LOCK('x', 0)", 'takes_lock');
  t.strictSame(
    hazards(
      lock,
      view('select `s`.`takes_lock`() AS `f`', 'Locks'),
      procedure('CALL inner_one()', 'outer_one'),
      procedure('SELECT * FROM Locks', 'inner_one'),
      procedure('SELECT 1', 'harmless'),
    ),
    {
      'takes_lock()': [Hold.UserLock, 0],
      locks: [Hold.UserLock, 0],
      'inner_one()': [Hold.UserLock, 0],
      'outer_one()': [Hold.UserLock, 0],
    },
  );
  t.strictSame(hazards(procedure('CALL b()', 'a'), procedure('CALL a()', 'b')), {}, 'each other');
});

t.test('a routine that is not listed may do anything, to a routine that runs it', async (t) => {
  t.strictSame(hazards(procedure('CALL hidden()')), { 'p()': [Hold.Unknown, 0] });
  t.strictSame(hazards(func('RETURN other.hidden(1)')), { 'f()': [Hold.Unknown, 0] });
});

t.test('triggers run where rows of their table are changed', async (t) => {
  const sets = trigger('SET @x = NEW.a', 'Orders');
  const { WritesUserVariable: writes, ReadsUserVariable: reads } = Hold;
  const bits = holdsOf(sets);
  t.equal(bits & ~reads, writes);
  t.strictSame(
    hazards(
      sets,
      procedure('INSERT INTO orders VALUES(1)', 'inserts'),
      procedure('SELECT * FROM orders', 'selects'),
      view('select `s`.`Orders`.`a` AS `a` from `s`.`Orders`', 'shown'),
      trigger('INSERT INTO orders VALUES(1)', 'lines'),
      trigger('BEGIN END', 'quiet', 'FOLLOWS `begin` '),
    ),
    { orders: [0, bits], 'inserts()': [bits, 0], shown: [0, bits], lines: [0, bits] },
  );
});

t.test('objects that change objects', async (t) => {
  const found = hazardsOf(
    new Map(
      [
        procedure('CREATE VIEW made AS SELECT 1', 'makes'),
        procedure('CALL makes()', 'calls'),
        procedure('RENAME TABLE a TO b', 'renames'),
        procedure('CREATE TABLE a(b INT)', 'tables'),
      ].map((object) => [object, useOf(object, MYSQL)]),
    ),
  );
  t.strictSame([...found.keys()].sort(), ['calls()', 'makes()', 'renames()']);
  t.ok([...found.values()].every(({ changesObjects }) => changesObjects));
});
