import type { CheckoutRequest } from './checkout-request.js';
import type { PoolClock } from './clock.js';
import { PoolMisuseError } from './errors.js';
import type { SessionPool } from './session-pool.js';

/**
 * How much longer than a pool's own first waiter another pool's must have waited, in ms, before a returned
 * session is closed in the other pool's favour. Opening a session costs far more than handing one over, so a
 * small difference is not worth it; but without any such rule a busy pool would starve the others for ever.
 * Also how long a waiter must have waited, or a session been idle, before one of two busy pools takes an idle
 * session from the other; and how long a waiter must have waited before nobody behind it is served first because a
 * session happens to suit that one better.
 */
export const AGEING_MS = 20;

/** How many waiters of a line are looked at when a session has come back: the first, and those right behind it. */
export const AFFINITY_REACH = 8;

/** The lines of waiters of all pools, and the order among them: whoever came first, wherever he waits. */
export class WaitingLines<S extends object> {
  readonly #pools = new Set<SessionPool<S>>();
  #tickets = 0;

  /** How many pools have waiters. */
  get size(): number {
    return this.#pools.size;
  }

  /** The pools that have waiters. */
  [Symbol.iterator](): IterableIterator<SessionPool<S>> {
    return this.#pools.values();
  }

  join(request: CheckoutRequest<S>, pool: SessionPool<S>, now: number): void {
    request.ticket = ++this.#tickets;
    request.enqueuedAt = now;
    request.waitsIn = pool;
    pool.waiters.push(request);
    this.#pools.add(pool);
  }

  /** For a request that had left its line: to the place where it would be now. */
  rejoin(request: CheckoutRequest<S>, pool: SessionPool<S>): void {
    request.waitsIn = pool;
    pool.waiters.restore(request);
    this.#pools.add(pool);
  }

  leave(request: CheckoutRequest<S>): void {
    const pool = request.waitsIn;
    if (pool === null || !this.#pools.has(pool)) throw new PoolMisuseError('the request does not wait here');
    pool.waiters.remove(request);
    request.waitsIn = null;
    if (pool.waiters.size === 0) this.#pools.delete(pool);
  }

  /**
   * Who gets a session of this fingerprint that has come back to a pool with waiters: the first of those near the head
   * whom it suits as it is, as long as the head has not waited for long; else the head. The head has waited longest,
   * so nobody who has waited for {@link AGEING_MS} is overtaken by anyone.
   */
  next(head: CheckoutRequest<S>, fingerprint: unknown, clock: PoolClock): CheckoutRequest<S> {
    if (head.fingerprint === fingerprint || clock.now() - head.enqueuedAt >= AGEING_MS) return head;
    let request = head.behind;
    for (let place = 1; place < AFFINITY_REACH && request !== null; place++) {
      if (request.fingerprint === fingerprint) return request;
      request = request.behind;
    }
    return head;
  }

  /** Empties a pool's line, first come first. */
  *empty(pool: SessionPool<S>): Generator<CheckoutRequest<S>> {
    for (let first = pool.waiters.head; first !== null; first = pool.waiters.head) {
      this.leave(first);
      yield first;
    }
  }

  /** Takes out whoever has waited since `time` or longer. First in, first out: only heads need looking at. */
  *overdue(pool: SessionPool<S>, time: number): Generator<CheckoutRequest<S>> {
    for (let first = pool.waiters.head; first !== null; first = pool.waiters.head) {
      if (first.enqueuedAt > time) return;
      this.leave(first);
      yield first;
    }
  }

  /** The pool whose first waiter came first, among those for which a dial may be tried now. */
  longestWaiting(now: number): SessionPool<S> | null {
    let found: SessionPool<S> | null = null;
    let ticket = Number.POSITIVE_INFINITY;
    for (const pool of this.#pools) {
      const first = pool.waiters.head;
      if (first !== null && first.ticket < ticket && pool.backoff.ready(now)) {
        found = pool;
        ticket = first.ticket;
      }
    }
    return found;
  }

  /** Whether a session that has come back to `pool`, which has waiters, should make room for another pool. */
  overdueElsewhere(pool: SessionPool<S>, now: number): boolean {
    const own = pool.waiters.head;
    const first = this.longestWaiting(now)?.waiters.head ?? null;
    if (own === null || first === null) return false;
    return own.enqueuedAt - first.enqueuedAt >= AGEING_MS;
  }
}
