import type { Borrower, ServerSession, SessionLostError } from '../backend/server-session.js';
import type { PoolError } from '../pool/errors.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket, OkPacket } from '../protocol/generic-response.js';
import { TOLD_ALL, type ToldState } from '../protocol/session-state.js';
import { Outcome, outcomeOf, ServerHint, type StatementOutcome } from '../servers/statement-outcome.js';
import { HoldReason } from '../session/hold-reason.js';
import type { SessionProfile } from '../session/profile.js';
import type { StatementTraits } from '../sql/traits.js';
import { checkoutError, replicaBehind } from './client-errors.js';
import { ClientHold } from './client-hold.js';
import type { ClientIdentity } from './client-identity.js';
import { ClientState } from './client-state.js';
import { CommandTimes } from './command-times.js';
import type { DryLoan } from './dry-run.js';
import type { AnswerGround } from './learned-answers.js';
import {
  Attempts,
  isRepeatable,
  LostState,
  lossError,
  MAX_ATTEMPTS,
  mayBeKilled,
  mayRunAgain,
  Progress,
} from './lost-command.js';
import { OwnReads } from './own-writes.js';
import { hasDoneNothing, outcomeFor, rolledBackBy } from './refused-command.js';
import type { RelayServices } from './relay-services.js';
import type { Server } from './server.js';
import { SessionCheckout, type SessionSeeker } from './session-checkout.js';
import { CloseReason } from './session-cleaner.js';
import { type PreparationHost, SessionPreparation } from './session-preparation.js';
import { type ReturnHost, SessionReturn } from './session-return.js';
import type { Expiry } from './time-limits.js';
import type { Work, WorkObserver } from './work.js';

