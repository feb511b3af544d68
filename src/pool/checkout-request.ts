import { AppProcess } from './app-process.js';
import type { PoolError } from './errors.js';
import type { Lane } from './fair-queue.js';
import type { RequestQueue } from './request-queue.js';
import type { SessionPool } from './session-pool.js';
import type { SessionSlot } from './session-slot.js';

const Held = { nothing: 0, inTurn: 1, ahead: 2 } as const;
type Held = (typeof Held)[keyof typeof Held];

/**
 * A client's wish for a session: one object per client, reused for every request, so that asking allocates
 * nothing. Subclass it and override the two callbacks.
 *
 * After `SessionPools.checkout` returned null, exactly one of `granted` and `refused` is called, once, never
 * from inside that `checkout` call; none is called after `SessionPools.cancel` returned true. Inside a
 * callback the request is free again: it may be queued anew, and the session may be checked in.
 */
export abstract class CheckoutRequest<S extends object> {
  /** Whose client it is: processes take turns. */
  readonly process: AppProcess;
  /** Which pool to ask; may be changed whenever the request is not pending. */
  pool: SessionPool<S>;
  /** The client's own last session: taken whenever it is idle. It may be dead or lent to somebody else. */
  preferred: S | null = null;
  /** Compared (===) with the sessions' fingerprints when `preferred` is not to be had. */
  fingerprint: unknown = undefined;

  /**
   * The session that it had was of no use to it, and no other one is but of its own fingerprint, or new. It has the place in line that
   * it had; who asks for something else takes this back.
   */
  wantsNew = false;

  /** Clock time in ms at which the request began to wait; meaningful while it is pending. */
  enqueuedAt = 0;
  /** And at which it was granted; meaningful inside {@link granted}. */
  grantedAt = 0;

  /** Its number in the loan log; 0 before its first session. */
  client = 0;

  // The rest belongs to the pool. A request is in at most one queue (its lane of its pool's waiters, or the deliveries),
  // and `queue` says in which, so that leaving is O(1).
  /** @internal Place in line: rises with every request that begins to wait; 0 where it got its last session at once. */
  ticket = 0;
  /** @internal The lane that it has waited in last. */
  lane: Lane<S> | null = null;
  /** @internal The turn in which it was served, and since when its lane had had that. */
  turn = 0;
  /** @internal */
  turnSince = 0;
  /** @internal The session lent to it was granted ahead of its turn. */
  isAhead = false;
  /** @internal */
  queue: RequestQueue<S> | null = null;
  /** @internal */
  ahead: CheckoutRequest<S> | null = null;
  /** @internal */
  behind: CheckoutRequest<S> | null = null;
  /** @internal The pool it waits in, whatever `pool` says by now. */
  waitsIn: SessionPool<S> | null = null;
  /** @internal Outcome that is decided but not yet delivered: a session or an error. */
  undeliveredSlot: SessionSlot<S> | null = null;
  /** @internal */
  undeliveredError: PoolError | null = null;
  /** @internal The session was opened for it. */
  isNew = false;

  #held: Held = Held.nothing;

  /** `process`: by default, the client is a process of its own. */
  constructor(pool: SessionPool<S>, process = new AppProcess()) {
    this.pool = pool;
    this.process = process;
  }

  /**
   * To be called whenever the client begins or ceases to keep the session lent to it between its statements; calling it
   * twice does nothing. @see AppProcess
   */
  holding(holds: boolean): void {
    if (holds === (this.#held !== Held.nothing)) return;
    if (holds) {
      this.#held = this.isAhead ? Held.ahead : Held.inTurn;
      this.process.holds(1, this.isAhead);
    } else {
      const ahead = this.#held === Held.ahead;
      this.#held = Held.nothing;
      this.process.holds(-1, ahead);
    }
  }

  /** True from a `checkout` that returned null until a callback is called or `cancel` succeeds. */
  get pending(): boolean {
    return this.queue !== null;
  }

  /** The session is the caller's until it is checked in or retired. */
  abstract granted(session: S): void;
  abstract refused(error: PoolError): void;

  /** The pools serve nobody for now: the request has been taken out of its line and is free again, and neither of the others is called. */
  turnedAway(): void {}
}
