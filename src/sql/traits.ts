/**
 * What a statement's text tells of its effect on a server session. Every "may" errs on the safe side: a bit that is
 * missing is a promise, a bit that is set is none. What only the server knows (views, triggers, default expressions that
 * call functions) is no part of it.
 */

/** What a statement is. One that no server is known to have is {@link StatementKind.Other}. */
export const StatementKind = {
  /** Nothing but white space and comments. */
  Empty: 'empty',
  /** SELECT, VALUES, TABLE, also behind WITH. */
  Select: 'select',
  Insert: 'insert',
  Replace: 'replace',
  Update: 'update',
  Delete: 'delete',
  /** LOAD DATA, LOAD XML. */
  Load: 'load',
  Call: 'call',
  Do: 'do',
  Set: 'set',
  /** SET TRANSACTION, with or without a scope. */
  SetTransaction: 'set_transaction',
  SetRole: 'set_role',
  SetRoleNone: 'set_role_none',
  SetRoleDefault: 'set_role_default',
  SetDefaultRole: 'set_default_role',
  SetPassword: 'set_password',
  SetResourceGroup: 'set_resource_group',
  Use: 'use',
  Kill: 'kill',
  /** BEGIN, START TRANSACTION. */
  Begin: 'begin',
  Commit: 'commit',
  Rollback: 'rollback',
  RollbackTo: 'rollback_to',
  Savepoint: 'savepoint',
  ReleaseSavepoint: 'release_savepoint',
  /** XA START, XA BEGIN. */
  XaStart: 'xa_start',
  XaEnd: 'xa_end',
  XaPrepare: 'xa_prepare',
  XaCommit: 'xa_commit',
  XaRollback: 'xa_rollback',
  XaRecover: 'xa_recover',
  LockTables: 'lock_tables',
  UnlockTables: 'unlock_tables',
  /** LOCK INSTANCE FOR BACKUP (MySQL). */
  LockInstance: 'lock_instance',
  UnlockInstance: 'unlock_instance',
  Flush: 'flush',
  /** BACKUP STAGE (MariaDB), apart from its END. */
  BackupStage: 'backup_stage',
  BackupStageEnd: 'backup_stage_end',
  /** BACKUP LOCK (MariaDB). */
  BackupLock: 'backup_lock',
  BackupUnlock: 'backup_unlock',
  HandlerOpen: 'handler_open',
  HandlerRead: 'handler_read',
  HandlerClose: 'handler_close',
  /** PREPARE of a text under a name (not the binary protocol's). */
  Prepare: 'prepare',
  /** EXECUTE, EXECUTE IMMEDIATE. */
  Execute: 'execute',
  Deallocate: 'deallocate',
  CreateTemporary: 'create_temporary',
  DropTemporary: 'drop_temporary',
  /** CREATE, ALTER, DROP, RENAME, TRUNCATE, GRANT, REVOKE. */
  Ddl: 'ddl',
  Show: 'show',
  ShowWarnings: 'show_warnings',
  ShowErrors: 'show_errors',
  /** DESCRIBE, EXPLAIN, MariaDB's ANALYZE of a statement. */
  Explain: 'explain',
  GetDiagnostics: 'get_diagnostics',
  /** SIGNAL, RESIGNAL. */
  Signal: 'signal',
  Help: 'help',
  /** Everything else that changes no session: maintenance, replication, plugins. */
  Admin: 'admin',
  /** A compound statement outside a routine (MariaDB): may do anything. */
  Block: 'block',
  Other: 'other',
} as const;
export type StatementKind = (typeof StatementKind)[keyof typeof StatementKind];

