/**
 * What to do with a system variable that the session tracker reports. The lists hold exceptions only: a variable not
 * named here is carried from session to session by its reported value. Found by setting every session variable of
 * MariaDB 10.11 and MySQL 9.7 and replaying what the tracker said.
 */
export const VariableTreatment = {
  /** Part of the profile: set again on whichever session comes next. */
  Carry: 'carry',
  /** Follows from something else that is carried, or is read-only: the report says nothing new. */
  Derived: 'derived',
  /** Replaying it would change what statements do (a fixed NOW(), a row id); the session is held instead. */
  Hold: 'hold',
  /** The insert id, which has rules of its own. */
  InsertId: 'insert_id',
} as const;
export type VariableTreatment = (typeof VariableTreatment)[keyof typeof VariableTreatment];

const DERIVED = new Set([
  // From collation_connection, which is read back after each change of the character set.
  'character_set_connection',
  // From the default schema, see followsSchema().
  'character_set_database',
  'collation_database',
  'error_count',
  'warning_count',
  'external_user',
  'proxy_user',
  'in_transaction',
  'last_gtid',
  'gtid_owned',
  'statement_id',
  'max_allowed_packet',
  'net_buffer_length',
  'max_user_connections',
]);

const HOLD = new Set([
  'insert_id',
  // DEFAULT is reported as a number: replaying it would freeze NOW().
  'timestamp',
  'rand_seed1',
  'rand_seed2',
  'pseudo_thread_id',
  'pseudo_replica_mode',
  'pseudo_slave_mode',
  'original_commit_timestamp',
  'original_server_version',
  'immediate_server_version',
  'sql_log_bin',
  'sql_log_off',
  'profiling',
  // A plain user may switch it on and not off again.
  'require_row_format',
  'wsrep_on',
  'wsrep_causal_reads',
  'skip_replication',
  'transaction_allow_batching',
  'debug',
  'debug_dbug',
  'debug_sync',
]);

/** Names under which one and the same variable is reported; the profile knows it by the second. */
const ALIASES: Readonly<Record<string, string>> = {
  storage_engine: 'default_storage_engine',
  slow_query_log: 'log_slow_query',
  long_query_time: 'log_slow_query_time',
  min_examined_row_limit: 'log_slow_min_examined_row_limit',
};

/**
 * The name under which the profile keeps a variable. An alias is only folded where the server knows the other name:
 * MySQL has `long_query_time` and no `log_slow_query_time`.
 */
export function canonicalName(name: string, known: ReadonlyMap<string, string>): string {
  const alias = ALIASES[name];
  return alias !== undefined && known.has(alias) ? alias : name;
}

export function treatmentOf(name: string): VariableTreatment {
  if (DERIVED.has(name)) return VariableTreatment.Derived;
  if (name === 'last_insert_id' || name === 'identity') return VariableTreatment.InsertId;
  if (HOLD.has(name) || name.startsWith('gtid_')) return VariableTreatment.Hold;
  return VariableTreatment.Carry;
}

/**
 * Carried, and yet the session is held while they are on: with `sql_auto_is_null`, a SELECT finds the last insert id without
 * asking for it by name.
 */
const HELD_WHILE_ON = new Set(['sql_auto_is_null']);

export function isHeldWhileOn(name: string): boolean {
  return HELD_WHILE_ON.has(name);
}

/**
 * MySQL's tracker of GTIDs. It is carried as any other variable; where the proxy follows what clients write it is on at least,
 * whatever a client sets, and what a client sees of it is kept apart as with the trackers.
 */
export const GTID_TRACKER = 'session_track_gtids';
/** The value that the proxy needs. */
export const OWN_GTIDS = 'OWN_GTID';

/**
 * The proxy's own: always on, whatever a client sets. Their reports are about the proxy, not about the client. For that of
 * GTIDs see {@link GTID_TRACKER}.
 */
export function isTrackerVariable(name: string): boolean {
  return name.startsWith('session_track_') && name !== GTID_TRACKER;
}

/** The trackers of every server session, as they are reported when they are set. */
const ARMED: ReadonlyMap<string, string> = new Map([
  ['session_track_system_variables', '*'],
  ['session_track_schema', 'ON'],
  ['session_track_state_change', 'ON'],
  ['session_track_transaction_info', 'CHARACTERISTICS'],
]);

/** Whether a tracker was set to what the proxy needs it to be; else (a routine did it) the session tells less than all. */
export function isArmed(name: string, value: string): boolean {
  return ARMED.get(name) === value;
}

/**
 * Of what servers of one data set are configured with, what a client that goes from one to another takes along: what its statements mean,
 * and for how long they are waited for. All else is the server's own (server_id, auto_increment_offset), or nobody may set it without
 * a privilege (binlog_format).
 */
