/** Asks the real servers what the changes of state rest on. Every character of a text here is one byte. */

import type { Test } from 'tap';
import type { LexerOptions } from '../../src/sql/lexer-context.js';
import type { StateChange, TableName } from '../../src/sql/traits.js';
import { fc } from '../support/properties.js';
import { traitsOfBytes } from './describe.js';
import { type RawText, truth } from './raw-text.js';

const NO_SUCH_TABLE = 1146;
const NO_SUCH_STATEMENT = 1243;
const NO_SUCH_HANDLER = 1109;
const NO_SUCH_SCHEMA = 1049;

function quoted(name: string | null): string {
  return `\`${String(name).replaceAll('`', '``')}\``;
}

function path({ schema, name }: TableName): string {
  return schema === null ? quoted(name) : `${quoted(schema)}.${quoted(name)}`;
}

async function exists(raw: RawText, table: string): Promise<boolean> {
  const { errno } = await raw.ask(`SELECT 1 FROM ${table} LIMIT 0`);
  if (errno !== 0 && errno !== NO_SUCH_TABLE && errno !== NO_SUCH_SCHEMA)
    throw new Error(`${errno}: ${table}`);
  return errno === 0;
}

async function isTemporary(raw: RawText, table: string): Promise<boolean> {
  const answer = await raw.ask(`SHOW CREATE TABLE ${table}`);
  return /^CREATE TEMPORARY /i.test(String(answer.rows[0]?.[1]));
}

/** Whether the session is as a statement that has just succeeded is said to have left it. */
async function holds(raw: RawText, change: StateChange): Promise<boolean> {
  switch (change.kind) {
    case 'create_temporary':
      return isTemporary(raw, path(change.table));
    case 'drop_table':
      return !(await exists(raw, path(change.table)));
    case 'rename_table':
      return !(await exists(raw, path(change.from))) && (await exists(raw, path(change.to)));
    case 'drop_schema':
      return (await raw.ask(`SHOW TABLES FROM ${quoted(change.schema)}`)).errno === NO_SUCH_SCHEMA;
    case 'prepare':
    case 'execute':
      return (await raw.ask(`EXECUTE ${quoted(change.name)}`)).errno === 0;
    case 'deallocate':
      return (await raw.ask(`EXECUTE ${quoted(change.name)}`)).errno === NO_SUCH_STATEMENT;
    case 'execute_immediate':
      return change.text !== null && (await raw.ask(change.text)).errno === 0;
    case 'handler_open':
      return (await raw.ask(`HANDLER ${quoted(change.name)} READ FIRST`)).errno === 0;
    case 'handler_close':
      return (await raw.ask(`HANDLER ${quoted(change.name)} READ FIRST`)).errno === NO_SUCH_HANDLER;
    case 'user_variable':
      return (await raw.value(`SELECT @${quoted(change.name)} <=> ${change.literal}`)) === '1';
  }
}

/** Runs the statements in one session, each of which is to do exactly so many things, and what is said. */
async function script(
  t: Test,
  raw: RawText,
  lines: readonly (string | readonly [sql: string, count: number])[],
) {
  for (const line of lines) {
    const [sql, count] = typeof line === 'string' ? [line, 1] : line;
    const { changes } = traitsOfBytes(sql, raw.context());
    const { errno } = await raw.ask(sql);
    t.equal(errno, 0, sql);
    t.equal(changes.length, count, sql);
    for (const change of changes) t.ok(await holds(raw, change), `${sql}: ${JSON.stringify(change)}`);
  }
}

