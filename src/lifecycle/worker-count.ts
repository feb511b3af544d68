import { availableParallelism } from 'node:os';

/** `workers`: as many as asked for, or as there are processors that this process may use (affinity, limits of its cgroup as the runtime sees them). */
export function workerCount(workers: number | 'auto'): number {
  return workers === 'auto' ? Math.min(MOST_WORKERS, Math.max(1, availableParallelism())) : workers;
}

/** The ids of clients tell so many apart, with as many of a generation before that still drain. */
export const MOST_WORKERS = 32;
