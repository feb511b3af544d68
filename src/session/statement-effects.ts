/**
 * What a statement may do to the session it runs on, as the ledger needs it: derived once from the statement's traits
 * (for SQL text) or given (for commands that are not SQL).
 */
export interface StatementEffects {
  /** `HoldReason` bits of state that the text makes and no tracker shows. */
  readonly holds: number;
  /** The tracker's bare "something changed" flag is accounted for by what the text does. */
  readonly explainsStateChange: boolean;
  /** Reports are about values that do not stay (`SET STATEMENT … FOR`). */
  readonly ignoresVariableReports: boolean;
  /** Asks for the warnings or errors of the statement before. */
  readonly readsDiagnostics: boolean;
  /** Asks for FOUND_ROWS() or ROW_COUNT() of the statement before. */
  readonly readsCounts: boolean;
  /** What it counts can only be asked for on this session (`SQL_CALC_FOUND_ROWS`). */
  readonly leavesCounts: boolean;
  /** Variables that it sets without the tracker reporting the final value. */
  readonly readBack: readonly string[];
  /** Code of the user's may run, which may change the session and change it back. */
  readonly runsRoutines: boolean;
  /** After an error, something it had done before may be reported late or not at all. */
  readonly mayChangeBeforeFailing: boolean;
  readonly insertId: InsertIdEffect;
  /** A read that can be repeated without anyone noticing. */
  readonly repeatable: boolean;
  /** Commits expressly: once begun it must not be killed, since the client could not know how far it came. */
  readonly commits: boolean;
  /** The server closes the connection behind it (`COMMIT RELEASE`). */
  readonly disconnects: boolean;
}

/** What a statement has to do with LAST_INSERT_ID(). */
export const InsertIdEffect = {
  None: 'none',
  Reads: 'reads',
  /** Changes it exactly when the OK packet carries an id. */
  Inserts: 'inserts',
  /** Changes it in a way that only the server knows. */
  Obscure: 'obscure',
} as const;
export type InsertIdEffect = (typeof InsertIdEffect)[keyof typeof InsertIdEffect];

/** Of commands that only look: COM_STATISTICS, COM_FIELD_LIST, COM_STMT_PREPARE, ... */
export const NO_EFFECTS: StatementEffects = {
  holds: 0,
  explainsStateChange: false,
  ignoresVariableReports: false,
  readsDiagnostics: false,
  readsCounts: false,
  leavesCounts: false,
  readBack: [],
  runsRoutines: false,
  mayChangeBeforeFailing: false,
  insertId: InsertIdEffect.None,
  repeatable: false,
  commits: false,
  disconnects: false,
};

/** Of COM_INIT_DB: the schema tracker tells all. */
export const SCHEMA_CHANGE: StatementEffects = { ...NO_EFFECTS, explainsStateChange: true };
