import { Status } from '../protocol/constants.js';
import type { OkPacket } from '../protocol/generic-response.js';
import { HoldReason, SURVIVES_RESET } from './hold-reason.js';
import type { SessionProfile } from './profile.js';
import { InsertIdEffect, type StatementEffects } from './statement-effects.js';
import {
  canonicalName,
  coupledWith,
  isArmed,
  isTrackerVariable,
  treatmentOf,
  VariableTreatment,
} from './variables.js';

/** ER_PARSE_ERROR */
const PARSE_ERROR = 1064;

/**
 * One client's state, kept apart from the session it happens to use: what is carried (the profile) and what holds the
 * session. Fed with each statement's effects and with what the server reports; it decides nothing about sockets.
 */
export class SessionLedger {
  profile: SessionProfile;
  /** `HoldReason` bits. */
  holds = 0;
  /** Status flags as the client saw them last. */
  status: number = Status.Autocommit;
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
  readonly #readBack = new Set<string>();
  /** Holds that the statement under way has added by its text alone. */
  #taken = 0;

  constructor(profile: SessionProfile) {
    this.profile = profile;
  }

  /** Variables whose final value must be asked for before the session is given back. */
  get readBack(): ReadonlySet<string> {
    return this.#readBack;
  }

  get inTransaction(): boolean {
    return (this.holds & HoldReason.Transaction) !== 0;
  }

  /** A session with these holds can't be cleaned by a reset. */
  get mustClose(): boolean {
    return (this.holds & SURVIVES_RESET) !== 0;
  }

  /** A statement is about to run. */
  begin(effects: StatementEffects): void {
    this.insertIdChanged = false;
    this.toldInsertId = 0n;
    this.#taken = effects.holds & ~this.holds;
    this.holds |= effects.holds;
    if (!effects.readsDiagnostics && !effects.readsCounts) this.holds &= ~HoldReason.Diagnostics;
    if (effects.leavesCounts) this.holds |= HoldReason.Diagnostics;
    for (const name of effects.readBack) this.#readBack.add(name);
    if (effects.insertId === InsertIdEffect.Obscure) this.insertIdChanged = true;
  }

  /** An OK of the statement's reply. */
  ok(ok: OkPacket, effects: StatementEffects): void {
    this.#taken = 0;
    this.#status(ok.status);
    if (ok.warnings > 0) this.holds |= HoldReason.Diagnostics;
    if (ok.lastInsertId !== 0n) this.toldInsertId = ok.lastInsertId;
    if (ok.lastInsertId !== 0n && effects.insertId === InsertIdEffect.Inserts) this.insertIdChanged = true;
    const report = ok.session;
    if (report === null) return;
    if (!effects.ignoresVariableReports) {
      // Between the result sets of a CALL, variables are as inside the procedure; at its end they change back unreported.
      const passing = effects.runsRoutines && (ok.status & Status.MoreResultsExist) !== 0;
      for (const [name, value] of report.variables) {
        this.#variable(name.toLowerCase(), value, passing);
      }
    }
    if (report.schema !== null)
      this.profile = this.profile.withSchema(report.schema === '' ? null : report.schema);
    if (report.characteristics !== null) {
      // A transaction under way has characteristics, too.
      this.#set(HoldReason.NextTransaction, report.characteristics !== '' && !this.inTransaction);
    }
    if (report.transactionState !== null) this.#transactionState(report.transactionState);
    if (report.stateChanged && !effects.explainsStateChange) this.holds |= HoldReason.Unknown;
    this.reportsOutstanding = false;
  }

  /** The statement's reply ended with an error. */
  err(errno: number, effects: StatementEffects): void {
    // A text that is no SQL has done nothing; a part of it that was run before would have had an OK. But a routine's own
    // error may have any number: then the session is reset, rather than held for what may never have been.
    if (errno === PARSE_ERROR) {
      if (effects.runsRoutines && this.#taken !== 0) this.mustReset = true;
      this.holds &= ~this.#taken;
    }
    this.holds |= HoldReason.Diagnostics;
    this.reportsOutstanding = true;
    if (effects.mayChangeBeforeFailing) this.mayHideChanges = true;
    if (effects.insertId !== InsertIdEffect.None && effects.insertId !== InsertIdEffect.Reads)
      this.insertIdChanged = true;
  }

  /** A variable's value was asked for. */
  wasReadBack(shown: string, value: string): void {
    const name = shown.toLowerCase();
    // Only what was asked for: a client with an odd character_set_results gets odd names.
    if (!this.#readBack.delete(name) || isTrackerVariable(name)) return;
    if (treatmentOf(name) !== VariableTreatment.Carry) return;
    this.profile = this.profile.withVariable(canonicalName(name, this.profile.baseline.variables), value);
  }

  /** The server has told everything. What was asked for and not answered is not known. */
  settled(): void {
    this.reportsOutstanding = false;
    const { variables } = this.profile.baseline;
    for (const name of this.#readBack) if (variables.has(name)) this.holds |= HoldReason.Unknown;
    this.#readBack.clear();
  }

  /** The session was reset, or is gone: nothing is held any more and nothing outstanding. */
  released(): void {
    this.holds &= HoldReason.SessionMode;
    this.status &= ~(Status.InTransaction | Status.InTransactionReadonly);
    this.reportsOutstanding = false;
    this.mayHideChanges = false;
    this.mustReset = false;
    this.insertIdChanged = false;
    this.#readBack.clear();
  }

  #status(status: number): void {
    this.status = status & ~(Status.SessionStateChanged | Status.MoreResultsExist);
    this.#set(HoldReason.Transaction, (status & Status.InTransaction) !== 0);
    // MariaDB does not report `SET @@autocommit=0`, but its effect always shows here.
    const autocommit = (status & Status.Autocommit) !== 0 ? 'ON' : 'OFF';
    this.profile = this.profile.withVariable('autocommit', autocommit);
  }

  /** `passing`: the value need not stay. */
  #variable(name: string, value: string, passing: boolean): void {
    if (isTrackerVariable(name)) {
      if (!isArmed(name, value)) this.holds |= HoldReason.SessionTracking;
      return;
    }
    if (passing) this.#readBack.add(name);
    for (const other of coupledWith(name)) this.#readBack.add(other);
    switch (treatmentOf(name)) {
      case VariableTreatment.Carry:
        this.profile = this.profile.withVariable(canonicalName(name, this.profile.baseline.variables), value);
        return;
      case VariableTreatment.Hold:
        this.holds |= HoldReason.OneShotVariable;
        return;
      case VariableTreatment.InsertId:
        this.insertIdChanged = true;
        return;
      case VariableTreatment.Derived:
    }
  }

  #transactionState(state: string): void {
    // Eight characters; the last is L while tables are locked.
    if (state.endsWith('L')) this.holds |= HoldReason.TableLock;
  }

  #set(reason: HoldReason, on: boolean): void {
    if (on) this.holds |= reason;
    else this.holds &= ~reason;
  }
}
