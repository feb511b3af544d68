import { MAX_LITERAL } from './literal-reader.js';
import { Step } from './statement-state.js';
import { Flag, Hold, StatementKind, UNKNOWN_FLAGS, UNKNOWN_HOLDS } from './traits.js';
import { WORD_LIMIT, Word, type WordName } from './words.js';

/** What a statement's first word tells. */
export interface Lead {
  readonly kind: StatementKind;
  readonly holds?: number;
  readonly flags?: number;
  /** What is to be looked at next; without it nothing, apart from expressions. */
  readonly step?: Step;
  /** It only reads, unless something in it says otherwise. */
  readonly reads?: boolean;
  /** As in {@link StatementState}. */
  readonly isHeader?: boolean;
  readonly writesVariables?: boolean;
  readonly hasAccounts?: boolean;
  /** The step wants to read words. */
  readonly wantsText?: boolean;
  /** The step wants to read literals up to so many bytes. */
  readonly sourceLimit?: number;
}

const K = StatementKind;
const ENDS = Flag.EndsTransaction;

const SELECT: Lead = { kind: K.Select, reads: true };
const EXPLAIN: Lead = { kind: K.Explain, reads: true, step: Step.Explain };
const DDL: Lead = { kind: K.Ddl, flags: ENDS, isHeader: true, hasAccounts: true };
const CREATE: Lead = { ...DDL, step: Step.Create };
/** Most of it commits, and what does not is harmless to count among it, but for what reads rows. */
const ADMIN: Lead = { kind: K.Admin, flags: ENDS, isHeader: true, hasAccounts: true };
const INSERT_FLAGS = Flag.Dml | Flag.WritesLastInsertId;
/** The flow of a routine, which MariaDB runs outside routines, too. */
export const BLOCK: Lead = { kind: K.Block, holds: UNKNOWN_HOLDS, flags: UNKNOWN_FLAGS };
export const UNKNOWN_STATEMENT: Lead = { kind: K.Other, holds: UNKNOWN_HOLDS, flags: UNKNOWN_FLAGS };
export const LOAD_INDEX: Lead = ADMIN;
export const START_TRANSACTION: Lead = { kind: K.Begin, flags: ENDS | Flag.ContainsCommit };

const STATEMENTS: Partial<Record<WordName, Lead>> = {
  select: SELECT,
  values: { ...SELECT, flags: Flag.CountsOtherRows },
  table: SELECT,
  with: { ...SELECT, step: Step.With },
  insert: { kind: K.Insert, flags: INSERT_FLAGS, step: Step.Insert, isHeader: true },
  replace: { kind: K.Replace, flags: INSERT_FLAGS, step: Step.Insert, isHeader: true },
  update: { kind: K.Update, flags: Flag.Dml },
  delete: { kind: K.Delete, flags: Flag.Dml },
  load: { kind: K.Load, flags: INSERT_FLAGS, step: Step.Load, isHeader: true, writesVariables: true },
  call: {
    kind: K.Call,
    flags: Flag.MayRunRoutine | Flag.ReadsLastInsertId | Flag.WritesLastInsertId | ENDS,
    writesVariables: true,
  },
  do: { kind: K.Do },
  handler: { kind: K.HandlerOpen, holds: Hold.Handler, step: Step.Handler, wantsText: true },
  show: { kind: K.Show, reads: true, step: Step.Show, hasAccounts: true },
  explain: EXPLAIN,
  describe: EXPLAIN,
  desc: EXPLAIN,
  analyze: { kind: K.Explain, reads: true, step: Step.Analyze },
  help: { kind: K.Help },
  get: { kind: K.GetDiagnostics, flags: Flag.ReadsDiagnostics, writesVariables: true },
  signal: { kind: K.Signal },
  resignal: { kind: K.Signal },

  set: { kind: K.Set, step: Step.SetTarget, wantsText: true, sourceLimit: MAX_LITERAL },
  use: { kind: K.Use, step: Step.Use, wantsText: true },
  kill: { kind: K.Kill, step: Step.Kill, wantsText: true },

  begin: { ...START_TRANSACTION, step: Step.Begin },
  start: { kind: K.Admin, step: Step.StartWhat, isHeader: true },
  commit: { kind: K.Commit, flags: ENDS | Flag.ContainsCommit, step: Step.Commit },
  rollback: { kind: K.Rollback, flags: ENDS, step: Step.Rollback },
  savepoint: { kind: K.Savepoint },
  release: { kind: K.ReleaseSavepoint },
  xa: { kind: K.XaStart, holds: Hold.Xa, step: Step.Xa },
  lock: { kind: K.LockTables, holds: Hold.TableLock, flags: ENDS, step: Step.Lock },
  unlock: { kind: K.UnlockTables, flags: ENDS, step: Step.Unlock },
  flush: { kind: K.Flush, flags: ENDS, step: Step.Flush },
  backup: { kind: K.BackupLock, holds: Hold.TableLock, flags: ENDS, step: Step.Backup },

  prepare: { kind: K.Prepare, holds: Hold.TextPrepare, step: Step.Prepare, wantsText: true },
  execute: {
    kind: K.Execute,
    holds: Hold.TextPrepare | UNKNOWN_HOLDS,
    flags: UNKNOWN_FLAGS,
    writesVariables: true,
    step: Step.Execute,
    wantsText: true,
  },
  deallocate: { kind: K.Deallocate, holds: Hold.TextPrepare, step: Step.Deallocate, wantsText: true },

  create: CREATE,
  alter: { ...DDL, step: Step.Alter },
  drop: { ...DDL, step: Step.Drop },
  rename: { ...DDL, step: Step.Rename },
  truncate: DDL,
  grant: DDL,
  revoke: DDL,

  cache: ADMIN,
  change: ADMIN,
  check: ADMIN,
  checksum: { ...ADMIN, flags: 0 },
  clone: ADMIN,
  import: ADMIN,
  install: ADMIN,
  optimize: ADMIN,
  purge: ADMIN,
  repair: ADMIN,
  reset: ADMIN,
  restart: ADMIN,
  shutdown: ADMIN,
  stop: ADMIN,
  uninstall: ADMIN,
  // Replays events of another session, with their settings.
  binlog: UNKNOWN_STATEMENT,

  case: BLOCK,
  declare: BLOCK,
  for: BLOCK,
  if: BLOCK,
  loop: BLOCK,
  repeat: BLOCK,
  while: BLOCK,
};

/** By the number of a statement's first word; undefined where no statement begins so. */
export const LEADS: readonly (Lead | undefined)[] = Array.from({ length: WORD_LIMIT }, (_, number) => {
  const name = (Object.keys(STATEMENTS) as WordName[]).find((name) => Word[name] === number);
  return name === undefined ? undefined : STATEMENTS[name];
});
