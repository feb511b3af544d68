import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import { HoldReason } from '../session/hold-reason.js';
import type { ClientState } from './client-state.js';
import { readLeftovers } from './leftovers.js';
import type { RelayServices } from './relay-services.js';
import type { SessionCheckout } from './session-checkout.js';
import { CloseReason } from './session-cleaner.js';
import { isBlind, isSettled, settleSession } from './session-settlement.js';
import type { Work } from './work.js';

/** Who has a session settled. {@link settled} follows, at once or later, or the session is lost. */
export interface ReturnHost {
  /** The server is asked something first. `tell`: {@link SessionReturn.settle}. */
  settling(tell: boolean): void;
  /**
   * The server has answered. `goOn`, at once or as soon as no KILL can hit what comes next, if the session is still lent to
   * the client, and the client still there.
   */
  answered(session: ServerSession, goOn: () => void): void;
  /** The session is of no use any more. */
  broken(session: ServerSession, why: string): void;
  /** The session is the client's no longer, and is given to others now. */
  letGo(): void;
  /** The session is given back, or kept for what is held. */
  settled(tell: boolean): void;
}

/**
 * What becomes of a session behind a command: it is kept for its client, or goes, once the server has told all, to the pool
 * as it is, or cleaned, or nowhere any more.
 */
export class SessionReturn {
  readonly #account: ServerAccount;
  readonly #state: ClientState;
  readonly #checkout: SessionCheckout;
  readonly #host: ReturnHost;
  /** Holds that count for nothing: a dry run goes by those of pool mode `transaction`. */
  readonly #uncounted: number;
  /** Another one once the client has let a session go while the server was being asked. */
  #loan = 0;
  /** In a dry run: the session has lived for long enough, and is given back in truth. */
  #outlived = false;

  constructor(
    services: RelayServices,
    account: ServerAccount,
    state: ClientState,
    checkout: SessionCheckout,
    host: ReturnHost,
  ) {
    this.#uncounted = services.dryRun === null ? 0 : HoldReason.SessionMode;
    this.#account = account;
    this.#state = state;
    this.#checkout = checkout;
    this.#host = host;
  }

  /** `work` is over. */
  settleOrKeep(session: ServerSession, work: Work): void {
    const { ledger } = this.#state;
    const holds = ledger.holds & ~ledger.doubtful & ~this.#uncounted;
    // Whoever holds the session: its trackers are switched on again before anything else runs, and what was written is asked for.
    if (holds !== 0 && !isBlind(session, ledger) && !ledger.writesUntold) this.#host.settled(true);
    else this.settle(session, work, true);
  }

  /** Nothing holds the session but pool mode `session`, and it is to serve nobody else. `tell`: the command has just ended. */
  outlived(session: ServerSession, work: Work, tell: boolean): void {
    session.unwanted = false;
    this.#outlived = true;
    this.settle(session, work, tell);
  }

