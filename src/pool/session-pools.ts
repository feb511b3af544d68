import { Allotment } from './allotment.js';
import { CheckoutCounts } from './checkout-counts.js';
import type { CheckoutRequest } from './checkout-request.js';
import { type PoolClock, systemClock } from './clock.js';
import { ConnectionBudget } from './connection-budget.js';
import { Deliveries } from './deliveries.js';
import { type Dial, Dialler } from './dialler.js';
import {
  PoolClosedError,
  PoolDialError,
  type PoolError,
  PoolMisuseError,
  PoolTimeoutError,
} from './errors.js';
import { LoanLog, type WaitingLoan } from './loan-log.js';
import { type PoolObserver, RetireReason } from './observer.js';
import type { SessionPoolsOptions } from './options.js';
import { Overload } from './overload.js';
import type { Pausing } from './pauses.js';
import { newBackoff, PoolGroup } from './pool-group.js';
import { Retirement } from './retirement.js';
import { SessionLife } from './session-life.js';
import { leastRecentlyUsed, type SessionPool } from './session-pool.js';
import { type SessionSlot, SessionState } from './session-slot.js';
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
 * - a pool with waiters has no idle session, unless all who wait want a new one;
 * - a paused pool has no idle session, and none is being opened that was not when it was paused;
 * - if anyone waits in a pool that is not paused, then a session is being opened or closed, or dialling pauses, or the budget is exhausted
 *   by sessions that are lent out or were so until just now: there is always an event to come that serves the
 *   first waiter;
 * - idle + active + dialing + retiring <= limit, unless the limit has just been lowered.
 */
export class SessionPools<S extends object, K> {
  /** Sessions lent since the start. */
  readonly checkouts = new CheckoutCounts();
  /** When sessions were asked for, lent and given back. */
  readonly loans: LoanLog;
  readonly #options: SessionPoolsOptions<S, K>;
  readonly #clock: PoolClock;
  readonly #observer: PoolObserver<S>;
  readonly #budget: ConnectionBudget<Dial<S> | SessionSlot<S>>;
  readonly #dialler: Dialler<S>;
  readonly #retirement: Retirement<S>;
  readonly #ticker: Ticker;
  readonly #lines: WaitingLines<S>;
  readonly #deliveries: Deliveries<S>;
  readonly #group: PoolGroup<S, K>;
  readonly #slots = new Map<S, SessionSlot<S>>();
  readonly #life: SessionLife<S>;
  readonly #supply: SessionSupply<S>;
  readonly #allotment: Allotment<S>;
  readonly #overload: Overload;
  #closing: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null;

