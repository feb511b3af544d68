import type { ServerSession, SessionLostError } from '../backend/server-session.js';
import type { ErrPacket, OkPacket } from '../protocol/generic-response.js';
import { TOLD_ALL, type ToldState } from '../protocol/session-state.js';
import type { SessionProfile } from '../session/profile.js';
import { ClientHold } from './client-hold.js';
import type { ClientIdentity } from './client-identity.js';
import { ClientState } from './client-state.js';
import { Phase } from './command-phase.js';
import { type CommandOwner, CommandRun } from './command-run.js';
import { CommandTimes } from './command-times.js';
import type { AnswerGround } from './learned-answers.js';
import { belongsThere, LEFT_BEHIND, lostThere } from './read-only-transactions.js';
import type { RelayServices } from './relay-services.js';
import type { Server } from './server.js';
import { CloseReason } from './session-cleaner.js';
import type { SessionLoan } from './session-loan.js';
import type { Expiry } from './time-limits.js';
import type { Work, WorkObserver } from './work.js';

/**
 * What a client takes for its session: state that is carried, and, while it must, one server session that is held. Each command is
 * a {@link CommandRun} of its own; between two of them, what is held may be reset, left, ended by a time limit, or lost.
 */
export class VirtualSession implements CommandOwner {
  readonly state: ClientState;
  readonly times: CommandTimes;
  readonly hold: ClientHold;
  readonly #services: RelayServices;
  readonly #host: WorkObserver;
  readonly #command: CommandRun;
  readonly #loan: SessionLoan;
  /** A command came while the session was being given back. */
  #nextWork: Work | null = null;

  constructor(services: RelayServices, host: WorkObserver, identity: ClientIdentity) {
    this.#services = services;
    this.#host = host;
    const { account, userName } = identity;
    this.state = new ClientState(services, identity, host.written, () => this.#waitsForOwn);
    this.times = new CommandTimes(services, host, userName);
    this.hold = new ClientHold(services, host.connectionId, identity, () => this.#isIdle);
    this.#command = new CommandRun(services, identity, host, this);
    this.#loan = this.#command.loan;
    services.routines.watch(account);
    services.servers.watch(account);
  }

  /** The session lent to the client at this moment. */
  get session(): ServerSession | null {
    return this.#loan.session;
  }

  /** That of {@link session}, or of the last one. */
  get server(): Server {
    return this.#command.server;
  }

  get holds(): number {
    return this.state.holds;
  }

  get running(): boolean {
    return this.#command.phase === Phase.Running;
  }

  /** How long a command has waited for a session, in ms; null when none does. */
  get waitedMs(): number | null {
    const { phase, refusal, checkout } = this.#command;
    if (phase === Phase.Refused) return performance.now() - refusal.since;
    return phase === Phase.Waiting ? performance.now() - checkout.enqueuedAt : null;
  }

  /** {@link CommandRun.replyIsKept} */
  get replyIsKept(): boolean {
    return this.#command.replyIsKept;
  }

  /** Full seconds that the client's command has been at work; 0 while none is. */
  get secondsAtWork(): number {
    const { phase } = this.#command;
    const atWork = phase === Phase.Running || phase === Phase.Restoring;
    const { session } = this;
    return atWork && session?.busy === true ? session.secondsAtWork : 0;
  }

  /** Another number once another transaction may have begun. */
  get transactions(): number {
    return this.hold.transactions;
  }

  /** What the client's OK packets tell of its session. */
  get told(): ToldState {
    // While the session has the client's own trackers, the server tells no more than that.
    return this.session?.trackersArmed === false ? TOLD_ALL : this.state.ledger.trackers.told;
  }

  /** {@link ClientState.answerGround}: null, too, while a session is the client's. */
  get answerGround(): AnswerGround | null {
    const idle = this.session === null && this.#isIdle && !this.#command.recovery.isOwed;
    return idle ? this.state.answerGround : null;
  }

  get #isIdle(): boolean {
    return this.#command.phase === Phase.Idle;
  }

  /** Nodes of Galera wait by themselves, for all that was written. Asked before the client has been on any of them. */
  get #waitsForOwn(): boolean {
    return this.#command.checkout.mayReadOwnWrites && this.#services.upstream.isGalera;
  }

