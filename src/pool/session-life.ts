import type { PoolClock } from './clock.js';
import type { ConnectionBudget } from './connection-budget.js';
import { type Dial, type Dialler, isFatalToWaiters } from './dialler.js';
import { PoolDialError, type PoolError, PoolMisuseError, PoolStillbornSessionError } from './errors.js';
import { type PoolObserver, RetireReason } from './observer.js';
import { type AgeLimits, SessionAges } from './session-ages.js';
import type { SessionPool } from './session-pool.js';
import { SessionSlot, SessionState } from './session-slot.js';
import type { SessionSupply } from './session-supply.js';

/** What the beginning and the end of a session concern. */
export interface LifeParts<S extends object> {
  readonly clock: PoolClock;
  readonly observer: PoolObserver<S>;
  readonly budget: ConnectionBudget<Dial<S> | SessionSlot<S>>;
  readonly slots: Map<S, SessionSlot<S>>;
  readonly limits: AgeLimits & { readonly outlived?: (session: S) => void };
  readonly dialler: () => Dialler<S>;
  readonly supply: () => SessionSupply<S>;
  readonly isClosing: () => boolean;
  /** Requests wait, in any pool. */
  readonly anyWaits: () => boolean;
  readonly retire: (slot: SessionSlot<S>, reason: string) => void;
  /** A new session is for the longest waiter, or nobody. */
  readonly settle: (slot: SessionSlot<S>) => void;
  readonly refuseAll: (pool: SessionPool<S>, error: PoolError) => void;
  /** Something has changed for those who wait. */
  readonly changed: () => void;
  /** A session or a dial is over. */
  readonly ended: () => void;
  readonly settlePauses: () => void;
}

/** How sessions come to be, and how they end other than by being given back: dials, deaths and age. */
export class SessionLife<S extends object> {
  readonly #parts: LifeParts<S>;
  readonly #ages: SessionAges<S>;
  /** Sessions that were reported dead before their dial was known to have succeeded. */
  readonly #stillborn = new WeakSet<S>();

  constructor(parts: LifeParts<S>) {
    this.#parts = parts;
    this.#ages = new SessionAges(parts.limits);
  }

  /** Sessions that are kept open. */
  get minSize(): number {
    return this.#ages.minSize;
  }

  opened(dial: Dial<S>, session: S): void {
    const { slots, budget, clock, observer } = this.#parts;
    const { pool } = dial;
    if (slots.has(session)) {
      this.failed(dial, new PoolMisuseError('dial gave a session that the pool has already'));
      return;
    }
    const slot = new SessionSlot(pool, session);
    slot.doomed = dial.doomed;
    budget.leave(dial);
    budget.take(slot);
    slots.set(session, slot);
    this.#ages.opened(slot, clock.now());
    pool.move(slot, SessionState.active);
    observer.opened?.(pool, session, clock.now() - dial.startedAt);
    if (this.#stillborn.delete(session)) {
      const text = `a new session of pool ${pool.key} died at once`;
      this.#countFailure(pool, new PoolStillbornSessionError(text));
      this.#parts.retire(slot, RetireReason.died);
    } else {
      this.#parts.dialler().succeeded(pool);
      // Not to be transferred: it was opened for the longest waiter, and if that one has been served
      // meanwhile it is still better lent than closed unused.
      this.#parts.settle(slot);
    }
    this.#parts.changed();
  }

  failed(dial: Dial<S>, error: unknown): void {
    const { budget, observer, isClosing, refuseAll, ended, changed, settlePauses } = this.#parts;
    const { pool } = dial;
    budget.leave(dial);
    if (!isClosing()) this.#countFailure(pool, error);
    // With sessions at work the waiters can still be served as these come back (a password changed on the
    // server, say, while older sessions go on): only a pool without any has nothing to wait for.
    if (isFatalToWaiters(error) && pool.store.size === 0 && !pool.paused)
      refuseAll(pool, new PoolDialError(pool.key, error));
    ended();
    changed();
    observer.placeFreed?.();
    settlePauses();
  }

