import { InternalCommandError, queryCommand, runInternal } from '../backend/internal-commands.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import { BouncerError } from '../errors.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';

/** A KILL that could not be sent. */
export class KillFailedError extends BouncerError {
  readonly code = 'KILL_FAILED';
}

/**
 * Sends KILLs over a connection of its own, one per server user, which no full pool can starve
 * (a user may kill its own sessions, another's only with CONNECTION_ADMIN).
 */
export class Killer {
  readonly #upstream: Upstream;
  readonly #control = new Map<ServerAccount, Promise<ServerSession>>();

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  /** Opens the control connection of an account, or finds it open. */
  async connect(account: ServerAccount): Promise<ServerSession> {
    const control = this.#connection(account);
    const session = await control;
    if (!session.closed) return session;
    // Whoever closed it here has told nobody.
    if (this.#control.get(account) === control) this.#control.delete(account);
    return this.#connection(account);
  }

  /**
   * Ends the statement a session is running. Until the server has answered, the session must get no other work: the
   * KILL may arrive after the statement has ended by itself. `killsUnderWay` sees to that.
   */
  killQuery(session: ServerSession, account: ServerAccount, done: (error: Error | null) => void): void {
    session.killsUnderWay++;
    this.#send(account, `KILL QUERY ${session.connectionId}`, (error) => {
      session.killsUnderWay--;
      done(error);
      if (session.killsUnderWay > 0 || session.closed) return;
      const { onKillsAnswered } = session;
      session.onKillsAnswered = null;
      onKillsAnswered?.();
    });
  }

  /** KILL of an id that isn't one of the proxy's clients: the server's own business. */
  forward(statement: string, account: ServerAccount, done: (err: ErrPacket | null) => void): void {
    this.#send(account, statement, (error) => {
      if (error === null) done(null);
      else if (error instanceof InternalCommandError) done(error.err);
      else done({ ...ServerError.UnknownError, message: `mybouncer: ${error.message}` });
    });
  }

  async close(): Promise<void> {
    const open = [...this.#control.values()];
    this.#control.clear();
    for (const session of await Promise.allSettled(open)) {
      if (session.status === 'fulfilled') await session.value.quit();
    }
  }

  #send(account: ServerAccount, statement: string, done: (error: Error | null) => void): void {
    this.#connection(account).then(
      (session) =>
        runInternal(session, [queryCommand(statement)], ([reply], lost) => {
          if (lost !== null) this.#control.delete(account);
          const err = reply?.err ?? null;
          done(lost ?? (err === null ? null : new InternalCommandError(err)));
        }),
      (cause: unknown) => done(new KillFailedError('no control connection to the server', { cause })),
    );
  }

  #connection(account: ServerAccount): Promise<ServerSession> {
    let control = this.#control.get(account);
    if (control === undefined) {
      control = this.#upstream.open(account, null, 0).then((session) => {
        session.onLost = () => this.#control.delete(account);
        return session;
      });
      this.#control.set(account, control);
      control.catch(() => this.#control.delete(account));
    }
    return control;
  }
}
