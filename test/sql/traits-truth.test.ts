/** Asks the real servers about what the traits rest on. Every character of a text here is one byte. */

import { Flag, Hold } from '../../src/sql/traits.js';
import { fc } from '../support/properties.js';
import { traitsOfBytes } from './describe.js';
import { LOCK, truth } from './raw-text.js';

/** What may be an expression, or end or begin something else, by the session it is read in. */
const ITEMS = [
  ...[
    LOCK,
    LOCK,
    LOCK,
    '1',
    "'a'",
    "'\\'",
    "'\\\\'",
    '1 AS "\\"',
    "'\xbf\\'",
    "'\x81\\'",
    "'\xbf'",
    '1 AS `a\\`',
  ],
  ...[
    "'a''b'",
    "''''",
    '1 AS `a``b`',
    '1 AS a\xbf`',
    '1 AS `\xbf``',
    '1.5e3',
    '0x1F',
    '1--1',
    '@a\xbf',
    "@'a\\'",
  ],
  ...[
    '/*! 1 */',
    '/*!50000 2 */',
    '/*!80000 3 , */ 4',
    "/*!999999 ' */ 5",
    '/*M! 6, */ 7',
    '/*!100100 8 , */ 9',
  ],
  ...["/*! 1 /* ' */ */", '1 AS $a', "N'\\'", "_gbk'\xbf\\'", '1 AS "\xbf\\"', '(1)', '1 AS "b"'],
];
const SEPARATORS = [
  ', ',
  ', ',
  ',',
  ",/* ' */",
  ',-- "\n',
  ',--\x01`\n',
  ", # '\n",
  ',--',
  " , /*!999999 /* */ ' */",
];
const ENDS = ['', '', " -- '", ' -- "', ' # `', '\n', ' /* \' " ` */', "'", '"', '*/'];
/** Anything anywhere. */
const FRAGMENTS = [
  ...[
    "'",
    '"',
    '`',
    '\\',
    '--',
    ' ',
    '\n',
    '#',
    '/*',
    '*/',
    '/*!',
    '/*M!',
    '50000',
    '999999',
    ' , 1',
    '; SELECT 2',
  ],
  ...[
    `, ${LOCK}`,
    `+${LOCK}`,
    ' AS ',
    '\xbf',
    '\\\\',
    ', @a',
    '-',
    '1.5e',
    '.',
    '(',
    ')',
    '[',
    ']',
    '$',
    '$$',
    '*',
    '/',
  ],
];
const TEXTS = fc
  .record({
    items: fc.array(fc.tuple(fc.constantFrom(...ITEMS), fc.constantFrom(...SEPARATORS)), { maxLength: 5 }),
    last: fc.oneof(
      { weight: 2, arbitrary: fc.constant(LOCK) },
      { weight: 1, arbitrary: fc.constantFrom(...ITEMS) },
    ),
    end: fc.constantFrom(...ENDS),
    odd: fc.array(fc.tuple(fc.nat(), fc.constantFrom(...FRAGMENTS)), { maxLength: 1 }),
  })
  .map(({ items, last, end, odd }) => {
    let text = `SELECT ${items.map(([item, separator]) => item + separator).join('')}${last}${end}`;
    for (const [place, fragment] of odd) {
      const at = 7 + (place % (text.length - 6));
      text = text.slice(0, at) + fragment + text.slice(at);
    }
    return text;
  });
const SESSIONS = fc.record({
  charset: fc.constantFrom('utf8mb4', 'latin1', 'gbk', 'sjis'),
  ansiQuotes: fc.boolean(),
  noBackslashEscapes: fc.boolean(),
});

truth('no call is missed or imagined in random texts', async (t, raw) => {
  let taken = 0;
  const property = fc.asyncProperty(TEXTS, SESSIONS, async (sql, session) => {
    const modes = [
      session.ansiQuotes ? 'ANSI_QUOTES' : '',
      session.noBackslashEscapes ? 'NO_BACKSLASH_ESCAPES' : '',
    ];
    const sqlMode = modes.filter((mode) => mode !== '').join();
    await raw.must(`SET sql_mode = '${sqlMode}'; SET NAMES ${session.charset}`);
    const { errno } = await raw.ask(sql);
    const took = await raw.tookLock();
    if (took) taken++;
    const { holds, flags } = traitsOfBytes(sql, raw.context(session));
    const said = (holds & Hold.UserLock) !== 0;
    const undecidable = (flags & Flag.Undecidable) !== 0;
    if (took && !said && !undecidable) throw new Error(`missed: ${JSON.stringify(sql)}`);
    // Where all of it ran the lexer is to be exact.
    if (errno === 0 && said && !took) throw new Error(`imagined: ${JSON.stringify(sql)}`);
  });
  await fc.assert(property, { numRuns: 3000, endOnFailure: true });
  t.comment(`taken ${taken}`);
  t.ok(taken > 300, 'the lock is taken often enough to tell');
});