truth('temporary tables', async (t, raw) => {
  const schema = await raw.value('SELECT DATABASE()');
  const other = `${schema}_b`;
  await raw.must(`CREATE DATABASE ${other}`);
  await raw.must(`CREATE TABLE ${other}.like_me (a INT)`);
  await script(t, raw, [
    'CREATE TEMPORARY TABLE a (a INT)',
    'CREATE TEMPORARY TABLE IF NOT EXISTS a (a INT)',
    'CREATE TEMPORARY TABLE `b``c` LIKE a',
    `CREATE TEMPORARY TABLE ${other}.d LIKE ${other}.like_me`,
    `CREATE TEMPORARY TABLE ${other} . e AS SELECT 1 AS x`,
    'CREATE /*! TEMPORARY */ TABLE F$1 (a INT) IGNORE SELECT 1 AS x',
    'CREATE TEMPORARY TABLE 1x (a INT)',
    `CREATE TEMPORARY TABLE ${other}.if (a INT)`,
    'ALTER TABLE a RENAME a2',
    'ALTER TABLE a2 ADD COLUMN b INT, RENAME TO a3',
    'ALTER TABLE a3 RENAME COLUMN b TO c, ADD INDEX i (c), RENAME AS a4',
    'ALTER TABLE a4 RENAME INDEX i TO j, RENAME = a5, RENAME a6',
    ['ALTER TABLE a6 RENAME COLUMN a TO b', 0],
    `ALTER TABLE a6 RENAME ${other}.a`,
    [`DROP TABLE ${other}.a, \`b\`\`c\` RESTRICT`, 2],
    [`DROP TEMPORARY TABLE IF EXISTS ${other}.d,F$1,nothing CASCADE`, 3],
    'DROP TABLES `1x`',
    `DROP SCHEMA IF EXISTS ${other}`,
    `DROP DATABASE IF EXISTS ${other}`,
  ]);
});

truth('tables renamed and dropped', async (t, raw) => {
  await raw.must('CREATE TABLE a (a INT); CREATE TABLE b (a INT)');
  const renames = raw.server.isMysql ? 0 : 1;
  await script(t, raw, [
    ['RENAME TABLE a TO c, b TO d', 2 * renames],
    ['RENAME TABLES c TO a', renames],
    'ALTER TABLE d RENAME b',
    ['DROP TABLES IF EXISTS a, b, c', 3],
  ]);
});

truth(
  'what only MariaDB has',
  async (t, raw) => {
    await script(t, raw, [
      'CREATE OR REPLACE TEMPORARY TABLE a (a INT)',
      'CREATE OR REPLACE TEMPORARY TABLE a SELECT 1',
      'SET STATEMENT max_statement_time = 5 FOR CREATE TEMPORARY TABLE b (a INT)',
      ['RENAME TABLE IF EXISTS a WAIT 5 TO c, b NOWAIT TO d', 2],
      'RENAME TABLE c TO a',
      ['DROP TEMPORARY TABLE a, d WAIT 5', 2],
      'CREATE TEMPORARY SEQUENCE s',
      'DROP TEMPORARY SEQUENCE s',
      'CREATE TEMPORARY SEQUENCE IF NOT EXISTS s',
      'DROP SEQUENCE s',
      "EXECUTE IMMEDIATE 'SELECT 1'",
      ['PREPARE immediate FROM "SELECT 1"; EXECUTE immediate', 2],
    ]);
  },
  ['mariadb'],
);

truth('names under ANSI_QUOTES', async (t, raw) => {
  await raw.must("SET sql_mode = 'ANSI_QUOTES'");
  const context = raw.context({ ansiQuotes: true });
  for (const sql of [
    'CREATE TEMPORARY TABLE "a""b" (c INT)',
    'ALTER TABLE "a""b" RENAME "c d"',
    'DROP TABLE "c d"',
  ]) {
    await raw.must(sql);
    const { changes } = traitsOfBytes(sql, context);
    t.equal(changes.length, 1);
    for (const change of changes) t.ok(await holds(raw, change), sql);
  }
});

