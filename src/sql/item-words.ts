import { Flag, Hold, LockCall, SessionValue, StatementKind } from './traits.js';
import { Word } from './words.js';

/** What a {@link SessionValue} is the remedy for. */
export const VALUE_FLAGS =
  Flag.ReadsConnectionId | Flag.ReadsFoundRows | Flag.ReadsRowCount | Flag.ReadsDiagnostics;

/** Flags and holds for which {@link SelectItems} may have more to say. */
export const ITEM_FLAGS = VALUE_FLAGS | Flag.ReleasesUserLock;
export const ITEM_HOLDS = Hold.UserLock;

export const VALUE_CALLS: ReadonlyMap<number, SessionValue> = new Map([
  [Word.connection_id, SessionValue.ConnectionId],
  [Word.found_rows, SessionValue.FoundRows],
  [Word.row_count, SessionValue.RowCount],
]);

export const VALUE_VARIABLES: ReadonlyMap<number, SessionValue> = new Map([
  [Word.warning_count, SessionValue.WarningCount],
  [Word.error_count, SessionValue.ErrorCount],
]);

export const VARIABLE_LENGTHS: ReadonlyMap<number, number> = new Map([
  [Word.warning_count, 'warning_count'.length],
  [Word.error_count, 'error_count'.length],
]);

export const SCOPE_LENGTHS: ReadonlyMap<number, number> = new Map([
  [Word.session, 'session.'.length],
  [Word.local, 'local.'.length],
]);

export const LOCK_CALLS: ReadonlyMap<number, LockCall> = new Map([
  [Word.get_lock, LockCall.Get],
  [Word.release_lock, LockCall.Release],
  [Word.release_all_locks, LockCall.ReleaseAll],
]);

/** Functions and tables that give ids of the server's own, with which CONNECTION_ID() is compared. */
export const SERVER_IDS: ReadonlySet<number> = new Set([
  Word.innodb_trx,
  Word.is_used_lock,
  Word.metadata_locks,
  Word.processlist,
  Word.session_account_connect_attrs,
  Word.session_connect_attrs,
  Word.threads,
]);

/** Between SELECT and its first item. */
export const OPTIONS: ReadonlySet<number> = new Set([
  Word.all,
  Word.distinct,
  Word.distinctrow,
  Word.high_priority,
  Word.straight_join,
  Word.sql_big_result,
  Word.sql_buffer_result,
  Word.sql_cache,
  Word.sql_calc_found_rows,
  Word.sql_no_cache,
  Word.sql_small_result,
]);

/** End a list of items: reserved since long before any server of today, so never an alias without quotes. */
export const LIST_ENDS: ReadonlySet<number> = new Set([
  Word.from,
  Word.where,
  Word.group,
  Word.order,
  Word.having,
  Word.limit,
  Word.union,
  Word.into,
  Word.procedure,
  Word.for,
  Word.lock,
]);

/** Statements whose expressions are evaluated once, now, and of which nothing is kept but values. */
export const EVALUATED: ReadonlySet<StatementKind> = new Set([
  StatementKind.Select,
  StatementKind.Insert,
  StatementKind.Replace,
  StatementKind.Update,
  StatementKind.Delete,
  StatementKind.Do,
  StatementKind.Set,
  StatementKind.Call,
]);
