import type { ServerSession } from '../backend/server-session.js';
import { Status } from '../protocol/constants.js';
import type { OkPacket } from '../protocol/generic-response.js';
import { HoldReason } from '../session/hold-reason.js';
import type { SessionProfile } from '../session/profile.js';
import { type PreparedText, SessionLedger } from '../session/session-ledger.js';
import type { StatementEffects } from '../session/statement-effects.js';
import type { Written } from '../writes/written.js';
import type { ClientIdentity } from './client-identity.js';
import { Conditions } from './conditions.js';
import type { AnswerGround, LearnedAnswer } from './learned-answers.js';
import { ledgerContext } from './ledger-context.js';
import { Leftovers } from './leftovers.js';
import type { RelayServices } from './relay-services.js';
import { syncWaiting } from './sync-wait.js';
import type { Work } from './work.js';

/**
 * What a client's session is, whichever server session it runs on next: the ledger of what is carried and held, and what
 * its statements left behind.
 */
export class ClientState {
  readonly left: Leftovers;
  /** What a client starts with; null until the first session of its account was seen. */
  #ledger: SessionLedger | null = null;
  readonly #services: RelayServices;
  readonly #identity: ClientIdentity;
  readonly #written: Written | null;
  readonly #waitsForOwn: () => boolean;
  /** The command under way has failed on the server. */
  #failed = false;

  /** `written`: takes in what the client writes; `waitsForOwn`: {@link syncWaiting}. */
  constructor(
    services: RelayServices,
    identity: ClientIdentity,
    written: Written | null,
    waitsForOwn: () => boolean,
  ) {
    this.#services = services;
    this.#written = written;
    this.#waitsForOwn = waitsForOwn;
    this.#identity = identity;
    this.left = new Leftovers(services.foundRowsUse);
  }

