/** Asks the real servers whether a literal may stand where {@link StatementTraits.sessionValues} says. */
import type { Test } from 'tap';
import { LockCall, SessionValue, type SessionValueUse } from '../../src/sql/traits.js';
import { traitsOfBytes } from './describe.js';
import { type Answer, type RawText, truth } from './raw-text.js';

/** Leaves a session with values that the other ones do not have. */
const SETUPS = {
  found: 'SELECT 1 UNION SELECT 2 UNION SELECT 3',
  rows: 'UPDATE two SET a = a + 1',
  warnings: "SELECT CAST('x' AS SIGNED), CAST('y' AS SIGNED)",
} as const;
const OTHER = 'SELECT 1';

const VALUES = {
  [SessionValue.FoundRows]: 3,
  [SessionValue.RowCount]: 2,
  [SessionValue.WarningCount]: 2,
  [SessionValue.ErrorCount]: 0,
} as const;

interface Question {
  readonly after: keyof typeof SETUPS;
  readonly sql: string;
  /** Shows what it did. */
  readonly look?: string;
}

const QUESTIONS: readonly Question[] = [
  ...[
    'SELECT CONNECTION_ID()',
    'SELECT   connection_id ( ) ;',
    'SELECT/**/CONNECTION_ID()/* a */,1',
    'SELECT `connection_id` ( /* a */\n-- b\n)AS`a`, Connection_Id(\t), 5 CONNECTION_ID',
    'SELECT CONNECTION_ID(/* \' " ` \\ */)',
    `SELECT CONNECTION_ID(/* ${'x'.repeat(100)} */)`,
    'SELECT DISTINCT CONNECTION_ID() FROM two',
    'SELECT CONNECTION_ID() UNION SELECT 1 ORDER BY 1',
    'SELECT a FROM (SELECT CONNECTION_ID() AS a) d WHERE a = CONNECTION_ID()',
    'SELECT COUNT(*) AS n FROM two WHERE CONNECTION_ID() > 0 ORDER BY CONNECTION_ID()',
    'SELECT 1-CONNECTION_ID()AS a, -CONNECTION_ID()AS`b`',
    'SELECT FOUND_ROWS()',
    'SELECT FOUND_ROWS( )`a`, IF(FOUND_ROWS()=3,1,2)AS b FROM DUAL',
    'SELECT FOUND_ROWS() FROM two',
    'SELECT (SELECT FOUND_ROWS() AS a) AS b',
    'SELECT FOUND_ROWS() AS a, (SELECT COUNT(*) FROM two) AS b FROM (SELECT 1) d',
    'SELECT SQL_CALC_FOUND_ROWS a > 0 AS b FROM two WHERE FOUND_ROWS() = 3 LIMIT 1',
  ].map((sql) => ({ after: 'found' as const, sql })),
  { after: 'found', sql: 'SET @a = FOUND_ROWS()', look: 'SELECT @a' },
  { after: 'rows', sql: 'SELECT ROW_COUNT(), row_count ( ) a' },
  { after: 'rows', sql: 'SELECT ROW_COUNT(), ROW_COUNT() FROM two' },
  { after: 'rows', sql: 'SET @a = ROW_COUNT() + 1, @b = ROW_COUNT()', look: 'SELECT @a, @b' },
  { after: 'rows', sql: 'INSERT INTO log VALUES (ROW_COUNT()), (ROW_COUNT())', look: 'SELECT a FROM log' },
  { after: 'rows', sql: 'INSERT INTO log SELECT ROW_COUNT() FROM two', look: 'SELECT a FROM log' },
  { after: 'rows', sql: 'UPDATE log SET a = a + ROW_COUNT()', look: 'SELECT a FROM log' },
  { after: 'rows', sql: 'DELETE FROM log WHERE a > ROW_COUNT()', look: 'SELECT a FROM log' },
  { after: 'rows', sql: 'CALL say(CONNECTION_ID() + 1)', look: 'SELECT a FROM log' },
  { after: 'warnings', sql: 'SELECT @@warning_count' },
  { after: 'warnings', sql: 'SELECT@@warning_count,@@session.`error_count`AS a FROM DUAL' },
  { after: 'warnings', sql: 'SELECT @@LOCAL.warning_count, ROW_COUNT() = -1, CONNECTION_ID()' },
  { after: 'warnings', sql: 'SELECT @@`warning_count`, CONNECTION_ID()' },
];

