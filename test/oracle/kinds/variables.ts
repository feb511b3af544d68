import { Hold, type Kind } from '../model.js';
import { custom, query, sequence, sql } from './kind.js';

/** Variables with the values that are set; each is a kind, for each is its own piece of a session's state. */
const SHARED: Readonly<Record<string, readonly string[]>> = {
  group_concat_max_len: ['512', '1024', 'DEFAULT', '2048'],
  div_precision_increment: ['2', '4', '8', 'DEFAULT'],
  sql_select_limit: ['2', 'DEFAULT', '18446744073709551615'],
  sql_safe_updates: ['<bool>'],
  foreign_key_checks: ['<bool>', 'DEFAULT'],
  unique_checks: ['<bool>', 'DEFAULT'],
  sql_warnings: ['<bool>'],
  sql_notes: ['<bool>'],
  sql_quote_show_create: ['<bool>'],
  big_tables: ['0', '1'],
  lock_wait_timeout: ['5', '50', 'DEFAULT'],
  innodb_lock_wait_timeout: ['7', '50'],
  innodb_strict_mode: ['<bool>'],
  max_sort_length: ['64', '1024'],
  sort_buffer_size: ['65536', '262144', 'DEFAULT'],
  join_buffer_size: ['65536', 'DEFAULT'],
  tmp_table_size: ['1048576', 'DEFAULT'],
  max_heap_table_size: ['1048576', 'DEFAULT'],
  max_error_count: ['2', '1', '64'],
  max_join_size: ['1000', 'DEFAULT'],
  default_storage_engine: ["'MyISAM'", "'InnoDB'", 'InnoDB'],
  default_week_format: ['0', '1', '3'],
  lc_time_names: ["'de_DE'", "'en_US'", "'fr_FR'"],
  lc_messages: ["'de_DE'", "'en_US'"],
  optimizer_switch: ["'mrr=off'", "'mrr=on'", 'DEFAULT', "'index_merge=off'"],
  optimizer_search_depth: ['0', '62'],
  auto_increment_increment: ['1', '3'],
  auto_increment_offset: ['1', '2'],
  net_read_timeout: ['30', '31'],
  net_write_timeout: ['60', '61'],
  wait_timeout: ['28800', '600', 'DEFAULT'],
  interactive_timeout: ['28800', '700'],
  low_priority_updates: ['<bool>'],
  old_alter_table: ['0', '1'],
  updatable_views_with_limit: ['YES', 'NO', '1'],
  query_prealloc_size: ['32768', 'DEFAULT'],
  min_examined_row_limit: ['0', '5'],
  long_query_time: ['1', '10.5'],
  profiling_history_size: ['10', '15'],
  eq_range_index_dive_limit: ['10', '200'],
  completion_type: ['0', '1', "'NO_CHAIN'"],
};
/** Set by `SET [scope] x`: the value is held until it is back, or for the next statement. */
const HELD: Readonly<Record<string, readonly string[]>> = {
  sql_auto_is_null: ['0', '1'],
};

const MARIADB: Readonly<Record<string, readonly string[]>> = {
  max_statement_time: ['0', '100', '50.5'],
  sql_if_exists: ['0', '1'],
  column_compression_threshold: ['100', '50'],
  histogram_size: ['254', '100'],
  idle_transaction_timeout: ['0', '500'],
  system_versioning_alter_history: ["'KEEP'", "'ERROR'"],
  use_stat_tables: ["'NEVER'", "'PREFERABLY'"],
  in_predicate_conversion_threshold: ['1000', '2'],
};

const MYSQL: Readonly<Record<string, readonly string[]>> = {
  max_execution_time: ['0', '100000'],
  windowing_use_high_precision: ['<bool>'],
  show_create_table_verbosity: ['0', '1'],
  cte_max_recursion_depth: ['1000', '5'],
  information_schema_stats_expiry: ['86400', '0'],
  explain_format: ["'TRADITIONAL'", "'TREE'"],
  print_identified_with_as_hex: ['0', '1'],
  default_table_encryption: ['0'],
};

function variableKinds(
  variables: Readonly<Record<string, readonly string[]>>,
  options: Parameters<typeof sql>[2],
): Kind[] {
  return Object.entries(variables).map(([name, values]) =>
    sql(
      `set.variable.${name}`,
      values.map((value) => `SET <scope>${name} = ${value}`),
      { weight: 0.4, ...options },
    ),
  );
}