truth('prepared texts and handlers', async (t, raw) => {
  await raw.must('CREATE TABLE a (a INT); CREATE TEMPORARY TABLE b (a INT)');
  const schema = await raw.value('SELECT DATABASE()');
  await script(t, raw, [
    "PREPARE S FROM 'SELECT 1'",
    'EXECUTE s',
    "PREPARE `s` FROM 'SELECT ''2'''",
    'PREPARE prepare FROM "SELECT 1"',
    'DEALLOCATE PREPARE PREPARE',
    'DROP PREPARE S',
    'HANDLER a OPEN',
    `HANDLER ${schema}.a OPEN AS B`,
    'HANDLER b CLOSE',
    'HANDLER a OPEN `c d`',
    'HANDLER `C D` CLOSE',
    'HANDLER A CLOSE',
    'HANDLER b OPEN',
    'HANDLER b CLOSE',
  ]);
  t.equal((await raw.ask("PREPARE s FROM 'SELECT 1; SELECT 2'")).errno, 1064, 'one statement only');
});

/** Parts of a string literal, and what surrounds it. */
const CHARACTERS = [
  ...[
    'a',
    "''",
    '""',
    '\\\\',
    "\\'",
    '\\"',
    '\\n',
    '\\0',
    '\\t',
    '\\r',
    '\\b',
    '\\Z',
    '\\%',
    '\\_',
    '\\x',
    '\\N',
  ],
  ...[' ', '`', '--', '/*', '\n', ',', 'A', '5', ';', '@b', '#'],
];
const FOREIGN = ['\xe9', '\xc3\xa9', '\xf0\x9f\x98\x80', '\xbf\\\\', '\xbf', '\x81', '\\\xe9'];
const SESSIONS = fc.record({
  charset: fc.constantFrom('utf8mb4', 'latin1', 'gbk', 'sjis', 'swe7'),
  ansiQuotes: fc.boolean(),
  noBackslashEscapes: fc.boolean(),
});

function setSession(session: Pick<LexerOptions, 'charset' | 'ansiQuotes' | 'noBackslashEscapes'>): string {
  const modes = [
    session.ansiQuotes ? 'ANSI_QUOTES' : '',
    session.noBackslashEscapes ? 'NO_BACKSLASH_ESCAPES' : '',
  ];
  const mode = modes.filter((one) => one !== '').join();
  // The driver reads names of columns, and does not know every character set.
  return `SET sql_mode = '${mode}'; SET NAMES ${session.charset}; SET character_set_results = latin1`;
}

truth('the text of PREPARE is what the server prepares', async (t, raw) => {
  let told = 0;
  const texts = fc.tuple(
    fc.constantFrom("'", '"'),
    fc.array(fc.constantFrom(...CHARACTERS, ...FOREIGN), { maxLength: 8 }),
    SESSIONS,
  );
  const property = fc.asyncProperty(texts, async ([quote, parts, session]) => {
    await raw.must(setSession(session));
    // The prepared statement's own string literal, inside one.
    const sql = `PREPARE s FROM ${quote}SELECT HEX(${quote}${quote}${parts.join('')}${quote}${quote})${quote}`;
    const prepared = await raw.ask(sql);
    const [change] = traitsOfBytes(sql, raw.context(session)).changes;
    if (change?.kind !== 'prepare' || change.text === null) return;
    const executed = prepared.errno === 0 ? await raw.ask('EXECUTE s') : prepared;
    const direct = await raw.ask(change.text);
    const same = executed.errno === direct.errno && String(executed.rows) === String(direct.rows);
    // A text of several statements is run by the one, and refused by the other.
    if (!same && !(prepared.errno === 1064 && change.text.includes(';')))
      throw new Error(
        `${executed.errno} ${executed.rows}, ${direct.errno} ${direct.rows}: ${JSON.stringify(sql)}`,
      );
    if (direct.errno === 0) told++;
  });
  await fc.assert(property, { numRuns: 1500, endOnFailure: true });
  t.comment(`told ${told}`);
  t.ok(told > 300, 'enough of them are told');
});