function literal({ value }: SessionValueUse, connection: number): string {
  const number = value === SessionValue.ConnectionId ? connection : VALUES[value];
  return ` CAST(${number} AS ${value === SessionValue.RowCount ? 'SIGNED' : 'UNSIGNED'})`;
}

/** The text with literals for all values. */
function told(sql: string, uses: readonly SessionValueUse[], connection: number): string {
  let text = '';
  let from = 0;
  for (const use of uses) {
    const source = sql.slice(use.start, use.end);
    const alias = use.namesColumn ? ` AS \`${source.replaceAll('`', '``')}\`` : '';
    text += sql.slice(from, use.start) + literal(use, connection) + alias;
    from = use.end;
  }
  return text + sql.slice(from);
}

function readable({ errno, rows, names }: Answer): unknown {
  return { errno, names, rows: rows.map((row) => row.map(String)) };
}

async function ask(raw: RawText, { sql, look }: Question): Promise<unknown> {
  const answer = readable(await raw.ask(sql));
  return look === undefined ? answer : [answer, readable(await raw.must(look))];
}

async function prepare(raw: RawText): Promise<void> {
  await raw.must('CREATE TABLE two (a INT); INSERT INTO two VALUES (1), (2); CREATE TABLE log (a INT)');
  await raw.must('CREATE PROCEDURE say(n INT) INSERT INTO log VALUES (n)');
}

async function compare(t: Test, raw: RawText, question: Question): Promise<void> {
  const { sql, after } = question;
  const connection = Number(await raw.value('SELECT CONNECTION_ID()'));
  const { sessionValues } = traitsOfBytes(sql, raw.context());
  await raw.must('TRUNCATE log; INSERT INTO log VALUES (5)');
  await raw.must(SETUPS[after]);
  const expected = await ask(raw, question);
  const text = told(sql, sessionValues, connection);
  await raw.must('TRUNCATE log; INSERT INTO log VALUES (5)');
  await raw.must(OTHER);
  const found = await ask(raw, { ...question, sql: text });
  t.same(found, expected, JSON.stringify(text));
}

truth('the server answers the same when a literal stands where a value is listed', async (t, raw) => {
  await prepare(raw);
  let listed = 0;
  for (const question of QUESTIONS) {
    const uses = traitsOfBytes(question.sql, raw.context()).sessionValues;
    if (uses.length === 0) continue;
    listed++;
    await compare(t, raw, question);
  }
  // Not with a second query beside FOUND_ROWS, or with other items beside a count of warnings.
  const unlisted = QUESTIONS.filter(
    ({ sql }) => traitsOfBytes(sql, raw.context()).sessionValues.length === 0,
  ).map(({ sql }) => sql);
  t.same(unlisted, [
    'SELECT (SELECT FOUND_ROWS() AS a) AS b',
    'SELECT FOUND_ROWS() AS a, (SELECT COUNT(*) FROM two) AS b FROM (SELECT 1) d',
    'SELECT @@LOCAL.warning_count, ROW_COUNT() = -1, CONNECTION_ID()',
  ]);
  t.equal(listed, QUESTIONS.length - unlisted.length);
});

truth('what changes a value while the statement runs is not listed', async (t, raw) => {
  await prepare(raw);
  await raw.must(
    'CREATE FUNCTION f() RETURNS INT DETERMINISTIC BEGIN UPDATE two SET a = 0 LIMIT 1; RETURN 1; END',
  );
  const uses = (sql: string) => traitsOfBytes(sql, raw.context()).sessionValues.length;
  const called = 'SELECT ROW_COUNT() AS a, f() AS b, ROW_COUNT() AS c';
  await raw.must('UPDATE two SET a = a + 1');
  t.same((await raw.must(called)).rows.flat().map(String), ['2', '1', '1']);
  t.equal(uses(called), 0);
  const nested = 'SELECT FOUND_ROWS() AS a FROM (SELECT * FROM two LIMIT 1) d';
  await raw.must(SETUPS.found);
  t.equal(await raw.value(nested), raw.server.isMysql ? '3' : '1');
  t.equal(uses(nested), 0);
  const table = 'SELECT @@warning_count FROM two LIMIT 1';
  await raw.must(SETUPS.warnings);
  t.equal(await raw.value(table), raw.server.isMysql ? '2' : '0');
  t.equal(uses(table), 0);
  const deprecated = 'SELECT @@warning_count, FOUND_ROWS()';
  await raw.must(SETUPS.warnings);
  t.equal(await raw.value(deprecated), raw.server.isMysql ? '1' : '2');
  t.equal(uses(deprecated), 0);
});

