import {
  type Assignment,
  Flag,
  Hold,
  type LockCall,
  type StateChange,
  StatementKind,
  type StatementTraits,
} from '../sql/traits.js';
import { HoldReason } from './hold-reason.js';
import { followsSchema, treatmentOf, VariableTreatment } from './variables.js';

/** What one statement of a text does to state that has an end of its own, when it succeeds. */
export interface StateStep {
  readonly kind: StatementKind;
  /** `HoldReason` bits of what it makes that only a reset ends. */
  readonly adds: number;
  readonly changes: readonly StateChange[];
  /** It makes temporary tables, handlers or prepared statements whose names are not told. */
  readonly unnamed: number;
  /** Its columns when its calls can be counted; null when they can't, undefined when there are none. */
  readonly locks: readonly LockCall[] | null | undefined;
  /** May write user variables other than those among {@link changes}. */
  readonly writesUnnamedVariables: boolean;
  readonly locksTables: boolean;
  /** Assignments of variables that are consumed or must not be set again elsewhere. */
  readonly oneShots: readonly Assignment[];
}

/** The steps of a text. */
export interface StateSteps {
  readonly steps: readonly StateStep[];
  /** Each OK of the reply ends one of them; else only the last OK says anything, and that of all. */
  readonly perOk: boolean;
  readonly runsRoutines: boolean;
}

/** Kinds that may answer with several results, or none of their own. */
const SEVERAL_RESULTS: ReadonlySet<StatementKind> = new Set([
  StatementKind.Call,
  StatementKind.Execute,
  StatementKind.Block,
  StatementKind.Other,
]);

/** What a text does to state that has an end; null for most texts, which do nothing of the kind. */
export function stateStepsOf(traits: StatementTraits): StateSteps | null {
  const runsRoutines = (traits.flags & Flag.MayRunRoutine) !== 0;
  if (traits.statements > 1 && traits.each.length > 0) {
    const steps = traits.each.map(stepOf);
    if (!steps.some(matters)) return null;
    return { steps, perOk: oneOkEach(traits), runsRoutines };
  }
  const step = stepOf(traits);
  return matters(step) ? { steps: [step], perOk: false, runsRoutines } : null;
}

/** Whether each of several statements is answered with one OK, or with the error that ends them all. */
export function oneOkEach({ each }: StatementTraits): boolean {
  return each.length > 0 && !each.some(({ first }) => SEVERAL_RESULTS.has(first));
}

function matters(step: StateStep): boolean {
  return (
    step.adds !== 0 ||
    step.changes.length > 0 ||
    step.unnamed !== 0 ||
    step.locks !== undefined ||
    step.writesUnnamedVariables ||
    step.locksTables ||
    step.oneShots.length > 0 ||
    ENDS_STATE.has(step.kind)
  );
}

const ENDS_STATE: ReadonlySet<StatementKind> = new Set([
  StatementKind.UnlockTables,
  StatementKind.UnlockInstance,
  StatementKind.BackupStageEnd,
  StatementKind.BackupUnlock,
  StatementKind.XaStart,
  StatementKind.SetRole,
  StatementKind.SetRoleNone,
  StatementKind.SetRoleDefault,
]);

const K = StatementKind;
const ROLE_KINDS: ReadonlySet<StatementKind> = new Set([K.SetRole, K.SetRoleNone, K.SetRoleDefault]);
const XA_KINDS: ReadonlySet<StatementKind> = new Set([
  K.XaStart,
  K.XaEnd,
  K.XaPrepare,
  K.XaCommit,
  K.XaRollback,
]);
const LOCK_KINDS: ReadonlySet<StatementKind> = new Set([
  K.LockTables,
  K.LockInstance,
  K.Flush,
  K.BackupStage,
  K.BackupLock,
]);
const SET_KINDS: ReadonlySet<StatementKind> = new Set([K.Set]);
const HANDLER_KINDS: ReadonlySet<StatementKind> = new Set([K.HandlerRead, K.HandlerClose]);
/** EXECUTE makes none of its own. */
const PREPARE_KINDS: ReadonlySet<StatementKind> = new Set([K.Execute, K.Deallocate]);

function stepOf(traits: StatementTraits): StateStep {
  const { holds, flags, changes, first, statements } = traits;
  const has = (hold: number): boolean => (holds & hold) !== 0;
  // What a routine makes beside it has no name here.
  const runsRoutines = (flags & Flag.MayRunRoutine) !== 0;
  const hasChange = (kind: StateChange['kind']): boolean =>
    !runsRoutines && changes.some((change) => change.kind === kind);
  // A text of many statements is described as a whole: any of them may be of any kind.
  const many = statements !== 1;
  let adds = 0;
  if (has(Hold.Unknown)) adds |= HoldReason.Unknown;
  if (has(Hold.Sequence)) adds |= HoldReason.Sequence;
  if (has(Hold.ResourceGroup)) adds |= HoldReason.ResourceGroup;
  // What a routine does is not told by name, and not ended by what ends a statement's own.
  const own = (kinds: ReadonlySet<StatementKind>): boolean => !many && kinds.has(first);
  if (has(Hold.Role) && !own(ROLE_KINDS)) adds |= HoldReason.Role;
  if (has(Hold.Xa) && !own(XA_KINDS)) adds |= HoldReason.Xa;
  if (has(Hold.TableLock) && !own(LOCK_KINDS)) adds |= HoldReason.TableLock;
  if (has(Hold.SessionTrack) && !own(SET_KINDS)) adds |= HoldReason.SessionTracking;
  const oneShots = first === StatementKind.SetTransaction ? [] : traits.assignments.filter(isOneShot);
  const untold = oneShots.length === 0 || traits.assignments.some(isOfSchema);
  if (has(Hold.OneShot) && first !== StatementKind.SetTransaction && untold)
    adds |= HoldReason.OneShotVariable;
  let unnamed = 0;
  if (has(Hold.TemporaryTable) && !hasChange('create_temporary')) unnamed |= HoldReason.TemporaryTable;
  if (has(Hold.Handler) && !own(HANDLER_KINDS) && !hasChange('handler_open')) unnamed |= HoldReason.Handler;
  if (has(Hold.TextPrepare) && !own(PREPARE_KINDS) && !hasChange('prepare'))
    unnamed |= HoldReason.TextPrepare;
  const usesLocks = has(Hold.UserLock) || (flags & Flag.ReleasesUserLock) !== 0;
  return {
    kind: first,
    adds,
    changes,
    unnamed,
    locks: usesLocks ? (runsRoutines ? null : traits.lockColumns) : undefined,
    writesUnnamedVariables: has(Hold.WritesUserVariable) && !writesNamedOnly(traits),
    locksTables: has(Hold.TableLock) && own(LOCK_KINDS),
    oneShots,
  };
}

/** Whether all user variables that it writes are listed: those of a SET are. */
function writesNamedOnly({ first, statements, flags }: StatementTraits): boolean {
  return statements === 1 && first === StatementKind.Set && (flags & Flag.MayRunRoutine) === 0;
}

function isOneShot({ name, scope }: Assignment): boolean {
  return scope !== 'global' && (name === null || treatmentOf(name) === VariableTreatment.Hold);
}

/** No report tells when it ends. */
function isOfSchema({ name, scope }: Assignment): boolean {
  return scope !== 'global' && name !== null && followsSchema(name);
}

/** Whether what is unknown is so by the text, not by what it may run. */
export function isUnknownByText(state: StateSteps | null): boolean {
  return state?.steps.some(({ adds }) => (adds & HoldReason.Unknown) !== 0) === true;
}