/** Why the session may not be shared after a statement: bits of {@link StatementTraits.holds}. */
export const Hold = {
  TemporaryTable: 1 << 0,
  /** GET_LOCK and its like. */
  UserLock: 1 << 1,
  /** LOCK TABLES, FLUSH TABLES ... WITH READ LOCK or FOR EXPORT, BACKUP STAGE, LOCK INSTANCE. */
  TableLock: 1 << 2,
  /** HANDLER, also its CLOSE. */
  Handler: 1 << 3,
  /** PREPARE, EXECUTE and DEALLOCATE as SQL text. */
  TextPrepare: 1 << 4,
  Xa: 1 << 5,
  /** SET ROLE, whatever it sets. */
  Role: 1 << 6,
  ReadsUserVariable: 1 << 7,
  WritesUserVariable: 1 << 8,
  /** NEXTVAL and LASTVAL: the session remembers. */
  Sequence: 1 << 9,
  ResourceGroup: 1 << 10,
  /** SET session_track_...: what the trackers report changes. */
  SessionTrack: 1 << 11,
  /** SET of what the next statement or transaction consumes, or what must never be set again on another session. */
  OneShot: 1 << 12,
  /** MariaDB's `SET @@x = ...`: no tracker reports it. */
  UnscopedSystemVariable: 1 << 13,
  /** The text may do something that it does not tell; it says nothing when the server answered with a syntax error. */
  Unknown: 1 << 14,
} as const;

/** What else a statement does or wants to know: bits of {@link StatementTraits.flags}. */
export const Flag = {
  /** Calls, or may call, stored code by name: CALL, a function that is not the server's own. Triggers: see Dml. */
  MayRunRoutine: 1 << 0,
  /** Changes rows, so triggers may run. */
  Dml: 1 << 1,
  /** SET NAMES, SET CHARACTER SET, character_set_..., collation_... */
  SetsCharset: 1 << 2,
  ReadsLastInsertId: 1 << 3,
  /** May change what LAST_INSERT_ID() gives. */
  WritesLastInsertId: 1 << 4,
  /** SHOW WARNINGS, SHOW ERRORS, GET DIAGNOSTICS, `@@warning_count`, `@@error_count`. */
  ReadsDiagnostics: 1 << 5,
  ReadsFoundRows: 1 << 6,
  UsesCalcFoundRows: 1 << 7,
  ReadsRowCount: 1 << 8,
  /** CONNECTION_ID(), `@@pseudo_thread_id`. */
  ReadsConnectionId: 1 << 9,
  /** May end an open transaction: COMMIT, ROLLBACK, all that commits implicitly, CALL. */
  EndsTransaction: 1 << 10,
  /** Commits expressly, or by starting a transaction or `SET autocommit`: never to be killed half-way. */
  ContainsCommit: 1 << 11,
  /** One statement that reads and provably changes nothing, nor depends on the session: may be run twice. */
  PlainRead: 1 << 12,
  /** LOAD DATA LOCAL, LOAD XML LOCAL. */
  LocalInfile: 1 << 13,
  /** More than one statement. */
  Multi: 1 << 14,
  /** RELEASE_LOCK(), RELEASE_ALL_LOCKS(). */
  ReleasesUserLock: 1 << 15,
  /** COMMIT RELEASE, ROLLBACK RELEASE: the server closes the connection. */
  Disconnects: 1 << 16,
  /** MariaDB's SET STATEMENT ... FOR: trackers report values that do not stay. */
  SetStatement: 1 << 17,
  /** The text cannot be told apart into tokens with certainty; everything above is set that may be true. */
  Undecidable: 1 << 18,
  /** SHOW VARIABLES, `@@session_track_...`, tables of variables: shows the session's trackers. */
  ReadsTrackers: 1 << 19,
  /**
   * CREATE, ALTER or DROP of a routine, view, trigger or event, DROP of a schema, ALTER or RENAME of a table (with which its
   * triggers may move): what is known of them is out of date.
   */
  ChangesRoutines: 1 << 20,
  /**
   * A SELECT with LIMIT and an offset, INTO or PROCEDURE, on MariaDB UNION and the like, VALUES: FOUND_ROWS() afterwards may be
   * another number than that of the rows. (For SQL_CALC_FOUND_ROWS: {@link UsesCalcFoundRows}.)
   */
  CountsOtherRows: 1 << 21,
  /** START TRANSACTION ... READ ONLY. Other than most bits it is a promise where it is set. */
  BeginsReadOnly: 1 << 22,
} as const;

