import type { Borrower, ServerSession } from '../backend/server-session.js';
import type { PoolError } from '../pool/errors.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket, OkPacket } from '../protocol/generic-response.js';
import { outcomeOf } from '../servers/statement-outcome.js';
import type { StatementTraits } from '../sql/traits.js';
import { checkoutError, replicaBehind } from './client-errors.js';
import type { ClientHold } from './client-hold.js';
import type { ClientIdentity } from './client-identity.js';
import type { ClientState } from './client-state.js';
import { Phase } from './command-phase.js';
import { CommandRefusal, type RefusalHost } from './command-refusal.js';
import type { CommandTimes } from './command-times.js';
import { LossRecovery, type RecoveryHost } from './loss-recovery.js';
import { Attempts, LostState } from './lost-command.js';
import { OwnReads } from './own-writes.js';
import { beginsReadOnly, refusalThere } from './read-only-transactions.js';
import type { RelayServices } from './relay-services.js';
import type { Server } from './server.js';
import { SessionCheckout, type SessionSeeker } from './session-checkout.js';
import { SessionLoan } from './session-loan.js';
import { type PreparationHost, SessionPreparation } from './session-preparation.js';
import { type ReturnHost, SessionReturn } from './session-return.js';
import type { Work, WorkObserver } from './work.js';

/** Whose commands are run. */
export interface CommandOwner extends Borrower {
  readonly state: ClientState;
  readonly times: CommandTimes;
  readonly hold: ClientHold;
  /** The session was settled between two commands. */
  settledBetween(): void;
}

/**
 * A client's commands, one after another, each on its way: it waits for a session, which is prepared for it, is sent, replied to,
 * and the session settled and given back, unless it is held. It begins anew where its session is lost or its server refuses it.
 */
export class CommandRun implements SessionSeeker, PreparationHost, ReturnHost, RefusalHost, RecoveryHost {
  phase: Phase = Phase.Idle;
  readonly checkout: SessionCheckout;
  readonly loan: SessionLoan;
  readonly sessionReturn: SessionReturn;
  readonly refusal: CommandRefusal;
  readonly recovery: LossRecovery;
  readonly #services: RelayServices;
  readonly #host: WorkObserver;
  readonly #owner: CommandOwner;
  readonly #state: ClientState;
  readonly #times: CommandTimes;
  readonly #hold: ClientHold;
  readonly #preparation: SessionPreparation;
  /** Null where its reads need not see what its process has written. */
  readonly #reads: OwnReads | null;
  readonly #attempts: Attempts;
  /** Whether a command ends with the settling under way. */
  #settleTells = false;
  /** The command under way is not for replicas. */
  #onPrimary = false;

  constructor(services: RelayServices, identity: ClientIdentity, host: WorkObserver, owner: CommandOwner) {
    const { account, poolCapabilities, routing } = identity;
    const { state, times, hold } = owner;
    this.#services = services;
    this.#host = host;
    this.#owner = owner;
    this.#state = state;
    this.#times = times;
    this.#hold = hold;
    const checkout = new SessionCheckout(
      services.servers,
      account,
      poolCapabilities,
      host.process,
      this,
      routing,
    );
    this.checkout = checkout;
    this.loan = new SessionLoan(services, { state, times, hold, checkout });
    const attempts = new Attempts();
    this.#attempts = attempts;
    const { ownWrites } = services;
    const waits = ownWrites !== null && checkout.mayReadOwnWrites;
    this.#reads =
      waits && host.written !== null
        ? new OwnReads(ownWrites, host.written, () => checkout.readsOwnWrites)
        : null;
    this.#preparation = new SessionPreparation(services, account, state, this.#reads, this);
    this.sessionReturn = new SessionReturn(services, account, state, checkout, this);
    this.refusal = new CommandRefusal(services, owner, checkout, attempts, this);
    this.recovery = new LossRecovery(services, owner, attempts, this);
  }

