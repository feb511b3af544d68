import { runInternal } from '../backend/internal-commands.js';
import type { LeftoverOwner, LeftoverQuestion, ServerSession } from '../backend/server-session.js';
import { Diagnostics, type FoundRowsUse } from './diagnostics.js';
import { InsertId } from './insert-id.js';

/**
 * What one client's statements left on sessions: its insert id, its warnings, its counts. It stays there unread while
 * nobody else gets the session; whoever gets it next, or resets or closes it, reads it first for its owner.
 */
export class Leftovers implements LeftoverOwner {
  readonly insertId = new InsertId();
  readonly diagnostics: Diagnostics;
  #onRead: (() => void) | null = null;

  constructor(use: FoundRowsUse) {
    this.diagnostics = new Diagnostics(use);
  }

  /** A statement of the client's on `session` is over, and what it left is noted down in the parts. */
  noted(session: ServerSession): void {
    if (this.#isOn(session)) session.leftovers = this;
    else if (session.leftovers === this) session.leftovers = null;
  }

  /** Something is to be run on `session` that spoils FOUND_ROWS(). @returns whether it must be fetched from there before */
  keepFoundRows(session: ServerSession): boolean {
    const { diagnostics } = this;
    if (diagnostics.foundRows !== null || diagnostics.foundRowsOn !== session) return false;
    diagnostics.wantFoundRows();
    this.noted(session);
    return true;
  }

  /** {@link LeftoverOwner}. Reading warnings spoils nothing; reading counts spoils the warnings. */
  unreadOn(session: ServerSession): readonly LeftoverQuestion[] {
    const { diagnostics, insertId } = this;
    const questions: LeftoverQuestion[] = [];
    if (diagnostics.conditionsUnreadOn === session) questions.push(diagnostics.conditionsQuestion(session));
    if (diagnostics.foundRowsUnreadOn === session) questions.push(diagnostics.foundRowsQuestion(session));
    if (insertId.unreadOn === session) questions.push(insertId.question(session));
    return questions.map(({ command, answered }) => ({
      command,
      answered: (reply) => {
        answered(reply);
        this.#readOn(session);
      },
    }));
  }

  /** {@link LeftoverOwner} */
  lost(session: ServerSession): void {
    this.insertId.lost(session);
    this.diagnostics.lost(session);
    this.#readOn(session);
  }

  /** As after login. Also when the client leaves: nobody will ask. */
  reset(): void {
    const { diagnostics, insertId } = this;
    const places = [insertId.unreadOn, diagnostics.conditionsUnreadOn, diagnostics.foundRowsUnreadOn];
    insertId.reset();
    diagnostics.reset();
    for (const session of places) if (session?.leftovers === this) session.leftovers = null;
    this.#onRead = null;
  }

  /**
   * Fetches what lies on `there` for a client that has been lent `lent`. If another client has borrowed `there`, it is being
   * read for us: every borrower reads first what it finds on its session, as we do here, so two clients never wait for
   * each other. Else we read it.
   */
  fetch(lent: ServerSession, there: ServerSession, done: () => void): void {
    this.#onRead = done;
    if (lent !== there && lent.leftovers !== null && lent.leftovers !== this) readLeftovers(lent);
    if (there === lent || there.borrower === null) readLeftovers(there);
  }

  #isOn(session: ServerSession): boolean {
    const { diagnostics, insertId } = this;
    return (
      insertId.unreadOn === session ||
      diagnostics.conditionsUnreadOn === session ||
      diagnostics.foundRowsUnreadOn === session
    );
  }

  #readOn(session: ServerSession): void {
    if (this.#isOn(session)) return;
    if (session.leftovers === this) session.leftovers = null;
    const onRead = this.#onRead;
    this.#onRead = null;
    onRead?.();
  }
}

/** Reads what somebody left on a session; `done` is called when that is over, the session lost or not. */
export function readLeftovers(session: ServerSession, done: () => void = () => {}): void {
  const owner = session.leftovers;
  const questions = owner?.unreadOn(session) ?? [];
  if (owner === null || questions.length === 0) {
    done();
    return;
  }
  runInternal(
    session,
    questions.map(({ command }) => command),
    (replies, lost) => {
      for (const [i, reply] of replies.entries()) questions[i]?.answered(reply);
      if (lost !== null) owner.lost(session);
      done();
    },
  );
}
