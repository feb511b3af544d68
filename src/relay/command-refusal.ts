import type { ServerSession } from '../backend/server-session.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { Outcome, ServerHint, type StatementOutcome } from '../servers/statement-outcome.js';
import type { ClientState } from './client-state.js';
import type { CommandTimes } from './command-times.js';
import { type Attempts, isRepeatable, LostState, MAX_ATTEMPTS } from './lost-command.js';
import { hasDoneNothing, outcomeFor, rolledBackBy } from './refused-command.js';
import type { RelayServices } from './relay-services.js';
import type { SessionCheckout } from './session-checkout.js';
import type { LoanWitnesses, SessionLoan } from './session-loan.js';
import type { Work } from './work.js';

/** Whose commands a server refuses. */
export interface RefusalHost {
  readonly loan: SessionLoan;
  /** The client has gone. */
  readonly isGone: boolean;
  /** The command waits, without a session, for what becomes of it. */
  readonly isRefused: boolean;
  runAgain(work: Work): void;
  fail(err: ErrPacket): void;
}

/**
 * What the errors of a server come to. Mostly they are the statement's own fault; but it may not run a command for what it is itself:
 * it shuts down, or takes no such commands (any more). Where nothing was done yet, the command is run once more where it can be.
 */
export class CommandRefusal {
  /** The server has said that it did not run the command, which is to be run on another session. */
  notExecuted = false;
  /** The server has answered that it shuts down: the session under way ends with that. */
  shutsDown = false;
  /** When the command was refused first; 0: it was not. */
  since = 0;
  /** Why it was, while its client has not been told; null when it was not. */
  #err: ErrPacket | null = null;
  readonly #services: RelayServices;
  readonly #state: ClientState;
  readonly #times: CommandTimes;
  readonly #checkout: SessionCheckout;
  readonly #attempts: Attempts;
  readonly #host: RefusalHost;

  constructor(
    services: RelayServices,
    { state, times }: Pick<LoanWitnesses, 'state' | 'times'>,
    checkout: SessionCheckout,
    attempts: Attempts,
    host: RefusalHost,
  ) {
    this.#services = services;
    this.#state = state;
    this.#times = times;
    this.#checkout = checkout;
    this.#attempts = attempts;
    this.#host = host;
  }

  /** The command's client is not told of it before it is known whether it can be run elsewhere. */
  get waits(): boolean {
    return this.#err !== null;
  }

  /** For the next command: one object serves all of a client's. */
  reset(): void {
    this.since = 0;
  }

  /** The command is tried, for the first time or once more. */
  begin(): void {
    this.notExecuted = false;
    this.shutsDown = false;
  }

  /** {@link ReplyObserver.replyErr} */
  replyErr(err: ErrPacket, notExecuted: boolean, untold: boolean): boolean | ErrPacket {
    const { lastWork: work, lentSession: session } = this.#host.loan;
    this.shutsDown = err.errno === ServerError.ServerShutdown.errno;
    const isRefused = this.shutsDown && untold && isRepeatable(work);
    this.notExecuted = notExecuted || (isRefused && LostState.of(this.#state.holds, '', work) === null);
    if (this.notExecuted) return false;
    const { isLone } = session.tracker;
    const outcome = outcomeFor(err, work, isLone);
    const waits = outcome !== null && this.told(session, outcome, err, isLone && hasDoneNothing(work));
    this.#state.err(work, err.errno, err.sqlState);
    if (waits) return false;
    this.#times.failed();
    if (outcome?.outcome !== Outcome.RolledBack || outcome.hint === null) return true;
    this.#state.ledger.transactionEnded();
    return rolledBackBy(err, work);
  }

  /**
   * An error tells of the server. `isUndone`: nothing of the command was done.
   * @returns whether the command may be run elsewhere, which is to be waited for
   */
  told(
    session: ServerSession,
    { outcome, hint }: StatementOutcome,
    err: ErrPacket,
    isUndone: boolean,
  ): boolean {
    if (hint === null) return false;
    const work = this.#host.loan.lastWork;
    const { server } = this.#checkout;
    const { counters } = this.#services;
    counters.serverTold(hint);
    // Who reads from replicas and writes there has nobody else to blame.
    if (hint === ServerHint.ReadOnly && !this.#checkout.wantsPrimary) return false;
    const mayMove =
      isUndone &&
      !work.isBound &&
      outcome === Outcome.Refused &&
      !this.#host.isGone &&
      session.kills === null &&
      this.#attempts.made < MAX_ATTEMPTS &&
      LostState.of(this.#state.holds, '', work) === null;
    if (!mayMove) {
      server.told(session, hint, null);
      return false;
    }
    const isSecond = this.since !== 0;
    if (!isSecond) this.since = performance.now();
    const { since } = this;
    const known = (elsewhere: boolean): void => {
      // The client may have gone meanwhile.
      if (!this.#host.isRefused) return;
      this.#err = null;
      if (elsewhere) {
        counters.ranAgain(hint);
        this.#host.runAgain(work);
      } else this.#host.fail(err);
    };
    if (!server.told(session, hint, { since, isSecond, known })) return false;
    this.#err = err;
    return true;
  }
}