  /**
   * Nothing holds the session. Asks for what the server has not told yet, then gives the session back. `work`: what was
   * run last; `tell`: it has just ended by this.
   */
  settle(session: ServerSession, work: Work, tell: boolean): void {
    const { ledger } = this.#state;
    if (isSettled(session, ledger)) {
      if (ledger.mustReset) this.#giveBackClean(session, tell);
      else this.#learnAnswer(session, work, tell);
      return;
    }
    this.#host.settling(tell);
    const loan = this.#loan;
    const isCurrent = (): boolean => loan === this.#loan;
    settleSession(session, ledger, work.effects, isCurrent, ({ refused, lost }) => {
      // The host hears of a loss from the session.
      if (lost) return;
      this.#host.answered(session, () => {
        if (refused !== null) this.#host.broken(session, refused.message);
        else this.#serverHasTold(session, work, tell);
      });
    });
  }

  #serverHasTold(session: ServerSession, work: Work, tell: boolean): void {
    const { ledger } = this.#state;
    const uncounted = this.#outlived ? HoldReason.SessionMode : this.#uncounted;
    if ((ledger.holds & ~uncounted) !== 0) {
      // What has shown only now keeps the session for some time yet.
      if (this.#outlived) session.unwanted = true;
      this.#outlived = false;
      this.#host.settled(tell);
    } else if (ledger.mustReset || (ledger.mayHideChanges && session.info.flavor === 'mariadb')) {
      this.#giveBackClean(session, tell);
    } else {
      this.#learnAnswer(session, work, tell);
    }
  }

  /** The server has told all that it knows of the command: the moment for its lesson, if there is one. */
  #learnAnswer(session: ServerSession, work: Work, tell: boolean): void {
    const lesson = tell ? work.lesson : null;
    const { left, profile } = this.#state;
    const asks = lesson?.finish(session, left.diagnostics, profile, () =>
      this.#host.answered(session, () => this.#giveBack(session, tell)),
    );
    if (asks === true) this.#host.settling(tell);
    else this.#giveBack(session, tell);
  }

  #giveBack(session: ServerSession, tell: boolean): void {
    if (this.#uncounted !== 0 && !this.#outlived) {
      this.#host.settled(tell);
      return;
    }
    this.#outlived = false;
    // Its owner may be waiting for it: whoever borrows a session reads what is there.
    if (session.leftovers !== null && session.leftovers !== this.#state.left) readLeftovers(session);
    this.#handOver(session);
    this.#host.settled(tell);
  }

  #handOver(session: ServerSession): void {
    this.#host.letGo();
    session.borrower = null;
    this.#checkout.preferred = session;
    if (session.misplaced) this.#checkout.server.cleaner.close(session, CloseReason.GotSchema);
    else this.#checkout.server.pools.checkin(session);
  }

  /** MariaDB never tells all that a failed routine or trigger did: nobody else gets the session as it is. */
  #giveBackClean(session: ServerSession, tell: boolean): void {
    if (this.#uncounted !== 0 && !this.#outlived) {
      // What nobody else would get stays with its client.
      this.#state.ledger.released();
      this.#host.settled(tell);
      return;
    }
    this.#outlived = false;
    this.giveUp(session);
    this.#host.settled(tell);
  }

  /** The client's command is to be run on another server: the session goes as it is. */
  handBack(session: ServerSession): void {
    if (this.#state.ledger.mustReset) this.giveUp(session);
    else this.#handOver(session);
  }

  /** Nobody knows how the session is: the client goes on without it. */
  giveUp(session: ServerSession): void {
    this.#host.letGo();
    this.#state.ledger.released();
    this.#checkout.server.cleaner.clean(session, this.#account);
  }

  /**
   * The client has let the session go, whatever it held. That is ended by a reset, or with the session where a reset is
   * not enough. @returns whether there was anything to end: `over` is called when the server is rid of it
   */
  abandoned(session: ServerSession, over?: () => void): boolean {
    this.#loan++;
    const { ledger } = this.#state;
    const held = (ledger.holds & ~HoldReason.Diagnostics) !== 0;
    const hides = ledger.mustReset || (ledger.mayHideChanges && session.info.flavor === 'mariadb');
    const untouched = !held && !hides && isSettled(session, ledger);
    if (session.kills !== null) {
      // The client has not waited for the proxy's own commands, and a KILL of one may hit whatever comes behind it.
      this.#checkout.server.cleaner.close(session, CloseReason.LeftInside, over);
    } else if (ledger.mustClose) {
      this.#checkout.server.cleaner.close(session, CloseReason.StateSurvivesReset, over);
    } else if (session.misplaced) {
      this.#checkout.server.cleaner.close(session, CloseReason.GotSchema, over);
    } else if (untouched) {
      session.borrower = null;
      this.#checkout.server.pools.checkin(session);
      return false;
    } else {
      this.#checkout.server.cleaner.clean(session, this.#account, over);
    }
    return true;
  }
}
