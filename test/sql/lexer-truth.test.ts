/** Asks the real servers what the lexer claims to know. Every character of a text here is one byte. */
import fc from 'fast-check';
import { type Connection, createConnection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { CLIENT_CHARSETS } from '../../src/sql/charset-bytes.js';
import { SqlLexer } from '../../src/sql/lexer.js';
import { type LexerContext, type LexerOptions, lexerContext } from '../../src/sql/lexer-context.js';
import { Token } from '../../src/sql/tokens.js';
import { Flag, Hold } from '../../src/sql/traits.js';
import { NAMES } from '../../src/sql/words.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { traitsOfBytes } from './describe.js';

/** Many small questions, on machines that may be busy. */
const TIMEOUT = 300_000;

const LOCK_NAME = `lexer-truth-${process.pid}`;
const LOCK = `GET_LOCK('${LOCK_NAME}', 0)`;
const NO_SUCH_FUNCTION = [1305, 1630];
const SYNTAX_ERROR = 1064;

interface Answer {
  /** 0 when it succeeded. */
  readonly errno: number;
  readonly rows: readonly (readonly unknown[])[];
}

/** A session that sends texts byte by byte as they are, whatever its character set. */
class RawText {
  readonly #connection: Connection;
  readonly server: TestServer;

  constructor(connection: Connection, server: TestServer) {
    this.#connection = connection;
    this.server = server;
  }

  async ask(sql: string): Promise<Answer> {
    try {
      // Values come as bytes.
      const [rows] = await this.#connection.query({ sql, rowsAsArray: true, typeCast: false });
      return { errno: 0, rows: Array.isArray(rows) ? (rows as unknown[][]) : [] };
    } catch (error) {
      const { errno } = error as { errno?: number };
      if (errno === undefined) throw error;
      return { errno, rows: [] };
    }
  }

  async must(sql: string): Promise<Answer> {
    const answer = await this.ask(sql);
    if (answer.errno !== 0) throw new Error(`error ${answer.errno}: ${sql}`);
    return answer;
  }

  /** The first value of the first row. */
  async value(sql: string): Promise<string> {
    return String((await this.must(sql)).rows[0]?.[0]);
  }

  /** Whether this session holds the lock; releases it, as often as it was taken. */
  async tookLock(): Promise<boolean> {
    return (await this.value('SELECT RELEASE_ALL_LOCKS()')) !== '0';
  }

  context(options: Partial<LexerOptions> = {}): LexerContext {
    const [major, minor, patch] = this.server.version.split(/[.-]/).map(Number);
    return lexerContext({
      charset: 'latin1',
      ansiQuotes: false,
      noBackslashEscapes: false,
      mariadb: !this.server.isMysql,
      serverVersion: (major ?? 0) * 10000 + (minor ?? 0) * 100 + (patch ?? 0),
      ...options,
    });
  }

  end(): Promise<void> {
    return this.#connection.end();
  }
}

async function openRaw(server: TestServer, schema: string): Promise<RawText> {
  const connection = await createConnection({
    uri: server.rootUrlFor(schema),
    charset: 'latin1_swedish_ci',
    multipleStatements: true,
    // Without trackers the driver goes on to send latin1, which is to say bytes, after SET NAMES.
    flags: ['-SESSION_TRACK', '-IGNORE_SPACE'],
  });
  return new RawText(connection, server);
}

function truth(title: string, run: (t: Test, raw: RawText) => Promise<void>): void {
  t.test(title, async (t) => {
    await forEachServer(
      t,
      async (t, server) => {
        const raw = await openRaw(server, await server.createDatabase());
        try {
          await run(t, raw);
        } finally {
          await raw.end();
        }
      },
      { timeout: TIMEOUT },
    );
  });
}

/** How many tokens of each kind a text has; the lexer is sure of them. */
function tokens(sql: string, context: LexerContext, kind: Token): number {
  let found = 0;
  const lexer = new SqlLexer({ token: (seen) => void (seen === kind && found++) }, context);
  const buf = Buffer.from(sql, 'latin1');
  lexer.push(buf, 0, buf.length);
  return lexer.finish() ? found : -1;
}

function hex(byte: number): string {
  return `0x${byte.toString(16)}`;
}

/** Character sets that this server lets clients use. */
async function* charsets(raw: RawText): AsyncGenerator<string> {
  for (const charset of CLIENT_CHARSETS) {
    if ((await raw.ask(`SET NAMES ${charset}`)).errno !== 0) continue;
    // The driver reads names of columns, and does not know every character set.
    await raw.must('SET character_set_results = latin1');
    yield charset;
  }
}

truth('every character set that a client may use is known', async (t, raw) => {
  const { rows } = await raw.must('SELECT character_set_name FROM information_schema.character_sets');
  for (const [charset] of rows) {
    const { errno } = await raw.ask(`SET NAMES ${String(charset)}`);
    if (errno === 0) t.ok(CLIENT_CHARSETS.includes(String(charset)), String(charset));
  }
});

truth('white space, and what makes a comment of --', async (t, raw) => {
  for await (const charset of charsets(raw)) {
    const context = raw.context({ charset });
    const wrong: string[] = [];
    for (let byte = 0x7f; byte <= 0xff; byte++) {
      const char = String.fromCharCode(byte);
      const spaced = `SELECT${char}1`;
      const isSpace = (await raw.ask(spaced)).errno === 0;
      const takenForSpace =
        tokens(spaced, context, Token.Number) === 1 && tokens(spaced, context, Token.Operator) === 0;
      if (takenForSpace !== isSpace) wrong.push(`space ${hex(byte)}`);
      const commented = `SELECT 1 --${char}x ) (\n`;
      const isComment = (await raw.ask(commented)).errno === 0;
      if ((tokens(commented, context, Token.RightParen) === 0) !== isComment)
        wrong.push(`comment ${hex(byte)}`);
    }
    t.same(wrong, [], charset);
  }
});

truth('white space and controls in ASCII', async (t, raw) => {
  await raw.must('SET NAMES latin1');
  const context = raw.context();
  for (let byte = 1; byte <= 0x20; byte++) {
    const char = String.fromCharCode(byte);
    const isSpace = (await raw.ask(`SELECT${char}1`)).errno === 0;
    t.equal(tokens(`SELECT${char}1`, context, Token.Operator) === 0, isSpace, hex(byte));
    const sql = `SELECT 1 --${char}) (\n`;
    t.equal(tokens(sql, context, Token.RightParen) === 0, (await raw.ask(sql)).errno === 0, `--${hex(byte)}`);
  }
});

truth('characters that end in a backslash or a backtick', async (t, raw) => {
  for await (const charset of charsets(raw)) {
    const context = raw.context({ charset });
    const wrong: string[] = [];
    for (let byte = 0x80; byte <= 0xff; byte++) {
      const char = String.fromCharCode(byte);
      // One column where the backslash escapes the quote, two where it is half of a character.
      const string = `SELECT '${char}\\', 2 -- '`;
      const [row] = (await raw.must(string)).rows;
      if (tokens(string, context, Token.Comma) + 1 !== row?.length) wrong.push(`backslash ${hex(byte)}`);
      if (context.pairs === null) continue;
      const name = `SELECT 1 AS \`${char}\`\`, 2 -- \``;
      const columns = (await raw.ask(name)).rows[0]?.length;
      // Names that are no text are errors.
      if (columns !== undefined && tokens(name, context, Token.Comma) + 1 !== columns) {
        wrong.push(`backtick ${hex(byte)}`);
      }
    }
    t.same(wrong, [], charset);
  }
});

/** Texts, and the session that they are read in: whether the server takes the lock is what the lexer must know. */
const CLAIMS: readonly (readonly [sql: string, charset?: string, sqlMode?: string])[] = [
  [`SELECT \`GET_LOCK\`${LOCK.slice(8)}`],
  [`SELECT "GET_LOCK"${LOCK.slice(8)}`, 'utf8mb4', 'ANSI_QUOTES'],
  [`SELECT mariadb_schema.${LOCK}`],
  [`SELECT mariadb_schema. ${LOCK}`],
  [`SELECT GET_LOCK/**/${LOCK.slice(8)}`],
  [`SELECT {fn ${LOCK}}`],
  [`SELECT\xa0GET_LOCK\xa0${LOCK.slice(8)}`, 'latin1'],
  [`SELECT 'a\0', ${LOCK}`],
  [`SELECT 1 /* a\0 */, ${LOCK}`],
  [`SELECT 5--1, ${LOCK}`],
  [`SELECT 5--\t1, ${LOCK}`],
  [`SELECT 5--\x01, ${LOCK}\n`],
  [`SELECT 5--- , ${LOCK}\n 1`],
  [`SELECT 5 -- x\r, ${LOCK}`],
  [`SELECT 5 # x\n, ${LOCK}`],
  ...[
    '',
    '99999',
    '999999',
    '50000',
    '50699',
    '50700',
    '80000',
    '90704',
    '90705',
    '100000',
    '101119',
    '101120',
  ].map((version) => [`SELECT 1 /*!${version} , ${LOCK} */`] as const),
  ...['5000', ' 99999'].map((digits) => [`SELECT 1 + /*!${digits} , ${LOCK} */`] as const),
  [`SELECT 1 /*!090000 , ${LOCK} */`],
  [`SELECT 1 /*!M100000 , ${LOCK} */`],
  ...['', '50700', '100000', '999999'].map((version) => [`SELECT 1 /*M!${version} , ${LOCK} */`] as const),
  [`SELECT 1 /*!50000, ${LOCK} */`],
  [`SELECT 1 /*!090000+1, ${LOCK} */`],
  [`SELECT 1 /*m! , ${LOCK} */`],
  [`SELECT 1 /* /* */ , ${LOCK}`],
  [`SELECT 1 /*! /* x */ , ${LOCK} */`],
  [`SELECT 1 /*! /*! , ${LOCK} */`],
  [`SELECT 1 /*!999999 /* x */ , ${LOCK} */`],
  [`SELECT 1 /*!999999 /* /* x */ , ${LOCK} */`],
  [`SELECT 1 /*! /*!999999 a */ , ${LOCK} */`],
  [`SELECT 1 /*! -- */ , ${LOCK}\n, 2 */`],
  [`SELECT 1 /*! , 2 # */ \n, ${LOCK} */`],
  [`SELECT 1 /*! , ' */ , ' , ${LOCK} */`],
  [`SELECT 1 /*/ , ${LOCK} */`],
  [`SELECT /*+ ' */ ${LOCK}`],
  [`SELECT /*+ \` */ ${LOCK}`],
  [`SELECT /*+ SET_VAR(sql_mode="*/") */ ${LOCK} -- "`],
  [`SELECT /*+ /* */ ${LOCK}`],
  [`SELECT 1e5, 0x1F, .5, 1., ${LOCK}`],
  [`SELECT "\\",${LOCK}-- "`],
  [`SELECT "\\",${LOCK}-- "`, 'utf8mb4', 'NO_BACKSLASH_ESCAPES'],
  [`SELECT 1 AS "\\",${LOCK}-- "`, 'utf8mb4', 'ANSI_QUOTES'],
  [`SELECT 1 AS \`\\\`,${LOCK}-- \``],
  [`SELECT N'a\\'',${LOCK}-- '`],
  [`SELECT x'41',${LOCK}`],
  [`SELECT _gbk'\xbf\\',${LOCK.replaceAll("'", "''")}-- '`, 'utf8mb4'],
  [`SELECT '\xbf\\',${LOCK}-- '`, 'gbk'],
  [`SELECT '\xbf',${LOCK}-- '`, 'gbk'],
  [`SELECT '\\\xbf\\\\',${LOCK}-- '`, 'gbk'],
  [`SELECT 1 AS \`\xbf\`\`,${LOCK}-- \``, 'gbk'],
  [`SELECT 1 AS a\xbf\`,${LOCK}-- \``, 'gbk'],
  [`SELECT @a\xbf\`,${LOCK}-- \``, 'gbk'],
  [`SELECT '\xc3',${LOCK}-- '`, 'utf8mb4'],
  [`SELECT 1 AS [a,${LOCK}-- ]`, 'utf8mb4', 'MSSQL'],
  [`SELECT 1 AS [a]],${LOCK}-- ]`, 'utf8mb4', 'MSSQL'],
  [`SELECT 1 AS $x, ${LOCK}`],
  [`SELECT 'a' 'b',${LOCK}`],
  [`EXPLAIN SELECT * FROM (SELECT ${LOCK}) a`],
  [`SHOW TABLES WHERE ${LOCK}`],
  [`KILL ${LOCK} + 1e9`],
  [`SELECT 1; SELECT ${LOCK}`],
  [`CREATE VIEW v AS SELECT ${LOCK}`],
  [`CREATE PROCEDURE p1() SELECT 1; SELECT ${LOCK}`],
  [`CREATE PROCEDURE p2() BEGIN SELECT ${LOCK}; END`],
  [`CREATE PROCEDURE p3() BEGIN SELECT 1 begin; END; SELECT ${LOCK}`],
  [`CREATE PROCEDURE begin() SELECT 1; SELECT ${LOCK}`],
  [`CREATE PROCEDURE p4() SELECT 1 begin; SELECT ${LOCK}`],
  [
    `CREATE PROCEDURE p5() BEGIN IF 1 THEN SELECT ${LOCK}; END IF; CASE 1 WHEN 2 THEN SELECT ${LOCK}; END CASE; END`,
  ],
  [`CREATE PROCEDURE p6() BEGIN SELECT CASE WHEN 1 THEN 1 END FOR UPDATE; END; SELECT ${LOCK}`],
  [
    `CREATE PROCEDURE p7() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SELECT ${LOCK}; END; SELECT 1; END`,
  ],
  [`CREATE PROCEDURE p8() l: BEGIN SELECT ${LOCK}; WHILE 0 DO SELECT 1; END WHILE; END l; SELECT 1`],
  [`CREATE EVENT e DISABLE ON SCHEDULE EVERY 1 DAY DO BEGIN SELECT ${LOCK}; END`],
  [`/*!50003 CREATE PROCEDURE p9() BEGIN SELECT ${LOCK}; END */`],
];

truth('what hides a call and what does not', async (t, raw) => {
  await raw.must('CREATE TABLE a_table (a INT)');
  let taken = 0;
  let refused = 0;
  for (const [sql, charset = 'latin1', sqlMode = ''] of CLAIMS) {
    if ((await raw.ask(`SET sql_mode = '${sqlMode}'`)).errno !== 0) continue;
    await raw.must(`SET NAMES ${charset}`);
    const { errno } = await raw.ask(sql);
    const context = raw.context({
      charset,
      ansiQuotes: sqlMode === 'ANSI_QUOTES' || sqlMode === 'MSSQL',
      noBackslashEscapes: sqlMode === 'NO_BACKSLASH_ESCAPES',
    });
    const took = await raw.tookLock();
    if (took) taken++;
    const said = (traitsOfBytes(sql, context).holds & Hold.UserLock) !== 0;
    // Of a text that is no SQL to this server anything may be said, and of one that fails too much.
    if (errno === SYNTAX_ERROR) refused++;
    else if (errno === 0) t.equal(said, took, JSON.stringify(sql));
    else t.ok(said || !took, JSON.stringify(sql));
  }
  t.ok(taken > 30, 'many take it');
  t.ok(refused < 12, 'most are SQL');
});

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
  t.ok(defined > 300, 'enough of them are valid');
});

