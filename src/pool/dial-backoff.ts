/** First pause after a failed dial, in ms; it doubles with each further failure. */
export const FIRST_PAUSE_MS = 50;

/**
 * Longest pause in ms while nobody answers at all (`nobodyThere: true` of the error): such a dial costs the other side
 * nothing, and whoever waits is to be served soon after somebody is there again, however long that took.
 */
export const PROBE_PAUSE_MS = 100;

/**
 * Longest pause in ms where the same answer is to be expected (`fatalToWaiters: true` of the error: access denied): servers
 * lock accounts for such attempts. It is never longer than that has been so.
 */
export const REFUSED_PAUSE_MS = 15_000;

/** Dials have been failing. */
export interface DialTrouble {
  /** Of the last dial. */
  readonly error: unknown;
  /** Dials that failed in a row. */
  readonly attempts: number;
  /** Since the first of them failed. */
  readonly lastedMs: number;
}

/** Exponential pauses with jitter between failing dials: many proxies must not knock in step. */
export class DialBackoff {
  readonly #longestMs: () => number;
  readonly #random: () => number;
  /** In a row. */
  #failures = 0;
  /** Of those, the last ones that were of one kind, on which the pause depends. */
  #alike = 0;
  #nobodyThere = false;
  #failingSince = 0;
  #error: unknown = null;
  #retryAt = Number.NEGATIVE_INFINITY;

  /**
   * @param longestMs cap on a pause, but after a refusal
   * @param random uniform in [0, 1)
   */
  constructor(longestMs: () => number, random: () => number) {
    this.#longestMs = longestMs;
    this.#random = random;
  }

  ready(now: number): boolean {
    return now >= this.#retryAt;
  }

  /**
   * @param someoneWaits else there is no hurry, even where nobody answers
   * @returns the pause in ms, between half and the whole of its exponential value
   */
  failed(now: number, error: unknown, someoneWaits = true): number {
    const nobodyThere = isNobodyThere(error);
    // A server that refuses after an outage has just come up: how long that took says nothing about the refusal.
    if (nobodyThere !== this.#nobodyThere) this.#alike = 0;
    this.#nobodyThere = nobodyThere;
    const probes = nobodyThere && someoneWaits;
    const longestMs = this.#longestMs();
    const usual = isRefusal(error) ? Math.max(REFUSED_PAUSE_MS, longestMs) : longestMs;
    const longest = probes ? Math.min(PROBE_PAUSE_MS, longestMs) : usual;
    // 2 ** 1024 is Infinity, which min() survives: the counter needs no cap.
    const whole = Math.min(longest, FIRST_PAUSE_MS * 2 ** this.#alike);
    this.#alike++;
    const pause = whole * (0.5 + 0.5 * this.#random());
    if (this.#failures === 0) this.#failingSince = now;
    this.#failures++;
    this.#error = error;
    this.#retryAt = now + pause;
    return pause;
  }

  /** What the next dial would only hear again, where that is so far away that nobody should wait for it; else null. */
  standingRefusal(now: number): unknown {
    return this.#retryAt - now > this.#longestMs() ? this.#error : null;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#alike = 0;
    this.#error = null;
    this.#retryAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * What is wrong, if it explains why someone who has waited since `time` got nothing: a dial failed since then, or the
   * pause after it was still going on. An older failure says nothing about this wait. Else null.
   */
  troubleSince(time: number, now: number): DialTrouble | null {
    if (this.#failures === 0 || this.#retryAt < time) return null;
    return { error: this.#error, attempts: this.#failures, lastedMs: now - this.#failingSince };
  }
}

/** Whether a dial met nobody who could have answered it. */
function isNobodyThere(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'nobodyThere' in error && error.nobodyThere === true;
}

/** Whether the answer will be the same next time. */
function isRefusal(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'fatalToWaiters' in error && error.fatalToWaiters === true
  );
}
