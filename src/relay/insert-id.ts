import { queryCommand } from '../backend/internal-commands.js';
import type { LeftoverQuestion, ServerSession } from '../backend/server-session.js';

const READ = queryCommand('SELECT LAST_INSERT_ID() LIMIT 1');

/**
 * One client's LAST_INSERT_ID(). The server keeps the value per session, and the id in an OK packet is not always the
 * function's value (explicit ids, ON DUPLICATE KEY, procedures); so after a statement that may have changed it, the
 * value is left where it is, and read only when another client is about to get that session.
 */
export class InsertId {
  /** Meaningful unless {@link #unreadOn} is set. */
  #value = 0n;
  #unreadOn: ServerSession | null = null;

  /** The value, or null when it is only on {@link unreadOn}. */
  get value(): bigint | null {
    return this.#unreadOn === null ? this.#value : null;
  }

  /** The session that alone knows the value. */
  get unreadOn(): ServerSession | null {
    return this.#unreadOn;
  }

  /** A statement on `session` may have changed it; `told` is the id of its OK, 0 for none: mostly the value. */
  changedOn(session: ServerSession, told: bigint): void {
    if (told !== 0n) this.#value = told;
    this.#unreadOn = session;
    session.lastInsertId = null;
  }

  /** How to read it from {@link unreadOn}. */
  question(session: ServerSession): LeftoverQuestion {
    return {
      command: READ,
      answered: ({ err, rows }) => {
        // The owner may have let go of it meanwhile, by an insert elsewhere.
        if (this.#unreadOn !== session) return;
        this.#unreadOn = null;
        if (err !== null) return;
        // Digits only: in a character_set_results such as utf16 there is more between them.
        this.#value = BigInt((rows[0]?.[0] ?? '').replace(/[^0-9]/g, '') || 0);
        session.lastInsertId = this.#value;
      },
    };
  }

  /** The session with the value has gone; the id that its last OK carried is the best that is known. */
  lost(session: ServerSession): void {
    if (this.#unreadOn === session) this.#unreadOn = null;
  }

  /** As after login: zero, wherever a value may still lie. */
  reset(): void {
    this.#unreadOn = null;
    this.#value = 0n;
  }
}
