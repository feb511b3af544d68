/** What the frontend needs of a logger; pino's has it. */
export interface FrontendLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Keeps a line that a flood of clients would repeat thousands of times a second to one a second. */
export class LogThrottle {
  #nextAt = 0;
  #skipped = 0;

  /** null: say nothing now. Else log; the number of lines left out since the last one. */
  pass(): number | null {
    const now = performance.now();
    if (now < this.#nextAt) {
      this.#skipped++;
      return null;
    }
    const skipped = this.#skipped;
    this.#skipped = 0;
    this.#nextAt = now + 1_000;
    return skipped;
  }
}

/** As {@link LogThrottle}, after so many lines in a row that are all told: a few failures are worth a line each. */
export class LogBurst {
  readonly #throttle = new LogThrottle();
  readonly #size: number;
  #left: number;
  #filledAt = performance.now();

  constructor(size: number) {
    this.#size = size;
    this.#left = size;
  }

  /** {@link LogThrottle.pass} */
  pass(): number | null {
    const now = performance.now();
    const gained = Math.floor((now - this.#filledAt) / 1_000);
    this.#filledAt += gained * 1_000;
    this.#left = Math.min(this.#size, this.#left + gained);
    if (this.#left === 0) return this.#throttle.pass();
    this.#left--;
    return 0;
  }
}
