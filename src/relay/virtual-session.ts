import {
  type Borrower,
  type ServerSession,
  type SessionLostError,
  statementClosePacket,
} from '../backend/server-session.js';
import type { PoolError } from '../pool/errors.js';
import { Status } from '../protocol/constants.js';
import type { ErrPacket, OkPacket } from '../protocol/generic-response.js';
import { TOLD_ALL, type ToldState } from '../protocol/session-state.js';
import { HoldReason, holdWords } from '../session/hold-reason.js';
import type { SessionProfile } from '../session/profile.js';
import { SessionLedger } from '../session/session-ledger.js';
import { InsertIdEffect, type StatementEffects } from '../session/statement-effects.js';
import type { StatementTraits } from '../sql/traits.js';
import { checkoutError, diagnosticsGone, lostDuringQuery, lostWhileHeld } from './client-errors.js';
import { ClientHold } from './client-hold.js';
import type { ClientIdentity } from './client-identity.js';
import { Conditions } from './conditions.js';
import type { AnswerGround, LearnedAnswer } from './learned-answers.js';
import { ledgerContext } from './ledger-context.js';
import { Leftovers, readLeftovers } from './leftovers.js';
import { Asks, asksOf, elsewhere, knows, whereUnread } from './question.js';
import type { RelayServices } from './relay-services.js';
import { SessionCheckout, type SessionSeeker } from './session-checkout.js';
import { CloseReason } from './session-cleaner.js';
import { isReady, needsReset, type RestoreTarget, restoreSession } from './session-restore.js';
import { isBlind, isSettled, settleSession } from './session-settlement.js';
import type { Work, WorkObserver } from './work.js';

