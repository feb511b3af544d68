import type { Flavor } from '../../support/servers.js';
import { Hold, type Kind } from '../model.js';
import { sql } from './kind.js';

/**
 * Session variables that a probe of all of them leaves out, each with its reason. Those that the proxy answers for are asked for by
 * name, by probes and kinds of their own.
 */
export const VARIABLES_LEFT_OUT: Readonly<Record<string, string>> = {
  timestamp: 'a clock; where it was set, NOW() tells',
  pseudo_thread_id: "the server's id of the session, which is not the client's",
  rand_seed1: 'random, unless set; RAND() tells then',
  rand_seed2: 'as rand_seed1',
  statement_id: 'counts all statements of a server',
  gtid_executed: 'counts all transactions of a server',
  gtid_binlog_pos: 'counts all transactions of a server',
  gtid_binlog_state: 'counts all transactions of a server',
  gtid_current_pos: 'counts all transactions of a server',
  last_gtid: 'counts all transactions of a server',
  session_track_schema:
    "the proxy's own in the server's list; `SELECT @@session_track_schema` tells the client's",
  session_track_state_change: 'as session_track_schema',
  session_track_system_variables: 'as session_track_schema',
  session_track_transaction_info: 'as session_track_schema',
};

const LEFT_OUT = Object.keys(VARIABLES_LEFT_OUT)
  .map((name) => `'${name}'`)
  .join(', ');

/** The reply of `SHOW WARNINGS` and the counts come first: any other probe would replace them. */
export const PROBE_KINDS: readonly Kind[] = [
  sql('probe.variables', `SHOW SESSION VARIABLES WHERE Variable_name NOT IN (${LEFT_OUT})`, { weight: 3 }),
  sql('probe.user-variables', 'SELECT @a, @b, @c, @fv, @tv, @tf, @got, @sql, @x'),
  sql('probe.temporary', [
    'SELECT * FROM tmp1 LIMIT 1',
    'SELECT * FROM tmp2 LIMIT 1',
    'SELECT * FROM {alt}.tmp1 LIMIT 1',
    'SELECT * FROM t3 LIMIT 1',
  ]),
  sql(
    'probe.locks',
    `SELECT ${['l1', 'l2', 'lf', 'lv', 'lt'].map((name) => `IS_USED_LOCK('${name}_{tag}') = CONNECTION_ID() AS ${name}`).join(', ')}`,
    { weight: 2 },
  ),
  sql(
    'probe.free-locks',
    "SELECT IS_FREE_LOCK('l1_{tag}'), IS_FREE_LOCK('l2_{tag}'), IS_FREE_LOCK('lf_{tag}')",
  ),
  sql('probe.schema', 'SELECT DATABASE(), @@autocommit, @@sql_mode, @@time_zone'),
  sql('probe.charset', 'SELECT @@character_set_client, @@character_set_results, @@collation_connection'),
  sql('probe.counts', 'SELECT FOUND_ROWS(), ROW_COUNT()'),
  sql('probe.found-rows', 'SELECT FOUND_ROWS()'),
  sql('probe.row-count', 'SELECT ROW_COUNT()'),
  sql(
    'probe.insert-id',
    ['SELECT LAST_INSERT_ID()', 'SELECT @@identity', 'SELECT LAST_INSERT_ID(), @@identity'],
    { weight: 2 },
  ),
  sql('probe.warnings', ['SHOW WARNINGS', 'SHOW COUNT(*) WARNINGS', 'SELECT @@warning_count'], { weight: 2 }),
  sql('probe.role', 'SELECT CURRENT_ROLE()'),
  sql('probe.connection-id', 'SELECT CONNECTION_ID() = {id} AS own'),
  sql(
    'probe.trackers',
    'SELECT @@session_track_schema, @@session_track_state_change, @@session.session_track_system_variables, @@session_track_transaction_info',
  ),
  sql('probe.prepared', 'EXECUTE ps1', { opens: [Hold.Session] }),
  sql('probe.isolation', 'SELECT @@session.transaction_isolation, @@session.transaction_read_only', {
    only: 'mysql' satisfies Flavor,
  }),
  sql('probe.isolation-mariadb', 'SELECT @@session.tx_isolation, @@session.tx_read_only', {
    only: 'mariadb' satisfies Flavor,
  }),
  sql('probe.transaction', 'SELECT @@in_transaction', { only: 'mariadb' satisfies Flavor }),
];