  /** Runs one command. Exactly one of the host's three callbacks follows, at once or later. */
  run(work: Work): void {
    const command = this.#command;
    if (command.phase === Phase.Settling) {
      this.#nextWork = work;
      return;
    }
    const held = this.session;
    if (held !== null && this.#mustBeTold(work)) {
      this.#nextWork = work;
      command.sessionReturn.settle(held, this.#loan.lastWork, false);
      return;
    }
    if (command.readsOnly && !belongsThere(work, this.state)) {
      this.#forsake(LEFT_BEHIND, lostThere(work, this.state));
      this.#host.sessionLeft();
    }
    command.begin(work);
  }

  /** Whether what the server has not told of the session yet decides about the command. */
  #mustBeTold(work: Work): boolean {
    const { ledger } = this.state;
    // A routine may have switched them off.
    if (ledger.trackersDoubtful && reliesOnTrackers(work)) return true;
    if (!this.#command.readsOnly) return false;
    // An error may have ended the transaction; and what is left behind cannot be asked any more.
    return ledger.reportsOutstanding || (ledger.isUntold && !belongsThere(work, this.state));
  }

  /** {@link CommandOwner} */
  settledBetween(): void {
    const work = this.#nextWork;
    if (work === null) return;
    this.#nextWork = null;
    this.run(work);
  }

  /** {@link CommandRun.replyOk} */
  replyOk(ok: OkPacket, rows: number | null, row: readonly (bigint | null)[] | null): void {
    this.#command.replyOk(ok, rows, row);
  }

  /** {@link CommandRefusal.replyErr} */
  replyErr(err: ErrPacket, notExecuted: boolean, untold: boolean): boolean | ErrPacket {
    return this.#command.refusal.replyErr(err, notExecuted, untold);
  }

  replyComplete(): void {
    this.#command.replyComplete();
  }

  /** {@link CommandRun.releaseIfFree} */
  releaseIfFree(): void {
    this.#command.releaseIfFree();
  }

  /**
   * COM_RESET_CONNECTION, COM_CHANGE_USER: what was held is cleaned, what was carried forgotten. Between commands. `over`:
   * nothing of it is left on the server; the next command comes after that.
   */
  reset(profile: SessionProfile | null, over: () => void): void {
    const { session } = this;
    const command = this.#command;
    command.recovery.forget();
    command.phase = Phase.Idle;
    this.state.left.reset();
    this.#loan.end();
    const takesTime = session !== null && command.sessionReturn.abandoned(session, over);
    this.state.restart(profile);
    if (!takesTime) over();
  }

  /** The client has gone. A statement under way is ended by the caller; its session comes back when the reply is over. */
  abandon(): void {
    const { session } = this;
    const command = this.#command;
    const { phase } = command;
    command.phase = Phase.Gone;
    if (phase === Phase.Waiting) command.checkout.cancel();
    // While the proxy learns of routines, it does so elsewhere.
    const atRest = phase === Phase.Idle || phase === Phase.Learning;
    if (atRest && session !== null) command.leave(session);
    if (session === null || phase === Phase.Idle) this.state.left.reset();
  }

  /** Between commands: what the client holds is ended, of which it is told with its next command. False: not now. */
  expire(why: Expiry): boolean {
    if (!this.#isIdle || this.session === null) return false;
    this.#forsake(why, this.holds);
    return true;
  }

  /** Between commands: ends what is held. The client is told of `lost`, where it would not have ended that itself. */
  #forsake(why: string | Expiry, lost: number): void {
    const { session } = this;
    if (session === null) return;
    this.#command.recovery.lostBetween(lost, why);
    this.#loan.end();
    this.#command.sessionReturn.abandoned(session);
    this.state.restart(null);
  }

  /** The client left inside a command: what the server has of it must not be completed. */
  abandonInside(): void {
    const { session } = this;
    this.#command.phase = Phase.Gone;
    this.#loan.end();
    this.state.left.reset();
    if (session !== null) this.server.cleaner.close(session, CloseReason.LeftInside);
  }

  /** {@link Borrower.drained} */
  drained(): void {
    this.#host.serverDrained();
  }

  /** {@link Borrower.sessionLost} */
  sessionLost(error: SessionLostError): void {
    const { session } = this;
    if (session !== null) this.#command.recovery.lose(session, error);
  }

  /** {@link Borrower.sessionOutlived}: only in pool mode `session` is one kept that nothing is kept on. */
  sessionOutlived(): void {
    const { session } = this;
    if (session === null) return;
    if (this.#isIdle && this.#loan.heldElse === 0)
      this.#command.sessionReturn.outlived(session, this.#loan.lastWork, false);
    else session.unwanted = true;
  }
}

/** What it changes, or is bound to, is known by the server's reports alone; or it has the client's own trackers take their place. */
function reliesOnTrackers({ effects, isPrepare }: Work): boolean {
  return isPrepare || effects.explainsStateChange || effects.usesTrackers;
}
