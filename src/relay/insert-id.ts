import { runInternal } from '../backend/internal-commands.js';
import type { InsertIdOwner, ServerSession } from '../backend/server-session.js';
import { readInsertId } from './session-restore.js';

/**
 * One client's LAST_INSERT_ID(). The server keeps the value per session, and the id in an OK packet is not always the
 * function's value (explicit ids, ON DUPLICATE KEY, procedures); so after a statement that may have changed it, the
 * value is left where it is, and read only when another client is about to get that session.
 */
export class InsertId implements InsertIdOwner {
  /** Meaningful unless {@link #unreadOn} is set. */
  #value = 0n;
  #unreadOn: ServerSession | null = null;
  #onRead: (() => void) | null = null;

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
    this.#letGo();
    if (told !== 0n) this.#value = told;
    this.#unreadOn = session;
    session.insertIdOwner = this;
    session.lastInsertId = null;
  }

  /** {@link InsertIdOwner}: another client is getting the session, and the value was read for this one. */
  insertIdRead(value: bigint): void {
    this.#unreadOn = null;
    this.#value = value;
    const onRead = this.#onRead;
    this.#onRead = null;
    onRead?.();
  }

  /** Calls back when the value that is being read for another client's sake is there. */
  whenRead(callback: () => void): void {
    this.#onRead = callback;
  }

  /** As after login: zero, wherever a value may still lie. Also when the client leaves. */
  reset(): void {
    this.#letGo();
    this.#value = 0n;
    this.#onRead = null;
  }

  /** The session with the value has gone; the id that its last OK carried is the best that is known. */
  lost(session: ServerSession): void {
    if (this.#unreadOn === session) this.insertIdRead(this.#value);
  }

  #letGo(): void {
    if (this.#unreadOn?.insertIdOwner === this) this.#unreadOn.insertIdOwner = null;
    this.#unreadOn = null;
  }
}

/**
 * Fetches an insert id that lies on another session than the one its client has been lent. If somebody has borrowed that
 * one, it is being read for us: every borrower reads first what it finds on its session, as we do here, so two clients
 * never wait for each other. Else we read it. The client hears of it through {@link InsertId.whenRead}.
 */
export function fetchInsertId(own: InsertId, lent: ServerSession, there: ServerSession): void {
  if (lent.insertIdOwner !== null && lent.insertIdOwner !== own) read(lent, lent.insertIdOwner, () => {});
  if (there.borrower === null) read(there, own, () => own.lost(there));
}

function read(session: ServerSession, owner: InsertIdOwner, failed: () => void): void {
  const step = readInsertId(session, owner);
  runInternal(session, [step.command], ([reply]) => {
    if (reply !== undefined && reply.err === null) step.apply(reply);
    else failed();
  });
}