/** Statements of a routine, as deep as the generator goes. */
const { body } = fc.letrec<{ body: string; statements: string; simple: string }>((tie) => ({
  simple: fc.constantFrom(
    ...[
      'SELECT 1',
      'SELECT 1 begin',
      'SELECT 1 end',
      'SELECT CASE WHEN 1 THEN 2 END',
      'SET @a = IF(1, 2, 3)',
    ],
    ...[
      'SELECT CASE 1 WHEN 1 THEN 2 END FOR UPDATE',
      'SET @a = (SELECT 1 FROM dual)',
      `DO ${LOCK}`,
      'SELECT a.begin FROM a',
    ],
    ...[
      "SELECT 'END; END', `END`",
      'SELECT REPEAT(1, 2) /* END; */ -- END;\n',
      'SELECT a.end, a.case FROM a',
      'SELECT 1 end',
    ],
  ),
  statements: fc
    .array(tie('body'), { minLength: 1, maxLength: 3 })
    .map((all) => all.map((one) => `${one};`).join(' ')),
  body: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('simple'),
    tie('statements').map((all) => `BEGIN ${all} END`),
    tie('statements').map((all) => `l: BEGIN ${all} END l`),
    tie('statements').map(
      (all) => `BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION, NOT FOUND BEGIN ${all} END; ${all} END`,
    ),
    tie('statements').map((all) => `BEGIN DECLARE EXIT HANDLER FOR 1062 ${all} ${all} END`),
    tie('statements').map((all) => `IF (1) THEN ${all} ELSEIF 2 THEN ${all} END IF`),
    tie('statements').map((all) => `CASE 1 WHEN CASE 1 WHEN 2 THEN 3 END THEN ${all} ELSE ${all} END CASE`),
    tie('statements').map((all) => `WHILE 0 DO ${all} END WHILE`),
    tie('statements').map((all) => `REPEAT ${all} UNTIL 1 END REPEAT`),
    tie('statements').map((all) => `m: LOOP ${all} LEAVE m; END LOOP`),
    tie('statements').map((all) => `FOR i IN 1..2 DO ${all} END FOR`),
  ),
}));
const DEFINITIONS = [
  ...['CREATE PROCEDURE r()', "CREATE PROCEDURE r(IN begin INT) COMMENT 'x' SQL SECURITY INVOKER"],
  ...[
    'CREATE EVENT r DISABLE ON SCHEDULE EVERY 1 DAY DO',
    'CREATE TRIGGER r BEFORE INSERT ON a FOR EACH ROW',
  ],
  'CREATE FUNCTION r(a DECIMAL(5, 2)) RETURNS VARCHAR(5) CHARSET utf8mb4 DETERMINISTIC',
];

truth('what stands behind the definition of a routine is not missed', async (t, raw) => {
  await raw.must('CREATE TABLE a (a INT, begin INT, end INT, `case` INT)');
  let defined = 0;
  const text = fc.tuple(fc.constantFrom(...DEFINITIONS), body);
  const property = fc.asyncProperty(text, async ([definition, routine]) => {
    const sql = `${definition} ${routine}; SELECT ${LOCK}`;
    const { errno } = await raw.ask(sql);
    const took = await raw.tookLock();
    if (errno === 0) {
      defined++;
      const [, , kind] = /CREATE (\w+ )??(\w+) r/.exec(definition) ?? [];
      await raw.must(`DROP ${kind} r`);
    }
    if (took !== (errno === 0)) throw new Error(`${errno}, took ${took}: ${sql}`);
    const { holds } = traitsOfBytes(sql, raw.context());
    if (took && (holds & (Hold.UserLock | Hold.Unknown)) === 0) throw new Error(`missed: ${sql}`);
  });
  await fc.assert(property, { numRuns: 1500, endOnFailure: true });
  t.comment(`defined ${defined}`);
  t.ok(defined > 150, 'enough of them are valid');
});