/** Where an assignment of SET goes. */
export const AssignmentScope = {
  Session: 'session',
  /** GLOBAL, PERSIST or PERSIST_ONLY: no session changes. */
  Global: 'global',
  /** `SET x = ...` */
  None: 'none',
  /** `SET @@x = ...` */
  AtNone: 'at_none',
} as const;
export type AssignmentScope = (typeof AssignmentScope)[keyof typeof AssignmentScope];

export interface Assignment {
  /** The whole value is the word DEFAULT, or the number 0 written as `0`. */
  readonly isDefault: boolean;
  /** The system variable in lower case; null where the name is not ASCII (MySQL ignores accents in it) or too long. */
  readonly name: string | null;
  readonly scope: AssignmentScope;
}

/** A table as a statement names it. */
export interface TableName {
  /** Null where none is named: the session's default schema. */
  readonly schema: string | null;
  /** Null where the text cannot be told (longer than a name can be, or not decodable): it may be any table. */
  readonly name: string | null;
}

/**
 * State by name that one statement makes or ends on its session when it succeeds. Names are as written, unquoted; null where
 * they cannot be told. Names that are no table's are in lower case, and null where they are not ASCII: MySQL takes some that
 * differ in accents for the same, MariaDB does not.
 *
 * When the statement fails nothing of it is true, but: MariaDB has then dropped those tables of a DROP TABLE that it found, and
 * the table that CREATE OR REPLACE TEMPORARY TABLE was to replace; a PREPARE that fails has ended the statement of that name
 * (both servers).
 */
export type StateChange =
  /** CREATE [OR REPLACE] TEMPORARY TABLE or SEQUENCE, whatever fills it. */
  | { readonly kind: 'create_temporary'; readonly table: TableName }
  /** DROP [TEMPORARY] TABLE or SEQUENCE, one for each table: a temporary table goes first. */
  | { readonly kind: 'drop_table'; readonly table: TableName }
  /** ALTER TABLE ... RENAME, and MariaDB's RENAME TABLE: that of MySQL sees no temporary tables. */
  | { readonly kind: 'rename_table'; readonly from: TableName; readonly to: TableName }
  /** DROP DATABASE. Temporary tables in it stay (both servers). */
  | { readonly kind: 'drop_schema'; readonly schema: string | null }
  /**
   * `SET @x = value`. `literal`: the value's source, byte by byte (latin1), when it is a literal (NULL, TRUE, FALSE, a
   * number with or without sign, one string, hex or bit literal with or without introducer), else null. It is to be read in
   * the character set, collation and sql_mode from before the statement, whatever else the statement sets. A variable that
   * is set to NULL keeps the type and character set of the value before (both servers).
   *
   * All that SET writes is listed, `@y` in `SET @x = @y := 5` as well; other statements are told by
   * {@link Hold.WritesUserVariable} only.
   */
  | { readonly kind: 'user_variable'; readonly name: string | null; readonly literal: string | null }
  /**
   * PREPARE name FROM 'text'. `text`: what the string literal says, its bytes (latin1); null when it is anything else than one
   * string, longer than 8 KiB, or has characters that the server may convert.
   */
  | { readonly kind: 'prepare'; readonly name: string | null; readonly text: string | null }
  | { readonly kind: 'execute'; readonly name: string | null }
  /** EXECUTE IMMEDIATE 'text' (MariaDB); `text` as for `prepare`. */
  | { readonly kind: 'execute_immediate'; readonly text: string | null }
  | { readonly kind: 'deallocate'; readonly name: string | null }
  /**
   * HANDLER ... OPEN; `name`: the alias, or the table's name. It ends without a CLOSE, too: when its table is altered, dropped,
   * renamed, truncated or analyzed, or hidden by a temporary one.
   */
  | { readonly kind: 'handler_open'; readonly name: string | null }
  | { readonly kind: 'handler_close'; readonly name: string | null };

/** A call of a user lock's function as a whole item of the select list. */
export const LockCall = {
  /** GET_LOCK(): 1 when it was got. */
  Get: 'get',
  /** RELEASE_LOCK(): 1 when one was released. */
  Release: 'release',
  /** RELEASE_ALL_LOCKS() */
  ReleaseAll: 'release_all',
  /** Another item, in which no lock's function is called. */
  None: 'none',
} as const;
export type LockCall = (typeof LockCall)[keyof typeof LockCall];

