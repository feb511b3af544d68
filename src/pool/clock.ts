import { performance } from 'node:perf_hooks';

/** Ends a ticker; calling it twice does nothing. */
export type StopTicking = () => void;

/**
 * The pool's only source of time, so that tests decide what time it is and the whole process can share one.
 * Values are milliseconds on a monotonic scale with an arbitrary origin.
 */
export interface PoolClock {
  now(): number;
  /** Calls `tick` about every `periodMs` until stopped; must not keep the process alive. */
  every(periodMs: number, tick: () => void): StopTicking;
}

export const systemClock: PoolClock = {
  // Imported: the global of that name is looked up anew by each call.
  now: () => performance.now(),
  every(periodMs, tick) {
    const timer = setInterval(tick, periodMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};