truth('the scope of an assignment goes on to the next one', async (t, raw) => {
  // A session variable cannot be set globally, so it fails where the scope goes on.
  const SESSION_ONLY = 1228;
  const keep = 'net_retry_count = @@global.net_retry_count';
  const cases: readonly [sql: string, isGlobal: boolean][] = [
    [`SET GLOBAL ${keep}, insert_id = 5`, true],
    [`SET GLOBAL ${keep}, @a = 1, insert_id = 5`, true],
    [`SET GLOBAL ${keep}, @@net_retry_count = 9, insert_id = 5`, true],
    [`SET @@global.${keep}, insert_id = 5`, false],
    [`SET GLOBAL ${keep}, SESSION net_retry_count = 9, insert_id = 5`, false],
  ];
  for (const [sql, isGlobal] of cases) {
    const { errno } = await raw.ask(sql);
    t.equal(errno, isGlobal ? SESSION_ONLY : 0, sql);
    const scope = traitsOfBytes(sql, raw.context()).assignments.at(-1)?.scope;
    t.equal(scope === 'global', isGlobal, sql);
  }
});

truth('accents in names of variables', async (t, raw) => {
  await raw.must('SET NAMES latin1');
  const { errno } = await raw.ask('SET \xecnsert_id = 5');
  t.equal(errno, raw.server.isMysql ? 0 : 1193, 'MySQL ignores them');
  t.not(traitsOfBytes('SET \xecnsert_id = 5', raw.context()).holds & Hold.OneShot, 0);
});

truth('a stored function leaves LAST_INSERT_ID alone, a procedure does not', async (t, raw) => {
  await raw.must('CREATE TABLE ai (id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
  await raw.must(
    'CREATE FUNCTION inserts() RETURNS INT DETERMINISTIC BEGIN INSERT INTO ai (v) VALUES (LAST_INSERT_ID(7)); RETURN 1; END',
  );
  await raw.must('CREATE PROCEDURE inserting() INSERT INTO ai (v) VALUES (1)');
  const after = async (sql: string) => {
    await raw.must('SELECT LAST_INSERT_ID(111)');
    await raw.must(sql);
    return raw.value('SELECT LAST_INSERT_ID()');
  };
  t.equal(await after('SELECT inserts()'), '111');
  t.not(await after('CALL inserting()'), '111');
  const writes = (sql: string) => (traitsOfBytes(sql, raw.context()).flags & Flag.WritesLastInsertId) !== 0;
  t.notOk(writes('SELECT inserts()'));
  t.ok(writes('CALL inserting()'));
});

truth(
  'SETVAL changes no LASTVAL',
  async (t, raw) => {
    await raw.must('CREATE SEQUENCE s');
    await raw.must('SELECT NEXTVAL(s)');
    await raw.must('SELECT SETVAL(s, 50)');
    t.equal(await raw.value('SELECT LASTVAL(s)'), '1');
  },
  ['mariadb'],
);

truth('a statement is read with what those before it in the text have set', async (t, raw) => {
  const texts = [
    `SET sql_mode = 'ANSI_QUOTES'; SELECT 1 AS "\\", ${LOCK} -- "`,
    `SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '\\', ${LOCK} -- '`,
    `SET NAMES gbk; SELECT '\xbf\\', ${LOCK} -- '`,
    `SET @@character_set_client = gbk; SELECT 1 AS \`\xbf\`\`, ${LOCK} -- \``,
  ];
  for (const sql of texts) {
    await raw.must("SET sql_mode = ''; SET NAMES latin1");
    await raw.must(sql);
    t.ok(await raw.tookLock(), JSON.stringify(sql));
    const { holds, flags } = traitsOfBytes(sql, raw.context());
    t.equal(holds & Hold.UserLock, 0, 'which cannot be seen');
    t.not(flags & Flag.Undecidable, 0, 'and that is known');
  }
});

truth('a comment that is code may contain a whole routine, but no end of a statement', async (t, raw) => {
  for (const sql of [`/*! SELECT 1; SELECT 2 */* x */ 3, ${LOCK}`, `/*! SELECT ${LOCK}; */ SELECT 2`]) {
    t.equal((await raw.ask(sql)).errno, 1064, sql);
    t.notOk(await raw.tookLock());
  }
  const routine = `/*!50003 CREATE PROCEDURE r() BEGIN SELECT ${LOCK}; END */ ; SELECT 1`;
  await raw.must(routine);
  t.notOk(await raw.tookLock());
  t.equal(traitsOfBytes(routine, raw.context()).holds, 0);
});