const NUMBERS = [
  '0',
  '-0',
  '1',
  '-5',
  '+5',
  '1.50',
  '-.5',
  '5.',
  '1e10',
  '-1.5E-3',
  '18446744073709551615',
  '-9223372036854775808',
];
const LONG_NUMBERS = [
  '123456789012345678901234567890',
  '0.10',
  '00012',
  '0x',
  '0x4',
  '0x00414243',
  '0b0101',
  "X'4142'",
  "b'1'",
  "x''",
];
const OTHERS = [
  'NULL',
  'TRUE',
  'false',
  '(1)',
  '1 + 1',
  "'a' 'b'",
  '- -1',
  '-0x41',
  'NOW()',
  "DATE'2020-01-01'",
  '@b',
];
const VALUES = fc.oneof(
  fc.constantFrom(...NUMBERS, ...LONG_NUMBERS, ...OTHERS),
  fc
    .tuple(
      fc.constantFrom('', '', 'N', 'n', '_utf8mb4', '_latin1 ', '_binary', '_gbk', '_UTF8MB4/**/', '-'),
      fc.constantFrom("'", '"'),
      fc.array(fc.constantFrom(...CHARACTERS, '\xe9', '\xc3\xa9', '\xbf'), { maxLength: 6 }),
    )
    .map(([before, quote, parts]) => `${before}${quote}${parts.join('')}${quote}`),
  fc.constantFrom("_latin1 X'41'", '_binary 0x41', "_utf8mb4 b'01000001'", "_latin1 '' 'x'", "N'a' 'b'"),
);

truth('a literal gives a user variable the same value again', async (t, raw) => {
  let told = 0;
  let run = 0;
  const property = fc.asyncProperty(VALUES, VALUES, SESSIONS, async (value, next, session) => {
    await raw.must(setSession(session));
    await raw.must('SET @b = 7');
    // Variables without a past, which would show.
    const [first, second] = [`x${++run}`, `y${run}`];
    const sql = `SET @${first} := ${value}, @z = ${next}`;
    if ((await raw.ask(sql)).errno !== 0) return;
    const { changes } = traitsOfBytes(sql, raw.context(session));
    const change = changes.find((one) => one.kind === 'user_variable' && one.name === first);
    if (change?.kind !== 'user_variable' || change.literal === null) return;
    told++;
    await raw.must(`SET @${second} = ${change.literal}`);
    const look = (x: string) =>
      raw.must(`SELECT HEX(@${x}), CHARSET(@${x}), COLLATION(@${x}), COERCIBILITY(@${x}), @${x}`);
    const [was, is] = [await look(first), await look(second)];
    if (String(was.rows) !== String(is.rows))
      throw new Error(`${was.rows} != ${is.rows}: ${JSON.stringify(sql)}`);
  });
  await fc.assert(property, { numRuns: 1500, endOnFailure: true });
  t.comment(`told ${told}`);
  t.ok(told > 300, 'enough of them are told');
});

truth('every user variable that is set is listed under its name', async (t, raw) => {
  const names = [
    'a',
    'A',
    '`a`',
    '`b c`',
    "'d''e'",
    "'f\\'g'",
    '"h\\\\i"',
    '`j``k`',
    'l.m$_1',
    "'`'",
    '1',
    '`n\\`',
  ];
  for (const charset of ['latin1', 'utf8mb4', 'gbk']) {
    await raw.must(`SET NAMES ${charset}`);
    for (const name of names) {
      await raw.must(`SET @${name} = 'v'`);
      const [change] = traitsOfBytes(`SET @${name} = 'v'`, raw.context({ charset })).changes;
      if (change?.kind !== 'user_variable' || change.name === null) throw new Error(name);
      t.equal(await raw.value(`SELECT @${quoted(change.name)}`), 'v', `${charset}: ${name}`);
      await raw.must(`SET @${name} = NULL`);
    }
  }
});
