import { Status } from '../protocol/constants.js';
import type { OkPacket } from '../protocol/generic-response.js';
import { StatementKind, type StatementTraits } from '../sql/traits.js';
import type { Written } from '../writes/written.js';
import { CarriedState } from './carried-state.js';
import type { ClientTrackers } from './client-trackers.js';
import { HeldState, type HoldQuestions, type StepContext } from './held-state.js';
import { HELD_BY_STATEMENTS, HoldReason, SURVIVES_RESET } from './hold-reason.js';
import { type LedgerContext, NOTHING_KNOWN } from './ledger-context.js';
import type { SessionProfile } from './profile.js';
import { isUnknownByText } from './state-steps.js';
import { InsertIdEffect, type StatementEffects } from './statement-effects.js';
import { statusOf } from './status-of.js';
import type { TableKey } from './temporary-tables.js';
import {
  coupledWith,
  GTID_TRACKER,
  isArmed,
  isHeldWhileOn,
  isTrackerVariable,
  OWN_GTIDS,
  RESULTS_COLLATION,
  treatmentOf,
  VariableTreatment,
} from './variables.js';

/** ER_PARSE_ERROR */
const PARSE_ERROR = 1064;
/** ER_UNKNOWN_STMT_HANDLER */
const NO_SUCH_STATEMENT = 1243;

/** A statement that was prepared as SQL text. */
export interface PreparedText {
  /** What it does, by what is known now. */
  readonly traits: StatementTraits;
  /** The client's when it was prepared: what names and literals in it mean. */
  readonly profile: SessionProfile;
}

/**
 * One client's state, kept apart from the session it happens to use: what is carried (the profile) and what holds the
 * session. Fed with each statement's effects and with what the server reports; it decides nothing about sockets.
 */
export class SessionLedger {
  /** `HoldReason` bits. */
  holds = 0;
  /** Status flags as the client saw them last. */
  status: number;
  /** An insert id of this client's is on the session that ran its last statement, and only there. */
  insertIdChanged = false;
  /** The id that the statement's last OK told; 0 for none. */
  toldInsertId = 0n;
  /** The session may know of changes that it has not reported: to be asked before anyone else gets it. */
  reportsOutstanding = false;
  /** As {@link reportsOutstanding}, where a routine or trigger may have run: MariaDB never tells all of it. */
  mayHideChanges = false;
  /** What the session may hold is not known well enough for anyone else to get it as it is. */
  mustReset = false;
  /** The trackers have been off while something may have changed: all that they would have told must be read. */
  trackersLost = false;
  /** Code that ran may have switched the trackers off, and the reply does not show whether it did. */
  trackersDoubtful = false;
  /** A statement that failed may have committed something before, which neither server tells unless it is asked. */
  writesUntold = false;
  /** The client's own `session_track_…`. */
  trackers: ClientTrackers;
  /** Takes in what the client writes; null where nobody asks. */
  writes: Written | null = null;
  readonly #context: LedgerContext;
  readonly #carried: CarriedState;
  readonly #held = new HeldState();
  /** OKs of the reply so far. */
  #oks = 0;
  /** The reply has shown that the trackers are on. */
  #trackersSeen = false;

  constructor(profile: SessionProfile, context: LedgerContext = NOTHING_KNOWN) {
    this.#carried = new CarriedState(profile);
    this.trackers = context.trackers;
    this.status = statusOf(profile, context.mysql);
    this.#context = context;
  }

  /** What is carried. */
  get profile(): SessionProfile {
    return this.#carried.profile;
  }

  set profile(profile: SessionProfile) {
    this.#carried.profile = profile;
  }

  /** Holds that may have ended already: the server must be asked when nothing else is left. */
  get doubtful(): number {
    return this.holds === 0 ? 0 : this.holds & this.#held.doubtful;
  }

  get questions(): HoldQuestions {
    return this.#held.questions;
  }

  /** What EXECUTE of a statement prepared as SQL text runs; null where that is not known. */
  preparedText(name: string): PreparedText | null {
    const statement = this.#held.statements.get(name);
    if (statement === null) return null;
    // Read each time: a trigger may have been made since.
    const traits = this.#context.read(statement.text, statement.profile);
    return traits === null ? null : { traits, profile: statement.profile };
  }

  /** {@link CarriedState.readBack} */
  get readBack(): ReadonlySet<string> {
    return this.#carried.readBack;
  }

  get inTransaction(): boolean {
    return (this.holds & HoldReason.Transaction) !== 0;
  }

