import type { LockCall, StatementTraits } from '../sql/traits.js';
import type { StateSteps } from './state-steps.js';

/**
 * What a statement may do to the session it runs on, as the ledger needs it: derived once from the statement's traits
 * (for SQL text) or given (for commands that are not SQL).
 */
export interface StatementEffects {
  /** What it was derived from; null for commands that are not SQL. */
  readonly traits: StatementTraits | null;
  /** `HoldReason` bits of state that the text may make and no tracker shows. */
  readonly holds: number;
  /** It may do more than is known: nobody else gets its session as it is. */
  readonly inDoubt: boolean;
  /** What it does to such state, statement by statement; null for most texts. */
  readonly state: StateSteps | null;
  /** What the columns of its only row are, which the ledger needs to see. */
  readonly lockColumns: readonly LockCall[] | null;
  /** Reads or sets `session_track_…`: it runs with the client's own values. */
  readonly usesTrackers: boolean;
  readonly setsTrackers: boolean;
  /** A single read that changes nothing of its session. */
  readonly onlyLooks: boolean;
  /** All that it may change, and its text does not tell, can be read from the session afterwards. */
  readonly readable: boolean;
  /** The tracker's bare "something changed" flag is accounted for by what the text does. */
  readonly explainsStateChange: boolean;
  /** The same of each of several statements that have an OK each; else null. */
  readonly explainsEach: readonly boolean[] | null;
  /** Reports are about values that do not stay (`SET STATEMENT … FOR`). */
  readonly ignoresVariableReports: boolean;
  /** As {@link ignoresVariableReports}, but some may be about what the statement itself or code that it runs has set. */
  readonly doubtsVariableReports: boolean;
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
  traits: null,
  holds: 0,
  inDoubt: false,
  state: null,
  lockColumns: null,
  usesTrackers: false,
  setsTrackers: false,
  onlyLooks: false,
  readable: true,
  explainsStateChange: false,
  explainsEach: null,
  ignoresVariableReports: false,
  doubtsVariableReports: false,
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
