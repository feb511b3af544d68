import type { PoolError } from './errors.js';
import type { SessionPool } from './session-pool.js';

/** How a request came by its session; a metric label. */
export const CheckoutKind = {
  /** The client's own last session. */
  preferred: 'preferred',
  /** An idle one with the client's fingerprint. */
  match: 'match',
  /** Any other idle one. */
  other: 'other',
  /** Handed over after waiting. */
  waited: 'waited',
} as const;
export type CheckoutKind = (typeof CheckoutKind)[keyof typeof CheckoutKind];

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
  /** The pools are closing. */
  closing: 'closing',
} as const;
export type RetireReason = (typeof RetireReason)[keyof typeof RetireReason];

/**
 * Told what happens, for metrics and logs. Every callback is optional and costs nothing when absent. They are
 * called in the middle of the pool's work: they must not throw and must not call the pool.
 */
export interface PoolObserver<S extends object> {
  /** A session was lent. `waitedMs` is 0 unless `kind` is `waited`. */
  lent?(pool: SessionPool<S>, kind: CheckoutKind, waitedMs: number): void;
  refused?(pool: SessionPool<S>, error: PoolError): void;
  opened?(pool: SessionPool<S>, session: S, tookMs: number): void;
  dialFailed?(pool: SessionPool<S>, error: unknown, retryInMs: number): void;
  retiring?(pool: SessionPool<S>, session: S, reason: string): void;
  closed?(pool: SessionPool<S>, session: S, reason: string): void;
  /** Closing a session failed or took too long; its place has been freed all the same. */
  closeFailed?(pool: SessionPool<S>, error: unknown): void;
}