const SPELLINGS: Kind[] = [
  sql('set.plain', 'SET sql_mode = <mode>', { weight: 2 }),
  sql('set.session', 'SET SESSION sql_mode = <mode>'),
  sql('set.local', 'SET LOCAL sql_mode = <mode>'),
  sql('set.at-session', 'SET @@session.sql_mode = <mode>'),
  sql('set.at-local', 'SET @@local.sql_mode = <mode>'),
  sql('set.at', 'SET @@sql_mode = <mode>', { weight: 2 }),
  sql('set.upper-case', 'set @@SESSION.SQL_MODE := <mode>'),
  sql('set.quoted-name', 'SET `sql_mode` = <mode>'),
  sql('set.several', 'SET SESSION sql_mode = <mode>, time_zone = <zone>, @@group_concat_max_len = 600', {
    weight: 2,
  }),
  sql(
    'set.scope-sticks',
    'SET SESSION sql_mode = <mode>, sql_safe_updates = 0, @@foreign_key_checks = <bool>',
  ),
  sql('set.expression', 'SET group_concat_max_len = 500 + <n> * 100'),
  sql(
    'set.from-itself',
    "SET @@session.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO')",
  ),
  sql('set.from-select', 'SET SESSION group_concat_max_len = (SELECT 900 + MAX(a) FROM t3)'),
  sql('set.from-user-variable', 'SET SESSION group_concat_max_len = @a'),
  sql('set.half-way', 'SET SESSION sql_mode = <mode>, group_concat_max_len = 700, no_such_variable = 1'),
  sql('set.half-way-value', "SET SESSION group_concat_max_len = 800, time_zone = 'nowhere'"),
  sql('set.comment', 'SET /* x */ SESSION/**/sql_mode/* = */=<mode>-- y'),
  sql('set.executable-comment', '/*!40101 SET sql_mode = <mode> */'),
  sql('set.executable-comment-inside', 'SET /*!50000 SESSION */ time_zone = <zone>'),
  sql('set.mariadb-comment', '/*M!100100 SET time_zone = <zone> */ /*! SELECT 1 */'),
  sql('set.global', ['SET GLOBAL sort_buffer_size = 65536', 'SET @@global.max_connections = 10']),
  sql('set.time-zone', 'SET time_zone = <zone>', { weight: 2 }),
  sql('set.time-zone-at', 'SET @@time_zone = <zone>'),
  sql('set.read-only', [
    'SET SESSION max_allowed_packet = 1024',
    'SET @@session.version = 1',
    'SET warning_count = 3',
  ]),
  sql('set.unknown', 'SET @@session.no_such_thing = 1'),
];

const CHARSETS: Kind[] = [
  sql('set.names', 'SET NAMES <charset>', { weight: 2 }),
  sql('set.names-quoted', "SET NAMES 'utf8mb4'"),
  sql('set.names-default', 'SET NAMES DEFAULT'),
  sql('set.names-collate', [
    'SET NAMES utf8mb4 COLLATE utf8mb4_bin',
    "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'",
    'SET NAMES latin1 COLLATE latin1_german2_ci',
  ]),
  sql('set.names-wrong', ['SET NAMES nothing', 'SET NAMES utf8mb4 COLLATE latin1_bin', 'SET NAMES ucs2']),
  sql('set.character-set', ['SET CHARACTER SET <charset>', 'SET CHARSET <charset>']),
  sql('set.character_set_client', 'SET character_set_client = <charset>'),
  sql('set.character_set_results', [
    'SET character_set_results = <charset>',
    'SET @@character_set_results = NULL',
  ]),
  sql('set.character_set_connection', 'SET <scope>character_set_connection = <charset>'),
  sql('set.collation_connection', [
    'SET collation_connection = utf8mb4_bin',
    'SET @@session.collation_connection = latin1_bin',
    "SET @@collation_connection = 'utf8mb4_unicode_ci'",
  ]),
  sql('set.character_set_database', 'SET character_set_database = latin1'),
  sql('set.names-in-list', 'SET NAMES latin1, time_zone = <zone>, @a = 5', { opens: [Hold.Session] }),
];

const TRACKERS: Kind[] = [
  sql('set.session_track_schema', 'SET SESSION session_track_schema = <bool>', { weight: 0.5 }),
  sql('set.session_track_state_change', 'SET session_track_state_change = <bool>', { weight: 0.5 }),
  sql('set.session_track_system_variables', [
    "SET SESSION session_track_system_variables = '*'",
    "SET @@session_track_system_variables = 'time_zone'",
    "SET @@session.session_track_system_variables = ''",
    'SET session_track_system_variables = DEFAULT',
  ]),
  sql('set.session_track_transaction_info', [
    "SET session_track_transaction_info = 'STATE'",
    "SET @@session_track_transaction_info = 'CHARACTERISTICS'",
    "SET SESSION session_track_transaction_info = 'OFF'",
  ]),
  sql(
    'set.session_track_and-more',
    'SET session_track_schema = 0, time_zone = <zone>, session_track_state_change = 0',
  ),
];

const ONE_SHOT: Kind[] = [
  sequence(
    'set.timestamp',
    ['SET <scope>timestamp = 86400', 'SELECT NOW(), UNIX_TIMESTAMP()', 'SET timestamp = DEFAULT'],
    {
      opens: [Hold.OneShot],
    },
  ),
  sequence(
    'set.rand_seed',
    ['SET rand_seed1 = 5, rand_seed2 = 7', 'SELECT RAND(), RAND()', 'SELECT RAND()'],
    {
      opens: [Hold.Session],
    },
  ),
  sequence(
    'set.insert_id',
    ['SET insert_id = <n>00', 'INSERT INTO t2 (a) VALUES (1)', 'SELECT LAST_INSERT_ID()'],
    {
      opens: [Hold.OneShot],
    },
  ),
  sql(
    'set.last_insert_id',
    [
      'SET last_insert_id = <n>',
      'SET @@session.last_insert_id = <n>',
      'SET @@last_insert_id = 18446744073709551615',
    ],
    {
      weight: 2,
    },
  ),
  sql('set.identity', 'SET <scope>identity = <n>'),
  sql('set.pseudo_thread_id', 'SET pseudo_thread_id = 5', { weight: 0.3 }),
];

