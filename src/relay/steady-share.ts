/**
 * For so long a share counts that was found, in ms from the moment at which the server was asked. Less than
 * {@link GROWS_AFTER_MS} by more than the clock is coarse.
 */
export const LEASE_MS = 2_000;

/**
 * For so long nothing less must have been found before a share grows, in ms: whoever has lost its place, or does not know
 * yet of one that came, has given up what it had by then.
 */
export const GROWS_AFTER_MS = 3_000;

/** What a proxy may have that does not know its share. */
const UNKNOWN = 1;

/**
 * The share of one proxy over time, so that all of them together never have more than there is: each falls at once, counts
 * for a limited time only, and grows when everybody else has had the time to fall. A proxy that is alone when it starts
 * need not wait: whoever comes after it sees it.
 */
export class SteadyShare {
  readonly #isShared: boolean;
  #size = UNKNOWN;
  #isNew = true;
  /** Before it came to its end. */
  #last = UNKNOWN;
  #until = Number.POSITIVE_INFINITY;
  #growing: { readonly size: number; readonly since: number } | null = null;

  /** @param isShared else nobody else has a share, and what is found counts at once and for good */
  constructor(isShared: boolean) {
    this.#isShared = isShared;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * @param askedAt when the server was asked, in ms
   * @param now on the same scale
   * @param nobodyGrew since this one came to its end: it is had again
   */
  seen(share: number, askedAt: number, now: number, alone: boolean, nobodyGrew = false): void {
    this.#until = askedAt + LEASE_MS;
    // The process has stood still, say: what was true when the server was asked may be so no longer.
    if (this.#isShared && now >= this.#until) {
      this.#growing = null;
      return;
    }
    if (nobodyGrew) this.#size = Math.max(this.#size, Math.min(this.#last, share));
    this.#last = UNKNOWN;
    const atOnce = !this.#isShared || share <= this.#size || (alone && this.#isNew);
    this.#isNew = false;
    if (atOnce) {
      this.#size = share;
      this.#growing = null;
      return;
    }
    const growing = this.#growing ?? { size: share, since: now };
    const size = Math.min(growing.size, share);
    this.#growing = { size, since: growing.since };
    if (now - growing.since < GROWS_AFTER_MS) return;
    this.#size = size;
    this.#growing = size < share ? { size: share, since: now } : null;
  }

  /** @returns whether the share has just come to its end */
  expire(now: number): boolean {
    if (!this.#isShared || now < this.#until) return false;
    this.#until = Number.POSITIVE_INFINITY;
    this.#last = this.#size;
    this.#size = UNKNOWN;
    this.#growing = null;
    return true;
  }
}
