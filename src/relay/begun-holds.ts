import { HoldReason } from '../session/hold-reason.js';
import type { StateStep } from '../session/state-steps.js';
import type { StatementEffects } from '../session/statement-effects.js';
import { LockCall, StatementKind } from '../sql/traits.js';

/** The `HoldReason` bits that a statement's text says it begins when it succeeds; what it only uses or ends is none. */
export function holdsBegunBy({ state, holds }: StatementEffects): number {
  let bits = 0;
  for (const step of state?.steps ?? []) bits |= begunBy(step, holds);
  return bits;
}

function begunBy(step: StateStep, holds: number): number {
  // What it runs was told to PREPARE, or stands in a variable.
  if (step.kind === StatementKind.Execute) return 0;
  let bits = step.adds | step.unnamed;
  for (const change of step.changes) {
    if (change.kind === 'create_temporary') bits |= HoldReason.TemporaryTable;
    // A literal is set again wherever it is asked for.
    else if (change.kind === 'user_variable' && change.literal === null) bits |= HoldReason.UserVariable;
    else if (change.kind === 'prepare') bits |= HoldReason.TextPrepare;
    else if (change.kind === 'handler_open') bits |= HoldReason.Handler;
  }
  if (step.writesUnnamedVariables) bits |= HoldReason.UserVariable;
  if (step.locks?.includes(LockCall.Get)) bits |= HoldReason.UserLock;
  // It is not a plain list of calls: it may be the function that takes a lock, or the one that releases it.
  else if (step.locks === null) bits |= holds & HoldReason.UserLock;
  if (step.locksTables) bits |= HoldReason.TableLock;
  // `timestamp = DEFAULT` ends what another value began.
  if (step.oneShots.some(({ name, isDefault }) => !(isDefault && name === 'timestamp')))
    bits |= HoldReason.OneShotVariable;
  if (step.kind === StatementKind.XaStart) bits |= HoldReason.Xa;
  if (step.kind === StatementKind.SetRole) bits |= HoldReason.Role;
  return bits;
}
