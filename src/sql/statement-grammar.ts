import { DEFINITION_ENDS, DEFINITION_STEPS } from './definition-grammar.js';
import { NAMED_ENDS, NAMED_STEPS } from './named-grammar.js';
import { SET_ENDS, SET_STEPS } from './set-grammar.js';
import { IMPURE, Inert, type StatementState, Step } from './statement-state.js';
import {
  BLOCK,
  LEADS,
  type Lead,
  LOAD_INDEX,
  START_TRANSACTION,
  UNKNOWN_STATEMENT,
} from './statement-table.js';
import { Token } from './tokens.js';
import { Flag, Hold, StatementKind } from './traits.js';
import { Word } from './words.js';

/**
 * Takes a token for its place in the statement.
 * @returns whether that is all it means; otherwise it is looked at as part of an expression, too
 */
export type StepFunction = (s: StatementState, kind: Token, word: number) => boolean;

function begin(s: StatementState, lead: Lead): void {
  s.kind = lead.kind;
  s.holds |= lead.holds ?? 0;
  s.flags |= (lead.flags ?? 0) | (lead.reads === true ? 0 : IMPURE);
  s.step = lead.step ?? Step.Done;
  s.isHeader = lead.isHeader === true;
  s.writesVariables = lead.writesVariables === true;
  s.hasAccounts = lead.hasAccounts === true;
  s.text.wanted = lead.wantsText === true;
  s.text.sourceLimit = lead.sourceLimit ?? 0;
  // What follows cannot be told apart into statements; nothing is lost, as it may do anything.
  if (lead === BLOCK) s.inert = Inert.Rest;
}

/** The statement is of no known kind. */
export function beginUnknown(s: StatementState): void {
  begin(s, UNKNOWN_STATEMENT);
}

function isParen(kind: Token): boolean {
  return kind === Token.LeftParen || kind === Token.SpacedLeftParen;
}

function start(s: StatementState, kind: Token, word: number): boolean {
  if (isParen(kind)) return false;
  const lead = kind === Token.Word ? LEADS[word] : undefined;
  begin(s, lead ?? UNKNOWN_STATEMENT);
  if (word === Word.with) s.listDepth = s.depth;
  return lead !== undefined;
}

/** WITH name AS (...), ... and then a SELECT, UPDATE or DELETE. */
function afterWith(s: StatementState, kind: Token, word: number): boolean {
  if (s.depth !== s.listDepth) return false;
  if (isParen(kind) && s.last === Token.RightParen) s.step = Step.Done;
  if (kind !== Token.Word) return false;
  const lead = LEADS[word];
  if (lead?.kind === StatementKind.Select) s.step = Step.Done;
  else if (lead !== undefined && (lead.flags ?? 0) & Flag.Dml) begin(s, lead);
  return false;
}

function explain(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word) return false;
  switch (word) {
    case Word.analyze:
      s.isRun = true;
      return true;
    case Word.select:
    case Word.table:
    case Word.values:
      s.step = Step.Done;
      return false;
    case Word.insert:
    case Word.replace:
    case Word.update:
    case Word.delete: {
      const lead = LEADS[word];
      s.flags |= IMPURE | (s.isRun ? (lead?.flags ?? 0) : 0);
      s.isHeader = lead?.isHeader === true;
      s.step = lead?.step ?? Step.Done;
      return false;
    }
    case Word.with:
      // What it is for is not looked at: it may be an UPDATE.
      s.flags |= IMPURE | (s.isRun ? Flag.Dml : 0);
      s.listDepth = s.depth;
      s.step = Step.Done;
      return true;
    case Word.for:
      // FOR CONNECTION: the number is this server's.
      s.flags |= IMPURE;
      s.step = Step.Done;
      return false;
    default:
      return false;
  }
}

