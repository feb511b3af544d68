import { HoldReason } from '../session/hold-reason.js';
import type { StatementEffects } from '../session/statement-effects.js';
import { Flag, StatementKind, type StatementTraits } from '../sql/traits.js';

/** Statements that use no objects. */
const USES_NOTHING: ReadonlySet<StatementKind> = new Set([
  StatementKind.Empty,
  StatementKind.Use,
  StatementKind.Begin,
  StatementKind.Commit,
  StatementKind.Rollback,
  StatementKind.RollbackTo,
  StatementKind.Savepoint,
  StatementKind.ReleaseSavepoint,
  StatementKind.SetTransaction,
  StatementKind.ShowWarnings,
  StatementKind.ShowErrors,
]);

/** Statements of one text are known before any of them has run: whether a later one may use what an earlier one makes. */
export function usesWhatItChanges(traits: StatementTraits): boolean {
  if ((traits.flags & Flag.ChangesRoutines) === 0 || traits.statements === 1) return false;
  return (
    traits.each.length === 0 ||
    traits.each.some(
      (one) =>
        (one.first !== StatementKind.Ddl || (one.flags & Flag.WritesLastInsertId) !== 0) && usesObjects(one),
    )
  );
}

/** Whether it may run routines or triggers, or read views. */
export function usesObjects({ statements, first }: StatementTraits): boolean {
  return statements > 1 || !USES_NOTHING.has(first);
}

/** What it leaves on its session is meant to stay there. */
function callsByName({ routines, first }: StatementTraits): boolean {
  return routines.length > 0 || first === StatementKind.Call;
}

/** What a statement may do while it is not known what the objects do that it uses. */
export function doubtful(effects: StatementEffects, traits: StatementTraits): StatementEffects {
  return callsByName(traits) ? withUnknown(effects) : withDoubt(effects);
}

const unknown = new WeakMap<StatementEffects, StatementEffects>();
const doubted = new WeakMap<StatementEffects, StatementEffects>();

/** What a statement may do that leaves nobody knows what. */
export function withUnknown(effects: StatementEffects): StatementEffects {
  return withMore(unknown, effects, () => ({ ...effects, holds: effects.holds | HoldReason.Unknown }));
}

function withDoubt(effects: StatementEffects): StatementEffects {
  return withMore(doubted, effects, () => ({ ...effects, inDoubt: true }));
}

function withMore(
  known: WeakMap<StatementEffects, StatementEffects>,
  effects: StatementEffects,
  make: () => StatementEffects,
): StatementEffects {
  let more = known.get(effects);
  if (more === undefined) {
    more = make();
    known.set(effects, more);
  }
  return more;
}
