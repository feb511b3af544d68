import type { Borrower, ServerSession, SessionLostError } from '../backend/server-session.js';
import type { PoolError } from '../pool/errors.js';
import { Status } from '../protocol/constants.js';
import type { ErrPacket, OkPacket } from '../protocol/generic-response.js';
import { HoldReason, holdWords } from '../session/hold-reason.js';
import type { SessionProfile } from '../session/profile.js';
import { SessionLedger } from '../session/session-ledger.js';
import { InsertIdEffect, type StatementEffects } from '../session/statement-effects.js';
import { checkoutError, diagnosticsGone, lostDuringQuery, lostWhileHeld } from './client-errors.js';
import type { ClientIdentity } from './client-identity.js';
import { fetchInsertId, InsertId } from './insert-id.js';
import type { RelayServices } from './relay-services.js';
import { SessionCheckout, type SessionSeeker } from './session-checkout.js';
import { CloseReason } from './session-cleaner.js';
import { isReady, type RestoreTarget, restoreSession } from './session-restore.js';
import { isSettled, settleSession } from './session-settlement.js';
import type { Work, WorkObserver } from './work.js';

const Phase = { Idle: 0, Waiting: 1, Restoring: 2, Running: 3, Settling: 4, Gone: 5 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** Attempts at one command that provably did not run. */
const MAX_ATTEMPTS = 3;

/** Holds that stand for something that is lost with the session. */
const LOSABLE = ~(HoldReason.SessionMode | HoldReason.Diagnostics);

/**
 * What a client takes for its session: state that is carried, and, while it must, one server session that is held.
 * Borrows a session for each command, brings it into the client's state, and gives it back in the same tick the reply
 * ends, unless the ledger says that something on it is the client's alone.
 */
export class VirtualSession implements Borrower, SessionSeeker {
  readonly insertId = new InsertId();
  /** The housekeeping has seen it hold a session for its diagnostics once. */
  seenHolding = false;
  /** What a client starts with; null until the first session of its account was seen. */
  #ledger: SessionLedger | null = null;
  readonly #services: RelayServices;
  readonly #host: WorkObserver;
  readonly #identity: ClientIdentity;
  readonly #checkout: SessionCheckout;
  #session: ServerSession | null = null;
  #phase: Phase = Phase.Idle;
  #work: Work | null = null;
  #attempts = 0;
  #notExecuted = false;
  #lostState: ErrPacket | null = null;
  /** The last statement left warnings or an error that the next one may ask for. */
  #leftDiagnostics = false;
  /** Whether a command ends with the settling under way. */
  #settleTells = false;
  /** A command came while the session was being given back. */
  #nextWork: Work | null = null;

  constructor(services: RelayServices, host: WorkObserver, identity: ClientIdentity) {
    this.#services = services;
    this.#host = host;
    this.#identity = identity;
    this.#checkout = new SessionCheckout(services.pools, identity.account, identity.poolCapabilities, this);
  }

  /** The session lent to the client at this moment. */
  get session(): ServerSession | null {
    return this.#session;
  }

  get holds(): number {
    return this.#ledger?.holds ?? 0;
  }

  get running(): boolean {
    return this.#phase === Phase.Running;
  }

  /** Status flags for replies that are made here. */
  get status(): number {
    return this.#ledger?.status ?? Status.Autocommit;
  }

  /** Whether the server's defaults for the account are known, and so {@link profile}; true after a login at the latest. */
  get profileKnown(): boolean {
    this.#learnProfile();
    return this.#ledger !== null;
  }

  get profile(): SessionProfile {
    return this.#currentLedger().profile;
  }

  set profile(profile: SessionProfile) {
    this.#currentLedger().profile = profile;
  }

  /** Runs one command. Exactly one of the host's three callbacks follows, at once or later. */
  run(work: Work): void {
    if (this.#phase === Phase.Settling) {
      this.#nextWork = work;
      return;
    }
    this.#work = work;
    this.#attempts = 0;
    const lost = this.#lostState;
    if (lost !== null) {
      this.#lostState = null;
      this.#fail(lost);
    } else {
      this.#start(work);
    }
  }

  /** What a long statement does is known when its last byte has passed, before its reply. */
  effectsKnown(effects: StatementEffects): void {
    this.#currentLedger().begin(effects);
  }

  /** {@link CheckoutRequest.granted} */
  granted(session: ServerSession): void {
    this.#session = session;
    session.borrower = this;
    this.#learnProfile();
    if (session.closed) this.#lose(session, 'it died before it could be used');
    else this.#prepare(session, this.#currentWork());
  }

  /** {@link CheckoutRequest.refused} */
  refused(error: PoolError): void {
    this.#fail(checkoutError(error));
  }

  replyOk(ok: OkPacket): void {
    this.#currentLedger().ok(ok, this.#currentWork().effects);
  }

  replyErr(errno: number, notExecuted: boolean): void {
    if (notExecuted) this.#notExecuted = true;
    else this.#currentLedger().err(errno, this.#currentWork().effects);
  }

  replyComplete(): void {
    const session = this.#currentSession();
    if (!this.#notExecuted) {
      this.#afterReply(session);
      return;
    }
    this.#notExecuted = false;
    session.close();
    this.#lose(session, 'the server ended the session before it ran the statement', true);
  }

  /** Adds or ends a hold outside of a reply: open cursors and long data are the client's own business. */
  setHold(reason: HoldReason, on: boolean): void {
    const ledger = this.#currentLedger();
    if (on) ledger.holds |= reason;
    else ledger.holds &= ~reason;
  }

  /** Gives the session back if nothing holds it any more; to be called between commands. */
  releaseIfFree(): void {
    if (this.#phase === Phase.Idle && this.#session !== null && this.holds === 0)
      this.#settle(this.#session, false);
  }

  /** The hold for diagnostics ends by time: a client that is silent must not keep a session from others. */
  expireDiagnostics(): void {
    if (this.#phase !== Phase.Idle || this.#session === null || this.holds !== HoldReason.Diagnostics) return;
    this.setHold(HoldReason.Diagnostics, false);
    this.#settle(this.#session, false);
  }

  /** COM_RESET_CONNECTION, COM_CHANGE_USER: what was held is cleaned, what was carried forgotten. Between commands. */
  reset(profile: SessionProfile | null): void {
    const session = this.#session;
    const ledger = this.#ledger;
    this.#lostState = null;
    this.#phase = Phase.Idle;
    this.insertId.reset();
    this.#session = null;
    if (session !== null) this.#clean(session);
    if (ledger === null) return;
    ledger.released();
    if (profile !== null) ledger.profile = profile;
  }

  /** The client has gone. A statement under way is ended by the caller; its session comes back when the reply is over. */
  abandon(): void {
    const session = this.#session;
    const phase = this.#phase;
    this.#phase = Phase.Gone;
    if (phase === Phase.Waiting) this.#checkout.cancel();
    if (phase === Phase.Idle && session !== null) this.#leave(session);
    if (session === null || phase === Phase.Idle) this.insertId.reset();
  }

  /** The client left inside a command: what the server has of it must not be completed. */
  abandonInside(): void {
    const session = this.#session;
    this.#phase = Phase.Gone;
    this.#session = null;
    this.insertId.reset();
    if (session !== null) this.#services.cleaner.close(session, CloseReason.LeftInside);
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

  #start(work: Work): void {
    this.#attempts++;
    if (this.#session !== null) {
      this.#prepare(this.#session, work);
      return;
    }
    if (this.insertId.unreadOn !== null) this.#checkout.preferred = this.insertId.unreadOn;
    this.#phase = Phase.Waiting;
    const session = this.#checkout.ask(this.profileKnown ? this.profile : null, work.getsSchema);
    if (session !== null) this.granted(session);
  }

  /** Makes the session the client's, then sends the command. */
  #prepare(session: ServerSession, work: Work): void {
    const { insertId } = this;
    const touchesInsertId = work.effects.insertId !== InsertIdEffect.None;
    if (touchesInsertId && insertId.unreadOn !== null && insertId.unreadOn !== session) {
      this.#phase = Phase.Restoring;
      insertId.whenRead(() => this.#insertIdRead(session));
      fetchInsertId(insertId, session, insertId.unreadOn);
      return;
    }
    const foreign = session.lastBorrower !== this;
    const { readsCounts, readsDiagnostics, runsRoutines } = work.effects;
    if (foreign && (readsCounts || (readsDiagnostics && this.#leftDiagnostics && !runsRoutines))) {
      // Better no answer than somebody else's.
      this.#services.countReaders.add(this.#identity.account);
      this.#fail(diagnosticsGone());
      this.releaseIfFree();
      return;
    }
    const target: RestoreTarget = {
      owner: insertId,
      clearDiagnostics: foreign && readsDiagnostics,
      profile: this.#currentLedger().profile,
      statement: work.statement,
      lastInsertId: touchesInsertId ? insertId.value : null,
    };
    if (isReady(session, target)) {
      this.#send(session, work);
      return;
    }
    this.#phase = Phase.Restoring;
    restoreSession(session, target, ({ refused, stateUnknown, lost }) => {
      // A lost session has been dealt with by sessionLost().
      if (lost || this.#session !== session) return;
      if (this.#phase === Phase.Gone) this.#leave(session);
      else if (refused !== null) this.#restoreRefused(session, refused, stateUnknown);
      else this.#send(session, work);
    });
  }

  #insertIdRead(session: ServerSession): void {
    if (this.#session !== session) return;
    if (this.#phase === Phase.Gone) this.#leave(session);
    else this.#prepare(session, this.#currentWork());
  }

  #restoreRefused(session: ServerSession, refused: ErrPacket, stateUnknown: boolean): void {
    const ledger = this.#currentLedger();
    // It may be the schema, dropped since the client chose it: the next login with it must be checked.
    if (stateUnknown && ledger.profile.schema !== null) {
      this.#services.knownSchemas.forget(this.#identity.account, ledger.profile.schema);
    }
    if (stateUnknown && (ledger.holds & LOSABLE) !== 0) {
      session.close();
      this.#lose(session, refused.message);
      return;
    }
    if (stateUnknown) {
      this.#session = null;
      ledger.released();
      this.#services.cleaner.clean(session, this.#identity.account, this.insertId);
    }
    this.#fail(refused);
    this.releaseIfFree();
  }

  #send(session: ServerSession, work: Work): void {
    this.#phase = Phase.Running;
    session.lastBorrower = this;
    this.#leftDiagnostics = false;
    this.#currentLedger().begin(work.effects);
    const sent = work.send(session);
    if (sent === true) return;
    if (sent === false) {
      this.#afterReply(session);
      return;
    }
    this.#phase = Phase.Idle;
    this.#host.workFailed(sent);
    this.releaseIfFree();
  }

  #afterReply(session: ServerSession): void {
    const ledger = this.#currentLedger();
    session.profile = ledger.profile;
    this.#leftDiagnostics = (ledger.holds & HoldReason.Diagnostics) !== 0;
    if (this.#services.countReaders.has(this.#identity.account)) ledger.holds |= HoldReason.Diagnostics;
    if (ledger.insertIdChanged) this.insertId.changedOn(session, ledger.toldInsertId);
    if (session.killsUnderWay > 0) {
      // The KILL may still hit: whatever came next on this session would be its victim.
      if (this.#phase !== Phase.Gone) this.#phase = Phase.Settling;
      this.#settleTells = true;
      session.onKillsAnswered = () => this.#afterReply(session);
    } else if (this.#phase === Phase.Gone) {
      this.#leave(session);
    } else if (ledger.holds !== 0) {
      if (ledger.holds === HoldReason.Diagnostics) {
        this.seenHolding = false;
        this.#services.diagnosticsHolds.add(this);
      }
      this.#done();
    } else {
      this.#settle(session, true);
    }
  }

  /**
   * Nothing holds the session. Asks for what the server has not told yet, then gives the session back. `tell`: a
   * command has just ended by this.
   */
  #settle(session: ServerSession, tell: boolean): void {
    const ledger = this.#currentLedger();
    if (isSettled(ledger)) {
      this.#giveBack(session, tell);
      return;
    }
    this.#phase = Phase.Settling;
    this.#settleTells = tell;
    settleSession(session, ledger, this.#currentWork().effects, ({ refused, lost }) => {
      // A lost session has been dealt with by sessionLost().
      if (lost || this.#session !== session) return;
      if (refused !== null) {
        session.close();
        this.#lose(session, refused.message);
      } else if (this.#phase === Phase.Gone) {
        this.#leave(session);
      } else if (ledger.holds !== 0) {
        this.#done(tell);
      } else if (ledger.mustReset || (ledger.mayHideChanges && session.info.flavor === 'mariadb')) {
        this.#giveBackClean(session, tell);
      } else {
        this.#giveBack(session, tell);
      }
    });
  }

  #giveBack(session: ServerSession, tell: boolean): void {
    this.#session = null;
    session.borrower = null;
    this.#checkout.preferred = session;
    if (session.misplaced) this.#services.cleaner.close(session, CloseReason.GotSchema);
    else this.#services.pools.checkin(session);
    this.#done(tell);
  }

  /** MariaDB never tells all that a failed routine or trigger did: nobody else gets the session as it is. */
  #giveBackClean(session: ServerSession, tell: boolean): void {
    this.#session = null;
    this.#currentLedger().released();
    this.#services.cleaner.clean(session, this.#identity.account, this.insertId);
    this.#done(tell);
  }

  #done(tell = true): void {
    this.#phase = Phase.Idle;
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
    this.insertId.reset();
    this.#clean(session);
  }

  /** What was held is ended by a reset, or with the session where a reset is not enough. */
  #clean(session: ServerSession): void {
    const ledger = this.#currentLedger();
    const untouched = (ledger.holds & (LOSABLE | HoldReason.SessionMode)) === 0 && isSettled(ledger);
    if (ledger.mustClose) {
      this.#services.cleaner.close(session, CloseReason.StateSurvivesReset);
    } else if (session.misplaced) {
      this.#services.cleaner.close(session, CloseReason.GotSchema);
    } else if (untouched) {
      session.borrower = null;
      this.#services.pools.checkin(session);
    } else {
      this.#services.cleaner.clean(session, this.#identity.account, null);
    }
  }

  /** The session has gone; what becomes of the command depends on how far it was. */
  #lose(session: ServerSession, why: SessionLostError | string, notExecuted = false): void {
    const phase = this.#phase;
    const ledger = this.#currentLedger();
    const lostHolds = ledger.holds & LOSABLE;
    this.#session = null;
    this.insertId.lost(session);
    this.#services.cleaner.close(session, CloseReason.Lost);
    ledger.released();
    const error = typeof why === 'string' ? why : why.message;
    switch (phase) {
      case Phase.Idle:
        if (lostHolds !== 0) this.#lostState = lostWhileHeld(error, holdWords(lostHolds));
        return;
      case Phase.Waiting:
      case Phase.Restoring:
        this.#retryOr(lostHolds === 0, () => this.#fail(lostWhileHeld(error, holdWords(lostHolds))));
        return;
      case Phase.Running: {
        const { canRepeat, effects } = this.#currentWork();
        const started = session.tracker.started && !notExecuted;
        const repeat = canRepeat && lostHolds === 0 && !started && (notExecuted || effects.repeatable);
        this.#retryOr(repeat, () => {
          this.#phase = Phase.Idle;
          const err = notExecuted ? lostWhileHeld(error, holdWords(lostHolds)) : lostDuringQuery(error);
          if (started) this.#host.replyBroken(err, session);
          else this.#host.workFailed(err);
        });
        return;
      }
      case Phase.Settling:
        if (lostHolds !== 0) this.#lostState = lostWhileHeld(error, holdWords(lostHolds));
        this.#done(this.#settleTells);
        return;
      case Phase.Gone:
        this.insertId.reset();
    }
  }

  #retryOr(safe: boolean, otherwise: () => void): void {
    if (safe && this.#attempts < MAX_ATTEMPTS) this.#start(this.#currentWork());
    else otherwise();
  }

  #fail(err: ErrPacket): void {
    if (this.#phase === Phase.Gone) return;
    this.#phase = Phase.Idle;
    this.#host.workFailed(err);
  }

  #learnProfile(): void {
    if (this.#ledger !== null) return;
    const profile = this.#identity.initialProfile();
    if (profile === null) return;
    this.#ledger = new SessionLedger(profile);
    if (this.#services.sessionMode) this.#ledger.holds = HoldReason.SessionMode;
  }

  #currentLedger(): SessionLedger {
    if (this.#ledger === null) throw new TypeError('a session is used before its profile is known');
    return this.#ledger;
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
