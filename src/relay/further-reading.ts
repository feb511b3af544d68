/** How often each client that waits may ask, in ms; a round of all of them takes much less. */
const ROUND_MS = 1_000;

/**
 * What may be read of clients that wait, all of them together: bytes that are kept beside what each may send ahead. Without it,
 * 200 clients that wait for a session with a statement of 16 MiB each could have 1.6 GB kept (8 MiB each).
 */
export class FurtherReading {
  readonly #limit: number;
  #began = Number.NEGATIVE_INFINITY;
  /** Bytes kept and allowed in the round before, and in this one so far. */
  #before = 0;
  #now = 0;
  #allowed = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** To be asked once a second. @param kept bytes of the client's that wait @param now in ms, monotonic */
  allows(kept: number, step: number, now: number): boolean {
    if (now - this.#began > ROUND_MS / 2) {
      this.#began = now;
      this.#before = this.#now;
      this.#now = 0;
      this.#allowed = 0;
    }
    this.#now += kept;
    if (this.#before + this.#allowed + step > this.#limit) return false;
    this.#now += step;
    this.#allowed += step;
    return true;
  }
}