/** What in a text has a value that the proxy knows better than the session it runs on. */
export const SessionValue = {
  ConnectionId: 'connection_id',
  FoundRows: 'found_rows',
  RowCount: 'row_count',
  /** `@@warning_count`, with or without scope. */
  WarningCount: 'warning_count',
  ErrorCount: 'error_count',
} as const;
export type SessionValue = (typeof SessionValue)[keyof typeof SessionValue];

/** Where a {@link SessionValue} stands in the text of a single statement. */
export interface SessionValueUse {
  readonly value: SessionValue;
  /** Offsets in bytes from the text's first: `[start, end)` is all of the function's call or the variable. */
  readonly start: number;
  readonly end: number;
  /** It is a whole item of the outermost select list without an alias, so its text names a column of the result. */
  readonly namesColumn: boolean;
}

export interface KillTarget {
  /** `query_id` and `user`: MariaDB's KILL QUERY ID and KILL USER. */
  readonly kind: 'connection' | 'query' | 'query_id' | 'user';
  /** Null when it is not a plain number: then only the server can tell. */
  readonly id: bigint | null;
}

/** Frozen, and shared by all statements of which the same is to be said. */
export interface StatementTraits {
  /** Statements in the text, empty ones not counted. */
  readonly statements: number;
  /** What the first of them is. */
  readonly first: StatementKind;
  /** Bits of {@link Hold}, of all statements together. */
  readonly holds: number;
  /** Bits of {@link Flag}, of all statements together. */
  readonly flags: number;
  /** System variables that SET assigns, in order. Those of SET STATEMENT are not among them. */
  readonly assignments: readonly Assignment[];
  /** State by name, in the order of the text; at most {@link MAX_LISTED_CHANGES}, more count as {@link Hold.Unknown}. */
  readonly changes: readonly StateChange[];
  /**
   * Of a single SELECT of items and nothing else (no FROM, no WHERE, no INTO) that calls functions of user locks: what each
   * column is. Null where such functions are called in any other way, or not at all, and for texts in pieces. Also of a DO in
   * which only RELEASE_ALL_LOCKS() is called, which has no result.
   */
  readonly lockColumns: readonly LockCall[] | null;
  /**
   * Values that the proxy knows, in the order of the text: all uses of any of them in it, or none. Empty for anything but a
   * single statement at hand as a whole, and where a value must not be replaced (its source would show in the name of another
   * column, it is evaluated later or in code in a comment): the flags that it is read are set nevertheless.
   */
  readonly sessionValues: readonly SessionValueUse[];
  /** Names in lower case of the routines that it may run: `schema.name`, or `name`; those of CALL as well. */
  readonly routines: readonly string[];
  /** The schema of a single USE; null where it cannot be decoded, or for any other text. */
  readonly use: string | null;
  /** Of a single KILL. */
  readonly kill: KillTarget | null;
  /** The statements one by one when there are 2 to {@link MAX_LISTED_STATEMENTS}, empty otherwise. */
  readonly each: readonly StatementTraits[];
}

/** Longer texts are described as a whole only. */
export const MAX_LISTED_STATEMENTS = 32;

/** Longer lists of assignments count as {@link Hold.Unknown}. */
export const MAX_LISTED_ASSIGNMENTS = 64;

/** Longer lists of changes, locks, values or routines count as {@link Hold.Unknown}. */
export const MAX_LISTED_CHANGES = 64;

/** What is true of a statement of which nothing is known. */
export const UNKNOWN_HOLDS = Hold.Unknown | Hold.ReadsUserVariable | Hold.WritesUserVariable;
export const UNKNOWN_FLAGS =
  Flag.MayRunRoutine |
  Flag.Dml |
  Flag.SetsCharset |
  Flag.ReadsLastInsertId |
  Flag.WritesLastInsertId |
  Flag.ReadsDiagnostics |
  Flag.ReadsFoundRows |
  Flag.ReadsRowCount |
  Flag.ReadsConnectionId |
  Flag.EndsTransaction |
  Flag.ContainsCommit;