  constructor(options: SessionPoolsOptions<S, K>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#observer = options.observer ?? {};
    this.#overload = new Overload(
      () => options.maxWaiting ?? 0,
      () => this.snapshot(),
    );
    this.#lines = new WaitingLines();
    this.loans = new LoanLog({
      clock: this.#clock,
      inFlight: () => this.#slots.values(),
      waiting: () => this.#waiting(),
      random: options.random,
    });
    this.#deliveries = new Deliveries(this.#clock, this.#observer, this.checkouts, (slot, request, askedAt) =>
      this.#lent(slot, request, askedAt),
    );
    this.#budget = new ConnectionBudget(options.limit, () => this.#clock.now(), options.random);
    this.#group = this.#newGroup();
    this.#life = this.#newLife();
    this.#retirement = new Retirement(options.close, this.#observer, (slot) => this.#life.gone(slot));
    this.#ticker = new Ticker(this.#clock, TICK_MS, () => this.#tick());
    this.#dialler = new Dialler(this.#clock, this.#life, newBackoff(options), this.#budget);
    this.#supply = new SessionSupply({
      clock: this.#clock,
      budget: this.#budget,
      dialler: this.#dialler,
      retirement: this.#retirement,
      lines: this.#lines,
      ticker: this.#ticker,
      pools: this.#group.all,
      minSize: () => this.#life.minSize,
      isClosing: () => this.#closing !== null,
      retire: (slot, reason) => this.#allotment.retire(slot, reason),
    });
    this.#allotment = this.#newAllotment();
  }

  #newAllotment(): Allotment<S> {
    return new Allotment({
      clock: this.#clock,
      loans: this.loans,
      lines: this.#lines,
      deliveries: this.#deliveries,
      supply: this.#supply,
      retirement: this.#retirement,
      ticker: this.#ticker,
      fingerprint: this.#options.fingerprint,
      isClosing: () => this.#closing !== null,
    });
  }

  #newGroup(): PoolGroup<S, K> {
    return new PoolGroup({
      owner: this,
      options: this.#options,
      slots: this.#slots,
      dialler: () => this.#dialler,
      retire: (slot, reason) => this.#allotment.retire(slot, reason),
      retireWhere: (reason, unwanted) => this.#life.retireWhere(reason, unwanted),
      forget: (pool) => this.#supply.forget(pool),
      changed: () => this.#allotment.changed(),
    });
  }

  #newLife(): SessionLife<S> {
    return new SessionLife({
      clock: this.#clock,
      observer: this.#observer,
      budget: this.#budget,
      slots: this.#slots,
      limits: this.#options,
      dialler: () => this.#dialler,
      supply: () => this.#supply,
      isClosing: () => this.#closing !== null,
      anyWaits: () => this.#lines.size > 0,
      retire: (slot, reason) => this.#allotment.retire(slot, reason),
      settle: (slot) => this.#allotment.settle(slot, true),
      refuseAll: (pool, error) => this.#allotment.refuseAll(pool, error),
      changed: () => this.#allotment.changed(),
      ended: () => this.#finishClosing(),
      settlePauses: () => this.#group.settlePauses(),
    });
  }

  /** The pool for a key, created at first use; `target` is what its dials get, and is kept from the first call. */
  pool(key: string, target: K): SessionPool<S> {
    return this.#group.pool(key, target);
  }

  /** What the dials of a pool get; null for a key that has no pool. */
  target(key: string): K | null {
    return this.#group.target(key);
  }

  /** What made dials for these targets fail may be over: they need not wait for their next try. */
  retryDials(which: (target: K) => boolean): void {
    this.#group.retryDials(which);
  }

  /** Sessions of these targets serve no further client: those that are lent are closed when they come back, one that is being opened when it is. */
  retireAll(which: (target: K) => boolean, reason: string): void {
    this.#group.retireAll(which, reason);
  }

  /**
   * Closes the idle sessions of these targets' pools, and forgets those that have no session, none under way and nobody who
   * waits; to be called when no client has such a target any more, and again until it is done.
   * @returns whether all of them are forgotten
   */
  dismiss(which: (target: K) => boolean, reason: string): boolean {
    return this.#group.dismiss(which, reason);
  }

  /**
   * No more sessions are lent of a pool, or of all of them (null): those that are idle are closed, those that are lent when
   * they come back, and requests wait, as long as requests may.
   * @returns null where there is no such pool; else what gives up: it ends a pause that is not over, and else does nothing
   * @throws PoolPauseError where they are paused already
   */
  pause(key: string | null, over: Pausing<S>['over']): (() => void) | null {
    return this.#group.pause(key, over);
  }

  /**
   * Sessions are lent again. @returns false where there is no such pool
   * @throws PoolPauseError where it is not paused
   */
  resume(key: string | null): boolean {
    return this.#group.resume(key);
  }

  /** A pool of this name, which there is not yet, lends nothing from its beginning until it is resumed. */
  pauseComing(key: string): void {
    this.#group.pauseComing(key);
  }

  /** Names of pools that are to come, and are paused. */
  get pausedComing(): readonly string[] {
    return this.#group.pausedComing;
  }

  /** Whether all pools are paused, those to come included. */
  get allPaused(): boolean {
    return this.#group.allPaused;
  }

  /** Requests that wait, over all pools. */
  get waiting(): number {
    return this.#lines.waiting;
  }

  /** Sessions, those that are being opened and closed included. */
  get used(): number {
    return this.#budget.used;
  }

  /** Sessions that are lent. */
  get lent(): number {
    return this.#group.lent;
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
      const slot = leastRecentlyUsed(this.#group.all.values());
      if (slot === null) break;
      this.#allotment.retire(slot, RetireReason.overBudget);
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
        request.ticket = 0;
        this.#count(slot, request);
        this.#lent(slot, request, 0);
        return slot.session;
      }
    }
    const now = this.#clock.now();
    const refusal = pool.store.size === 0 && !pool.paused ? pool.backoff.standingRefusal(now) : null;
    if (refusal !== null) return this.#refuseAtOnce(request, new PoolDialError(pool.key, refusal));
    const { waiting } = this.#lines;
    if (!this.#lines.goBack(request, pool)) {
      if (this.#overload.isReached(waiting, this.limit - this.#slots.size))
        return this.#refuseAtOnce(request, this.#overload.error(request, waiting, now));
      this.#lines.join(request, pool, now);
    }
    this.loans.joined(this.#lines.waiting);
    this.#ticker.keep();
    this.#supply.pump();
    this.#observer.waits?.();
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
    this.#allotment.settle(slot);
    this.#allotment.changed();
  }

  /**
   * The client has gone. O(1).
   * @returns true if the request was pending: neither of its callbacks will be called
   */
  cancel(request: CheckoutRequest<S>): boolean {
    if (request.queue === null) return false;
    if (this.#deliveries.holds(request)) {
      const slot = this.#deliveries.withdraw(request);
      if (slot !== null) this.#allotment.settle(slot);
    } else {
      this.#lines.leave(request);
    }
    this.#allotment.changed();
    return true;
  }

  /** Whoever waits here is to look elsewhere: {@link CheckoutRequest.turnedAway}, first come first. */
  turnAway(): void {
    const waiting = [...this.#lines].flatMap((pool) => this.#lines.empty(pool));
    for (const request of waiting.sort((a, b) => a.ticket - b.ticket)) request.turnedAway();
  }

  /**
   * Closes a lent or idle session: it died, or is of no use any more.
   * @returns false when it is closed or being closed already
   */
  retire(session: S, reason: string): boolean {
    const slot = this.#slots.get(session);
    if (slot === undefined || slot.state === SessionState.retiring) return false;
    this.#allotment.retire(slot, reason);
    this.#allotment.changed();
    return true;
  }

  /**
   * Closes idle sessions for which `unwanted` says so (idle too long, too old).
   * @returns how many
   */
  retireIdle(reason: string, unwanted: (session: S, idleMs: number) => boolean): number {
    return this.#life.retireIdle(this.#group.all.values(), reason, unwanted);
  }

  /**
   * These sessions serve no further client, whichever pool they are of: idle ones are closed now, lent ones when they come back.
   * @returns how many
   */
  retireWhere(reason: string, unwanted: (session: S) => boolean): number {
    return this.#life.retireWhere(reason, ({ session }) => unwanted(session));
  }

  /**
   * Closes sessions that have lived for long enough or been idle for too long, at once where they are idle; to be called now
   * and then. None is closed for its age while no other can be opened.
   */
  retireAged(): void {
    if (this.#closing === null) this.#life.retireAged(this.#group.all.values());
  }

  /**
   * To be called whenever a session is seen to be dead. A borrower finds out by itself, and must retire it;
   * anything else (idle, promised to a request that has not been told, just dialled) is taken care of here.
   * @returns whether it was
   */
  sessionDied(session: S): boolean {
    return this.#life.died(session);
  }

  /** Counts at this moment; walks over all sessions, so it is for scrapes and errors, not for every request. */
  snapshot(): PoolsSnapshot {
    return takeSnapshot({
      now: this.#clock.now(),
      limit: this.#budget.limit,
      whole: this.#options.whole?.() ?? null,
      pools: this.#group.all.values(),
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
    for (const pool of this.#lines) this.#allotment.refuseAll(pool, new PoolClosedError(pool.key));
    this.retireIdle(RetireReason.closing, () => true);
    this.#finishClosing();
    this.#deliveries.run();
    return promise;
  }

  #lent(slot: SessionSlot<S>, request: CheckoutRequest<S>, askedAt: number): void {
    if (request.client === 0) request.client = this.loans.newClient();
    this.loans.lend(slot, request.client, askedAt, this.#lines.waiting);
  }

  *#waiting(): Generator<WaitingLoan> {
    for (const request of this.#lines.requests()) {
      if (request.client === 0) request.client = this.loans.newClient();
      yield { client: request.client, askedAt: request.enqueuedAt };
    }
  }

  #count(slot: SessionSlot<S>, request: CheckoutRequest<S>): void {
    if (slot.fingerprint !== request.fingerprint) this.checkouts.restored++;
    else if (slot.session === request.preferred) this.checkouts.own++;
    else this.checkouts.equal++;
  }

  #finishClosing(): void {
    if (this.#closing === null || this.#budget.used > 0) return;
    this.#ticker.stop();
    this.#closing.resolve();
  }

  /** @returns whether there is still something to look after */
  #tick(): boolean {
    const now = this.#clock.now();
    for (const pool of this.#lines) this.#expire(pool, now);
    this.#retirement.expire(now);
    this.#allotment.changed();
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
}
