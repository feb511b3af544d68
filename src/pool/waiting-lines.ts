import type { CheckoutRequest } from './checkout-request.js';
import { PoolMisuseError } from './errors.js';
import type { Lane } from './fair-queue.js';
import type { SessionPool } from './session-pool.js';
import type { SessionSlot } from './session-slot.js';

/**
 * How much longer than a pool's own next waiter another pool's must have waited for its turn, in ms, before a returned
 * session is closed in the other pool's favour. Opening a session costs far more than handing one over, so a
 * small difference is not worth it; but without any such rule a busy pool would starve the others for ever.
 * Also how long a waiter must have waited, or a session been idle, before one of two busy pools takes an idle
 * session from the other; and how long a waiter must have waited before nobody behind it is served first because a
 * session happens to suit that one better.
 */
export const AGEING_MS = 20;

/**
 * The waiters of all pools, and the order among them: processes that hold a session first (see `AppProcess`), then turn by
 * turn, process by process, whichever pools they wait in; a process that waits in several pools has a turn in each.
 * Where each process has one waiter, that is who came first.
 */
export class WaitingLines<S extends object> {
  readonly #pools = new Set<SessionPool<S>>();
  #tickets = 0;
  #turns = 0;
  #waiting = 0;

  /** How many pools have waiters. */
  get size(): number {
    return this.#pools.size;
  }

  /** How many requests wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The pools that have waiters. */
  [Symbol.iterator](): IterableIterator<SessionPool<S>> {
    return this.#pools.values();
  }

  join(request: CheckoutRequest<S>, pool: SessionPool<S>, now: number): void {
    request.ticket = ++this.#tickets;
    request.enqueuedAt = now;
    request.waitsIn = pool;
    pool.waiters.push(request, ++this.#turns, now);
    if (pool.waiters.size === 1) this.#pools.add(pool);
    this.#waiting++;
  }

  /** For a request that had been taken from its line: to the place where it would be now. */
  rejoin(request: CheckoutRequest<S>, pool: SessionPool<S>): void {
    request.waitsIn = pool;
    pool.waiters.restore(request);
    this.#pools.add(pool);
    this.#waiting++;
  }

  /** For one that {@link CheckoutRequest.wantsNew}. @returns whether it had waited here for the session that it had */
  goBack(request: CheckoutRequest<S>, pool: SessionPool<S>): boolean {
    if (!request.wantsNew || request.ticket === 0 || request.lane?.owner !== pool.waiters) return false;
    this.rejoin(request, pool);
    return true;
  }

  /** The request gives up. */
  leave(request: CheckoutRequest<S>): void {
    const pool = this.#poolOf(request);
    pool.waiters.remove(request);
    this.#left(request, pool);
  }

  /** The request gets this session. */
  take(request: CheckoutRequest<S>, slot: SessionSlot<S>, now: number): void {
    const pool = request.waitsIn;
    if (pool === null) throw new PoolMisuseError('the request does not wait');
    const { process } = request;
    const ahead = process.urgent;
    pool.waiters.take(request, ++this.#turns, now);
    this.#left(request, pool);
    if (!ahead) return;
    request.isAhead = true;
    slot.ahead = request;
    process.lentAhead(1);
  }

  /** A session that was granted ahead of a turn is not lent any more. */
  returned(slot: SessionSlot<S>): void {
    const request = slot.ahead;
    if (request === null) return;
    slot.ahead = null;
    request.isAhead = false;
    request.process.lentAhead(-1);
  }

  /**
   * Who gets a session of this fingerprint that has come back to a pool with waiters: one of those near the head whom it
   * suits as it is, else the head. Nobody who has waited for {@link AGEING_MS} is overtaken by anyone.
   * @param isOneComing - a new session can be opened: whoever wants such a one is left out. Null where nobody else waits
   */
  next(
    pool: SessionPool<S>,
    fingerprint: unknown,
    now: number,
    isOneComing: boolean,
  ): CheckoutRequest<S> | null {
    return pool.waiters.choose(fingerprint, now - AGEING_MS, isOneComing);
  }

  /** All who wait, in no order. */
  *requests(): Generator<CheckoutRequest<S>> {
    for (const pool of this.#pools) {
      for (const { requests } of pool.waiters.lanes()) {
        for (let request = requests.head; request !== null; request = request.behind) yield request;
      }
    }
  }

  /** Empties a pool's line, first come first. */
  empty(pool: SessionPool<S>): readonly CheckoutRequest<S>[] {
    return this.overdue(pool, Number.POSITIVE_INFINITY);
  }

  /** Takes out whoever has waited since `time` or longer, first come first. */
  overdue(pool: SessionPool<S>, time: number): readonly CheckoutRequest<S>[] {
    const found: CheckoutRequest<S>[] = [];
    for (const { requests } of pool.waiters.lanes()) {
      for (let first = requests.head; first !== null && first.enqueuedAt <= time; first = first.behind)
        found.push(first);
    }
    for (const request of found) this.leave(request);
    return found.sort((a, b) => a.ticket - b.ticket);
  }

  /** The pool whose turn it is, among those for which a dial may be tried now: none of those that are paused. */
  first(now: number): SessionPool<S> | null {
    let found: SessionPool<S> | null = null;
    let best: Lane<S> | null = null;
    for (const pool of this.#pools) {
      const { first } = pool.waiters;
      if (first === null || pool.paused || !pool.backoff.ready(now)) continue;
      if (best === null || precedes(first, best)) {
        found = pool;
        best = first;
      }
    }
    return found;
  }

  /** Whether a session that has come back to `pool`, which has waiters, should make room for another pool. */
  overdueElsewhere(pool: SessionPool<S>, now: number): boolean {
    const own = pool.waiters.first;
    const other = this.first(now)?.waiters.first ?? null;
    if (own === null || other === null) return false;
    if (own.process.urgent !== other.process.urgent)
      return other.process.urgent && now - other.since >= AGEING_MS;
    return own.since - other.since >= AGEING_MS;
  }

  #poolOf(request: CheckoutRequest<S>): SessionPool<S> {
    const pool = request.waitsIn;
    if (pool === null || !this.#pools.has(pool)) throw new PoolMisuseError('the request does not wait here');
    return pool;
  }

  #left(request: CheckoutRequest<S>, pool: SessionPool<S>): void {
    request.waitsIn = null;
    this.#waiting--;
    if (pool.waiters.size === 0) this.#pools.delete(pool);
  }
}

function precedes<S extends object>(a: Lane<S>, b: Lane<S>): boolean {
  return a.process.urgent === b.process.urgent ? a.turn < b.turn : a.process.urgent;
}
