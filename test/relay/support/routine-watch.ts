import type { Test } from 'tap';
import { RoutineWatch, type RoutineWatchOptions } from '../../../src/relay/routine-watch.js';

/** A watch that reaches no server unless it is told how; it ends with the test. */
export function watch(t: Test, over: Partial<RoutineWatchOptions>): RoutineWatch {
  const routines = new RoutineWatch({
    connect: () => Promise.reject(new Error('no way')),
    publish: () => {},
    intervalMs: 60_000,
    log: { warn: () => {} },
    ...over,
  });
  t.teardown(() => routines.stop());
  return routines;
}

export function known(routines: RoutineWatch): Promise<void> {
  return new Promise((resolve) => routines.whenKnown(resolve));
}
