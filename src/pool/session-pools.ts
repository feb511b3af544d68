import { CheckoutCounts } from './checkout-counts.js';
import type { CheckoutRequest } from './checkout-request.js';
import { type PoolClock, systemClock } from './clock.js';
import { ConnectionBudget } from './connection-budget.js';
import { Deliveries } from './deliveries.js';
import { DialBackoff } from './dial-backoff.js';
import { type Dial, Dialler, isFatalToWaiters } from './dialler.js';
import {
  PoolClosedError,
  PoolDialError,
  type PoolError,
  PoolMisuseError,
  PoolStillbornSessionError,
  PoolTimeoutError,
} from './errors.js';
import { type PoolObserver, RetireReason } from './observer.js';
import type { SessionPoolsOptions } from './options.js';
import { Overload } from './overload.js';
import { Retirement } from './retirement.js';
import { SessionAges } from './session-ages.js';
import { type Distance, leastRecentlyUsed, SessionPool } from './session-pool.js';
import { SessionSlot, SessionState } from './session-slot.js';
import { SessionSupply } from './session-supply.js';
import { figuresFor, type PoolsSnapshot, type SessionRecord, takeSnapshot } from './snapshot.js';
import { Ticker } from './ticker.js';
import { WaitingLines } from './waiting-lines.js';

/** Period in ms of the tick that looks after deadlines and dial pauses; it runs only while there are any. */
export const TICK_MS = 50;

/**
 * All session pools of one server, under one connection budget.
 *
 * Lending is synchronous: `checkout` gives a session or queues the request, `checkin` hands the session to the
 * waiting request whose turn it is (or, for a short while, to one behind it whom the session suits as it is) or makes
 * it idle. Invariants after every call, checked by the model test:
 * - a pool with waiters has no idle session;
 * - if anyone waits, then a session is being opened or closed, or dialling pauses, or the budget is exhausted
 *   by sessions that are lent out or were so until just now: there is always an event to come that serves the
 *   first waiter;
 * - idle + active + dialing + retiring <= limit, unless the limit has just been lowered.
 */
export class SessionPools<S extends object, K> {
  /** Sessions lent since the start. */
  readonly checkouts = new CheckoutCounts();
  readonly #options: SessionPoolsOptions<S, K>;
  readonly #clock: PoolClock;
  readonly #observer: PoolObserver<S>;
  readonly #budget: ConnectionBudget<Dial<S> | SessionSlot<S>>;
  readonly #dialler: Dialler<S>;
  readonly #retirement: Retirement<S>;
  readonly #ticker: Ticker;
  readonly #lines: WaitingLines<S>;
  readonly #deliveries: Deliveries<S>;
  readonly #pools = new Map<string, SessionPool<S>>();
  readonly #targets = new WeakMap<SessionPool<S>, K>();
  readonly #slots = new Map<S, SessionSlot<S>>();
  /** Sessions that were reported dead before their dial was known to have succeeded. */
  readonly #stillborn = new WeakSet<S>();
  readonly #ages: SessionAges<S>;
  readonly #supply: SessionSupply<S>;
  readonly #overload: Overload;
  #closing: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null;