  get ledger(): SessionLedger {
    if (this.#ledger === null) throw new TypeError('a session is used before its profile is known');
    return this.#ledger;
  }

  get holds(): number {
    return this.#ledger?.holds ?? 0;
  }

  /** Status flags for replies that are made here. */
  get status(): number {
    return this.#ledger?.status ?? Status.Autocommit;
  }

  get profile(): SessionProfile {
    return this.ledger.profile;
  }

  set profile(profile: SessionProfile) {
    this.ledger.profile = profile;
  }

  /**
   * Whether the server's defaults for the account are known, and so {@link ledger} and {@link profile}; true after a login
   * at the latest.
   */
  learnProfile(): boolean {
    if (this.#ledger !== null) return true;
    const profile = this.#identity.initialProfile();
    if (profile === null) return false;
    this.#ledger = new SessionLedger(this.#waiting(profile), ledgerContext(this.#services));
    this.#ledger.writes = this.#written;
    if (this.#services.sessionMode) this.#ledger.holds = HoldReason.SessionMode;
    return true;
  }

  /**
   * What the answer to the next command may depend on beside its text, for a client that has no session; null while it
   * may depend on one that it holds, or on warnings of its last statement: MariaDB counts those in the reply to a SET,
   * too. MySQL numbers a session's statements for a client that wants to be told of all variables.
   */
  get answerGround(): AnswerGround | null {
    const ledger = this.#ledger;
    if (ledger === null || ledger.holds !== 0) return null;
    if (!this.#isMysql && this.left.diagnostics.conditions !== Conditions.NONE) return null;
    const { variables } = ledger.trackers.told;
    if (variables.has('*') || variables.has('statement_id')) return null;
    const { account, poolCapabilities } = this.#identity;
    return { account, profile: ledger.profile, capabilities: poolCapabilities };
  }

  /** A command was answered without a session. */
  answered({ profile, status, conditions }: LearnedAnswer): void {
    const { ledger } = this;
    const { diagnostics } = this.left;
    ledger.profile = profile;
    ledger.status = status & ~Status.SessionStateChanged;
    const { conditionsUnreadOn } = diagnostics;
    diagnostics.answeredSet(conditions, this.#isMysql);
    if (conditionsUnreadOn !== null) this.left.noted(conditionsUnreadOn);
  }

  /** Whether nothing was run on `session` since the client's last statement, which was run there. */
  ranLastOn(session: ServerSession): boolean {
    return session.lastBorrower === this;
  }

  /** `work` is about to be sent to `session`. */
  begin(session: ServerSession, work: Work): void {
    const { diagnostics } = this.left;
    if (session.lastBorrower !== this) diagnostics.forgetPlace(session);
    session.lastBorrower = this;
    diagnostics.begin();
    this.#failed = false;
    this.ledger.begin(work.effects, work.parsedIn);
  }

  /** What a long statement does is known when its last byte has passed, before its reply. */
  effectsKnown(effects: StatementEffects): void {
    const { ledger } = this;
    ledger.begin(effects);
    // Too late to give the session the client's own: it has the proxy's, or what the text makes of them.
    if (effects.usesTrackers) ledger.trackersLost = true;
  }

  /** An OK of the reply to `work`. `rows`, `row`: {@link ReplyObserver.replyOk}. */
  ok(work: Work, ok: OkPacket, rows: number | null, row: readonly (bigint | null)[] | null): void {
    this.left.diagnostics.ok(ok, rows);
    this.ledger.ok(ok, work.effects, row, rows !== null);
    this.hasRun(work);
  }

  /** `work` has failed on the server. */
  err(work: Work, errno: number, sqlState: string): void {
    this.#failed = true;
    this.left.diagnostics.err(errno, sqlState);
    this.ledger.err(errno, work.effects);
    this.hasRun(work);
  }

  /** `work` has run, or may have: it may have changed routines. */
  hasRun({ traits, effects }: Work): void {
    // Those of an EXECUTE are its statement's.
    const run = effects.traits ?? traits;
    if (run !== null) this.#services.routines.hasRun(run);
  }

  /** The reply to `work` is complete, or there is none: what it left lies on `session`. */
  replied(session: ServerSession, work: Work): void {
    const { ledger } = this;
    const { profile } = ledger;
    // It was run on a session with another schema, which is still there.
    const stays = work.choosesSchema && this.#failed;
    session.profile = stays ? profile.withSchema(session.profile.schema) : profile;
    const { effects, traits, routinesAt } = work;
    const { routines } = this.#services;
    // A trigger that came while it was under way may have run.
    if (effects.inDoubt || (traits !== null && routines.mayHaveUsedOther(traits, routinesAt)))
      ledger.mustReset = true;
    const { diagnostics, insertId } = this.left;
    diagnostics.replied(session, work);
    if (diagnostics.tooMany(ledger.profile)) ledger.holds |= HoldReason.Diagnostics;
    if (ledger.insertIdChanged) insertId.changedOn(session, ledger.toldInsertId);
    this.left.noted(session);
  }

  /** Adds or ends a hold outside of a reply: open cursors and long data are the client's own business. */
  setHold(reason: HoldReason, on: boolean): void {
    const { ledger } = this;
    if (on) ledger.holds |= reason;
    else ledger.holds &= ~reason;
  }

  /** What EXECUTE of a statement prepared as SQL text runs; null where that is not known. */
  preparedText(name: string): PreparedText | null {
    return this.ledger.preparedText(name);
  }

  /** COM_RESET_CONNECTION, COM_CHANGE_USER: nothing is held any more; `profile`: what is carried, if that is known. */
  restart(profile: SessionProfile | null): void {
    const ledger = this.#ledger;
    if (ledger === null) return;
    ledger.released();
    if (profile !== null) ledger.restart(this.#waiting(profile));
  }

  #waiting(profile: SessionProfile): SessionProfile {
    return syncWaiting(profile, this.#services.syncWait, this.#waitsForOwn());
  }

  get #isMysql(): boolean {
    return this.#services.upstream.facts?.info.flavor === 'mysql';
  }
}