/** MariaDB's ANALYZE of a statement, or ANALYZE TABLE. */
function analyze(s: StatementState, kind: Token, word: number): boolean {
  const maintains = word === Word.table || word === Word.tables || word === Word.local;
  if (kind === Token.Word && (maintains || word === Word.no_write_to_binlog)) {
    const admin = LEADS[Word.check];
    if (admin !== undefined) begin(s, admin);
    return true;
  }
  s.isRun = true;
  s.step = Step.Explain;
  return explain(s, kind, word);
}

function insert(s: StatementState, kind: Token, word: number): boolean {
  const values = word === Word.values || word === Word.value || word === Word.set;
  if (kind === Token.Word && (values || word === Word.select || word === Word.with || word === Word.table)) {
    if (word === Word.with) s.listDepth = s.depth;
    s.isHeader = false;
    s.step = Step.Done;
  }
  return false;
}

function load(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && word === Word.index) {
    s.flags &= ~(Flag.Dml | Flag.WritesLastInsertId);
    begin(s, LOAD_INDEX);
  } else {
    s.step = Step.LoadInto;
  }
  return true;
}

function loadInto(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word) return false;
  if (word === Word.local) s.flags |= Flag.LocalInfile;
  if (word === Word.set) {
    s.isHeader = false;
    s.step = Step.Done;
  }
  return false;
}

function afterBegin(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && word === Word.work) s.step = Step.Done;
  else begin(s, BLOCK);
  return true;
}

function startWhat(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && word === Word.transaction) {
    begin(s, START_TRANSACTION);
    s.step = Step.TransactionModes;
  } else {
    s.flags |= Flag.EndsTransaction;
    s.step = Step.Done;
  }
  return true;
}

function transactionModes(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && word === Word.only && s.isAfter(Word.read)) s.flags |= Flag.BeginsReadOnly;
  return false;
}

function commit(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && word === Word.release && !s.isAfter(Word.no)) s.flags |= Flag.Disconnects;
  return true;
}

function rollback(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && word === Word.to) {
    s.kind = StatementKind.RollbackTo;
    s.flags &= ~Flag.EndsTransaction;
    s.step = Step.Done;
    return true;
  }
  return commit(s, kind, word);
}

const XA_KINDS: ReadonlyMap<number, StatementKind> = new Map([
  [Word.start, StatementKind.XaStart],
  [Word.begin, StatementKind.XaStart],
  [Word.end, StatementKind.XaEnd],
  [Word.prepare, StatementKind.XaPrepare],
  [Word.commit, StatementKind.XaCommit],
  [Word.rollback, StatementKind.XaRollback],
  [Word.recover, StatementKind.XaRecover],
]);

function xa(s: StatementState, _kind: Token, word: number): boolean {
  s.kind = XA_KINDS.get(word) ?? StatementKind.Other;
  if (word === Word.recover) s.holds &= ~Hold.Xa;
  if (word === Word.commit) s.flags |= Flag.EndsTransaction | Flag.ContainsCommit;
  if (word === Word.rollback) s.flags |= Flag.EndsTransaction;
  s.step = Step.Done;
  return true;
}

function flush(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word) return false;
  if (word === Word.lock || word === Word.export) s.holds |= Hold.TableLock;
  if (word === Word.user_variables) s.holds |= Hold.WritesUserVariable;
  return true;
}

function lock(s: StatementState, _kind: Token, word: number): boolean {
  if (word === Word.instance) s.kind = StatementKind.LockInstance;
  s.step = Step.Done;
  return true;
}

function unlock(s: StatementState, _kind: Token, word: number): boolean {
  if (word === Word.instance) s.kind = StatementKind.UnlockInstance;
  s.step = Step.Done;
  return true;
}

/** BACKUP STAGE, BACKUP LOCK table, BACKUP UNLOCK. */
function backup(s: StatementState, _kind: Token, word: number): boolean {
  s.step = Step.Done;
  if (word === Word.stage) {
    s.kind = StatementKind.BackupStage;
    s.step = Step.BackupStage;
  } else if (word === Word.unlock) {
    s.kind = StatementKind.BackupUnlock;
    s.holds &= ~Hold.TableLock;
  }
  return true;
}