const Phase = {
  Idle: 0,
  Waiting: 1,
  Restoring: 2,
  Running: 3,
  Settling: 4,
  Gone: 5,
  Learning: 6,
  /** The server has refused the command for what it is: it may be run elsewhere. */
  Refused: 7,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/**
 * What a client takes for its session: state that is carried, and, while it must, one server session that is held.
 * Borrows a session for each command, has it prepared, and gives it back in the same tick the reply ends, unless the
 * ledger says that something on it is the client's alone.
 */
export class VirtualSession implements Borrower, SessionSeeker, PreparationHost, ReturnHost {
  readonly state: ClientState;
  readonly times: CommandTimes;
  readonly #services: RelayServices;
  readonly #host: WorkObserver;
  readonly #preparation: SessionPreparation;
  /** Null where its reads need not see what its process has written. */
  readonly #reads: OwnReads | null;
  readonly #return: SessionReturn;
  readonly #checkout: SessionCheckout;
  readonly #hold: ClientHold;
  /** What it would have of the pool's sessions, in a dry run. */
  readonly #dryLoan: DryLoan | null;
  #session: ServerSession | null = null;
  #phase: Phase = Phase.Idle;
  #work: Work | null = null;
  readonly #attempts = new Attempts();
  #notExecuted = false;
  /** What was lost between two commands. */
  #lostState: LostState | null = null;
  /** The server has answered that it shuts down: the session under way ends with that. */
  #shutsDown = false;
  /** Why the server has refused the command under way, while its client has not been told; null when it has not. */
  #refusal: ErrPacket | null = null;
  /** When it was refused first; 0: it was not. */
  #refusedSince = 0;
  /** Whether a command ends with the settling under way. */
  #settleTells = false;
  /** The command under way is not for replicas. */
  #onPrimary = false;
  /** A command came while the session was being given back. */
  #nextWork: Work | null = null;

  constructor(services: RelayServices, host: WorkObserver, identity: ClientIdentity) {
    this.#services = services;
    this.#host = host;
    const { account, poolCapabilities, userName } = identity;
    this.#checkout = new SessionCheckout(
      services.servers,
      account,
      poolCapabilities,
      host.process,
      this,
      identity.routing,
    );
    const { ownWrites } = services;
    const checkout = this.#checkout;
    this.state = new ClientState(
      services,
      identity,
      host.written,
      () => checkout.readsOwnWrites && checkout.isGalera,
    );
    const waits = ownWrites !== null && checkout.readsOwnWrites;
    this.#reads = waits && host.written !== null ? new OwnReads(ownWrites, host.written) : null;
    this.#preparation = new SessionPreparation(services, account, this.state, this.#reads, this);
    this.#return = new SessionReturn(services, account, this.state, this.#checkout, this);
    this.times = new CommandTimes(services, host, userName);
    this.#hold = new ClientHold(services, host.connectionId, identity, () => this.#phase === Phase.Idle);
    this.#dryLoan = services.dryRun?.newLoan() ?? null;
    services.routines.watch(account);
    services.servers.watch(account);
  }

  /** The session lent to the client at this moment. */
  get session(): ServerSession | null {
    return this.#session;
  }

  /** That of {@link session}, or of the last one: {@link PreparationHost}. */
  get server(): Server {
    return this.#checkout.server;
  }

  get holds(): number {
    return this.state.holds;
  }

  get running(): boolean {
    return this.#phase === Phase.Running;
  }

  /** How long a command has waited for a session, in ms; null when none does. */
  get waitedMs(): number | null {
    if (this.#phase === Phase.Refused) return performance.now() - this.#refusedSince;
    return this.#phase === Phase.Waiting ? performance.now() - this.#checkout.enqueuedAt : null;
  }

  /** The reply that has just come to its end is not passed on: the command is run once more, or its client told later. */
  get replyIsKept(): boolean {
    return this.#notExecuted || this.#refusal !== null;
  }

  /** Full seconds that the client's command has been at work; 0 while none is. */
  get secondsAtWork(): number {
    const atWork = this.#phase === Phase.Running || this.#phase === Phase.Restoring;
    const session = this.#session;
    return atWork && session?.busy === true ? session.secondsAtWork : 0;
  }

  /** Another number once another transaction may have begun. */
  get transactions(): number {
    return this.#hold.transactions;
  }

  /** What the client's OK packets tell of its session. */
  get told(): ToldState {
    // While the session has the client's own trackers, the server tells no more than that.
    return this.#session?.trackersArmed === false ? TOLD_ALL : this.state.ledger.trackers.told;
  }

  /** {@link ClientState.answerGround}: null, too, while a session is the client's. */
  get answerGround(): AnswerGround | null {
    const idle = this.#session === null && this.#phase === Phase.Idle && this.#lostState === null;
    return idle ? this.state.answerGround : null;
  }

  /** Runs one command. Exactly one of the host's three callbacks follows, at once or later. */
  run(work: Work): void {
    if (this.#phase === Phase.Settling) {
      this.#nextWork = work;
      return;
    }
    const held = this.#session;
    if (held !== null && this.state.ledger.trackersDoubtful && reliesOnTrackers(work)) {
      // A routine may have switched them off.
      this.#nextWork = work;
      this.#return.settle(held, this.#currentWork(), false);
      return;
    }
    this.#work = work;
    this.times.begin();
    this.#attempts.reset();
    this.#refusedSince = 0;
    const lost = this.#lostState?.before(work) ?? null;
    this.#lostState = null;
    if (lost !== null) {
      this.#fail(lost.err(this.#services.routes !== null));
      return;
    }
    const refusal = this.#hold.refusal(work, this.state);
    if (refusal !== null) this.#refuse(refusal, work);
    else this.#start(work);
  }

  /** {@link CheckoutRequest.granted} */
  granted(session: ServerSession): void {
    this.times.lentAfter(this.#checkout.enqueuedAt, this.#checkout.grantedAt);
    this.#lent(session);
  }

  #lent(session: ServerSession): void {
    this.#session = session;
    session.borrower = this;
    this.state.learnProfile();
    this.#beginDry();
    if (session.closed) this.#lose(session, 'it died before it could be used');
    else this.#preparation.prepare(session, this.#currentWork());
  }

  /** {@link CheckoutRequest.refused} */
  refused(error: PoolError): void {
    const { connectionId: client } = this.#host;
    const { code, message } = error;
    const user = this.#hold.userName;
    const pool = this.#checkout.pool.key;
    this.#services.observer.requestRefused?.({ client, user, pool, code, error: message });
    this.#fail(checkoutError(error));
  }

  /** `rows`: of the result set that it ends; null when it ends none. `row`: {@link ReplyObserver.replyOk}. */
  replyOk(ok: OkPacket, rows: number | null, row: readonly (bigint | null)[] | null): void {
    this.times.ok(rows ?? Number(ok.affectedRows));
    this.state.ok(this.#currentWork(), ok, rows, row);
  }

  /** {@link ReplyObserver.replyErr} */
  replyErr(err: ErrPacket, notExecuted: boolean, untold: boolean): boolean | ErrPacket {
    const { errno, sqlState } = err;
    const work = this.#currentWork();
    this.#shutsDown = errno === ServerError.ServerShutdown.errno;
    const isRefused = this.#shutsDown && untold && isRepeatable(work);
    this.#notExecuted = notExecuted || (isRefused && LostState.of(this.holds, '', work) === null);
    if (this.#notExecuted) return false;
    const { isLone } = this.#currentSession().tracker;
    const outcome = outcomeFor(err, work, isLone);
    const waits = outcome !== null && this.#told(outcome, err, isLone && hasDoneNothing(work));
    this.state.err(work, errno, sqlState);
    if (waits) return false;
    this.times.failed();
    if (outcome?.outcome !== Outcome.RolledBack || outcome.hint === null) return true;
    this.state.ledger.transactionEnded();
    return rolledBackBy(err, work);
  }

  /** An error tells of the server. @returns whether the command may be run elsewhere, which is to be waited for */
  #told({ outcome, hint }: StatementOutcome, err: ErrPacket, isUndone: boolean): boolean {
    if (hint === null) return false;
    const session = this.#currentSession();
    const work = this.#currentWork();
    const { server } = this;
    const { counters } = this.#services;
    counters.serverTold(hint);
    // Who reads from replicas and writes there has nobody else to blame.
    if (hint === ServerHint.ReadOnly && !this.#checkout.wantsPrimary) return false;
    const mayMove =
      isUndone &&
      !work.isBound &&
      outcome === Outcome.Refused &&
      this.#phase !== Phase.Gone &&
      session.kills === null &&
      this.#attempts.made < MAX_ATTEMPTS &&
      LostState.of(this.holds, '', work) === null;
    if (!mayMove) {
      server.told(session, hint, null);
      return false;
    }
    const isSecond = this.#refusedSince !== 0;
    if (!isSecond) this.#refusedSince = performance.now();
    const since = this.#refusedSince;
    const known = (elsewhere: boolean): void => {
      // The client may have gone meanwhile.
      if (this.#phase !== Phase.Refused) return;
      this.#refusal = null;
      if (elsewhere) {
        counters.ranAgain(hint);
        this.#start(work);
      } else this.#fail(err);
    };
    if (!server.told(session, hint, { since, isSecond, known })) return false;
    this.#refusal = err;
    return true;
  }

  /** The command waits for a server that takes it; other clients may have use for the session. */
  #letGoRefused(session: ServerSession): void {
    this.#phase = Phase.Refused;
    this.#return.giveUp(session);
    this.#noteHolds();
    this.times.turnOver();
  }

  replyComplete(): void {
    const session = this.#currentSession();
    if (this.#shutsDown) this.server.cleaner.serverShutsDown(session);
    if (this.#refusal !== null) {
      this.state.replied(session, this.#currentWork());
      this.#letGoRefused(session);
      return;
    }
    if (!this.#notExecuted) this.times.replied(session, this.#currentWork(), this.holds);
    if (this.#notExecuted) {
      session.close();
      this.#lose(session, 'the server ended the session before it ran the statement');
    } else if (this.#shutsDown) {
      this.state.replied(session, this.#currentWork());
      if (this.#phase !== Phase.Gone) this.settling(true);
      this.broken(session, 'the server shuts down');
    } else {
      this.#afterReply(session);
    }
  }

  /** Gives the session back if nothing holds it any more; to be called between commands. */
  releaseIfFree(): void {
    const session = this.#session;
    if (this.#phase !== Phase.Idle || session === null) return;
    // In a dry run, nothing is given back twice.
    const isFree =
      this.#dryLoan === null ? this.holds === 0 : this.#dryLoan.client !== 0 && this.#heldElse === 0;
    if (isFree || !session.trackersArmed) this.#return.settle(session, this.#currentWork(), false);
  }

  /**
   * COM_RESET_CONNECTION, COM_CHANGE_USER: what was held is cleaned, what was carried forgotten. Between commands. `over`:
   * nothing of it is left on the server; the next command comes after that.
   */
  reset(profile: SessionProfile | null, over: () => void): void {
    const session = this.#session;
    this.#lostState = null;
    this.#phase = Phase.Idle;
    this.state.left.reset();
    this.#session = null;
    this.#noteHolds();
    const takesTime = session !== null && this.#return.abandoned(session, over);
    this.state.restart(profile);
    if (!takesTime) over();
  }

  /** The client has gone. A statement under way is ended by the caller; its session comes back when the reply is over. */
  abandon(): void {
    const session = this.#session;
    const phase = this.#phase;
    this.#phase = Phase.Gone;
    if (phase === Phase.Waiting) this.#checkout.cancel();
    // While the proxy learns of routines, it does so elsewhere.
    const atRest = phase === Phase.Idle || phase === Phase.Learning;
    if (atRest && session !== null) this.#leave(session);
    if (session === null || phase === Phase.Idle) this.state.left.reset();
  }

  /** Between commands: what the client holds is ended, of which it is told with its next command. False: not now. */
  expire(why: Expiry): boolean {
    const session = this.#session;
    if (this.#phase !== Phase.Idle || session === null) return false;
    this.#lostState = LostState.of(this.holds, why, null);
    this.#session = null;
    this.#noteHolds();
    this.#return.abandoned(session);
    this.state.restart(null);
    return true;
  }

  /** The client left inside a command: what the server has of it must not be completed. */
  abandonInside(): void {
    const session = this.#session;
    this.#phase = Phase.Gone;
    this.#session = null;
    this.#noteHolds();
    this.state.left.reset();
    if (session !== null) this.server.cleaner.close(session, CloseReason.LeftInside);
  }

  /** {@link Borrower.drained} */
  drained(): void {
    this.#host.serverDrained();
  }

  /** {@link Borrower.sessionLost} */
  sessionLost(error: SessionLostError): void {
    const session = this.#session;
    if (session !== null) this.#lose(session, error);
  }

  /** {@link Borrower.sessionOutlived}: only in pool mode `session` is one kept that nothing is kept on. */
  sessionOutlived(): void {
    const session = this.#session;
    if (session === null) return;
    if (this.#phase === Phase.Idle && this.#heldElse === 0)
      this.#return.outlived(session, this.#currentWork(), false);
    else session.unwanted = true;
  }

  /** Holds besides pool mode `session`. */
  get #heldElse(): number {
    return this.holds & ~HoldReason.SessionMode;
  }

  /** `onPrimary`: replicas have not what the client has written. */
  #start(work: Work, onPrimary = false): void {
    this.#onPrimary = onPrimary;
    this.#attempts.begin();
    this.#notExecuted = false;
    this.#shutsDown = false;
    if (this.#session !== null) {
      this.#beginDry();
      this.#preparation.prepare(this.#session, work);
      return;
    }
    if (this.#reads !== null && this.#checkout.hasPrimary) this.#onPrimary ||= this.#reads.isHopeless;
    const { unreadOn } = this.state.left.insertId;
    if (unreadOn !== null) this.#checkout.preferred = unreadOn;
    this.#phase = Phase.Waiting;
    const session = this.#checkout.ask(
      this.state.learnProfile() ? this.state.ledger.profile : null,
      work.getsSchema,
      this.#onPrimary,
    );
    if (session === null) return;
    this.times.lent();
    this.#lent(session);
  }

  /** {@link PreparationHost} */
  preparing(): void {
    this.#phase = Phase.Restoring;
    this.times.preparing();
  }

  /** {@link PreparationHost}, {@link ReturnHost} */
  answered(session: ServerSession, goOn: () => void): void {
    this.#whenHarmless(session, () => {
      // A lost session has been dealt with by sessionLost().
      if (this.#session !== session) return;
      if (this.#phase === Phase.Gone) this.#leave(session);
      else goOn();
    });
  }

  /** {@link PreparationHost} */
  answeredHere(session: ServerSession): void {
    this.#return.settleOrKeep(session, this.#currentWork());
  }

  /** {@link PreparationHost} */
  notPrepared(session: ServerSession, err: ErrPacket, stateUnknown: boolean): void {
    const outcome = outcomeOf(err, false);
    if (outcome !== null && this.#told(outcome, err, true)) {
      this.#letGoRefused(session);
      return;
    }
    if (err.errno === ServerError.ServerShutdown.errno) {
      this.#shutsDown = true;
      this.server.cleaner.serverShutsDown(session);
      this.broken(session, err.message);
      return;
    }
    if (stateUnknown) {
      if (LostState.of(this.holds, err.message, this.#work) !== null) {
        this.broken(session, err.message);
        return;
      }
      this.#return.giveUp(session);
    }
    this.#fail(err);
    this.releaseIfFree();
  }

  /** {@link PreparationHost} */
  behind(session: ServerSession, work: Work): void {
    const isHeld = (this.holds & ~HoldReason.SessionMode) !== 0;
    if (isHeld || this.#onPrimary || !this.#checkout.hasPrimary) {
      this.#fail(replicaBehind(this.#services.ownWrites?.timeoutMs ?? 0));
      this.releaseIfFree();
      return;
    }
    this.#return.handBack(session);
    this.#noteHolds();
    this.#start(work, true);
  }

  /** {@link PreparationHost} */
  unfit(session: ServerSession, work: Work): void {
    this.#return.giveUp(session);
    this.#noteHolds();
    this.#start(work, this.#onPrimary);
  }

  /** {@link PreparationHost}, {@link ReturnHost} */
  broken(session: ServerSession, why: string): void {
    if (this.#session !== session) return;
    session.close();
    this.#lose(session, why);
  }

  /** {@link PreparationHost}: sends the command. */
  prepared(session: ServerSession, work: Work): void {
    this.times.prepared();
    if (work.routinesAt !== this.#services.routines.version && work.traits !== null)
      this.#lookAgain(session, work, work.traits);
    else this.#send(session, work);
  }

  /** Routines, triggers or views have changed since the command came: it has waited. */
  #lookAgain(session: ServerSession, work: Work, traits: StatementTraits): void {
    const { routines } = this.#services;
    const goOn = (): void => {
      this.#host.classifyAgain();
      const refusal = this.#hold.refusal(work, this.state);
      if (refusal !== null) this.#refuse(refusal, work);
      else this.#send(session, work);
    };
    if (!routines.pending || !routines.mustWaitFor(traits)) {
      goOn();
      return;
    }
    this.#phase = Phase.Learning;
    routines.whenKnown(() => {
      if (this.#session === session && this.#phase === Phase.Learning) goOn();
    });
  }

  #send(session: ServerSession, work: Work): void {
    const tooMany = this.#hold.tooMany(this.#checkout.pool.key, work.effects, this.holds);
    if (tooMany !== null) {
      this.#refuse(tooMany, work);
      return;
    }
    this.#phase = Phase.Running;
    this.state.begin(session, work);
    const sent = work.send(session);
    if (sent === true) {
      this.times.sent();
      return;
    }
    if (sent === false) {
      this.#afterReply(session);
      return;
    }
    this.#phase = Phase.Idle;
    this.#noteHolds();
    this.#host.workFailed(sent);
    this.releaseIfFree();
  }

  #afterReply(session: ServerSession): void {
    const work = this.#currentWork();
    if (work.effects.commits) this.#hold.transactions++;
    this.state.replied(session, work);
    if (session.kills === null) {
      this.#atRest(session);
      return;
    }
    if (this.#phase !== Phase.Gone) this.settling(true);
    this.times.turnOver();
    this.#whenHarmless(session, () => this.#atRest(session));
  }

  /** KILLs that were sent may still hit: whatever came next on this session would be their victim. */
  #whenHarmless(session: ServerSession, next: () => void): void {
    if (session.kills === null) {
      next();
      return;
    }
    session.kills.commandOver((harmless) => {
      if (harmless) next();
      else this.broken(session, 'a KILL may still be on its way');
    });
  }

  #atRest(session: ServerSession): void {
    // A lost session has been dealt with by sessionLost().
    if (this.#session !== session) return;
    if (this.#phase === Phase.Gone) this.#leave(session);
    else this.#return.settleOrKeep(session, this.#currentWork());
  }

  /** {@link ReturnHost} */
  settling(tell: boolean): void {
    this.#phase = Phase.Settling;
    this.times.turnOver();
    this.#settleTells = tell;
  }

  /** {@link ReturnHost} */
  letGo(): void {
    this.#session = null;
    // Before the session goes to anybody: a hold that ends with it is no reason for its process to be served ahead of others.
    this.#checkout.holding(false);
  }

  /** {@link ReturnHost}: the client's next command may come. */
  settled(tell: boolean): void {
    if (tell && this.#session?.unwanted === true && this.#heldElse === 0) {
      this.#return.outlived(this.#session, this.#currentWork(), true);
      return;
    }
    this.#phase = Phase.Idle;
    this.#noteHolds();
    this.times.turnOver();
    if (this.#dryLoan !== null && this.#heldElse === 0) this.#services.dryRun?.end(this.#dryLoan, true);
    if (tell) {
      this.#host.workDone();
    } else if (this.#nextWork !== null) {
      const work = this.#nextWork;
      this.#nextWork = null;
      this.run(work);
    }
  }

  /** The client has gone and its session is at rest. */
  #leave(session: ServerSession): void {
    this.#session = null;
    this.#noteHolds();
    this.state.left.reset();
    this.#return.abandoned(session);
  }

  /** The session has gone; what becomes of the command depends on how far it was. */
  #lose(session: ServerSession, error: SessionLostError | string): void {
    const phase = this.#phase;
    const { ledger } = this.state;
    const { holds } = ledger;
    const why = typeof error === 'string' ? error : error.message;
    if (phase !== Phase.Gone) this.#tellLost(session, why);
    this.#session = null;
    this.#noteHolds();
    this.state.left.lost(session);
    this.server.cleaner.close(session, CloseReason.Lost);
    ledger.released();
    switch (phase) {
      case Phase.Idle:
        this.#lostState = LostState.of(holds, why, null);
        return;
      case Phase.Waiting:
      case Phase.Restoring:
      case Phase.Learning:
        this.#runAgainOrFail(Progress.NotSent, holds, why, session);
        return;
      case Phase.Running:
        this.state.hasRun(this.#currentWork());
        this.#runAgainOrFail(this.#progress(session), holds, why, session);
        return;
      case Phase.Settling:
        this.#lostState = LostState.of(holds, why, null);
        this.settled(this.#settleTells);
        return;
      case Phase.Gone:
        this.state.hasRun(this.#currentWork());
        this.state.left.reset();
    }
  }

  #tellLost({ connectionId: serverSession }: ServerSession, reason: string): void {
    const { connectionId: client } = this.#host;
    this.#services.observer.sessionLost?.({ client, user: this.#hold.userName, serverSession, reason });
  }

  /** Of the command that is running. */
  #progress(session: ServerSession): Progress {
    if (this.#notExecuted) return Progress.Refused;
    return session.tracker.started ? Progress.Replying : Progress.Sent;
  }

  #runAgainOrFail(progress: Progress, holds: number, why: string, session: ServerSession): void {
    const work = this.#currentWork();
    const lost = LostState.of(holds, why, work);
    const err = lossError(work, progress, why, lost, this.#services.routes !== null);
    // A statement whose session was cut off here was to be ended.
    const isUnwanted = progress === Progress.Sent && session.cutOff;
    if (progress === Progress.Sent) this.#attempts.lostAtWork(session.openedAt, performance.now());
    if (!isUnwanted && mayRunAgain(work, progress, lost, this.#attempts)) {
      if (this.#shutsDown || mayBeKilled(progress, session.secondsAtWork))
        this.#runAgainLater(work, progress, err, session);
      else this.#start(work);
      return;
    }
    if (progress === Progress.Sent || progress === Progress.Replying) {
      this.times.failed();
      this.times.replied(session, work, 0);
      this.times.turnOver();
    }
    if (progress !== Progress.Replying) {
      this.#fail(err);
      return;
    }
    this.#phase = Phase.Idle;
    this.#host.replyBroken(err, session);
  }

  /** When it is known whether the server has gone: then no idle session is left, else it may be the statement's fault. */
  #runAgainLater(work: Work, progress: Progress, err: ErrPacket, session: ServerSession): void {
    this.#phase = Phase.Restoring;
    this.server.killer.checkServer(session, (lives) => {
      // The client may have gone meanwhile.
      if (this.#phase === Phase.Gone) return;
      if (lives && progress === Progress.Sent) this.#fail(err);
      else this.#start(work);
    });
  }

  #fail(err: ErrPacket): void {
    if (this.#phase === Phase.Gone) return;
    this.#phase = Phase.Idle;
    this.#noteHolds();
    this.#host.workFailed(err);
  }

  /** The command is not run; what the server has gathered for its statement must not go to whoever executes it next. */
  #refuse(err: ErrPacket, { statement }: Work): void {
    if (statement !== null) this.#session?.closeStatement(statement.key);
    this.#fail(err);
    this.releaseIfFree();
  }

  #noteHolds(): void {
    if (this.#session === null) this.times.returned();
    const begun = this.#hold.note(this.#session, this.holds, this.#work);
    if (begun > 0) this.times.holdsBegun(begun);
    this.#checkout.holding(this.#session !== null && this.holds !== 0);
    if (this.#dryLoan !== null && this.#session === null) this.#services.dryRun?.end(this.#dryLoan, false);
  }

  #beginDry(): void {
    if (this.#dryLoan !== null) this.#services.dryRun?.begin(this.#dryLoan, this.state.profile.hash);
  }

  #currentWork(): Work {
    if (this.#work === null) throw new TypeError('a session is used without a command');
    return this.#work;
  }

  #currentSession(): ServerSession {
    if (this.#session === null) throw new TypeError('a reply came without a session');
    return this.#session;
  }
}

/** What it changes, or is bound to, is known by the server's reports alone; or it has the client's own trackers take their place. */
function reliesOnTrackers({ effects, isPrepare }: Work): boolean {
  return isPrepare || effects.explainsStateChange || effects.usesTrackers;
}