truth('a column is named by the source of its item, and so may an alias name it', async (t, raw) => {
  const comment = 'x'.repeat(260);
  const name = async (sql: string) => (await raw.must(sql)).names[0];
  t.equal(
    await name('SELECT /* a */ CONNECTION_ID ( /* b */\n-- c\n) /* d */ , 1'),
    'CONNECTION_ID ( /* b */\n-- c\n)',
  );
  t.equal(await name('SELECT `connection_id`() '), '`connection_id`()');
  t.equal(await name('SELECT 1 AS `a```'), 'a`');
  t.equal(
    await name('SELECT CONNECTION_ID(/*!999999 x */)'),
    'CONNECTION_ID()',
    'it is not always the source',
  );
  const source = `CONNECTION_ID(/*${comment}*/)`;
  const cut = (await name(`SELECT ${source}`)) ?? '';
  t.ok(cut.length < 256 && source.startsWith(cut), 'a long one is cut');
  const alias = (await name(`SELECT 1 AS \`${source}\``)) ?? '';
  t.ok(source.startsWith(alias));
});

truth('who takes a name before a parenthesis for a value', async (t, raw) => {
  const isCall = async (sql: string) => (await raw.ask(sql)).errno === 0;
  for (const sql of [
    'SELECT connection_id ()',
    'SELECT `found_rows` ()',
    'SELECT `row_count`()',
    'SELECT ROW_COUNT ()',
    'SELECT @@ warning_count',
    'SELECT @@global.warning_count',
    'SELECT @@session.warning_count.a',
    'SELECT mysql.connection_id()',
    'SELECT CONNECTION_ID(1)',
    'SELECT CONNECTION_ID(\x01)',
  ]) {
    t.equal(await isCall(sql), traitsOfBytes(sql, raw.context()).sessionValues.length === 1, sql);
  }
});

truth('the columns of user locks are what lockColumns says', async (t, raw) => {
  const texts = [
    "SELECT GET_LOCK('columns-a', 0), 5, GET_LOCK('columns-b', 0) AS b, RELEASE_LOCK('columns-c') FROM DUAL",
    "SELECT RELEASE_LOCK('columns-a') a, `get_lock`('columns-a', 0)`b`, RELEASE_LOCK('columns-b') value",
    "SELECT SQL_NO_CACHE GET_LOCK('columns-d', 0)",
    'SELECT RELEASE_ALL_LOCKS(), 1',
    "SELECT GET_LOCK('columns-a', 0), RELEASE_ALL_LOCKS(), GET_LOCK('columns-b', 0)",
    'DO RELEASE_ALL_LOCKS()',
  ];
  let held = 0;
  for (const sql of texts) {
    const columns = traitsOfBytes(sql, raw.context()).lockColumns ?? [];
    const { rows } = await raw.must(sql);
    columns.forEach((call, i) => {
      const value = String(rows[0]?.[i]);
      if (call === LockCall.Get && value === '1') held++;
      if (call === LockCall.Release && value === '1') held--;
      if (call === LockCall.ReleaseAll) held = 0;
    });
    const names = ['a', 'b', 'c', 'd'].map((name) => `IS_USED_LOCK('columns-${name}') IS NOT NULL`);
    const used = (await raw.must(`SELECT ${names.join(', ')}`)).rows[0] ?? [];
    t.ok(columns.length > 0, sql);
    // No lock of this test is taken twice.
    t.equal(used.filter((one) => String(one) === '1').length, held, sql);
  }
  t.equal(held, 0);
});
