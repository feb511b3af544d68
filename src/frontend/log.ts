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