truth('names that the lexer takes for the server\u2019s own call no stored function', async (t, raw) => {
  await raw.must(`SET sql_mode = ''`);
  const wrong: string[] = [];
  for (const name of NAMES.keys()) {
    for (const form of [name, `${name} `, `\`${name}\``]) {
      const traits = traitsOfBytes(`SELECT 1 FROM dual WHERE 0 AND ${form}(1)`, raw.context());
      if ((traits.flags & Flag.MayRunRoutine) !== 0) continue;
      const errors: number[] = [];
      for (const args of ['()', '(1)', '(1, 2)', '(1, 2, 3)']) {
        const { errno } = await raw.ask(`SELECT 1 FROM dual WHERE 0 AND ${form}${args}`);
        errors.push(errno);
        // It is enough that the server knows it once.
        if (!NO_SUCH_FUNCTION.includes(errno)) break;
      }
      if (errors.every((errno) => NO_SUCH_FUNCTION.includes(errno))) wrong.push(form);
    }
  }
  t.same(wrong, []);
});

truth('a name is looked up as the lexer supposes', async (t, raw) => {
  for (const name of ['count', 'now', 'upper', 'if']) {
    await raw.must(`CREATE FUNCTION \`${name}\` (a INT) RETURNS INT DETERMINISTIC RETURN 77`);
  }
  const schema = await raw.value('SELECT DATABASE()');
  const calls = ['count(3)', 'count (3)', '`count`(3)', 'now/**/(3)', 'upper(3)', '`upper`(3)', '`if`(3)'];
  for (const call of [...calls, `${schema}.upper(3)`]) {
    const value = await raw.value(`SELECT ${call}`);
    const { flags } = traitsOfBytes(`SELECT ${call}`, raw.context());
    t.equal((flags & Flag.MayRunRoutine) !== 0, value === '77', call);
  }
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

t.test('SETVAL changes no LASTVAL', async (t) => {
  await forEachServer(
    t,
    async (t, server) => {
      const raw = await openRaw(server, await server.createDatabase());
      await raw.must('CREATE SEQUENCE s');
      await raw.must('SELECT NEXTVAL(s)');
      await raw.must('SELECT SETVAL(s, 50)');
      t.equal(await raw.value('SELECT LASTVAL(s)'), '1');
      await raw.end();
    },
    { flavors: ['mariadb'] },
  );
});
