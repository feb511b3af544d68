import t from 'tap';
import { Command } from '../../../src/protocol/constants.js';
import { commandPacket, type RawReply, type RawSession, Shape } from '../../support/raw-session.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/**
 * Session variables: where their list comes from, that SHOW and the trackers write values alike, and that a value can be
 * written back from its text.
 */

/** All of these can be asked by a plain user, in one round trip of some milliseconds. */
const SESSION_SCOPED = {
  mariadb:
    "SELECT LOWER(VARIABLE_NAME) FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_SCOPE LIKE 'SESSION%'",
  mysql:
    "SELECT VARIABLE_NAME FROM performance_schema.variables_metadata WHERE VARIABLE_SCOPE LIKE 'SESSION%'",
} as const;

const literal = (value: string): string =>
  /^-?\d+(\.\d+)?$/.test(value) ? value : `'${value.replace(/[\\']/g, '\\$&')}'`;

async function shown(session: RawSession): Promise<Map<string, string>> {
  const { rows } = await session.must('SHOW SESSION VARIABLES');
  return new Map(rows.map(([name, value]) => [name ?? '', value ?? '']));
}

async function sessionScoped(session: RawSession): Promise<string[]> {
  const { rows } = await session.must(SESSION_SCOPED[session.info.flavor]);
  return rows.map(([name]) => name ?? '').sort();
}

function askAll(session: RawSession, statements: readonly string[]): Promise<RawReply[]> {
  const replies = statements.map(() => session.expect(Shape.Results));
  session.channel.write(Buffer.concat(statements.map((sql) => commandPacket(Command.Query, sql))));
  return Promise.all(replies);
}

/** What trackers write is the clock's time of the report. */
const CLOCK = 'timestamp';

/** '' shows NULL, and only NULL brings it back. */
const NULLABLE = {
  mariadb: ['character_set_results', 'default_tmp_storage_engine', 'innodb_ft_user_stopword_table'],
  mysql: ['character_set_results', 'external_table_storage_engine', 'innodb_ft_user_stopword_table'],
} as const;

/** Other values worth trying, for variables whose type is not told by their value. */
const VALUES = [
  'ON',
  'OFF',
  '100',
  '1024',
  '65536',
  '16777216',
  '1.5',
  'DEMAND',
  'SERIALIZABLE',
  'MyISAM',
  'latin1',
].concat([
  'utf8mb4_unicode_ci',
  'FULL',
  'CRC32',
  'STATE',
  'OWN_GTID',
  '+02:00',
  'de_DE',
  'ANSI_QUOTES',
  'CHAIN',
  'COMMIT',
  'mrr=on',
  'enabled=on',
  'filesort',
  'admin',
  'json',
  'TREE',
  'COMPATIBLE',
  'STRICT',
  'FORCED',
  'INPLACE',
  'ROW',
  '/tmp',
  'a',
  '0',
  '-1',
]);

/** Where any small value would end the session's work, or the test's. */
const GIVEN: Record<string, readonly string[]> = {
  max_session_mem_used: ['922337203685477580'],
  sql_select_limit: ['100000'],
  max_statement_time: ['100.5'],
  max_execution_time: ['100000'],
  max_join_size: ['1000000000'],
  // The trackers themselves, and what a plain user can set but not set back (MySQL).
  session_track_system_variables: [],
  session_track_state_change: [],
  require_row_format: [],
};

async function anotherValue(session: RawSession, name: string, before: string): Promise<RawReply | null> {
  const near = /^\d+$/.test(before) ? [String(BigInt(before) + 1n), String(BigInt(before) * 2n)] : [];
  for (const value of GIVEN[name] ?? [...near, ...VALUES]) {
    if (value === before) continue;
    const reply = await session.query(`SET SESSION ${name} = ${literal(value)}`);
    if (reply.err === null && (await shown(session)).get(name) !== before) return reply;
  }
  return null;
}