export const TAKEN_ALONG: ReadonlySet<string> = new Set([
  'autocommit',
  'character_set_client',
  'character_set_connection',
  'character_set_filesystem',
  'character_set_results',
  'collation_connection',
  'completion_type',
  'default_collation_for_utf8mb4',
  'default_storage_engine',
  'default_week_format',
  'div_precision_increment',
  'explicit_defaults_for_timestamp',
  'foreign_key_checks',
  'group_concat_max_len',
  'innodb_lock_wait_timeout',
  'innodb_strict_mode',
  'interactive_timeout',
  'lc_messages',
  'lc_time_names',
  'lock_wait_timeout',
  'max_execution_time',
  'max_join_size',
  'max_sort_length',
  'max_statement_time',
  'net_read_timeout',
  'net_write_timeout',
  'old_mode',
  'results_collation',
  'sql_auto_is_null',
  'sql_big_selects',
  'sql_buffer_result',
  'sql_if_exists',
  'sql_mode',
  'sql_notes',
  'sql_quote_show_create',
  'sql_safe_updates',
  'sql_select_limit',
  'sql_warnings',
  'storage_engine',
  'time_zone',
  'transaction_isolation',
  'transaction_read_only',
  'tx_isolation',
  'tx_read_only',
  'unique_checks',
  'wait_timeout',
]);

/** From the default schema until it is set by hand (deprecated: it warns), and again after the next USE. */
export function followsSchema(name: string): boolean {
  return name === 'character_set_database' || name === 'collation_database';
}

/** Variables whose change leaves `collation_connection` unreported (`SET NAMES x COLLATE y`, both servers). */
export function changesCharset(name: string): boolean {
  return name.startsWith('character_set_') || name.startsWith('collation_');
}

/** Character sets that no client can speak (their ASCII takes more than a byte): servers refuse them. */
export const NOT_FOR_CLIENTS: ReadonlySet<string> = new Set(['ucs2', 'utf16', 'utf16le', 'utf32']);

/**
 * Not a variable of the server's: the name of the collation that column definitions of texts show. Both servers keep it with
 * character_set_results, as it was last set: the login's, that of SET NAMES ... COLLATE, else the character set's default; a
 * SET of collation_connection leaves it. Empty where character_set_results is NULL: then each column shows its own; and where the
 * session has gone that has set a character set, before it was asked for: then it is the set's default.
 */
export const RESULTS_COLLATION = 'results_collation';

/** The value of {@link RESULTS_COLLATION} beside `variables`, where a text column has shown `shown`; null if it can't be told. */
export function resultsCollationOf(
  variables: ReadonlyMap<string, string>,
  shown: string | undefined,
): string | null {
  const charset = variables.get('character_set_results');
  if (charset === undefined) return null;
  return charset === '' ? '' : (shown ?? null);
}

/** An empty text is how both servers show NULL in these, and how neither takes it. */
const NULLABLE = new Set([
  'character_set_results',
  'innodb_ft_user_stopword_table',
  'default_tmp_storage_engine',
  'enforce_storage_engine',
  'external_table_storage_engine',
  'innodb_tmpdir',
]);

export function isNull(name: string, value: string): boolean {
  return value === '' && NULLABLE.has(name);
}

/** Texts that may look like numbers, which neither server takes for them. */
const TEXTS = new Set(['default_master_connection']);

export function isText(name: string): boolean {
  return TEXTS.has(name);
}

/** A value that SET takes as a keyword only. */
export function isKeyword(name: string, value: string): boolean {
  return name === 'system_versioning_asof' && value === 'DEFAULT';
}

/** Groups of variables of which setting one changes others without a report. */
const COUPLED: readonly (readonly string[])[] = [
  ['max_join_size', 'sql_big_selects'],
  ['log_queries_not_using_indexes', 'log_slow_filter'],
  ['log_slow_admin_statements', 'log_slow_slave_statements', 'log_slow_disabled_statements'],
  ['old', 'old_mode'],
  ['default_master_connection', 'max_relay_log_size', 'slave_parallel_mode'],
  ['wsrep_sync_wait', 'wsrep_causal_reads'],
  ['tmp_table_size', 'tmp_memory_table_size'],
  ['alter_algorithm', 'old_alter_table'],
  ['max_delayed_threads', 'max_insert_delayed_threads'],
];
const coupled = new Map(COUPLED.flatMap((group) => group.map((name) => [name, group] as const)));

/** Variables that must be read back when `name` was set. */
export function coupledWith(name: string): readonly string[] {
  if (changesCharset(name)) return ['collation_connection'];
  return coupled.get(name) ?? [];
}
