import { AssignmentScope, Flag, Hold, StatementKind, type StatementTraits } from '../sql/traits.js';
import { HoldReason } from './hold-reason.js';
import { InsertIdEffect, NO_EFFECTS, type StatementEffects } from './statement-effects.js';
import { treatmentOf, VariableTreatment } from './variables.js';

/** Traits are shared by all statements of which the same is to be said, and so are effects. */
const known = new WeakMap<StatementTraits, StatementEffects>();

/** What a statement with these traits may do to its session. */
export function effectsOf(traits: StatementTraits): StatementEffects {
  let effects = known.get(traits);
  if (effects === undefined) {
    effects = derive(traits);
    known.set(traits, effects);
  }
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
  [Hold.SessionTrack, HoldReason.SessionTracking],
  [Hold.Unknown, HoldReason.Unknown],
];

/** Statements that raise the tracker's bare flag by what they say themselves, and run no code of the user's. */
const EXPLAINED: ReadonlySet<StatementKind> = new Set([
  StatementKind.Set,
  StatementKind.SetTransaction,
  StatementKind.SetPassword,
  StatementKind.SetDefaultRole,
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
  if (hasOneShot(traits)) holds |= HoldReason.OneShotVariable;
  if ((traits.holds & Hold.UnscopedSystemVariable) !== 0) {
    // `SET @@x = ...` is not reported by MariaDB's tracker.
    for (const { name, scope } of traits.assignments) {
      if (scope !== AssignmentScope.AtNone) continue;
      if (name === null) holds |= HoldReason.Unknown;
      else if (treatmentOf(name) === VariableTreatment.Hold) holds |= HoldReason.OneShotVariable;
      else readBack.push(name);
    }
  }
  return {
    holds,
    explainsStateChange: explains(traits),
    ignoresVariableReports: (flags & Flag.SetStatement) !== 0,
    readsDiagnostics: (flags & Flag.ReadsDiagnostics) !== 0,
    // A text that can't be told may do anything: that is no reason to refuse it.
    readsCounts:
      (flags & (Flag.ReadsFoundRows | Flag.ReadsRowCount)) !== 0 && (traits.holds & Hold.Unknown) === 0,
    leavesCounts: (flags & Flag.UsesCalcFoundRows) !== 0,
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