await forEachServer(t, async (t, server) => {
  await t.test('the list of session variables, and the slow way to it', async (t) => {
    const session = await openSession(t, server);
    const names = [...(await shown(session)).keys()];
    const asked = await askAll(
      session,
      names.map((name) => `SELECT @@session.\`${name}\``),
    );
    const scoped = names.filter((_, i) => asked[i]?.err === null);
    t.strictSame(scoped.sort(), await sessionScoped(session));
    for (const { err } of asked) if (err !== null) t.equal(err.errno, 1238);
    t.ok(scoped.length > 150);
  });

  await t.test('each variable set to itself: the tracker repeats the text of SHOW', async (t) => {
    const session = await openSession(t, server);
    const before = await shown(session);
    const names = (await sessionScoped(session)).filter((name) => !(name in GIVEN) && name !== CLOCK);
    const replies = await askAll(
      session,
      names.map((name) => `SET SESSION ${name} = ${literal(before.get(name) ?? '')}`),
    );
    let told = 0;
    for (const [i, name] of names.entries()) {
      const { err, tracked } = replies[i] as RawReply;
      if (err !== null) continue;
      told++;
      const [report, ...more] = tracked.variables;
      // MariaDB reports wsrep_OSU_method under this name.
      t.equal(
        `${report?.slice(0, name.length).toLowerCase()}${report?.slice(name.length)}`,
        `${name}=${before.get(name)}`,
      );
      t.strictSame(more, [], `${name} alone is reported`);
    }
    t.ok(told > 100, `${told} variables`);
  });

  await t.test(
    'each variable set to another value and back from its text',
    { timeout: 300_000 },
    async (t) => {
      const session = await openSession(t, server);
      let changed = 0;
      for (const name of await sessionScoped(session)) {
        const before = (await shown(session)).get(name) ?? '';
        const self = await session.query(`SET SESSION ${name} = @@session.${name}`);
        if (self.err !== null || name === CLOCK) continue;
        const reply = await anotherValue(session, name, before);
        if (reply === null) continue;
        changed++;
        const text = (await shown(session)).get(name);
        t.ok(
          reply.tracked.variables.some((report) => report.toLowerCase() === `${name}=${text}`.toLowerCase()),
          `${name}=${text}`,
        );
        if (before === '' && NULLABLE[server.flavor].some((nullable) => nullable === name)) continue;
        await session.must(`SET SESSION ${name} = ${literal(before)}`);
        t.equal((await shown(session)).get(name), before, name);
      }
      t.ok(changed > 100, `${changed} variables`);
    },
  );

  await t.test('an empty text that means NULL', async (t) => {
    const session = await openSession(t, server);
    for (const name of NULLABLE[server.flavor]) {
      const reply = await session.must(`SET SESSION ${name} = NULL`);
      t.strictSame(reply.tracked.variables, [`${name}=`]);
      t.ok((await session.query(`SET SESSION ${name} = ''`)).err, `${name} cannot be set to ''`);
    }
  });

  await t.test('variables that change with another and are not reported', async (t) => {
    const session = await openSession(t, server);
    const value = (name: string): Promise<string | null | undefined> =>
      session.value(`SELECT @@session.${name}`);
    t.strictSame((await session.must('SET max_join_size = 1000000000')).tracked.variables, [
      'max_join_size=1000000000',
    ]);
    t.equal(await value('sql_big_selects'), '0');
    await session.must('SET max_join_size = 18446744073709551615');
    t.equal(await value('sql_big_selects'), '1');
    t.strictSame((await session.must('SET collation_connection = latin1_bin')).tracked.variables, [
      'collation_connection=latin1_bin',
    ]);
    t.equal(await value('character_set_connection'), 'latin1');
    await session.must('SET last_insert_id = 5');
    t.equal(await value('identity'), '5');
    if (server.isMysql) return;
    const slow = await session.must('SET log_queries_not_using_indexes = ON');
    t.strictSame(slow.tracked.variables, ['log_queries_not_using_indexes=ON']);
    t.match(await value('log_slow_filter'), /not_using_index/);
    await session.must('SET tmp_table_size = 33554432');
    t.equal(await value('tmp_memory_table_size'), '33554432', 'an alias under its own name');
  });

  await t.test('what a plain user may not set', async (t) => {
    const session = await openSession(t, server);
    const names = await sessionScoped(session);
    const replies = await askAll(
      session,
      names.map((name) => `SET SESSION ${name} = @@session.${name}`),
    );
    const refused = new Map(names.map((name, i) => [name, replies[i]?.err?.errno ?? 0]));
    for (const name of ['pseudo_thread_id', 'sql_log_bin', 'binlog_format'])
      t.equal(refused.get(name), 1227, name);
    for (const name of ['warning_count', 'error_count', 'external_user', 'proxy_user'])
      t.equal(refused.get(name), 1238, name);
    for (const name of ['max_allowed_packet', 'net_buffer_length']) t.equal(refused.get(name), 1621, name);
    for (const name of ['sql_mode', 'time_zone', 'wait_timeout', 'foreign_key_checks', 'autocommit'])
      t.equal(refused.get(name), 0, name);
  });

  if (server.isMysql) {
    await t.test('a door that only opens: require_row_format', async (t) => {
      const session = await openSession(t, server);
      await session.must('SET SESSION require_row_format = ON');
      t.equal((await session.query('SET SESSION require_row_format = OFF')).err?.errno, 1227);
      await session.command(Command.ResetConnection);
      t.equal(await session.value('SELECT @@session.require_row_format'), '0', 'a reset takes it back');
    });
  }
});
