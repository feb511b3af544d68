/**
 * Why a client keeps a server session between its statements: bits of one number. The word is also the log word and
 * the metric label.
 */
export const HoldReason = {
  Transaction: 1 << 0,
  /** Pool mode `session`. */
  SessionMode: 1 << 1,
  /** LOCK TABLES, FLUSH TABLES WITH READ LOCK and their like. */
  TableLock: 1 << 2,
  TemporaryTable: 1 << 3,
  /** GET_LOCK. */
  UserLock: 1 << 4,
  UserVariable: 1 << 5,
  /** PREPARE as SQL text. */
  TextPrepare: 1 << 6,
  Handler: 1 << 7,
  Xa: 1 << 8,
  Role: 1 << 9,
  Sequence: 1 << 10,
  ResourceGroup: 1 << 11,
  /** A variable that cannot be carried: `insert_id`, `timestamp`, ... */
  OneShotVariable: 1 << 12,
  /** SET TRANSACTION that waits for its transaction. */
  NextTransaction: 1 << 13,
  /** The trackers were off while something ran of which nothing else tells what it did. */
  SessionTracking: 1 << 14,
  /** Warnings, errors or counts that the client's next statement may ask for. */
  Diagnostics: 1 << 15,
  /** An open cursor of a prepared statement. */
  Cursor: 1 << 16,
  /** COM_STMT_SEND_LONG_DATA for a statement that is not executed yet. */
  LongData: 1 << 17,
  /** The tracker says that something changed, and no rule explains it. */
  Unknown: 1 << 18,
} as const;
export type HoldReason = (typeof HoldReason)[keyof typeof HoldReason];

const WORDS: readonly (readonly [HoldReason, string])[] = [
  [HoldReason.Transaction, 'transaction'],
  [HoldReason.SessionMode, 'session_mode'],
  [HoldReason.TableLock, 'table_lock'],
  [HoldReason.TemporaryTable, 'temporary_table'],
  [HoldReason.UserLock, 'user_lock'],
  [HoldReason.UserVariable, 'user_variable'],
  [HoldReason.TextPrepare, 'text_prepare'],
  [HoldReason.Handler, 'handler'],
  [HoldReason.Xa, 'xa'],
  [HoldReason.Role, 'role'],
  [HoldReason.Sequence, 'sequence'],
  [HoldReason.ResourceGroup, 'resource_group'],
  [HoldReason.OneShotVariable, 'one_shot_variable'],
  [HoldReason.NextTransaction, 'next_transaction'],
  [HoldReason.SessionTracking, 'session_tracking'],
  [HoldReason.Diagnostics, 'diagnostics'],
  [HoldReason.Cursor, 'cursor'],
  [HoldReason.LongData, 'long_data'],
  [HoldReason.Unknown, 'unknown'],
];

export const HOLD_WORDS: readonly string[] = WORDS.map(([, word]) => word);

/** The words of the reasons in a set of bits. */
export function holdWords(holds: number): string[] {
  return WORDS.filter(([reason]) => (holds & reason) !== 0).map(([, word]) => word);
}

/** Reasons whose state COM_RESET_CONNECTION does not clear: such a session is closed. */
export const SURVIVES_RESET = HoldReason.Role | HoldReason.ResourceGroup;

/** Reasons that end by themselves, so the session can be shared again without a reset. */
export const ENDS_BY_ITSELF =
  HoldReason.Transaction |
  HoldReason.NextTransaction |
  HoldReason.Diagnostics |
  HoldReason.Cursor |
  HoldReason.LongData;

/** Reasons of which it is kept, statement by statement, what began and what ended. */
export const HELD_BY_STATEMENTS =
  HoldReason.TableLock |
  HoldReason.TemporaryTable |
  HoldReason.UserLock |
  HoldReason.UserVariable |
  HoldReason.TextPrepare |
  HoldReason.Handler |
  HoldReason.Xa |
  HoldReason.Role |
  HoldReason.Sequence |
  HoldReason.ResourceGroup |
  HoldReason.OneShotVariable |
  HoldReason.SessionTracking |
  HoldReason.Unknown;
