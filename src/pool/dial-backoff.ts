/** First pause after a failed dial, in ms; it doubles with each further failure. */
export const FIRST_PAUSE_MS = 50;

/** Exponential pauses with jitter between failing dials: many proxies must not knock in step. */
export class DialBackoff {
  readonly #longestMs: number;
  readonly #random: () => number;
  #failures = 0;
  #error: unknown = null;
  #retryAt = Number.NEGATIVE_INFINITY;

  /**
   * @param longestMs cap on a pause
   * @param random uniform in [0, 1)
   */
  constructor(longestMs: number, random: () => number) {
    this.#longestMs = longestMs;
    this.#random = random;
  }

  ready(now: number): boolean {
    return now >= this.#retryAt;
  }

  /** @returns the pause in ms, between half and the whole of its exponential value */
  failed(now: number, error: unknown): number {
    // 2 ** 1024 is Infinity, which min() survives: the counter needs no cap.
    const whole = Math.min(this.#longestMs, FIRST_PAUSE_MS * 2 ** this.#failures);
    const pause = whole * (0.5 + 0.5 * this.#random());
    this.#failures++;
    this.#error = error;
    this.#retryAt = now + pause;
    return pause;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#error = null;
    this.#retryAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * The last dial error, if it explains why someone who has waited since `time` got nothing: the dial failed
   * since then, or the pause after it was still going on. An older one says nothing about this wait. Else null.
   */
  errorSince(time: number): unknown {
    return this.#retryAt >= time ? this.#error : null;
  }
}
