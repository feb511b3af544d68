import type { PoolError } from './errors.js';
import type { SessionPool } from './session-pool.js';

/** Why the pool itself closed a session; borrowers give reasons of their own to `retire`. Log word, metric label. */
export const RetireReason = {
  /** Idle, and another pool had waiters while the budget was exhausted. */
  evicted: 'evicted',
  /** Came back while another pool's waiters had waited much longer. */
  transferred: 'transferred',
  /** The budget has shrunk. */
  overBudget: 'over_budget',
  /** Died while idle, or before it could be lent. */
  died: 'died',
  /** Has lived for `lifetimeMs`. */
  lifetime: 'lifetime',
  /** Was idle for `idleTimeoutMs`. */
  idleTimeout: 'idle_timeout',
  /** Its pool is paused. */
  paused: 'paused',
  /** The pools are closing. */
  closing: 'closing',
} as const;
export type RetireReason = (typeof RetireReason)[keyof typeof RetireReason];

/**
 * Told what happens, for metrics and logs. Every callback is optional and costs nothing when absent. They are
 * called in the middle of the pool's work: they must not throw and must not call the pool.
 */
export interface PoolObserver<S extends object> {
  /** A request that had to wait got a session. Those that are served at once are only counted. */
  waited?(pool: SessionPool<S>, waitedMs: number): void;
  refused?(pool: SessionPool<S>, error: PoolError): void;
  opened?(pool: SessionPool<S>, session: S, tookMs: number): void;
  dialFailed?(pool: SessionPool<S>, error: unknown, retryInMs: number): void;
  retiring?(pool: SessionPool<S>, session: S, reason: string): void;
  closed?(pool: SessionPool<S>, session: S, reason: string): void;
  /** A request has to wait. */
  waits?(): void;
  /** A place in the budget has come free: a session is closed for good, or could not be opened. */
  placeFreed?(): void;
  /** Closing a session failed or took too long; its place has been freed all the same. */
  closeFailed?(pool: SessionPool<S>, error: unknown): void;
}
