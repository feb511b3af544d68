import { PoolMisuseError } from './errors.js';

/**
 * The hard cap on one server's sessions, over all its pools. A dial takes its place before it starts, hands it
 * to the session it opens, and the session leaves it only when it is closed for good, so that the server never
 * sees more connections than `limit`.
 */
export class ConnectionBudget<Holder extends object> {
  readonly #holders = new Set<Holder>();
  #limit = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get limit(): number {
    return this.#limit;
  }

  /** May fall below `used`: then places are given up as soon as their sessions come back. */
  set limit(limit: number) {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new PoolMisuseError(`a connection budget must be an integer of at least 1, not ${limit}`);
    }
    this.#limit = limit;
  }

  get used(): number {
    return this.#holders.size;
  }

  get exhausted(): boolean {
    return this.#holders.size >= this.#limit;
  }

  take(holder: Holder): void {
    this.#holders.add(holder);
  }

  /** @returns whether the holder had a place */
  leave(holder: Holder): boolean {
    return this.#holders.delete(holder);
  }
}
