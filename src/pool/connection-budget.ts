import { PoolMisuseError } from './errors.js';

/** How long a cap that the server has imposed stands before one more session is tried, in ms; it doubles with each refusal. */
export const FIRST_CEILING_MS = 1_000;
export const LONGEST_CEILING_MS = 30_000;

/** The server has refused more sessions than the budget has. */
export interface Ceiling {
  /** Sessions that it let us have. */
  readonly sessions: number;
  /** What it said last. */
  readonly error: unknown;
  /** Refusals since the first one. */
  readonly refusals: number;
  /** Clock time (ms) of the first of them. */
  readonly since: number;
}

/**
 * The hard cap on one server's sessions, over all its pools. A dial takes its place before it starts, hands it
 * to the session it opens, and the session leaves it only when it is closed for good, so that the server never
 * sees more connections than `limit`.
 *
 * Others use the server's connections as well. When it has none left for us, the cap falls to what we have: to ask for
 * more with every waiter would keep a full server busy with refusals. After a pause that doubles with each refusal it is
 * one more, and each session that is opened then allows twice as many further ones, until the cap is what it was.
 */
export class ConnectionBudget<Holder extends object> {
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #holders = new Set<Holder>();
  #size = 0;
  #ceiling: (Ceiling & { readonly until: number; readonly pause: number }) | null = null;
  /** Sessions beyond the ceiling that may be tried, once its time is over. */
  #step = 1;

  /**
   * @param now in ms, monotonic
   * @param random uniform in [0, 1): several proxies must not try again in step
   */
  constructor(size: number, now: () => number = () => performance.now(), random: () => number = Math.random) {
    this.#now = now;
    this.#random = random;
    this.size = size;
  }

  /** What it may have by its own rules; 0 where others share the budget, and have all of it now. */
  get size(): number {
    return this.#size;
  }

  /** May fall below `used`: then places are given up as soon as their sessions come back. */
  set size(size: number) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new PoolMisuseError(`a connection budget must be an integer of at least 0, not ${size}`);
    }
    this.#size = size;
    if (this.#ceiling !== null && this.#ceiling.sessions >= size) this.#ceiling = null;
  }

  /** The cap at this moment: its size, or what the server lets it have. */
  get limit(): number {
    const ceiling = this.#ceiling;
    if (ceiling === null) return this.#size;
    const beyond = this.#now() < ceiling.until ? 0 : this.#step;
    return Math.min(this.#size, ceiling.sessions + beyond);
  }

  get used(): number {
    return this.#holders.size;
  }

  get exhausted(): boolean {
    return this.#holders.size >= this.#size || (this.#ceiling !== null && this.#holders.size >= this.limit);
  }

  /** The server has just refused more: a place that is given up may be somebody else's by the time it is asked again. */
  get isRefused(): boolean {
    return this.#ceiling !== null && this.#now() < this.#ceiling.until;
  }

  /** While the server has refused more; null otherwise. */
  get ceiling(): Ceiling | null {
    return this.#ceiling;
  }

  take(holder: Holder): void {
    this.#holders.add(holder);
  }

  /** @returns whether the holder had a place */
  leave(holder: Holder): boolean {
    return this.#holders.delete(holder);
  }

  /** The server has no connection left; the dial that was refused has left its place. */
  refused(error: unknown): void {
    const now = this.#now();
    const last = this.#ceiling;
    const pause =
      last === null || this.#step > 1 ? FIRST_CEILING_MS : Math.min(LONGEST_CEILING_MS, last.pause * 2);
    this.#step = 1;
    this.#ceiling = {
      sessions: Math.max(1, this.used),
      error,
      refusals: (last?.refusals ?? 0) + 1,
      since: last?.since ?? now,
      pause,
      until: now + pause * (0.5 + 0.5 * this.#random()),
    };
  }

  /** A session was opened: the server has room again, or has had it all the time. */
  opened(): void {
    const ceiling = this.#ceiling;
    if (ceiling === null || this.used <= ceiling.sessions) return;
    this.#ceiling = ceiling.sessions + this.#step >= this.#size ? null : { ...ceiling, sessions: this.used };
    this.#step = this.#ceiling === null ? 1 : this.#step * 2;
  }
}
