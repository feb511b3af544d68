import type { LossWindow } from './engines/engine.js';
import { type AnyOperation, Outcome } from './history.js';

/** Marks what was acknowledged where the engine may lose it. */
export function markLosses(
  operations: readonly AnyOperation[],
  windows: readonly LossWindow[],
): readonly AnyOperation[] {
  if (windows.length === 0) return operations;
  return operations.map((one) => {
    const { outcome, invoked, completed } = one;
    const isIn = windows.some(({ after, until }) => completed > after && invoked < until);
    return outcome === Outcome.Ok && isIn ? { ...one, mayBeLost: true } : one;
  });
}
