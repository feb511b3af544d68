import type { CheckoutRequest } from './checkout-request.js';
import type { DialBackoff } from './dial-backoff.js';
import { PoolMisuseError } from './errors.js';
import { FairQueue } from './fair-queue.js';
import { type SessionSlot, SessionState } from './session-slot.js';
import { SessionStore } from './session-store.js';

/** Opens one session. It must settle in bounded time: until it does, no other session can be opened. */
export type Opener<S> = (signal: AbortSignal) => Promise<S>;

/** What it costs to turn a session of fingerprint `from` into one of `to`. */
export type Distance = (from: unknown, to: unknown) => number;

/** Idle sessions whose distance is looked at, at most: the rest are only compared. */
export const DISTANCE_REACH = 32;

/** Of all pools of a server together. */
export interface Lent {
  lent: number;
}

/** The sessions that are interchangeable (one pool key), and the requests that wait for one of them. */
export class SessionPool<S extends object> {
  /** The pool key; also its label in errors and metrics, so it must not contain a secret. */
  readonly key: string;

  // The rest is for SessionPools and its parts. Invariant: a pool with waiters has no idle session, unless all of them want a new one.
  /** @internal The group it belongs to. */
  readonly owner: object;
  /** @internal */
  readonly open: Opener<S>;
  /** @internal Pauses after dials that failed for reasons of this key alone. */
  readonly backoff: DialBackoff;
  readonly #distance: Distance;
  readonly #all: Lent;
  /** @internal Nobody is left who might use it: it keeps no session. */
  dismissed = false;
  /** @internal Lends nothing: it has no idle session, and none is opened. */
  paused = false;
  /** @internal */
  readonly store = new SessionStore<S>();
  /** @internal */
  readonly waiters = new FairQueue<S>();

  /** @param all - counts the sessions that are lent */
  constructor(
    key: string,
    owner: object,
    open: Opener<S>,
    backoff: DialBackoff,
    distance: Distance,
    all: Lent,
  ) {
    this.#all = all;
    this.key = key;
    this.owner = owner;
    this.open = open;
    this.backoff = backoff;
    this.#distance = distance;
  }

  get idle(): number {
    return this.store.available;
  }

  get active(): number {
    return this.store.borrowed;
  }

  get waiting(): number {
    return this.waiters.size;
  }

  /**
   * The idle session that suits the request best: its preferred one, else one with the same fingerprint, else the
   * nearest; the most recently used of equals, so that sessions not needed grow old and can be closed. A preferred
   * session that has got another fingerprint meanwhile is no better than others, except among equally near ones: to
   * insist on it would make two clients restore each other's sessions in turn, while each has one that fits.
   *
   * A session that needs restoring is preferred over opening another: that costs the server several round trips and
   * a thread, and the fewer sessions there are, the more often they are found in the right state. Not so where it
   * {@link CheckoutRequest.wantsNew}: it waits, though there are idle ones.
   * @internal
   */
  pick(request: CheckoutRequest<S>, preferred: SessionSlot<S> | undefined): SessionSlot<S> | null {
    const { fingerprint } = request;
    let nearest: SessionSlot<S> | null = null;
    let least = Number.POSITIVE_INFINITY;
    if (preferred?.state === SessionState.idle && preferred.pool === this) {
      if (preferred.fingerprint === fingerprint) return preferred;
      nearest = preferred;
      least = this.#distance(preferred.fingerprint, fingerprint);
    }
    let looked = 0;
    for (let slot = this.store.idle.newest; slot !== null; slot = slot.older) {
      if (slot.fingerprint === fingerprint) return slot;
      if (looked++ >= DISTANCE_REACH) continue;
      const distance = this.#distance(slot.fingerprint, fingerprint);
      if (distance >= least) continue;
      nearest = slot;
      least = distance;
    }
    return request.wantsNew ? null : nearest;
  }

  /**
   * The only place where a session changes state.
   * @internal
   */
  move(slot: SessionSlot<S>, to: SessionState): void {
    const from = slot.state;
    // First, because nothing that the calls below lead to may meet the session in its old state.
    slot.state = to;
    if (from === SessionState.idle && to === SessionState.active) this.store.lend(slot);
    else if (from === SessionState.active && to === SessionState.idle) this.store.release(slot);
    else if (from === SessionState.dialing && to === SessionState.active) this.store.adopt(slot);
    else if (from === SessionState.active && to === SessionState.retiring) this.store.destroy(slot);
    else if (from === SessionState.idle && to === SessionState.retiring) {
      // generic-pool destroys only what is borrowed.
      this.store.lend(slot);
      this.store.destroy(slot);
    } else {
      slot.state = from;
      throw new PoolMisuseError(`a session of pool ${this.key} cannot go from ${from} to ${to}`);
    }
    if (to === SessionState.active) this.#all.lent++;
    else if (from === SessionState.active) this.#all.lent--;
  }
}

/** The session that has been idle the longest, over all pools. */
export function leastRecentlyUsed<S extends object>(pools: Iterable<SessionPool<S>>): SessionSlot<S> | null {
  let found: SessionSlot<S> | null = null;
  for (const pool of pools) {
    const { oldest } = pool.store.idle;
    if (oldest !== null && (found === null || oldest.since < found.since)) found = oldest;
  }
  return found;
}
