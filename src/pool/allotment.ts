import type { CheckoutRequest } from './checkout-request.js';
import type { PoolClock } from './clock.js';
import type { Deliveries } from './deliveries.js';
import { PoolClosedError, type PoolError } from './errors.js';
import type { LoanLog } from './loan-log.js';
import { RetireReason } from './observer.js';
import type { Retirement } from './retirement.js';
import type { SessionPool } from './session-pool.js';
import { type SessionSlot, SessionState } from './session-slot.js';
import type { SessionSupply } from './session-supply.js';
import type { Ticker } from './ticker.js';
import type { WaitingLines } from './waiting-lines.js';

/** Who waits for sessions, where they go, and whether they are needed at all. */
export interface AllotmentParts<S extends object> {
  readonly clock: PoolClock;
  readonly loans: LoanLog;
  readonly lines: WaitingLines<S>;
  readonly deliveries: Deliveries<S>;
  readonly supply: SessionSupply<S>;
  readonly retirement: Retirement<S>;
  readonly ticker: Ticker;
  /** What a session is like: {@link CheckoutRequest.fingerprint}. */
  readonly fingerprint: (session: S) => unknown;
  readonly isClosing: () => boolean;
}

/** What becomes of sessions that are free: they go to whoever waits, lie idle, or are closed. {@link changed} follows what is done here. */
export class Allotment<S extends object> {
  readonly #parts: AllotmentParts<S>;

  constructor(parts: AllotmentParts<S>) {
    this.#parts = parts;
  }

  /** A session has come free: decides what becomes of it. `opened`: it has just been, for the longest waiter of all. */
  settle(slot: SessionSlot<S>, opened = false): void {
    const { clock, loans, lines, deliveries, supply } = this.#parts;
    const { pool } = slot;
    loans.returned(slot);
    lines.returned(slot);
    const first = pool.waiters.head;
    if (this.#parts.isClosing()) {
      this.retire(slot, RetireReason.closing);
    } else if (supply.hasSurplus) {
      this.retire(slot, RetireReason.overBudget);
    } else if (pool.paused) {
      this.retire(slot, RetireReason.paused);
    } else if (slot.doomed !== '') {
      this.retire(slot, slot.doomed);
    } else if (slot.outlived && supply.isReplaceable(slot, clock.now())) {
      this.retire(slot, RetireReason.lifetime);
    } else if (first === null) {
      this.#layBy(slot);
    } else if (!opened && lines.size > 1 && supply.shouldTransfer(pool)) {
      this.retire(slot, RetireReason.transferred);
    } else {
      const now = clock.now();
      const next = opened ? first : this.#nextFor(slot, first, now);
      if (next === null) {
        this.#layBy(slot);
        return;
      }
      lines.take(next, slot, now);
      deliveries.grant(next, slot, opened);
    }
  }

  #layBy(slot: SessionSlot<S>): void {
    slot.fingerprint = this.#parts.fingerprint(slot.session);
    slot.since = this.#parts.clock.now();
    slot.pool.move(slot, SessionState.idle);
  }

  #nextFor(slot: SessionSlot<S>, first: CheckoutRequest<S>, now: number): CheckoutRequest<S> | null {
    if (slot.pool.waiters.size === 1 && !first.wantsNew) return first;
    const { lines, fingerprint, supply } = this.#parts;
    return lines.next(slot.pool, fingerprint(slot.session), now, supply.isOneComing);
  }

  /** Closes a session, whoever has it. */
  retire(slot: SessionSlot<S>, reason: string): void {
    const { clock, loans, lines, deliveries, retirement, ticker } = this.#parts;
    const { pool, delivery } = slot;
    loans.returned(slot);
    lines.returned(slot);
    if (delivery !== null) deliveries.withdraw(delivery);
    ticker.keep();
    retirement.retire(slot, reason, clock.now());
    // The request it was promised to has not been told: another session, or back to its place in line.
    if (delivery !== null) this.#reconsider(delivery, pool);
  }

  #reconsider(request: CheckoutRequest<S>, pool: SessionPool<S>): void {
    const { lines, deliveries } = this.#parts;
    const slot = pool.pick(request, undefined);
    if (slot !== null) {
      pool.move(slot, SessionState.active);
      deliveries.grant(request, slot);
    } else if (this.#parts.isClosing()) {
      deliveries.refuse(request, pool, new PoolClosedError(pool.key));
    } else {
      lines.rejoin(request, pool);
    }
  }

  refuseAll(pool: SessionPool<S>, error: PoolError): void {
    const { lines, deliveries } = this.#parts;
    for (const request of lines.empty(pool)) deliveries.refuse(request, pool, error);
  }

  /** Serves whoever can be served now, and tells them. */
  changed(): void {
    this.#parts.supply.pump();
    this.#parts.deliveries.run();
  }
}