function backupStage(s: StatementState, _kind: Token, word: number): boolean {
  if (word === Word.end) {
    s.kind = StatementKind.BackupStageEnd;
    s.holds &= ~Hold.TableLock;
  }
  s.step = Step.Done;
  return true;
}

function show(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word) return false;
  // SHOW WARNINGS, SHOW COUNT(*) WARNINGS.
  if (s.isAfter(Word.show) || s.last === Token.RightParen) {
    if (word === Word.warnings) s.kind = StatementKind.ShowWarnings;
    if (word === Word.errors) s.kind = StatementKind.ShowErrors;
    if (word === Word.warnings || word === Word.errors) s.flags |= Flag.ReadsDiagnostics;
  }
  if (word === Word.variables && !s.isAfter(Word.global))
    s.flags |= Flag.ReadsLastInsertId | Flag.ReadsConnectionId | Flag.ReadsTrackers;
  return false;
}

function use(s: StatementState, kind: Token, _word: number): boolean {
  if (kind === Token.Word || kind === Token.QuotedName) s.use = s.text.read(s.context.utf8);
  s.step = Step.Done;
  return true;
}

function kill(s: StatementState, kind: Token, word: number): boolean {
  s.kill ??= { kind: 'connection', id: null };
  if (kind === Token.Word) {
    if (word === Word.query) s.kill.kind = 'query';
    if (word === Word.id) s.kill.kind = 'query_id';
    if (word === Word.user) s.kill.kind = 'user';
    const introduces = word === Word.connection || word === Word.hard || word === Word.soft;
    if (introduces || word === Word.query || word === Word.id || word === Word.user) return true;
  }
  const digits = kind === Token.Number ? s.text.read(false) : null;
  if (digits !== null && /^\d+$/.test(digits)) s.kill.id = BigInt(digits);
  s.step = Step.KillEnd;
  return false;
}

/** Whatever follows the number makes an expression of it. */
function killEnd(s: StatementState): boolean {
  if (s.kill !== null) s.kill.id = null;
  return false;
}

const BY_STEP: Readonly<Record<Step, StepFunction>> = {
  ...SET_STEPS,
  ...DEFINITION_STEPS,
  ...NAMED_STEPS,
  [Step.Done]: () => false,
  [Step.Start]: start,
  [Step.With]: afterWith,
  [Step.Explain]: explain,
  [Step.Analyze]: analyze,
  [Step.Insert]: insert,
  [Step.Load]: load,
  [Step.LoadInto]: loadInto,
  [Step.Begin]: afterBegin,
  [Step.StartWhat]: startWhat,
  [Step.TransactionModes]: transactionModes,
  [Step.Commit]: commit,
  [Step.Rollback]: rollback,
  [Step.Xa]: xa,
  [Step.Flush]: flush,
  [Step.Lock]: lock,
  [Step.Unlock]: unlock,
  [Step.Backup]: backup,
  [Step.BackupStage]: backupStage,
  [Step.Show]: show,
  [Step.Use]: use,
  [Step.Kill]: kill,
  [Step.KillEnd]: killEnd,
};

/** The function of each {@link Step}. */
export const STEPS: readonly StepFunction[] = Object.values(Step).map((step) => BY_STEP[step]);

const ENDS_BY_STEP: Readonly<Partial<Record<Step, (s: StatementState) => void>>> = {
  ...SET_ENDS,
  ...DEFINITION_ENDS,
  ...NAMED_ENDS,
};
const ENDS = Object.values(Step).map((step) => ENDS_BY_STEP[step]);

/** At the end of the statement, after its last token: tells what nothing behind it can change any more. */
export function endStatement(s: StatementState): void {
  ENDS[s.step]?.(s);
}
