import type { PoolClock } from './clock.js';
import type { PoolObserver } from './observer.js';
import type { AgeLimits } from './session-ages.js';
import type { Distance } from './session-pool.js';

/**
 * `K` is what a dial needs to know: one value per pool key, opaque to the pool. Numbers, but for `limit`, may change: they are read
 * when they are needed.
 */
export interface SessionPoolsOptions<S extends object, K> extends AgeLimits {
  /** Cap on sessions over all pools, those being opened and closed included. */
  readonly limit: number;
  /** What the limit is a part of, where others have the rest; null where that is not known. */
  readonly whole?: () => number | null;
  /** Longest wait for a session in ms, observed to within a tick; 0 means no end. */
  readonly waitTimeoutMs: number;
  /**
   * Requests that may wait at most, over all pools; one more is refused at once. Those for whom a
   * session can still be opened do not count. 0, the default, is no limit.
   */
  readonly maxWaiting?: number;
  /** Cap in ms on the pause after failed dials. */
  readonly dialRetryMs: number;
  /**
   * Opens a session. Must settle in bounded time: until it does, no other session can be opened. An error with
   * `fatalToWaiters: true` is one that waiting cannot mend (access denied, unknown schema); one with `nobodyThere: true`
   * met nobody who could have answered (connection refused), and is tried again soon. `serverFull: true` means that the
   * server has no connection left, `accountFull: true` that the account of this key has none.
   */
  readonly dial: (target: K, signal: AbortSignal) => Promise<S>;
  /**
   * Closes a session, alive or dead; called once for every session that was opened. Its place in the budget is
   * free once this has settled, so the promise should mean that the server is rid of it. It may report the
   * session as dead while at it, and must not call the pool otherwise.
   */
  readonly close: (session: S, reason: string) => Promise<void> | undefined;
  /** The session's state as a value; read each time it becomes idle, and compared with the request's by ===. */
  readonly fingerprint: (session: S) => unknown;
  /**
   * What it costs to turn a session of one fingerprint into one of another: any non-negative number, 0 for equal ones.
   * Asked where no idle session matches, of the first few only; without it, any of them will do.
   */
  readonly distance?: Distance;
  /** Why a lent session cannot come back yet, or null; asked for snapshots only. */
  readonly heldReason?: (session: S) => string | null;
  /**
   * A lent session has lived for long enough: its borrower is to give it back now, if it can do so at once. Asked again and
   * again while it is lent.
   */
  readonly outlived?: (session: S) => void;
  readonly observer?: PoolObserver<S>;
  readonly clock?: PoolClock;
  /** Uniform in [0, 1); the jitter of dial pauses and lifetimes. */
  readonly random?: () => number;
}
