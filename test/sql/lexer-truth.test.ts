/** Asks the real servers what the lexer claims to know. Every character of a text here is one byte. */
import { CLIENT_CHARSETS } from '../../src/sql/charset-bytes.js';
import { SqlLexer } from '../../src/sql/lexer.js';
import type { LexerContext } from '../../src/sql/lexer-context.js';
import { Token } from '../../src/sql/tokens.js';
import { Flag, Hold } from '../../src/sql/traits.js';
import { NAMES } from '../../src/sql/words.js';
import { traitsOfBytes } from './describe.js';
import { LOCK, type RawText, truth } from './raw-text.js';

const NO_SUCH_FUNCTION = [1305, 1630];
const SYNTAX_ERROR = 1064;

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
  [`SELECT 1.5e-- ${LOCK}\n`],
  [`SELECT 1.e-- ${LOCK}\n`],
  [`SELECT GET_LOCK 1.e${LOCK.slice(8)}`],
  [`SELECT 1e-- '\n, ${LOCK} FROM (SELECT 1 AS \`1e\`) t -- '`],
  [`SELECT 1e+ ${LOCK} FROM (SELECT 1 AS \`1e\`) t`],
  [`SELECT \`t\`.$a$, ${LOCK}, \`t\`.$a$ FROM (SELECT 1 AS \`$a$\`) t`],
  [`SELECT t .$a$, ${LOCK}, t .$a$ FROM (SELECT 1 AS \`$a$\`) t`],
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
    const { holds, flags } = traitsOfBytes(sql, context);
    const said = (holds & Hold.UserLock) !== 0;
    const isUnderstood = (flags & Flag.Undecidable) === 0;
    // Of a text that is no SQL to this server anything may be said, and of one that fails too much; of one that is not
    // understood, everything is.
    if (errno === SYNTAX_ERROR) refused++;
    else if (errno === 0 && isUnderstood) t.equal(said, took, JSON.stringify(sql));
    else t.ok(said || !took || !isUnderstood, JSON.stringify(sql));
  }
  t.ok(taken > 30, 'many take it');
  t.ok(refused < 12, 'most are SQL');
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