const READS: Kind[] = [
  sql('select.variable', [
    'SELECT @@sql_mode',
    'SELECT @@session.time_zone AS z',
    'SELECT @@local.group_concat_max_len',
    'SELECT @@wait_timeout, @@foreign_key_checks',
  ]),
  sql('select.group_concat', "SELECT GROUP_CONCAT(b ORDER BY a SEPARATOR '---') FROM t3"),
  sql('select.division', ['SELECT 1 / 3', 'SELECT 1 / 0', 'SELECT 7 DIV 2, 5 MOD 3']),
  sql('select.double-quotes', 'SELECT "v" FROM t1 ORDER BY id', { weight: 2 }),
  sql('select.backslash', ["SELECT 'a\\\\b'", "SELECT 'it\\'s' AS x", "SELECT LENGTH('\\\\n')"], {
    weight: 2,
  }),
  sql('select.pipes', "SELECT 'a' || 'b', 1 || 0"),
  sql('select.charset', "SELECT CHARSET('x'), COLLATION('x'), HEX('\u00e9'), 'A' = 'a'"),
  sql('select.time-zone', "SELECT FROM_UNIXTIME(86400), UNIX_TIMESTAMP('2024-02-29 12:00:00')"),
  sql('select.date-format', "SELECT DATE_FORMAT('2024-02-29', '%W %M'), WEEK('2024-02-29')"),
  sql('select.precedence', 'SELECT NOT 1 BETWEEN -5 AND 5'),
  sql('select.ignore-space', ['SELECT COUNT (*) FROM t3', 'SELECT count (a) FROM t3']),
];

const MARIADB_ONLY: Kind[] = [
  sql(
    'mariadb.set-statement',
    'SET STATEMENT time_zone = <zone>, group_concat_max_len = 512 FOR SELECT @@time_zone, @@group_concat_max_len',
    {
      only: 'mariadb',
      weight: 2,
    },
  ),
  sql(
    'mariadb.set-statement-mode',
    'SET STATEMENT sql_mode = <mode>, group_concat_max_len = 512 FOR SELECT @@sql_mode, @@group_concat_max_len',
    { only: 'mariadb' },
  ),
  sql(
    'mariadb.set-statement-fails',
    "SET STATEMENT time_zone = <zone> FOR INSERT INTO t3 VALUES (1, 'dup')",
    { only: 'mariadb' },
  ),
  sql('mariadb.set-statement-set', 'SET STATEMENT time_zone = <zone> FOR SET SESSION sql_mode = <mode>', {
    only: 'mariadb',
  }),
  sql('mariadb.set-statement-call', "SET STATEMENT time_zone = '+00:00' FOR CALL p_sys_bare('+02:00')", {
    only: 'mariadb',
    opens: [Hold.Session],
  }),
];

const MYSQL_ONLY: Kind[] = [
  sql(
    'mysql.hint',
    'SELECT /*+ SET_VAR(sort_buffer_size = 65536) SET_VAR(max_join_size = 99999) */ @@sort_buffer_size, @@max_join_size',
    { only: 'mysql' },
  ),
  sql('mysql.hint-mode', 'SELECT /*+ SET_VAR(sql_mode = ANSI_QUOTES) */ @@sql_mode', { only: 'mysql' }),
  sql('mysql.hint-update', 'UPDATE /*+ SET_VAR(foreign_key_checks = OFF) */ t1 SET n = <n> WHERE id = 1', {
    only: 'mysql',
  }),
  sql('mysql.set-persist', 'SET PERSIST sort_buffer_size = 65536', { only: 'mysql' }),
];

export const VARIABLE_KINDS: readonly Kind[] = [
  ...SPELLINGS,
  ...CHARSETS,
  ...TRACKERS,
  ...ONE_SHOT,
  ...READS,
  ...MARIADB_ONLY,
  ...MYSQL_ONLY,
  ...variableKinds(SHARED, {}),
  ...variableKinds(HELD, { opens: [Hold.Session] }),
  ...variableKinds(MARIADB, { only: 'mariadb' }),
  ...variableKinds(MYSQL, { only: 'mysql' }),
  custom('set.django-preamble', () => [
    query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET sql_auto_is_null = 0'),
  ]),
  sql('set.rails-preamble', [
    "SET @@SESSION.sql_mode = CONCAT(CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), ',NO_AUTO_VALUE_ON_ZERO'), @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483",
    "SET NAMES utf8mb4, @@SESSION.sql_mode = '', @@SESSION.wait_timeout = 600",
  ]),
];
