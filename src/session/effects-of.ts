import { AssignmentScope, Flag, Hold, StatementKind, type StatementTraits } from '../sql/traits.js';
import { HoldReason } from './hold-reason.js';
import { oneOkEach, type StateSteps, stateStepsOf } from './state-steps.js';
import { InsertIdEffect, NO_EFFECTS, type StatementEffects } from './statement-effects.js';
import { coupledWith, treatmentOf, VariableTreatment } from './variables.js';

/** Traits are shared by all statements of which the same is to be said, and so are effects. */
const known = new WeakMap<StatementTraits, StatementEffects>();

/** As with lexer contexts: mostly the same as last. */
let lastTraits: StatementTraits | null = null;
let lastEffects: StatementEffects = NO_EFFECTS;

/** What a statement with these traits may do to its session. */
export function effectsOf(traits: StatementTraits): StatementEffects {
  if (traits === lastTraits) return lastEffects;
  let effects = known.get(traits);
  if (effects === undefined) {
    effects = derive(traits);
    known.set(traits, effects);
  }
  lastTraits = traits;
  lastEffects = effects;
  return effects;
}

/** Of a long statement before its text was read: it may use the insert id; all else is known before its reply. */
export const LONG_TEXT_UNREAD: StatementEffects = { ...NO_EFFECTS, insertId: InsertIdEffect.Obscure };

const HOLDS: readonly (readonly [hold: number, reason: number])[] = [
  [Hold.TemporaryTable, HoldReason.TemporaryTable],
  [Hold.UserLock, HoldReason.UserLock],
  [Hold.TableLock, HoldReason.TableLock],
  [Hold.Handler, HoldReason.Handler],
  [Hold.TextPrepare, HoldReason.TextPrepare],
  [Hold.Xa, HoldReason.Xa],
  [Hold.Role, HoldReason.Role],
  // Reading is harmless: on a session that is not held nobody's variables are set.
  [Hold.WritesUserVariable, HoldReason.UserVariable],
  [Hold.Sequence, HoldReason.Sequence],
  [Hold.ResourceGroup, HoldReason.ResourceGroup],
  [Hold.Unknown, HoldReason.Unknown],
];

/** Statements that raise the tracker's bare flag by what they say themselves, and run no code of the user's. */
const EXPLAINED: ReadonlySet<StatementKind> = new Set([
  StatementKind.Set,
  StatementKind.SetTransaction,
  StatementKind.SetPassword,
  StatementKind.SetDefaultRole,
  StatementKind.SetRole,
  StatementKind.SetRoleNone,
  StatementKind.SetRoleDefault,
  StatementKind.CreateTemporary,
  StatementKind.DropTemporary,
  StatementKind.Prepare,
  StatementKind.Deallocate,
  StatementKind.Use,
  StatementKind.Ddl,
  StatementKind.Begin,
  StatementKind.Commit,
  StatementKind.Rollback,
]);

function derive(traits: StatementTraits): StatementEffects {
  const { flags } = traits;
  const readBack: string[] = [];
  let holds = 0;
  for (const [hold, reason] of HOLDS) if ((traits.holds & hold) !== 0) holds |= reason;
  const state = stateStepsOf(traits);
  holds &= ~onlyEnded(traits, state);
  if (hasOneShot(traits)) holds |= HoldReason.OneShotVariable;
  if ((traits.holds & Hold.UnscopedSystemVariable) !== 0) {
    // `SET @@x = ...` is not reported by MariaDB's tracker.
    for (const { name, scope } of traits.assignments) {
      if (scope !== AssignmentScope.AtNone) continue;
      if (name === null) holds |= HoldReason.Unknown;
      else if (treatmentOf(name) === VariableTreatment.Hold) holds |= HoldReason.OneShotVariable;
      else readBack.push(name, ...coupledWith(name));
    }
  }
  const setsTrackers = setsTrackersItself(traits);
  const usesTrackers = setsTrackers || (flags & Flag.ReadsTrackers) !== 0;
  return {
    traits,
    holds,
    inDoubt: false,
    state,
    lockColumns: traits.lockColumns,
    usesTrackers,
    setsTrackers,
    onlyLooks: usesTrackers && onlyLooks(traits),
    readable: isReadable(traits),
    explainsStateChange: explains(traits),
    explainsEach: oneOkEach(traits) ? traits.each.map(explains) : null,
    ignoresVariableReports: (flags & Flag.SetStatement) !== 0 && !maySetVariables(traits),
    doubtsVariableReports: (flags & Flag.SetStatement) !== 0 && maySetVariables(traits),
    readBack,
    runsRoutines: (flags & Flag.MayRunRoutine) !== 0,
    mayChangeBeforeFailing:
      (flags & (Flag.MayRunRoutine | Flag.Dml)) !== 0 || traits.first === StatementKind.Set,
    insertId: insertIdEffect(traits),
    repeatable: (flags & Flag.PlainRead) !== 0,
    commits: (flags & Flag.ContainsCommit) !== 0,
    disconnects: (flags & Flag.Disconnects) !== 0,
  };
}

