import { type ListOperation, Outcome } from '../history.js';

/**
 * An engine that loses its primary for good goes on from what a replica had: whatever was done on the old one since is on a branch
 * of history that has ended. What has left nothing behind is taken for what it is then, unknown; what was read there goes with it.
 * Something that is there in part, or has seen what is gone, stays as it was told, and shows as an anomaly.
 */
export function withoutLost(operations: readonly ListOperation[]): readonly ListOperation[] {
  if (!operations.some(({ mayBeLost }) => mayBeLost === true)) return operations;
  const kept = new Map<number, Set<number>>();
  for (const { final, steps } of operations)
    if (final === true)
      for (const step of steps) if (step.do === 'read') kept.set(step.key, new Set(step.values ?? []));
  const isGone = (key: number, value: number): boolean => kept.get(key)?.has(value) === false;
  return operations.map((operation): ListOperation => {
    if (operation.mayBeLost !== true || operation.outcome !== Outcome.Ok) return operation;
    const own = operation.steps.flatMap((step) =>
      step.do === 'append' ? [isGone(step.key, step.value)] : [],
    );
    const sawGone = operation.steps.some(
      (step) => step.do === 'read' && step.values?.some((value) => isGone(step.key, value)),
    );
    const isLost = own.every((gone) => gone) && (own.length > 0 || sawGone);
    return isLost ? { ...operation, outcome: Outcome.Info } : operation;
  });
}