  constructor(options: SessionPoolsOptions<S, K>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#observer = options.observer ?? {};
    this.#overload = new Overload(options.maxWaiting ?? 0, () => this.snapshot());
    this.#lines = new WaitingLines(this.#clock);
    this.#deliveries = new Deliveries(this.#clock, this.#observer, this.checkouts);
    this.#ages = new SessionAges(options);
    this.#budget = new ConnectionBudget(options.limit, () => this.#clock.now(), options.random);
    this.#retirement = new Retirement(options.close, this.#observer, (slot) => this.#gone(slot));
    this.#ticker = new Ticker(this.#clock, TICK_MS, () => this.#tick());
    const outcome = {
      opened: (dial: Dial<S>, session: S) => this.#opened(dial, session),
      failed: (dial: Dial<S>, error: unknown) => this.#dialFailed(dial, error),
    };
    this.#dialler = new Dialler(this.#clock, outcome, this.#newBackoff(), this.#budget);
    this.#supply = new SessionSupply({
      clock: this.#clock,
      budget: this.#budget,
      dialler: this.#dialler,
      retirement: this.#retirement,
      lines: this.#lines,
      ticker: this.#ticker,
      pools: this.#pools,
      minSize: this.#ages.minSize,
      isClosing: () => this.#closing !== null,
      retire: (slot, reason) => this.#retire(slot, reason),
    });
  }

  /** The pool for a key, created at first use; `target` is what its dials get, and is kept from the first call. */
  pool(key: string, target: K): SessionPool<S> {
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      const open = (signal: AbortSignal): Promise<S> => this.#options.dial(target, signal);
      pool = new SessionPool(key, this, open, this.#newBackoff(), this.#options.distance ?? noDistance);
      this.#pools.set(key, pool);
      this.#targets.set(pool, target);
    }
    pool.dismissed = false;
    return pool;
  }

  /** What made dials for these targets fail may be over: they need not wait for their next try. */
  retryDials(which: (target: K) => boolean): void {
    for (const pool of this.#poolsOf(which)) pool.backoff.succeeded();
    this.#supply.pump();
  }

  /** Sessions of these targets serve no further client: those that are lent are closed when they come back. */
  retireAll(which: (target: K) => boolean, reason: string): void {
    const pools = new Set(this.#poolsOf(which));
    for (const slot of this.#slots.values()) {
      if (!pools.has(slot.pool)) continue;
      if (slot.state === SessionState.idle) this.#retire(slot, reason);
      else slot.doomed = reason;
    }
    this.#supply.pump();
    this.#deliveries.run();
  }

  /**
   * Closes the idle sessions of these targets' pools, and forgets those that have no session, none under way and nobody who
   * waits; to be called when no client has such a target any more, and again until it is done.
   * @returns whether all of them are forgotten
   */
  dismiss(which: (target: K) => boolean, reason: string): boolean {
    const pools = this.#poolsOf(which);
    for (const pool of pools) {
      pool.dismissed = true;
      this.#supply.forget(pool);
      for (const slot of [...pool.store.idle])
        if (slot.state === SessionState.idle) this.#retire(slot, reason);
    }
    this.#supply.pump();
    this.#deliveries.run();
    return this.#forgetEmpty(pools);
  }

  #forgetEmpty(pools: readonly SessionPool<S>[]): boolean {
    let isAll = true;
    for (const pool of pools) {
      const isEmpty = pool.store.size === 0 && pool.waiting === 0 && this.#dialler.current?.pool !== pool;
      const isClosing = [...this.#slots.values()].some((slot) => slot.pool === pool);
      if (!isEmpty || isClosing) {
        isAll = false;
        continue;
      }
      this.#pools.delete(pool.key);
    }
    return isAll;
  }

  #poolsOf(which: (target: K) => boolean): SessionPool<S>[] {
    return [...this.#pools.values()].filter((pool) => {
      const target = this.#targets.get(pool);
      return target !== undefined && which(target);
    });
  }

  get limit(): number {
    return this.#budget.limit;
  }

  /** What the limit would be if the server let us have it: it may have refused more for now. */
  get size(): number {
    return this.#budget.size;
  }

  /** The size. Takes effect at once: idle sessions beyond it are closed now, lent ones when they come back. */
  set limit(limit: number) {
    this.#budget.size = limit;
    while (this.#supply.hasSurplus) {
      const slot = leastRecentlyUsed(this.#pools.values());
      if (slot === null) break;
      this.#retire(slot, RetireReason.overBudget);
    }
    this.#supply.pump();
  }

  /**
   * Lends a session at once, or returns null and queues the request: see `CheckoutRequest` for what follows.
   * @throws PoolMisuseError when the request is pending already, or its pool is another server's
   */
  checkout(request: CheckoutRequest<S>): S | null {
    const { pool, preferred } = request;
    if (request.queue !== null) throw new PoolMisuseError('the request is pending already');
    if (pool.owner !== this) throw new PoolMisuseError(`pool ${pool.key} belongs to another server`);
    if (this.#closing !== null) return this.#refuseAtOnce(request, new PoolClosedError(pool.key));
    if (pool.store.idle.newest !== null) {
      const slot = pool.pick(request, preferred === null ? undefined : this.#slots.get(preferred));
      if (slot !== null) {
        pool.move(slot, SessionState.active);
        this.#count(slot, request);
        return slot.session;
      }
    }
    const now = this.#clock.now();
    const refusal = pool.store.size === 0 ? pool.backoff.standingRefusal(now) : null;
    if (refusal !== null) return this.#refuseAtOnce(request, new PoolDialError(pool.key, refusal));
    const { waiting } = this.#lines;
    if (this.#overload.isReached(waiting, this.limit - this.#slots.size))
      return this.#refuseAtOnce(request, this.#overload.error(request, waiting, now));
    this.#lines.join(request, pool);
    this.#ticker.keep();
    this.#supply.pump();
    return null;
  }

  /** Without waiting; told as ever, after `checkout` has returned. */
  #refuseAtOnce(request: CheckoutRequest<S>, error: PoolError): null {
    this.#deliveries.refuse(request, request.pool, error);
    this.#deliveries.runSoon();
    return null;
  }

  /**
   * Gives a lent session back, ready for another client.
   * @throws PoolMisuseError when it is not lent
   */
  checkin(session: S): void {
    const slot = this.#slots.get(session);
    if (slot === undefined || slot.state !== SessionState.active || slot.delivery !== null) {
      throw new PoolMisuseError('a session was checked in that is not lent');
    }
    this.#settle(slot);
    this.#supply.pump();
    this.#deliveries.run();
  }

  /**
   * The client has gone. O(1).
   * @returns true if the request was pending: neither of its callbacks will be called
   */
  cancel(request: CheckoutRequest<S>): boolean {
    if (request.queue === null) return false;
    if (this.#deliveries.holds(request)) {
      const slot = this.#deliveries.withdraw(request);
      if (slot !== null) this.#settle(slot);
    } else {
      this.#lines.leave(request);
    }
    this.#supply.pump();
    this.#deliveries.run();
    return true;
  }

  /**
   * Closes a lent or idle session: it died, or is of no use any more.
   * @returns false when it is closed or being closed already
   */
  retire(session: S, reason: string): boolean {
    const slot = this.#slots.get(session);
    if (slot === undefined || slot.state === SessionState.retiring) return false;
    this.#retire(slot, reason);
    this.#supply.pump();
    this.#deliveries.run();
    return true;
  }

  /**
   * Closes idle sessions for which `unwanted` says so (idle too long, too old).
   * @returns how many
   */
  retireIdle(reason: string, unwanted: (session: S, idleMs: number) => boolean): number {
    const now = this.#clock.now();
    let retired = 0;
    for (const pool of this.#pools.values()) {
      for (const slot of [...pool.store.idle]) {
        // Retiring another one may have changed this one's state meanwhile.
        if (slot.state !== SessionState.idle || !unwanted(slot.session, now - slot.since)) continue;
        this.#retire(slot, reason);
        retired++;
      }
    }
    this.#supply.pump();
    return retired;
  }

  /**
   * Closes sessions that have lived for long enough or been idle for too long, at once where they are idle; to be called now
   * and then. None is closed for its age while no other can be opened.
   */
  retireAged(): void {
    if (this.#closing !== null) return;
    const now = this.#clock.now();
    for (const slot of this.#ages.outlived(this.#slots.values(), now)) this.#retireOutlived(slot, now);
    for (const slot of this.#ages.unused(this.#pools.values(), now, this.#supply.open - this.#ages.minSize)) {
      if (slot.state === SessionState.idle) this.#retire(slot, RetireReason.idleTimeout);
    }
    this.#supply.pump();
    this.#deliveries.run();
  }

  #retireOutlived(slot: SessionSlot<S>, now: number): void {
    if (!this.#supply.isReplaceable(slot, now)) return;
    if (slot.state === SessionState.idle) this.#retire(slot, RetireReason.lifetime);
    else if (slot.state === SessionState.active && slot.delivery === null)
      this.#options.outlived?.(slot.session);
  }

  /**
   * To be called whenever a session is seen to be dead. A borrower finds out by itself, and must retire it;
   * anything else (idle, promised to a request that has not been told, just dialled) is taken care of here.
   * @returns whether it was
   */
  sessionDied(session: S): boolean {
    const slot = this.#slots.get(session);
    if (slot === undefined) {
      this.#stillborn.add(session);
      return false;
    }
    if (slot.state === SessionState.active && slot.delivery === null) return false;
    return this.retire(session, RetireReason.died);
  }

  /** Counts at this moment; walks over all sessions, so it is for scrapes and errors, not for every request. */
  snapshot(): PoolsSnapshot {
    return takeSnapshot({
      now: this.#clock.now(),
      limit: this.#budget.limit,
      pools: this.#pools.values(),
      slots: this.#slots.values(),
      dialing: this.#dialler.current?.pool ?? null,
      heldReason: this.#options.heldReason,
    });
  }

  /** Every session that has been opened and is not closed yet. */
  *sessions(): Generator<SessionRecord<S>> {
    for (const slot of this.#slots.values()) {
      yield { session: slot.session, key: slot.pool.key, state: slot.state };
    }
  }

  /**
   * Refuses those who wait and whoever comes, closes idle sessions, and lent ones as they come back. Resolves
   * when all are closed; to hurry it, make the borrowers give up (`sessions()` lists them). May be called again.
   */
  close(): Promise<void> {
    if (this.#closing !== null) return this.#closing.promise;
    let resolve = (): void => {};
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    this.#closing = { promise, resolve };
    this.#dialler.abort();
    for (const pool of this.#lines) this.#refuseAll(pool, new PoolClosedError(pool.key));
    this.retireIdle(RetireReason.closing, () => true);
    this.#finishClosing();
    this.#deliveries.run();
    return promise;
  }

  /**
   * A session has come free: decides what becomes of it. To be followed by `SessionSupply.pump` and a run of deliveries.
   * `opened`: it has just been, for the longest waiter of all.
   */
  #settle(slot: SessionSlot<S>, opened = false): void {
    const { pool } = slot;
    this.#lines.returned(slot);
    const first = pool.waiters.head;
    if (this.#closing !== null) {
      this.#retire(slot, RetireReason.closing);
    } else if (this.#supply.hasSurplus) {
      this.#retire(slot, RetireReason.overBudget);
    } else if (slot.doomed !== '') {
      this.#retire(slot, slot.doomed);
    } else if (slot.outlived && this.#supply.isReplaceable(slot, this.#clock.now())) {
      this.#retire(slot, RetireReason.lifetime);
    } else if (first === null) {
      slot.fingerprint = this.#options.fingerprint(slot.session);
      slot.since = this.#clock.now();
      pool.move(slot, SessionState.idle);
    } else if (!opened && this.#lines.size > 1 && this.#supply.shouldTransfer(pool)) {
      this.#retire(slot, RetireReason.transferred);
    } else {
      const next = opened ? first : this.#nextFor(slot, first);
      this.#lines.take(next, slot);
      this.#deliveries.grant(next, slot, opened);
    }
  }

  #nextFor(slot: SessionSlot<S>, first: CheckoutRequest<S>): CheckoutRequest<S> {
    if (slot.pool.waiters.size === 1) return first;
    return this.#lines.next(slot.pool, this.#options.fingerprint(slot.session)) ?? first;
  }

  #count(slot: SessionSlot<S>, request: CheckoutRequest<S>): void {
    if (slot.fingerprint !== request.fingerprint) this.checkouts.restored++;
    else if (slot.session === request.preferred) this.checkouts.own++;
    else this.checkouts.equal++;
  }

  #opened(dial: Dial<S>, session: S): void {
    const { pool } = dial;
    if (this.#slots.has(session)) {
      this.#dialFailed(dial, new PoolMisuseError('dial gave a session that the pool has already'));
      return;
    }
    const slot = new SessionSlot(pool, session);
    this.#budget.leave(dial);
    this.#budget.take(slot);
    this.#slots.set(session, slot);
    this.#ages.opened(slot, this.#clock.now());
    pool.move(slot, SessionState.active);
    this.#observer.opened?.(pool, session, this.#clock.now() - dial.startedAt);
    if (this.#stillborn.delete(session)) {
      this.#countFailure(
        pool,
        new PoolStillbornSessionError(`a new session of pool ${pool.key} died at once`),
      );
      this.#retire(slot, RetireReason.died);
    } else {
      this.#dialler.succeeded(pool);
      // Not to be transferred: it was opened for the longest waiter, and if that one has been served
      // meanwhile it is still better lent than closed unused.
      this.#settle(slot, true);
    }
    this.#supply.pump();
    this.#deliveries.run();
  }

  #dialFailed(dial: Dial<S>, error: unknown): void {
    const { pool } = dial;
    this.#budget.leave(dial);
    if (this.#closing === null) this.#countFailure(pool, error);
    // With sessions at work the waiters can still be served as these come back (a password changed on the
    // server, say, while older sessions go on): only a pool without any has nothing to wait for.
    if (isFatalToWaiters(error) && pool.store.size === 0) {
      this.#refuseAll(pool, new PoolDialError(pool.key, error));
    }
    this.#finishClosing();
    this.#supply.pump();
    this.#deliveries.run();
  }

  #countFailure(pool: SessionPool<S>, error: unknown): void {
    const retryInMs = this.#dialler.failed(pool, error, this.#lines.size > 0);
    this.#observer.dialFailed?.(pool, error, retryInMs);
  }

  #retire(slot: SessionSlot<S>, reason: string): void {
    const { pool, delivery } = slot;
    this.#lines.returned(slot);
    if (delivery !== null) this.#deliveries.withdraw(delivery);
    this.#ticker.keep();
    this.#retirement.retire(slot, reason, this.#clock.now());
    // The request it was promised to has not been told: another session, or back to its place in line.
    if (delivery !== null) this.#reconsider(delivery, pool);
  }

  #reconsider(request: CheckoutRequest<S>, pool: SessionPool<S>): void {
    const slot = pool.pick(request, undefined);
    if (slot !== null) {
      pool.move(slot, SessionState.active);
      this.#deliveries.grant(request, slot);
    } else if (this.#closing !== null) {
      this.#deliveries.refuse(request, pool, new PoolClosedError(pool.key));
    } else {
      this.#lines.rejoin(request, pool);
    }
  }

  #gone(slot: SessionSlot<S>): void {
    this.#slots.delete(slot.session);
    if (!slot.pool.dismissed) this.#supply.closed(slot.pool);
    this.#budget.leave(slot);
    this.#finishClosing();
    this.#supply.pump();
  }

  #finishClosing(): void {
    if (this.#closing === null || this.#budget.used > 0) return;
    this.#ticker.stop();
    this.#closing.resolve();
  }

  #refuseAll(pool: SessionPool<S>, error: PoolError): void {
    for (const request of this.#lines.empty(pool)) this.#deliveries.refuse(request, pool, error);
  }

  /** @returns whether there is still something to look after */
  #tick(): boolean {
    const now = this.#clock.now();
    for (const pool of this.#lines) this.#expire(pool, now);
    this.#retirement.expire(now);
    this.#supply.pump();
    this.#deliveries.run();
    return this.#lines.size > 0 || this.#retirement.size > 0 || this.#supply.isShort;
  }

  #expire(pool: SessionPool<S>, now: number): void {
    const { waitTimeoutMs } = this.#options;
    const { oldest } = pool.waiters;
    if (waitTimeoutMs === 0 || oldest === null || now - oldest.enqueuedAt < waitTimeoutMs) return;
    const figures = figuresFor(this.snapshot(), pool.key);
    for (const request of this.#lines.overdue(pool, now - waitTimeoutMs)) {
      const trouble = this.#dialler.troubleSince(pool, request.enqueuedAt);
      const error = new PoolTimeoutError(figures, now - request.enqueuedAt, trouble, request.process);
      this.#deliveries.refuse(request, pool, error);
    }
  }

  #newBackoff(): DialBackoff {
    return new DialBackoff(this.#options.dialRetryMs, this.#options.random ?? Math.random);
  }
}

const noDistance: Distance = () => 0;