  /** That of the session that is lent, or of the last one. */
  get server(): Server {
    return this.checkout.server;
  }

  get holds(): number {
    return this.#state.holds;
  }

  /** {@link SessionCheckout.readsOnly}, of the session that is lent. */
  get readsOnly(): boolean {
    return this.checkout.readsOnly && this.loan.session !== null;
  }

  get isGone(): boolean {
    return this.phase === Phase.Gone;
  }

  /** {@link RefusalHost} */
  get isRefused(): boolean {
    return this.phase === Phase.Refused;
  }

  /** The reply that has just come to its end is not passed on: the command is run once more, or its client told later. */
  get replyIsKept(): boolean {
    return this.refusal.notExecuted || this.refusal.waits;
  }

  /** One that has come between two commands, when nothing is being settled. */
  begin(work: Work): void {
    this.loan.work = work;
    this.#times.begin();
    this.#attempts.reset();
    this.refusal.reset();
    this.checkout.wantsNew = false;
    const lost = this.recovery.takeOwed(work);
    if (lost !== null) {
      this.fail(lost);
      return;
    }
    const refusal = this.#reasonAgainst(work);
    if (refusal !== null) this.#refuse(refusal, work);
    else this.#start(work);
  }

  /** Why the command is not to be run at all; mostly null. */
  #reasonAgainst(work: Work): ErrPacket | null {
    const there = this.readsOnly ? refusalThere(work, this.holds) : null;
    return there ?? this.#hold.refusal(work, this.#state);
  }

  /** `onPrimary`: replicas have not what the client has written. */
  #start(work: Work, onPrimary = false): void {
    this.#onPrimary = onPrimary;
    this.#attempts.begin();
    this.refusal.begin();
    const { session } = this.loan;
    if (session !== null) {
      this.loan.used();
      this.#preparation.prepare(session, work);
      return;
    }
    const { checkout } = this;
    const isKnown = this.#state.learnProfile();
    checkout.readsOnly = isKnown && this.holds === 0 && beginsReadOnly(work);
    if (this.#reads !== null && checkout.hasPrimary) this.#onPrimary ||= this.#reads.isHopeless;
    const { unreadOn } = this.#state.left.insertId;
    if (unreadOn !== null) checkout.preferred = unreadOn;
    this.phase = Phase.Waiting;
    const lent = checkout.ask(isKnown ? this.#state.ledger.profile : null, work.getsSchema, this.#onPrimary);
    if (lent === null) return;
    this.#times.lent();
    this.#lent(lent);
  }

  /** {@link CheckoutRequest.granted} */
  granted(session: ServerSession): void {
    this.#times.lentAfter(this.checkout.enqueuedAt, this.checkout.grantedAt);
    this.#lent(session);
  }

  #lent(session: ServerSession): void {
    this.loan.begin(session, this.#owner);
    if (session.closed) this.recovery.lose(session, 'it died before it could be used');
    else this.#preparation.prepare(session, this.loan.lastWork);
  }

  /** {@link CheckoutRequest.refused} */
  refused(error: PoolError): void {
    const { connectionId: client } = this.#host;
    const { code, message } = error;
    const user = this.#hold.userName;
    const pool = this.checkout.pool.key;
    this.#services.observer.requestRefused?.({ client, user, pool, code, error: message });
    this.fail(checkoutError(error));
  }

  /** {@link PreparationHost} */
  preparing(): void {
    this.phase = Phase.Restoring;
    this.#times.preparing();
  }

  /** {@link PreparationHost}, {@link ReturnHost} */
  answered(session: ServerSession, goOn: () => void): void {
    this.#whenHarmless(session, () => {
      // A lost session has been dealt with.
      if (this.loan.session !== session) return;
      if (this.phase === Phase.Gone) this.leave(session);
      else goOn();
    });
  }

  /** {@link PreparationHost} */
  answeredHere(session: ServerSession): void {
    this.sessionReturn.settleOrKeep(session, this.loan.lastWork);
  }

  /** {@link PreparationHost} */
  notPrepared(session: ServerSession, err: ErrPacket, stateUnknown: boolean): void {
    const outcome = outcomeOf(err, false);
    if (outcome !== null && this.refusal.told(session, outcome, err, true)) {
      this.#letGoRefused(session);
      return;
    }
    if (err.errno === ServerError.ServerShutdown.errno) {
      this.refusal.shutsDown = true;
      this.server.cleaner.serverShutsDown(session);
      this.broken(session, err.message);
      return;
    }
    if (stateUnknown) {
      if (LostState.of(this.holds, err.message, this.loan.work) !== null) {
        this.broken(session, err.message);
        return;
      }
      this.sessionReturn.giveUp(session);
    }
    this.fail(err);
    this.releaseIfFree();
  }

  /** {@link PreparationHost} */
  behind(session: ServerSession, work: Work): void {
    if (this.loan.heldElse !== 0 || this.#onPrimary || !this.checkout.hasPrimary) {
      this.fail(replicaBehind(this.#services.ownWrites?.timeoutMs ?? 0));
      this.releaseIfFree();
      return;
    }
    this.sessionReturn.handBack(session);
    this.loan.changed();
    this.#start(work, true);
  }

  /** {@link PreparationHost} */
  unfit(session: ServerSession, work: Work): void {
    this.sessionReturn.giveUp(session);
    this.loan.changed();
    // Any other one may be as unfit, and would be closed as well.
    this.checkout.wantsNew = true;
    this.#times.waitsOn();
    this.#start(work, this.#onPrimary);
  }

  /** {@link PreparationHost}, {@link ReturnHost} */
  broken(session: ServerSession, why: string): void {
    if (this.loan.session !== session) return;
    session.close();
    this.recovery.lose(session, why);
  }

  /** {@link PreparationHost}: sends the command. */
  prepared(session: ServerSession, work: Work): void {
    this.#times.prepared();
    if (work.routinesAt !== this.#services.routines.version && work.traits !== null)
      this.#lookAgain(session, work, work.traits);
    else this.#send(session, work);
  }

  /** Routines, triggers or views have changed since the command came: it has waited. */
  #lookAgain(session: ServerSession, work: Work, traits: StatementTraits): void {
    const { routines } = this.#services;
    const goOn = (): void => {
      this.#host.classifyAgain();
      const refusal = this.#reasonAgainst(work);
      if (refusal !== null) this.#refuse(refusal, work);
      else this.#send(session, work);
    };
    if (!routines.pending || !routines.mustWaitFor(traits)) {
      goOn();
      return;
    }
    this.phase = Phase.Learning;
    routines.whenKnown(() => {
      if (this.loan.session === session && this.phase === Phase.Learning) goOn();
    });
  }

  #send(session: ServerSession, work: Work): void {
    const tooMany = this.#hold.tooMany(this.checkout.pool.key, work.effects, this.holds);
    if (tooMany !== null) {
      this.#refuse(tooMany, work);
      return;
    }
    if (this.readsOnly && beginsReadOnly(work)) this.server.readOnlyTransactions++;
    this.phase = Phase.Running;
    this.#state.begin(session, work);
    const sent = work.send(session);
    if (sent === true) {
      this.#times.sent();
      return;
    }
    if (sent === false) {
      this.#afterReply(session);
      return;
    }
    this.phase = Phase.Idle;
    this.loan.changed();
    this.#host.workFailed(sent);
    this.releaseIfFree();
  }

  /** `rows`: of the result set that it ends; null when it ends none. `row`: {@link ReplyObserver.replyOk}. */
  replyOk(ok: OkPacket, rows: number | null, row: readonly (bigint | null)[] | null): void {
    this.#times.ok(rows ?? Number(ok.affectedRows));
    this.#state.ok(this.loan.lastWork, ok, rows, row);
  }

  replyComplete(): void {
    const { lentSession: session, lastWork: work } = this.loan;
    const { notExecuted, shutsDown, waits } = this.refusal;
    if (shutsDown) this.server.cleaner.serverShutsDown(session);
    if (waits) {
      this.#state.replied(session, work);
      this.#letGoRefused(session);
      return;
    }
    if (notExecuted) {
      session.close();
      this.recovery.lose(session, 'the server ended the session before it ran the statement');
      return;
    }
    this.#times.replied(session, work, this.holds);
    if (shutsDown) {
      this.#state.replied(session, work);
      if (this.phase !== Phase.Gone) this.settling(true);
      this.broken(session, 'the server shuts down');
    } else {
      this.#afterReply(session);
    }
  }

  #afterReply(session: ServerSession): void {
    const work = this.loan.lastWork;
    if (work.effects.commits) this.#hold.transactions++;
    this.#state.replied(session, work);
    if (session.kills === null) {
      this.#atRest(session);
      return;
    }
    if (this.phase !== Phase.Gone) this.settling(true);
    this.#times.turnOver();
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
    // A lost session has been dealt with.
    if (this.loan.session !== session) return;
    if (this.phase === Phase.Gone) this.leave(session);
    else this.sessionReturn.settleOrKeep(session, this.loan.lastWork);
  }

  /** {@link ReturnHost} */
  settling(tell: boolean): void {
    this.phase = Phase.Settling;
    this.#times.turnOver();
    this.#settleTells = tell;
  }

  /** {@link ReturnHost} */
  letGo(): void {
    this.loan.letGo();
  }

  /** {@link ReturnHost}: the client's next command may come. */
  settled(tell: boolean): void {
    const { session } = this.loan;
    if (tell && session?.unwanted === true && this.loan.heldElse === 0) {
      this.sessionReturn.outlived(session, this.loan.lastWork, true);
      return;
    }
    this.phase = Phase.Idle;
    this.loan.settled();
    this.#times.turnOver();
    if (tell) this.#host.workDone();
    else this.#owner.settledBetween();
  }

  /** Gives the session back if nothing holds it any more; to be called between commands. */
  releaseIfFree(): void {
    const { session } = this.loan;
    if (this.phase !== Phase.Idle || session === null) return;
    if (this.loan.isFree || !session.trackersArmed)
      this.sessionReturn.settle(session, this.loan.lastWork, false);
  }

  /** The client has gone and its session is at rest. */
  leave(session: ServerSession): void {
    this.loan.end();
    this.#state.left.reset();
    this.sessionReturn.abandoned(session);
  }

  /** The command waits for a server that takes it; other clients may have use for the session. */
  #letGoRefused(session: ServerSession): void {
    this.phase = Phase.Refused;
    this.sessionReturn.giveUp(session);
    this.loan.changed();
    this.#times.turnOver();
  }

  /** {@link RecoveryHost} */
  settledLost(): void {
    this.settled(this.#settleTells);
  }

  /** {@link RecoveryHost} */
  serverInDoubt(): void {
    this.phase = Phase.Restoring;
  }

  /** {@link RecoveryHost}, {@link RefusalHost} */
  runAgain(work: Work): void {
    this.#start(work);
  }

  /** {@link RecoveryHost} */
  failInReply(err: ErrPacket, session: ServerSession): void {
    this.phase = Phase.Idle;
    this.#host.replyBroken(err, session);
  }

  /** {@link RecoveryHost}, {@link RefusalHost} */
  fail(err: ErrPacket): void {
    if (this.phase === Phase.Gone) return;
    this.phase = Phase.Idle;
    this.loan.changed();
    this.#host.workFailed(err);
  }

  /** The command is not run; what the server has gathered for its statement must not go to whoever executes it next. */
  #refuse(err: ErrPacket, { statement }: Work): void {
    if (statement !== null) this.loan.session?.closeStatement(statement.key);
    this.fail(err);
    this.releaseIfFree();
  }
}