  /** The server knows, or may know, of changes that it has not told. */
  get isUntold(): boolean {
    return (
      this.reportsOutstanding ||
      this.trackersLost ||
      this.trackersDoubtful ||
      this.writesUntold ||
      this.readBack.size > 0
    );
  }

  /** A session with these holds can't be cleaned by a reset. */
  get mustClose(): boolean {
    return (this.holds & SURVIVES_RESET) !== 0;
  }

  /**
   * A statement is about to run.
   * @param parsedIn - the client's profile when it was prepared; null for a text that is parsed now
   */
  begin(effects: StatementEffects, parsedIn: SessionProfile | null = null): void {
    this.#carried.begin(parsedIn);
    this.insertIdChanged = false;
    this.toldInsertId = 0n;
    this.#oks = 0;
    this.#trackersSeen = false;
    this.holds &= ~HoldReason.Diagnostics;
    // What a text makes counts when it has run.
    if (effects.traits === null) this.holds |= effects.holds;
    if (effects.readBack.length > 0) for (const name of effects.readBack) this.#carried.doubt(name);
    if (effects.insertId === InsertIdEffect.Obscure) this.insertIdChanged = true;
  }

  /**
   * An OK of the statement's reply.
   * @param row - the only row before it, where `effects.lockColumns` asked for it and it was seen
   * @param endsRows - rows came before it
   */
  ok(
    ok: OkPacket,
    effects: StatementEffects,
    row: readonly (bigint | null)[] | null = null,
    endsRows = false,
  ): void {
    if (ok.lastInsertId !== 0n) {
      this.toldInsertId = ok.lastInsertId;
      if (effects.insertId === InsertIdEffect.Inserts) this.insertIdChanged = true;
      if ((this.holds & HoldReason.OneShotVariable) !== 0) this.#held.inserted();
    }
    // INSERT ... RETURNING (MariaDB): no packet tells the id.
    if (endsRows && effects.insertId === InsertIdEffect.Inserts) this.insertIdChanged = true;
    const explained = effects.explainsEach?.[this.#oks] ?? effects.explainsStateChange;
    this.#oks++;
    this.reported(ok, effects, explained);
    if (effects.state !== null) this.#succeeded(ok, effects, row);
    if ((effects.holds & HoldReason.Unknown) !== 0 && !isUnknownByText(effects.state))
      this.#hold(HoldReason.Unknown);
    if (effects.traits !== null && (ok.status & Status.MoreResultsExist) === 0) this.#watch(effects);
    this.#carried.stepped();
  }

  /**
   * What the trackers say in an OK, the client's or one of the proxy's own.
   * @param explained - whether the bare flag says nothing new
   */
  reported(ok: OkPacket, effects: StatementEffects, explained = effects.explainsStateChange): void {
    // An ERR has no status: without autocommit, a statement that fails may have begun a transaction.
    this.#status(ok.status);
    const report = ok.session;
    if (report === null) return;
    if (this.writes !== null) this.writes.note(report);
    if (!effects.ignoresVariableReports) {
      // Between the result sets of a CALL, variables are as inside the procedure; at its end they change back unreported.
      const passing = effects.runsRoutines && (ok.status & Status.MoreResultsExist) !== 0;
      for (const [name, value] of report.variables) {
        this.#variable(name.toLowerCase(), value, passing, effects);
      }
    }
    if (report.schema !== null)
      this.profile = this.profile.withSchema(report.schema === '' ? null : report.schema);
    if (report.characteristics !== null) {
      // A transaction under way has characteristics, too.
      this.#set(HoldReason.NextTransaction, report.characteristics !== '' && !this.inTransaction);
    }
    if (report.transactionState !== null) {
      // Eight characters; the last is L while tables are locked.
      this.#held.tablesLocked(report.transactionState.endsWith('L'));
      this.#sync();
    }
    if (report.stateChanged && !explained) this.#hold(HoldReason.Unknown);
    this.reportsOutstanding = false;
  }

  /** The statement's reply ended with an error. */
  err(errno: number, effects: StatementEffects): void {
    if (effects.state !== null) this.#failed(errno, effects);
    if (
      (effects.holds & HoldReason.Unknown) !== 0 &&
      errno !== PARSE_ERROR &&
      !isUnknownByText(effects.state)
    )
      this.#hold(HoldReason.Unknown);
    this.reportsOutstanding = true;
    if (effects.mayChangeBeforeFailing) {
      this.mayHideChanges = true;
      // What fails in a transaction has committed nothing, unless it is a routine.
      if (this.writes !== null && (effects.runsRoutines || !this.inTransaction)) this.writesUntold = true;
    }
    if (effects.runsRoutines) this.trackersDoubtful = true;
    if (effects.insertId !== InsertIdEffect.None && effects.insertId !== InsertIdEffect.Reads)
      this.insertIdChanged = true;
  }

  /** An error has ended the transaction, and has no status that says so: the server is to be asked, since nothing else holds. */
  transactionEnded(): void {
    this.holds &= ~HoldReason.Transaction;
    this.status &= ~(Status.InTransaction | Status.InTransactionReadonly);
    this.reportsOutstanding = true;
  }

  /** A variable's value was asked for. */
  wasReadBack(shown: string, value: string): void {
    const name = shown.toLowerCase();
    // Only what was asked for: a client with an odd character_set_results gets odd names.
    if (!this.#carried.wasReadBack(name) || isTrackerVariable(name)) return;
    if (treatmentOf(name) === VariableTreatment.Carry) this.#setVariable(name, value);
  }

  /** After variables were read: the collation id that the columns of their texts have shown. */
  columnsShowed(collation: number): void {
    const { profile } = this;
    if (!profile.baseline.variables.has(RESULTS_COLLATION)) return;
    const charset = profile.variable('character_set_results');
    const name = charset === '' ? '' : this.#context.collationName(collation);
    if (name === undefined) this.#hold(HoldReason.Unknown);
    else this.profile = profile.withVariable(RESULTS_COLLATION, name);
  }

  /** All variables were read, those named first by the server. @returns whether they could be */
  wasRead(shown: ReadonlyMap<string, string>, schema: string | null, ofClient: boolean): boolean {
    // A client with an odd character_set_results gets odd names.
    if (!shown.has('sql_mode')) return false;
    const { variables } = this.profile.baseline;
    let { profile } = this;
    const trackers = new Map<string, string>();
    for (const [name, value] of shown) {
      if (isTrackerVariable(name)) {
        if (ofClient || !isArmed(name, value)) trackers.set(name, value);
      } else if (name === GTID_TRACKER && this.trackers.setGtids !== null) {
        // In a transaction it is the proxy's, and cannot be set.
        if (ofClient && !this.inTransaction) trackers.set(name, value);
        profile = profile.withVariable(name, value === 'OFF' ? OWN_GTIDS : value);
      } else if (variables.has(name) && treatmentOf(name) === VariableTreatment.Carry) {
        profile = profile.withVariable(name, value);
        if (isHeldWhileOn(name)) this.#held.switched(name, value !== 'OFF');
      }
    }
    this.profile = profile.withSchema(schema);
    this.trackers = this.trackers.with(trackers);
    this.#carried.askNothing();
    this.#sync();
    return true;
  }

  /** The server has told whether a temporary table is there; null where it would not say. */
  tableIs(table: TableKey, there: boolean | null): void {
    this.#held.tableIs(table, there);
    this.#sync();
  }

  insertIdIs(value: string | null): void {
    this.#held.insertIdIs(value);
    this.#sync();
  }

  /** `asAtFirst`: the session has the role it had when it was opened. */
  roleIs(asAtFirst: boolean): void {
    this.#held.roleIs(asAtFirst);
    this.#sync();
  }

  /** What has run may have switched the trackers off, and it did. */
  trackersWereOff(): void {
    this.trackersLost = true;
    this.mustReset = true;
  }

  /** The trackers are about to be switched on: they begin as if nothing was locked. */
  beforeArming(): void {
    this.#held.lockUnseen();
    this.#sync();
  }

  /** The trackers were off while something may have changed that can't be read. */
  lostSight(): void {
    this.#hold(HoldReason.SessionTracking);
  }

  /** The server has told everything. What was asked for and not answered is not known. */
  settled(): void {
    this.reportsOutstanding = false;
    this.trackersLost = false;
    this.trackersDoubtful = false;
    this.writesUntold = false;
    this.#held.told();
    if (this.#carried.allAnswered()) this.#hold(HoldReason.Unknown);
  }

  /** The session was reset, or is gone: nothing is held any more and nothing outstanding. */
  released(): void {
    this.holds &= HoldReason.SessionMode;
    this.status &= ~(Status.InTransaction | Status.InTransactionReadonly);
    this.reportsOutstanding = false;
    this.mayHideChanges = false;
    this.writesUntold = false;
    this.mustReset = false;
    this.insertIdChanged = false;
    this.trackersLost = false;
    this.trackersDoubtful = false;
    this.#held.clear();
    this.#carried.lose();
  }

  /** The client begins anew, with this profile (COM_RESET_CONNECTION). */
  restart(profile: SessionProfile): void {
    this.profile = profile;
    this.trackers = this.#context.trackers;
    this.status = statusOf(profile, this.#context.mysql);
  }

  #succeeded(ok: OkPacket, { state }: StatementEffects, row: StepContext['row']): void {
    if (state === null) return;
    const { steps, perOk } = state;
    const more = (ok.status & Status.MoreResultsExist) !== 0;
    if (more && !perOk) return;
    // Of several statements behind one OK it isn't known which schema each of them found.
    const carried = this.#carried;
    const isKnown = steps.length <= 1 || perOk;
    const context: StepContext = {
      carry: (name, literal) => carried.carry(name, literal),
      drop: (name) => carried.drop(name),
      schema: isKnown ? carried.schemaOfNames : null,
      profile: isKnown && !carried.parsesUnknown ? carried.profile : null,
      status: ok.status,
      row,
    };
    const first = perOk ? this.#oks - 1 : 0;
    for (const step of steps.slice(first, perOk ? first + 1 : undefined)) {
      if (step.writesUnnamedVariables) carried.dropAll();
      this.#held.succeeded(step, context);
    }
    this.#sync();
  }

  /** Statements before the one that failed have had their OKs, those behind it have not run. */
  #failed(errno: number, { state, runsRoutines, traits }: StatementEffects): void {
    if (state === null) return;
    const { steps, perOk } = state;
    const told = perOk || traits?.statements === 1;
    const failing = steps[perOk ? this.#oks : 0];
    // A text that is no SQL has done nothing. But a routine's own error may have any number: then the session is reset,
    // rather than held for what may never have been.
    const isNoSql = errno === PARSE_ERROR && (told || this.#oks === 0);
    if (isNoSql && runsRoutines) {
      this.mustReset = true;
    } else if (isNoSql || (errno === NO_SUCH_STATEMENT && told && failing?.kind === StatementKind.Execute)) {
      if (failing !== undefined && told) this.#held.refused(failing, errno);
    } else {
      for (const step of !told ? steps : failing === undefined ? [] : [failing]) {
        this.#held.failed(step, told ? errno : 0, told ? this.#carried.schemaOfNames : null);
        if (step.writesUnnamedVariables) this.#carried.dropAll();
      }
    }
    this.#sync();
  }

  /** The last OK of a statement: whether the trackers were on all the time. */
  #watch({ runsRoutines, usesTrackers }: StatementEffects): void {
    if (usesTrackers) return;
    if (!this.#context.mysql) {
      if (runsRoutines) this.trackersDoubtful = true;
    } else if (!this.#trackersSeen) {
      this.trackersWereOff();
    } else if (runsRoutines && this.#oks > 1) {
      // Only the first result of a CALL shows it.
      this.trackersDoubtful = true;
    }
  }

  #hold(bits: number): void {
    this.#held.add(bits);
    this.holds |= bits;
  }

  #sync(): void {
    this.holds = (this.holds & ~HELD_BY_STATEMENTS) | this.#held.bits;
  }

  #status(status: number): void {
    this.status = status & ~(Status.SessionStateChanged | Status.MoreResultsExist);
    this.#set(HoldReason.Transaction, (status & Status.InTransaction) !== 0);
    if ((this.holds & HoldReason.Xa) !== 0) {
      this.#held.status(status);
      this.#sync();
    }
    this.#carried.setAutocommit(status & Status.Autocommit);
  }