const Phase = { Idle: 0, Waiting: 1, Restoring: 2, Running: 3, Settling: 4, Gone: 5 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const UNKNOWN = { kind: 'unknown' } as const;

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
  readonly left: Leftovers;
  /** What a client starts with; null until the first session of its account was seen. */
  #ledger: SessionLedger | null = null;
  readonly #services: RelayServices;
  readonly #host: WorkObserver;
  readonly #identity: ClientIdentity;
  readonly #checkout: SessionCheckout;
  readonly #hold: ClientHold;
  #session: ServerSession | null = null;
  #phase: Phase = Phase.Idle;
  #work: Work | null = null;
  #attempts = 0;
  #notExecuted = false;
  #lostState: ErrPacket | null = null;
  /** Whether a command ends with the settling under way. */
  #settleTells = false;
  /** A command came while the session was being given back. */
  #nextWork: Work | null = null;

  constructor(services: RelayServices, host: WorkObserver, identity: ClientIdentity) {
    this.#services = services;
    this.#host = host;
    this.left = new Leftovers(services.foundRowsUse);
    this.#identity = identity;
    this.#hold = new ClientHold(services, host.connectionId, identity);
    this.#checkout = new SessionCheckout(services.pools, identity.account, identity.poolCapabilities, this);
    services.routines.watch(identity.account);
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

  /** What the client's OK packets tell of its session. */
  get told(): ToldState {
    // While the session has the client's own trackers, the server tells no more than that.
    return this.#session?.trackersArmed === false ? TOLD_ALL : this.#currentLedger().trackers.told;
  }

  /** What EXECUTE of a statement prepared as SQL text runs; null where that is not known. */
  preparedText(name: string): StatementTraits | null {
    return this.#currentLedger().preparedText(name);
  }

  /**
   * What the answer to the next command may depend on beside its text; null while it may depend on a session that the
   * client holds, or on warnings of its last statement: MariaDB counts those in the reply to a SET, too. MySQL numbers a
   * session's statements for a client that wants to be told of all variables.
   */
  get answerGround(): AnswerGround | null {
    const ledger = this.#ledger;
    if (ledger === null || ledger.holds !== 0 || this.#session !== null) return null;
    if (this.#phase !== Phase.Idle || this.#lostState !== null) return null;
    if (!this.#isMysql && this.left.diagnostics.conditions !== Conditions.NONE) return null;
    const { variables } = ledger.trackers.told;
    if (variables.has('*') || variables.has('statement_id')) return null;
    const { account, poolCapabilities } = this.#identity;
    return { account, profile: ledger.profile, capabilities: poolCapabilities };
  }

  /** A command was answered without a session. */
  answered({ profile, status, conditions }: LearnedAnswer): void {
    const ledger = this.#currentLedger();
    const { diagnostics } = this.left;
    ledger.profile = profile;
    ledger.status = status & ~Status.SessionStateChanged;
    const { conditionsUnreadOn } = diagnostics;
    diagnostics.answeredSet(conditions, this.#isMysql);
    if (conditionsUnreadOn !== null) this.left.noted(conditionsUnreadOn);
  }

  get #isMysql(): boolean {
    return this.#services.upstream.facts?.info.flavor === 'mysql';
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
      return;
    }
    const refusal = this.#hold.refusal(work.effects, this.holds);
    if (refusal !== null) this.#refuse(refusal, work);
    else this.#start(work);
  }

  /** What a long statement does is known when its last byte has passed, before its reply. */
  effectsKnown(effects: StatementEffects): void {
    const ledger = this.#currentLedger();
    ledger.begin(effects);
    // Too late to give the session the client's own: it has the proxy's, or what the text makes of them.
    if (effects.usesTrackers) ledger.trackersLost = true;
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

  /** `rows`: of the result set that it ends; null when it ends none. `row`: {@link ReplyObserver.replyOk}. */
  replyOk(ok: OkPacket, rows: number | null, row: readonly (bigint | null)[] | null): void {
    this.left.diagnostics.ok(ok, rows);
    this.#currentLedger().ok(ok, this.#currentWork().effects, row, rows !== null);
    this.#mayHaveChangedRoutines();
  }

  replyErr(errno: number, notExecuted: boolean, sqlState: string): void {
    if (notExecuted) {
      this.#notExecuted = true;
      return;
    }
    this.left.diagnostics.err(errno, sqlState);
    this.#currentLedger().err(errno, this.#currentWork().effects);
    this.#mayHaveChangedRoutines();
  }

  #mayHaveChangedRoutines(): void {
    const { traits } = this.#currentWork();
    if (traits !== null) this.#services.routines.hasRun(traits);
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
    const session = this.#session;
    if (this.#phase !== Phase.Idle || session === null) return;
    if (this.holds === 0 || !session.trackersArmed) this.#settle(session, false);
  }

  /** COM_RESET_CONNECTION, COM_CHANGE_USER: what was held is cleaned, what was carried forgotten. Between commands. */
  reset(profile: SessionProfile | null): void {
    const session = this.#session;
    const ledger = this.#ledger;
    this.#lostState = null;
    this.#phase = Phase.Idle;
    this.left.reset();
    this.#session = null;
    this.#noteHolds();
    if (session !== null) this.#clean(session);
    if (ledger === null) return;
    ledger.released();
    if (profile !== null) ledger.restart(profile);
  }

  /** The client has gone. A statement under way is ended by the caller; its session comes back when the reply is over. */
  abandon(): void {
    const session = this.#session;
    const phase = this.#phase;
    this.#phase = Phase.Gone;
    if (phase === Phase.Waiting) this.#checkout.cancel();
    if (phase === Phase.Idle && session !== null) this.#leave(session);
    if (session === null || phase === Phase.Idle) this.left.reset();
  }

  /** The client left inside a command: what the server has of it must not be completed. */
  abandonInside(): void {
    const session = this.#session;
    this.#phase = Phase.Gone;
    this.#session = null;
    this.#noteHolds();
    this.left.reset();
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
    const { unreadOn } = this.left.insertId;
    if (unreadOn !== null) this.#checkout.preferred = unreadOn;
    this.#phase = Phase.Waiting;
    const session = this.#checkout.ask(this.profileKnown ? this.profile : null, work.getsSchema);
    if (session !== null) this.granted(session);
  }

  /** Makes the session the client's, then sends the command. */
  #prepare(session: ServerSession, work: Work): void {
    const { insertId, diagnostics } = this.left;
    if (work.effects.insertId !== InsertIdEffect.None) {
      const { unreadOn } = insertId;
      if (unreadOn !== null && unreadOn !== session) {
        this.#fetch(session, unreadOn);
        return;
      }
    }
    const { traits } = work;
    const asks = traits === null ? Asks.Nothing : asksOf(traits);
    const target = this.#restoreTarget(work, false);
    const untouched = session.lastBorrower === this;
    if (traits === null || asks === Asks.Nothing) this.#restore(session, work, target);
    else if (knows(session, asks, diagnostics, untouched) && isReady(session, target))
      this.#send(session, work);
    else this.#answerElsewhere(session, work, traits, asks);
  }

  #restoreTarget(work: Work, clearDiagnostics: boolean): RestoreTarget {
    return {
      owner: this.left,
      clearDiagnostics,
      profile: this.#currentLedger().profile,
      statement: work.statement,
      trackers: work.effects.usesTrackers ? this.#currentLedger().trackers : null,
      lastInsertId: work.effects.insertId === InsertIdEffect.None ? null : this.left.insertId.value,
    };
  }

  /** The statement asks for what the one before left, and the session doesn't know, or not for long. */
  #answerElsewhere(session: ServerSession, work: Work, traits: StatementTraits, asks: number): void {
    const { diagnostics } = this.left;
    const unreadOn = whereUnread(asks, diagnostics);
    if (unreadOn !== null) {
      this.#fetch(session, unreadOn);
      return;
    }
    work.replaceText(null);
    const text = work.sql;
    const how =
      text === null
        ? UNKNOWN
        : elsewhere(asks, traits, text, diagnostics, session.info.flavor === 'mysql', this.profile);
    switch (how.kind) {
      case 'clear':
        this.#restore(session, work, this.#restoreTarget(work, true));
        return;
      case 'text':
        diagnostics.forgetPlace(session);
        work.replaceText(how.text);
        this.#restore(session, work, this.#restoreTarget(work, false));
        return;
      case 'conditions':
        work.answer(how.conditions, how.wanted);
        diagnostics.answered(-1n);
        this.#settleOrKeep(session);
        return;
      case 'unknown':
        // Better no answer than somebody else's.
        if ((asks & Asks.FoundRows) !== 0) this.#services.foundRowsUse.asked = true;
        this.#fail(diagnosticsGone());
        this.releaseIfFree();
    }
  }

  #fetch(session: ServerSession, there: ServerSession): void {
    this.#phase = Phase.Restoring;
    this.left.fetch(session, there, () => {
      if (this.#session !== session) return;
      if (this.#phase === Phase.Gone) this.#leave(session);
      else this.#prepare(session, this.#currentWork());
    });
  }

  #restore(session: ServerSession, work: Work, target: RestoreTarget): void {
    if (isReady(session, target)) {
      this.#send(session, work);
      return;
    }
    this.#phase = Phase.Restoring;
    if (needsReset(session, target)) {
      this.#resetFirst(session, work);
      return;
    }
    restoreSession(session, target, ({ refused, stateUnknown, lost }) => {
      // A lost session has been dealt with by sessionLost().
      if (lost || this.#session !== session) return;
      if (this.#phase === Phase.Gone) this.#leave(session);
      else if (refused !== null) this.#restoreRefused(session, refused, stateUnknown);
      else this.#send(session, work);
    });
    // Where nothing had to be sent after all, the command is on its way already.
    if (this.#phase === Phase.Restoring) this.#services.counters.restores++;
  }

  /** The session has what no statement can take away: another client's user variables. */
  #resetFirst(session: ServerSession, work: Work): void {
    readLeftovers(session);
    session.lastBorrower = null;
    this.#services.upstream.reset(session, this.#identity.account, (error) => {
      // A lost session has been dealt with by sessionLost().
      if (this.#session !== session) return;
      if (error !== null) {
        session.close();
        this.#lose(session, error.message);
      } else if (this.#phase === Phase.Gone) {
        this.#leave(session);
      } else {
        this.#prepare(session, work);
      }
    });
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
      this.#services.cleaner.clean(session, this.#identity.account);
    }
    this.#fail(refused);
    this.releaseIfFree();
  }

  #send(session: ServerSession, work: Work): void {
    const ledger = this.#currentLedger();
    const tooMany = this.#hold.tooMany(this.#checkout.pool.key, work.effects, ledger.holds);
    if (tooMany !== null) {
      this.#refuse(tooMany, work);
      return;
    }
    this.#phase = Phase.Running;
    const { diagnostics } = this.left;
    if (session.lastBorrower !== this) diagnostics.forgetPlace(session);
    session.lastBorrower = this;
    diagnostics.begin();
    ledger.begin(work.effects);
    const sent = work.send(session);
    if (sent === true) return;
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
    const ledger = this.#currentLedger();
    session.profile = ledger.profile;
    const { diagnostics, insertId } = this.left;
    diagnostics.replied(session, this.#currentWork());
    if (diagnostics.tooMany(ledger.profile)) ledger.holds |= HoldReason.Diagnostics;
    if (ledger.insertIdChanged) insertId.changedOn(session, ledger.toldInsertId);
    this.left.noted(session);
    if (session.killsUnderWay > 0) {
      // The KILL may still hit: whatever came next on this session would be its victim.
      if (this.#phase !== Phase.Gone) this.#phase = Phase.Settling;
      this.#settleTells = true;
      session.onKillsAnswered = () => this.#afterReply(session);
    } else if (this.#phase === Phase.Gone) {
      this.#leave(session);
    } else {
      this.#settleOrKeep(session);
    }
  }

  /** A command is over. */
  #settleOrKeep(session: ServerSession): void {
    const ledger = this.#currentLedger();
    // Whoever holds the session: its trackers are switched on again before anything else runs.
    if ((ledger.holds & ~ledger.doubtful) !== 0 && !isBlind(session, ledger)) this.#done();
    else this.#settle(session, true);
  }

  /**
   * Nothing holds the session. Asks for what the server has not told yet, then gives the session back. `tell`: a
   * command has just ended by this.
   */
  #settle(session: ServerSession, tell: boolean): void {
    const ledger = this.#currentLedger();
    if (isSettled(session, ledger)) {
      if (ledger.mustReset) this.#giveBackClean(session, tell);
      else this.#learnAnswer(session, tell);
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
        this.#learnAnswer(session, tell);
      }
    });
  }

  /** The server has told all that it knows of the command: the moment for its lesson, if there is one. */
  #learnAnswer(session: ServerSession, tell: boolean): void {
    const lesson = tell ? this.#currentWork().lesson : null;
    const goOn = (): void => {
      if (this.#session !== session) return;
      if (this.#phase === Phase.Gone) this.#leave(session);
      else this.#giveBack(session, tell);
    };
    if (lesson?.finish(session, this.left.diagnostics, this.#currentLedger().profile, goOn) !== true) {
      goOn();
      return;
    }
    this.#phase = Phase.Settling;
    this.#settleTells = tell;
  }

  #giveBack(session: ServerSession, tell: boolean): void {
    // Its owner may be waiting for it: whoever borrows a session reads what is there.
    if (session.leftovers !== null && session.leftovers !== this.left) readLeftovers(session);
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
    this.#services.cleaner.clean(session, this.#identity.account);
    this.#done(tell);
  }

  #done(tell = true): void {
    this.#phase = Phase.Idle;
    this.#noteHolds();
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
    this.left.reset();
    this.#clean(session);
  }

  /** What was held is ended by a reset, or with the session where a reset is not enough. */
  #clean(session: ServerSession): void {
    const ledger = this.#currentLedger();
    const untouched =
      (ledger.holds & (LOSABLE | HoldReason.SessionMode)) === 0 &&
      isSettled(session, ledger) &&
      !ledger.mustReset;
    if (ledger.mustClose) {
      this.#services.cleaner.close(session, CloseReason.StateSurvivesReset);
    } else if (session.misplaced) {
      this.#services.cleaner.close(session, CloseReason.GotSchema);
    } else if (untouched) {
      session.borrower = null;
      this.#services.pools.checkin(session);
    } else {
      this.#services.cleaner.clean(session, this.#identity.account);
    }
  }

  /** The session has gone; what becomes of the command depends on how far it was. */
  #lose(session: ServerSession, why: SessionLostError | string, notExecuted = false): void {
    const phase = this.#phase;
    const ledger = this.#currentLedger();
    const lostHolds = ledger.holds & LOSABLE;
    this.#session = null;
    this.#noteHolds();
    this.left.lost(session);
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
        this.#mayHaveChangedRoutines();
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
        this.#mayHaveChangedRoutines();
        this.left.reset();
    }
  }

  #retryOr(safe: boolean, otherwise: () => void): void {
    if (safe && this.#attempts < MAX_ATTEMPTS) this.#start(this.#currentWork());
    else otherwise();
  }

  #fail(err: ErrPacket): void {
    if (this.#phase === Phase.Gone) return;
    this.#phase = Phase.Idle;
    this.#noteHolds();
    this.#host.workFailed(err);
  }

  /** The command is not run; what the server has gathered for its statement must not go to whoever executes it next. */
  #refuse(err: ErrPacket, { statement }: Work): void {
    const session = this.#session;
    const prepared = statement === null ? undefined : session?.statements.remove(statement.key);
    if (prepared !== undefined) session?.channel.write(statementClosePacket(prepared.id));
    this.#fail(err);
    this.releaseIfFree();
  }

  #noteHolds(): void {
    this.#hold.note(this.#session, this.holds, this.#work);
  }

  #learnProfile(): void {
    if (this.#ledger !== null) return;
    const profile = this.#identity.initialProfile();
    if (profile === null) return;
    this.#ledger = new SessionLedger(profile, ledgerContext(this.#services));
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
