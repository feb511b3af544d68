import type { CheckoutRequest } from './checkout-request.js';
import type { Loan } from './loan-log.js';
import type { SessionPool } from './session-pool.js';

/**
 * Where a session is. Each state is one container, and every count is that container's size:
 * `dialing` the dialler's dial, `idle` the pool's idle list, `active` generic-pool's loans, `retiring` the
 * group's set of sessions being closed. All four take a place in the connection budget.
 */
export const SessionState = {
  dialing: 'dialing',
  idle: 'idle',
  active: 'active',
  retiring: 'retiring',
} as const;
export type SessionState = (typeof SessionState)[keyof typeof SessionState];

/** What generic-pool keeps in its deque: its own record of a resource. */
export interface PooledResource<S extends object> {
  readonly obj: SessionSlot<S>;
}

/** One session and its state: the object that generic-pool owns on the pool's behalf. */
export class SessionSlot<S extends object> implements Loan {
  readonly pool: SessionPool<S>;
  readonly session: S;
  /** Written only by `SessionPool.move`. */
  state: SessionState = SessionState.dialing;
  /** Clock time (ms) at which it became idle, or began to retire; while it is active: meaningless. */
  since = 0;
  /** The session's fingerprint, read when it became idle: it cannot change before it is lent again. */
  fingerprint: unknown = undefined;
  /** Clock time (ms). */
  openedAt = 0;
  /** By which share of its lifetime it is to end early. */
  jitter = 0;
  /** It has: it is closed as soon as nobody needs it. */
  outlived = false;
  /** Why it serves no further client once it comes back; empty where it may. */
  doomed = '';
  /** Why it is being closed. */
  reason = '';
  /** The request this active session is promised to, until that request's callback is called. */
  delivery: CheckoutRequest<S> | null = null;
  // The loan log's.
  client = 0;
  askedAt = 0;
  lentAt = 0;
  readonly profile = 0;

  /** The request to which it is lent ahead of its turn, until it comes back. */
  ahead: CheckoutRequest<S> | null = null;

  // The idle list's: generic-pool's record while the session is in the list, and the links.
  record: PooledResource<S> | null = null;
  newer: SessionSlot<S> | null = null;
  older: SessionSlot<S> | null = null;

  constructor(pool: SessionPool<S>, session: S) {
    this.pool = pool;
    this.session = session;
  }
}