  /** `passing`: the value need not stay. */
  #variable(name: string, value: string, passing: boolean, effects: StatementEffects): void {
    if (name === 'statement_id') this.#trackersSeen = true;
    if (isTrackerVariable(name)) {
      // Code that ran has set it: whatever it did meanwhile was not told, or will not be.
      if (!effects.usesTrackers && effects.traits !== null) this.trackersLost = true;
      return;
    }
    if (passing) this.#carried.doubt(name);
    for (const other of coupledWith(name)) this.#carried.doubt(other);
    switch (treatmentOf(name)) {
      case VariableTreatment.Carry:
        if (effects.doubtsVariableReports) this.#carried.doubt(name);
        else this.#setVariable(name, value);
        return;
      case VariableTreatment.Hold:
        this.#held.oneShot(name, value);
        this.#sync();
        return;
      case VariableTreatment.InsertId:
        this.insertIdChanged = true;
        return;
      case VariableTreatment.Derived:
    }
  }

  #setVariable(name: string, value: string): void {
    this.#carried.setVariable(name, value);
    if (!isHeldWhileOn(name)) return;
    this.#held.switched(name, value !== 'OFF');
    this.#sync();
  }

  #set(reason: HoldReason, on: boolean): void {
    if (on) this.holds |= reason;
    else this.holds &= ~reason;
  }
}
