import type { ServerSession, SessionLostError } from '../backend/server-session.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { ClientHold } from './client-hold.js';
import type { ClientState } from './client-state.js';
import { Phase } from './command-phase.js';
import type { CommandRefusal } from './command-refusal.js';
import type { CommandTimes } from './command-times.js';
import { type Attempts, LostState, lossError, mayBeKilled, mayRunAgain, Progress } from './lost-command.js';
import type { RelayServices } from './relay-services.js';
import type { Server } from './server.js';
import { CloseReason } from './session-cleaner.js';
import type { LoanWitnesses, SessionLoan } from './session-loan.js';
import type { Expiry } from './time-limits.js';
import type { Work } from './work.js';

/** Whose sessions are lost. */
export interface RecoveryHost {
  readonly phase: Phase;
  readonly loan: SessionLoan;
  readonly refusal: CommandRefusal;
  /** That of the session. */
  readonly server: Server;
  /** The command has no session, and waits to hear whether its server is still there. */
  serverInDoubt(): void;
  runAgain(work: Work): void;
  fail(err: ErrPacket): void;
  /** As {@link fail}, where the client has part of the reply. */
  failInReply(err: ErrPacket, session: ServerSession): void;
  /** {@link ReturnHost.settled}, as it was to be. */
  settledLost(): void;
}

/** What follows from the loss of a session: the command on it is run once more or fails, and its client is told what went with it. */
export class LossRecovery {
  /** What was lost between two commands. */
  #owed: LostState | null = null;
  readonly #services: RelayServices;
  readonly #state: ClientState;
  readonly #times: CommandTimes;
  readonly #hold: ClientHold;
  readonly #attempts: Attempts;
  readonly #host: RecoveryHost;

  constructor(
    services: RelayServices,
    { state, times, hold }: Pick<LoanWitnesses, 'state' | 'times' | 'hold'>,
    attempts: Attempts,
    host: RecoveryHost,
  ) {
    this.#services = services;
    this.#state = state;
    this.#times = times;
    this.#hold = hold;
    this.#attempts = attempts;
    this.#host = host;
  }

  /** The client is still to be told that it has lost something. */
  get isOwed(): boolean {
    return this.#owed !== null;
  }

  /** The session was lost between two commands, or is taken from the client: the next one hears of it. */
  lostBetween(holds: number, why: string | Expiry): void {
    this.#owed = LostState.of(holds, why, null);
  }

  /** What the client held it does not ask for any more. */
  forget(): void {
    this.#owed = null;
  }

  /** What the client is told in place of its next command; null, as mostly, where that may be run. */
  takeOwed(work: Work): ErrPacket | null {
    const lost = this.#owed?.before(work) ?? null;
    this.#owed = null;
    return lost === null ? null : lost.err(this.#elsewhere);
  }

  /** The session has gone; what becomes of the command depends on how far it was. */
  lose(session: ServerSession, error: SessionLostError | string): void {
    const { phase, loan, server } = this.#host;
    const { ledger, left } = this.#state;
    const { holds } = ledger;
    const why = typeof error === 'string' ? error : error.message;
    if (phase !== Phase.Gone) this.#tellLost(session, why);
    loan.end();
    left.lost(session);
    server.cleaner.close(session, CloseReason.Lost);
    ledger.released();
    switch (phase) {
      case Phase.Idle:
        this.lostBetween(holds, why);
        return;
      case Phase.Waiting:
      case Phase.Restoring:
      case Phase.Learning:
        this.#runAgainOrFail(Progress.NotSent, holds, why, session);
        return;
      case Phase.Running:
        this.#state.hasRun(this.#host.loan.lastWork);
        this.#runAgainOrFail(this.#progress(session), holds, why, session);
        return;
      case Phase.Settling:
        this.lostBetween(holds, why);
        this.#host.settledLost();
        return;
      case Phase.Gone:
        this.#state.hasRun(this.#host.loan.lastWork);
        left.reset();
    }
  }

  #tellLost({ connectionId: serverSession }: ServerSession, reason: string): void {
    const { connectionId: client, userName: user } = this.#hold;
    this.#services.observer.sessionLost?.({ client, user, serverSession, reason });
  }

  /** Of the command that is running. */
  #progress(session: ServerSession): Progress {
    if (this.#host.refusal.notExecuted) return Progress.Refused;
    return session.tracker.started ? Progress.Replying : Progress.Sent;
  }

  #runAgainOrFail(progress: Progress, holds: number, why: string, session: ServerSession): void {
    const work = this.#host.loan.lastWork;
    const lost = LostState.of(holds, why, work);
    const err = lossError(work, progress, why, lost, this.#elsewhere);
    // A statement whose session was cut off here was to be ended.
    const isUnwanted = progress === Progress.Sent && session.cutOff;
    if (progress === Progress.Sent) this.#attempts.lostAtWork(session.openedAt, performance.now());
    if (!isUnwanted && mayRunAgain(work, progress, lost, this.#attempts)) {
      if (this.#host.refusal.shutsDown || mayBeKilled(progress, session.secondsAtWork))
        this.#runAgainLater(work, progress, err, session);
      else this.#host.runAgain(work);
      return;
    }
    if (progress === Progress.Sent || progress === Progress.Replying) {
      this.#times.failed();
      this.#times.replied(session, work, 0);
      this.#times.turnOver();
    }
    if (progress === Progress.Replying) this.#host.failInReply(err, session);
    else this.#host.fail(err);
  }

  /** When it is known whether the server has gone: then no idle session is left, else it may be the statement's fault. */
  #runAgainLater(work: Work, progress: Progress, err: ErrPacket, session: ServerSession): void {
    this.#host.serverInDoubt();
    this.#host.server.killer.checkServer(session, (lives) => {
      // The client may have gone meanwhile.
      if (this.#host.phase === Phase.Gone) return;
      if (lives && progress === Progress.Sent) this.#host.fail(err);
      else this.#host.runAgain(work);
    });
  }

  /** {@link lossError} */
  get #elsewhere(): boolean {
    return this.#services.routes !== null;
  }
}
