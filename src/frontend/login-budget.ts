/** What logins under way may keep in memory together, in bytes, before each has to do with {@link ORDINARY_LOGIN}. */
const LIMIT = 32 << 20;

/** No login of an ordinary client has more bytes on the way at a time: names, a proof and attributes are some hundred. */
export const ORDINARY_LOGIN = 4_096;

/**
 * Bytes that came from clients who are not logged in and could not be taken yet. However many strangers send the beginning of
 * something long, memory stays within this, and ordinary logins get through.
 */
export class LoginBudget {
  readonly #limit: number;
  #held = 0;

  constructor(limit = LIMIT) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  change(bytes: number): void {
    this.#held += bytes;
  }

  get exhausted(): boolean {
    return this.#held > this.#limit;
  }
}