  #countFailure(pool: SessionPool<S>, error: unknown): void {
    const { dialler, observer, anyWaits } = this.#parts;
    const retryInMs = dialler().failed(pool, error, anyWaits());
    observer.dialFailed?.(pool, error, retryInMs);
  }

  /** A session is closed. */
  gone(slot: SessionSlot<S>): void {
    const { slots, supply, budget, observer, ended, settlePauses } = this.#parts;
    slots.delete(slot.session);
    if (!slot.pool.dismissed) supply().closed(slot.pool);
    budget.leave(slot);
    ended();
    supply().pump();
    observer.placeFreed?.();
    settlePauses();
  }

  /** As {@link SessionPools.sessionDied}. */
  died(session: S): boolean {
    const slot = this.#parts.slots.get(session);
    if (slot === undefined) {
      this.#stillborn.add(session);
      return false;
    }
    if (slot.state === SessionState.retiring) return false;
    if (slot.state === SessionState.active && slot.delivery === null) return false;
    this.#parts.retire(slot, RetireReason.died);
    this.#parts.changed();
    return true;
  }

  /** As {@link SessionPools.retireIdle}. */
  retireIdle(
    pools: Iterable<SessionPool<S>>,
    reason: string,
    unwanted: (session: S, idleMs: number) => boolean,
  ): number {
    const now = this.#parts.clock.now();
    let retired = 0;
    for (const pool of pools) {
      for (const slot of [...pool.store.idle]) {
        // Retiring another one may have changed this one's state meanwhile.
        if (slot.state !== SessionState.idle || !unwanted(slot.session, now - slot.since)) continue;
        this.#parts.retire(slot, reason);
        retired++;
      }
    }
    this.#parts.supply().pump();
    return retired;
  }

  /** These sessions serve no further client: idle ones are closed now, lent ones when they come back. @returns how many */
  retireWhere(reason: string, unwanted: (slot: SessionSlot<S>) => boolean): number {
    const { slots, retire, limits, changed } = this.#parts;
    const found = [...slots.values()].filter(
      (slot) => slot.state !== SessionState.retiring && unwanted(slot),
    );
    for (const slot of found) {
      // Retiring another one may have changed this one's state meanwhile.
      if (slot.state === SessionState.retiring) continue;
      slot.doomed = reason;
      // What is promised has not been lent: whoever it is promised to goes back to its place in line.
      if (slot.state === SessionState.idle || slot.delivery !== null) retire(slot, reason);
      else limits.outlived?.(slot.session);
    }
    changed();
    return found.length;
  }

  /** As {@link SessionPools.retireAged}. */
  retireAged(pools: Iterable<SessionPool<S>>): void {
    const { clock, slots, supply, retire } = this.#parts;
    const now = clock.now();
    for (const slot of this.#ages.outlived(slots.values(), now)) this.#retireOutlived(slot, now);
    // In pool mode `session` one that serves no further client comes back only when it is asked for.
    for (const slot of slots.values()) {
      if (slot.doomed !== '' && slot.state === SessionState.active && slot.delivery === null)
        this.#parts.limits.outlived?.(slot.session);
    }
    for (const slot of this.#ages.unused(pools, now, supply().open - this.#ages.minSize)) {
      if (slot.state === SessionState.idle) retire(slot, RetireReason.idleTimeout);
    }
    this.#parts.changed();
  }

  #retireOutlived(slot: SessionSlot<S>, now: number): void {
    const { supply, retire, limits } = this.#parts;
    if (!supply().isReplaceable(slot, now)) return;
    if (slot.state === SessionState.idle) retire(slot, RetireReason.lifetime);
    else if (slot.state === SessionState.active && slot.delivery === null) limits.outlived?.(slot.session);
  }
}
