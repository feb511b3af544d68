import type { PoolClock } from './clock.js';
import type { ConnectionBudget } from './connection-budget.js';
import { Dial, type Dialler } from './dialler.js';
import { RetireReason } from './observer.js';
import type { Retirement } from './retirement.js';
import { leastRecentlyUsed, type SessionPool } from './session-pool.js';
import type { SessionSlot } from './session-slot.js';
import type { Ticker } from './ticker.js';
import { AGEING_MS, type WaitingLines } from './waiting-lines.js';

/** The parts of a server's pools that say who needs a session, and whether one more may be opened. */
export interface SupplyParts<S extends object> {
  readonly clock: PoolClock;
  readonly budget: ConnectionBudget<Dial<S> | SessionSlot<S>>;
  readonly dialler: Dialler<S>;
  readonly retirement: Retirement<S>;
  readonly lines: WaitingLines<S>;
  readonly ticker: Ticker;
  readonly pools: ReadonlyMap<string, SessionPool<S>>;
  /** Sessions that are kept open. */
  readonly minSize: () => number;
  readonly isClosing: () => boolean;
  readonly retire: (slot: SessionSlot<S>, reason: RetireReason) => void;
}

/** Opens sessions for those who wait, makes room for them in the budget, and opens what is missing of those to be kept. */
export class SessionSupply<S extends object> {
  readonly #parts: SupplyParts<S>;
  /** The pool that last had a session closed, or one opened for a waiter: what is missing of `minSize` is opened for it. */
  #warmPool: SessionPool<S> | null = null;
  #pumping = false;
  #pumpAgain = false;

  constructor(parts: SupplyParts<S>) {
    this.#parts = parts;
  }

  /** Sessions and the dial under way, without those that are being closed. */
  get open(): number {
    return this.#parts.budget.used - this.#parts.retirement.size;
  }

  /** More sessions than the budget allows, not counting those already on their way out. */
  get hasSurplus(): boolean {
    return this.open > this.#parts.budget.limit;
  }

  /** Fewer sessions than are to be kept. */
  get isShort(): boolean {
    const { minSize, budget } = this.#parts;
    return this.#warmPool !== null && !this.#warmPool.paused && this.open < Math.min(minSize(), budget.limit);
  }

  /** Whether another one like it can be opened, as far as is known. */
  isReplaceable({ pool }: SessionSlot<S>, now: number): boolean {
    const { dialler, budget } = this.#parts;
    return dialler.ready(now) && pool.backoff.ready(now) && !budget.isRefused;
  }

  /** There is room for one more session, or will be. */
  get isOneComing(): boolean {
    const { budget, dialler, retirement } = this.#parts;
    return dialler.current !== null || retirement.size > 0 || !budget.exhausted;
  }

  /** A session of the pool is closed for good. */
  closed(pool: SessionPool<S>): void {
    this.#warmPool = pool;
  }

  /** The pool is forgotten: nothing is kept open for it. */
  forget(pool: SessionPool<S>): void {
    if (this.#warmPool === pool) this.#warmPool = null;
  }

  /**
   * Whether a session that came back to `pool` is to make room for another pool's. At most one place changes pools at a time:
   * while a session is being closed or opened, the place that comes free of it goes to the longest waiter anyway, and while
   * dialling pauses nothing would be gained.
   */
  shouldTransfer(pool: SessionPool<S>): boolean {
    const { budget, retirement, clock, dialler, lines } = this.#parts;
    if (!budget.exhausted || retirement.size > 0) return false;
    const now = clock.now();
    return dialler.ready(now) && lines.overdueElsewhere(pool, now);
  }

  /**
   * Does whatever can be done for those who wait: opens a session for the longest waiting one, or makes room
   * for that. To be called after every event that may have made it possible.
   */
  pump(): void {
    // Making room may take effect at once and call this again: a loop, so that no stack grows.
    this.#pumpAgain = true;
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#pumpAgain) {
        this.#pumpAgain = false;
        this.#pumpOnce();
      }
    } finally {
      this.#pumping = false;
    }
  }

  #pumpOnce(): void {
    // First what every session that comes back meets.
    const nobodyWaits = this.#parts.lines.size === 0;
    if (nobodyWaits && !this.isShort) return;
    const { isClosing, dialler, lines, budget, retirement, pools, clock, retire } = this.#parts;
    if (isClosing() || dialler.current !== null) return;
    if (nobodyWaits) {
      this.#warmUp();
      return;
    }
    let victim: SessionSlot<S> | null = null;
    if (budget.exhausted) {
      // A place that is about to come free needs no further one.
      if (retirement.size > 0) return;
      victim = leastRecentlyUsed(pools.values());
      if (victim === null) return;
    }
    const now = clock.now();
    if (!dialler.ready(now)) return;
    const pool = lines.first(now);
    if (pool === null) return;
    if (victim !== null) {
      if (!isHot(victim, pool, now)) retire(victim, RetireReason.evicted);
      return;
    }
    this.#warmPool = pool;
    this.#dial(pool, now);
  }

  /** Opens one of the sessions that are to be kept; the tick asks again while dialling pauses. */
  #warmUp(): void {
    const { ticker, clock, budget, dialler } = this.#parts;
    ticker.keep();
    const now = clock.now();
    const pool = this.#warmPool;
    if (pool === null || pool.paused || budget.exhausted || !pool.backoff.ready(now) || !dialler.ready(now))
      return;
    this.#dial(pool, now);
  }

  #dial(pool: SessionPool<S>, now: number): void {
    const dial = new Dial(pool, now);
    this.#parts.budget.take(dial);
    this.#parts.dialler.start(dial);
  }
}

/**
 * Whether an idle session is still too good to be closed for `pool`. Once the budget is used up by several
 * busy keys, each of them has a waiter now and then, and idle sessions that will be needed in a moment.
 * Closing one for every such waiter would cost more than it brings, and make for more waiters. So a session
 * used just now is left alone, unless the waiter has waited for a while already or has nothing else to wait
 * for, or no use for it as it is. The tick asks again.
 */
function isHot<S extends object>(victim: SessionSlot<S>, pool: SessionPool<S>, now: number): boolean {
  const first = pool.waiters.head;
  if (first === null || first.wantsNew || pool.store.size === 0) return false;
  return now - victim.since < AGEING_MS && now - first.enqueuedAt < AGEING_MS;
}
