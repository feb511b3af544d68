import type { CheckoutCounts } from './checkout-counts.js';
import type { CheckoutRequest } from './checkout-request.js';
import type { PoolClock } from './clock.js';
import type { PoolError } from './errors.js';
import type { PoolObserver } from './observer.js';
import { RequestQueue } from './request-queue.js';
import type { SessionPool } from './session-pool.js';
import type { SessionSlot } from './session-slot.js';

/**
 * Decided outcomes on their way to their requests. Callbacks are called from one loop and never from inside
 * another callback: a callback that checks a session in at once, so that the next waiter gets it and does the
 * same, would otherwise pile up one stack frame per waiter. It also means that the pool's state is consistent
 * whenever foreign code runs.
 */
export class Deliveries<S extends object> {
  readonly #clock: PoolClock;
  readonly #observer: PoolObserver<S>;
  readonly #counts: CheckoutCounts;
  readonly #lent: (slot: SessionSlot<S>, request: CheckoutRequest<S>, askedAt: number) => void;
  readonly #queue = new RequestQueue<S>();
  #running = false;
  #scheduled = false;

  constructor(
    clock: PoolClock,
    observer: PoolObserver<S>,
    counts: CheckoutCounts,
    lent: (slot: SessionSlot<S>, request: CheckoutRequest<S>, askedAt: number) => void,
  ) {
    this.#clock = clock;
    this.#observer = observer;
    this.#counts = counts;
    this.#lent = lent;
  }

  /** The session is active and promised to the request from here on. `opened`: it has just been. */
  grant(request: CheckoutRequest<S>, slot: SessionSlot<S>, opened = false): void {
    request.undeliveredSlot = slot;
    request.isNew = opened;
    slot.delivery = request;
    this.#queue.push(request);
  }

  refuse(request: CheckoutRequest<S>, pool: SessionPool<S>, error: PoolError): void {
    this.#observer.refused?.(pool, error);
    request.undeliveredError = error;
    this.#queue.push(request);
  }

  /** Takes an undelivered outcome back; its session, if it has one, is nobody's then. */
  withdraw(request: CheckoutRequest<S>): SessionSlot<S> | null {
    const slot = request.undeliveredSlot;
    this.#queue.remove(request);
    request.undeliveredSlot = null;
    request.undeliveredError = null;
    if (slot !== null) slot.delivery = null;
    return slot;
  }

  holds(request: CheckoutRequest<S>): boolean {
    return request.queue === this.#queue;
  }

  /** Delivers everything, including what the callbacks add. Inside a callback: does nothing, the loop goes on. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    for (let request = this.#queue.head; request !== null; request = this.#queue.head) this.#deliver(request);
    this.#running = false;
  }

  /** Delivers after the calling code has returned. */
  runSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.run();
    });
  }

  #deliver(request: CheckoutRequest<S>): void {
    const error = request.undeliveredError;
    const slot = this.withdraw(request);
    if (slot !== null) this.#count(slot, request);
    try {
      if (slot !== null) request.granted(slot.session);
      else if (error !== null) request.refused(error);
    } catch (thrown) {
      // A bug of that client's. The others in line, and whoever's call this loop happens to run in, have no
      // part in it: it goes where uncaught errors go.
      queueMicrotask(() => {
        throw thrown;
      });
    }
  }

  /** Not before: what was promised may die, or whom it was promised to may leave. */
  #count(slot: SessionSlot<S>, request: CheckoutRequest<S>): void {
    const { isNew, enqueuedAt } = request;
    request.grantedAt = this.#clock.now();
    this.#lent(slot, request, enqueuedAt);
    if (isNew) this.#counts.new++;
    else this.#counts.waited++;
    this.#observer.waited?.(slot.pool, request.grantedAt - enqueuedAt);
  }
}