/** By itself, or in code of the user's that it runs. */
function maySetVariables({ statements, first, flags, holds }: StatementTraits): boolean {
  const code = Flag.MayRunRoutine | Flag.Dml | Flag.Undecidable;
  return (
    statements !== 1 || first === StatementKind.Set || (flags & code) !== 0 || (holds & Hold.Unknown) !== 0
  );
}

/** Reasons that a text names only to end them, or that are carried. */
function onlyEnded(traits: StatementTraits, state: StateSteps | null): number {
  const ended = traits.statements === 1 ? (ENDS[traits.first] ?? 0) : 0;
  const carries = state?.steps.every(
    ({ writesUnnamedVariables, changes }) =>
      !writesUnnamedVariables &&
      changes.every((change) => change.kind !== 'user_variable' || change.literal !== null),
  );
  return ended | (carries ? HoldReason.UserVariable : 0);
}

const ENDS: Partial<Record<StatementKind, number>> = {
  [StatementKind.Deallocate]: HoldReason.TextPrepare,
  [StatementKind.HandlerClose]: HoldReason.Handler,
  [StatementKind.HandlerRead]: HoldReason.Handler,
  [StatementKind.SetRoleNone]: HoldReason.Role,
  [StatementKind.SetRoleDefault]: HoldReason.Role,
  [StatementKind.XaEnd]: HoldReason.Xa,
  [StatementKind.XaPrepare]: HoldReason.Xa,
  [StatementKind.XaCommit]: HoldReason.Xa,
  [StatementKind.XaRollback]: HoldReason.Xa,
};

function onlyLooks({ statements, first, flags, holds }: StatementTraits): boolean {
  const changes = Flag.MayRunRoutine | Flag.Dml | Flag.SetsCharset | Flag.SetStatement | Flag.Undecidable;
  const reads = first === StatementKind.Select || first === StatementKind.Show;
  return statements === 1 && reads && (flags & changes) === 0 && (holds & ~Hold.ReadsUserVariable) === 0;
}

/** By SET, and not in a routine. */
function setsTrackersItself({ holds, statements, first, each }: StatementTraits): boolean {
  if ((holds & Hold.SessionTrack) === 0) return false;
  return statements === 1 ? first === StatementKind.Set : each.some(setsTrackersItself);
}

function isReadable(traits: StatementTraits): boolean {
  const { statements, each, first, flags, holds } = traits;
  const hidden = Flag.MayRunRoutine | Flag.Dml | Flag.Undecidable;
  if ((flags & hidden) !== 0 || (holds & Hold.Unknown) !== 0) return false;
  return statements === 1 ? READABLE.has(first) : each.length > 0 && each.every(isReadable);
}

/** Statements that change nothing but variables and the schema, and what their text tells. */
const READABLE: ReadonlySet<StatementKind> = new Set([
  StatementKind.Set,
  StatementKind.Select,
  StatementKind.Show,
  StatementKind.Use,
]);

/** Apart from SET TRANSACTION, whose beginning and end the tracker reports. */
function hasOneShot({ holds, statements, first, each }: StatementTraits): boolean {
  if ((holds & Hold.OneShot) === 0) return false;
  if (statements === 1) return first !== StatementKind.SetTransaction;
  return each.length === 0 || each.some(hasOneShot);
}

function explains(traits: StatementTraits): boolean {
  if ((traits.flags & Flag.MayRunRoutine) !== 0 || (traits.holds & Hold.Unknown) !== 0) return false;
  if (traits.statements === 1) return EXPLAINED.has(traits.first) || (traits.flags & Flag.SetStatement) !== 0;
  return traits.each.length > 0 && traits.each.every(explains);
}

function insertIdEffect({ flags, first, statements }: StatementTraits): InsertIdEffect {
  const reads = (flags & (Flag.ReadsLastInsertId | Flag.MayRunRoutine)) !== 0;
  if ((flags & Flag.WritesLastInsertId) === 0) return reads ? InsertIdEffect.Reads : InsertIdEffect.None;
  const inserts = first === StatementKind.Insert || first === StatementKind.Replace;
  return inserts && statements === 1 && !reads ? InsertIdEffect.Inserts : InsertIdEffect.Obscure;
}
