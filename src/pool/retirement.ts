import { PoolRetireTimeoutError } from './errors.js';
import type { PoolObserver } from './observer.js';
import { type SessionSlot, SessionState } from './session-slot.js';

/** How long in ms closing a session may take before its place in the budget is given away regardless. */
const RETIRE_TIMEOUT_MS = 5_000;

/**
 * The sessions being closed. Each keeps its place in the budget until the server is rid of it, so that a cap
 * on sessions is a cap on what the server sees.
 */
export class Retirement<S extends object> {
  readonly #close: (session: S, reason: string) => Promise<void> | undefined;
  readonly #observer: PoolObserver<S>;
  readonly #gone: (slot: SessionSlot<S>) => void;
  /** In the order in which they began to close. */
  readonly #slots = new Set<SessionSlot<S>>();

  /** @param gone called once for each session when it exists no longer, possibly from inside `retire` */
  constructor(
    close: (session: S, reason: string) => Promise<void> | undefined,
    observer: PoolObserver<S>,
    gone: (slot: SessionSlot<S>) => void,
  ) {
    this.#close = close;
    this.#observer = observer;
    this.#gone = gone;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Takes an idle or lent session out of its pool and closes it. */
  retire(slot: SessionSlot<S>, reason: string, now: number): void {
    const { pool, session } = slot;
    this.#slots.add(slot);
    slot.reason = reason;
    slot.since = now;
    pool.move(slot, SessionState.retiring);
    this.#observer.retiring?.(pool, session, reason);
    let closing: Promise<void> | undefined;
    try {
      closing = this.#close(session, reason);
    } catch (error) {
      this.#observer.closeFailed?.(pool, error);
    }
    if (closing === undefined) {
      this.#leave(slot);
      return;
    }
    closing.then(
      () => this.#leave(slot),
      (error: unknown) => {
        this.#observer.closeFailed?.(pool, error);
        this.#leave(slot);
      },
    );
  }

  /** Gives up on sessions that take too long to close. */
  expire(now: number): void {
    for (const slot of this.#slots) {
      if (now - slot.since < RETIRE_TIMEOUT_MS) return;
      const text = `a session of pool ${slot.pool.key} was not closed within ${RETIRE_TIMEOUT_MS} ms`;
      this.#observer.closeFailed?.(slot.pool, new PoolRetireTimeoutError(text));
      this.#leave(slot);
    }
  }

  /** A late close after the timeout finds nothing to do. */
  #leave(slot: SessionSlot<S>): void {
    if (!this.#slots.delete(slot)) return;
    this.#observer.closed?.(slot.pool, slot.session, slot.reason);
    this.#gone(slot);
  }
}
