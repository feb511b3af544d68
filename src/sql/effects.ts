import { IMPURE } from './statement-state.js';
import { Flag, Hold } from './traits.js';
import { FOREIGN_WORD, WORD_LIMIT, Word, type WordName } from './words.js';

/** What follows from a name alone, wherever in a statement it has a given place: tables by word number. */
export interface Effect {
  readonly holds: number;
  readonly flags: number;
}

type Effects = Partial<Record<WordName, Partial<Effect>>>;

const USER_LOCK = { holds: Hold.UserLock } as const;
const RELEASE = { flags: Flag.ReleasesUserLock } as const;
/** Waits, or counts, so it is not to be run twice. */
const WAITS = { flags: IMPURE } as const;
const SEQUENCE = { holds: Hold.Sequence } as const;
const TRACKERS = { flags: Flag.ReadsTrackers } as const;

const FUNCTIONS: Effects = {
  get_lock: USER_LOCK,
  // Loadable functions that come with MySQL.
  service_get_read_locks: USER_LOCK,
  service_get_write_locks: USER_LOCK,
  version_tokens_lock_exclusive: USER_LOCK,
  version_tokens_lock_shared: USER_LOCK,
  release_lock: RELEASE,
  release_all_locks: RELEASE,
  service_release_locks: RELEASE,
  version_tokens_unlock: RELEASE,
  // With an argument it writes as well: see callFunction() in expression.ts.
  last_insert_id: { flags: Flag.ReadsLastInsertId },
  found_rows: { flags: Flag.ReadsFoundRows },
  row_count: { flags: Flag.ReadsRowCount },
  connection_id: { flags: Flag.ReadsConnectionId },
  nextval: SEQUENCE,
  lastval: SEQUENCE,
  setval: WAITS,
  benchmark: WAITS,
  sleep: WAITS,
  master_gtid_wait: WAITS,
  master_pos_wait: WAITS,
  source_pos_wait: WAITS,
  wait_for_executed_gtid_set: WAITS,
  wsrep_sync_wait_upto_gtid: WAITS,
};

const SYSTEM_VARIABLES: Effects = {
  identity: { flags: Flag.ReadsLastInsertId },
  last_insert_id: { flags: Flag.ReadsLastInsertId },
  error_count: { flags: Flag.ReadsDiagnostics },
  warning_count: { flags: Flag.ReadsDiagnostics },
  pseudo_thread_id: { flags: Flag.ReadsConnectionId },
  session_track_gtids: TRACKERS,
  session_track_schema: TRACKERS,
  session_track_state_change: TRACKERS,
  session_track_system_variables: TRACKERS,
  session_track_transaction_info: TRACKERS,
  session_track_user_variables: TRACKERS,
};

const VARIABLES_TABLE = {
  flags: Flag.ReadsLastInsertId | Flag.ReadsConnectionId | Flag.ReadsTrackers,
} as const;

const ANYWHERE: Effects = {
  sql_calc_found_rows: { flags: Flag.UsesCalcFoundRows },
  // Tables of information_schema and performance_schema.
  session_variables: VARIABLES_TABLE,
  system_variables: VARIABLES_TABLE,
  variables_by_thread: VARIABLES_TABLE,
  user_variables: { holds: Hold.ReadsUserVariable },
  user_variables_by_thread: { holds: Hold.ReadsUserVariable },
};

/**
 * A name beyond ASCII may be any of the names: MySQL ignores accents in those of variables, and drops what is no character
 * from those of functions (GET_LOCK followed by half a character is GET_LOCK).
 */
function column(effects: Effects, of: keyof Effect): Int32Array {
  const column = new Int32Array(WORD_LIMIT);
  for (const [name, effect] of Object.entries(effects)) {
    const bits = effect[of] ?? 0;
    column[Word[name as WordName]] = bits;
    column[FOREIGN_WORD] = (column[FOREIGN_WORD] ?? 0) | bits;
  }
  return column;
}

/** Of a function that is called. */
export const FUNCTION_HOLDS = column(FUNCTIONS, 'holds');
export const FUNCTION_FLAGS = column(FUNCTIONS, 'flags');
/** Of a system variable that is read. */
export const SYSTEM_VARIABLE_FLAGS = column(SYSTEM_VARIABLES, 'flags');
/** Of a word, whatever it stands for. */
export const WORD_HOLDS = column(ANYWHERE, 'holds');
export const WORD_FLAGS = column(ANYWHERE, 'flags');
