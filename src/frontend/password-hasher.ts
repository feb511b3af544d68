import { Sha256Crypt, type Sha256CryptHash } from '../protocol/auth-sha256-crypt.js';
import { AuthBusyError } from './errors.js';

/** Rounds between two turns of the event loop: about a quarter of a millisecond. */
const PORTION = 250;
/** Checks that may wait; each takes milliseconds, so that this many are done well within a login timeout. */
const MAX_WAITING = 256;

interface Check {
  readonly crypt: Sha256Crypt;
  readonly resolve: (digest: string) => void;
}

/**
 * Hashes passwords with SHA-crypt one after the other, in portions between which everybody else's packets are served.
 * However many clients try passwords at once, the event loop is never held up for more than one portion.
 */
export class PasswordHasher {
  readonly #waiting: Check[] = [];
  #running = false;

  /**
   * The digest of `password` under the rounds and salt of `of`.
   * @throws AuthBusyError (rejection) when too many wait already
   */
  digest(password: Buffer, of: Sha256CryptHash): Promise<string> {
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(
        new AuthBusyError(`Too many connections: ${MAX_WAITING} passwords wait to be checked`),
      );
    }
    return new Promise((resolve) => {
      this.#waiting.push({ crypt: new Sha256Crypt(password, of.salt, of.rounds), resolve });
      if (this.#running) return;
      this.#running = true;
      this.#work();
    });
  }

  #work(): void {
    const check = this.#waiting[0];
    if (check === undefined) {
      this.#running = false;
      return;
    }
    if (check.crypt.run(PORTION)) {
      this.#waiting.shift();
      check.resolve(check.crypt.digest());
    }
    setImmediate(() => this.#work());
  }
}
