import { type InternalReply, queryCommand } from '../backend/internal-commands.js';
import type { LeftoverQuestion, ServerSession } from '../backend/server-session.js';
import { Status } from '../protocol/constants.js';
import type { OkPacket } from '../protocol/generic-response.js';
import type { SessionProfile } from '../session/profile.js';
import { StatementKind, type StatementTraits } from '../sql/traits.js';
import { Conditions } from './conditions.js';
import { Count, countAfter, countAfterError } from './found-rows.js';
import { clearsConditions } from './kept-conditions.js';
import type { Work } from './work.js';

/** ROW_COUNT() after what has none; the operator would make another one each time. */
const NO_ROW_COUNT = -1n;

const READ_FOUND_ROWS = queryCommand('SELECT FOUND_ROWS() LIMIT 1');

/** More rows of SHOW WARNINGS than this are not kept here: a message has up to 512 bytes, so 64 KiB for one client. */
const MAX_KEPT_CONDITIONS = 128;
/** One more than is kept tells that there are too many: after an error nothing else does. */
const SHOW_WARNINGS = queryCommand(`SHOW WARNINGS LIMIT ${MAX_KEPT_CONDITIONS + 1}`);

const MARK = 'mybouncer: where warnings were';
/** Leaves a warning that has this text, and nothing else. */
export const LEAVE_MARK = queryCommand(`DO CAST('${MARK}' AS SIGNED)`);

/** Of the statements that leave FOUND_ROWS() alone, those after which, on MySQL, an UPDATE counts that has failed before. */
const WRITES: ReadonlySet<StatementKind> = new Set([
  StatementKind.Insert,
  StatementKind.Replace,
  StatementKind.Delete,
]);

/** Whether the rows of SHOW WARNINGS are the mark alone. */
function isMark(rows: InternalReply['rows']): boolean {
  return rows.length === 1 && rows[0]?.[2]?.includes(MARK) === true;
}

/**
 * Whether any client has asked for a FOUND_ROWS() that isn't simply the number of rows it got (after LIMIT with an offset,
 * say). Reading it for nobody would cost a round trip whenever a session changes hands.
 */
export interface FoundRowsUse {
  asked: boolean;
}

/**
 * What one client may ask about its last statements: warnings and errors, FOUND_ROWS(), ROW_COUNT(). Each is known
 * here, or lies unread on one session, or (where `...On` is set) both, as long as that session is left alone.
 */
export class Diagnostics {
  /** ROW_COUNT(): every reply tells it. */
  rowCount = 0n;
  /** The session whose own ROW_COUNT() is right. */
  rowCountOn: ServerSession | null = null;
  /** The last error: no list of warnings tells its SQLSTATE. */
  error: { readonly errno: number; readonly sqlState: string } | null = null;
  readonly #use: FoundRowsUse;
  /** Null: not known here, see {@link foundRowsOn}. */
  #foundRows: number | null = 0;
  #foundRowsUnread = false;
  #foundRowsOn: ServerSession | null = null;
  /**
   * MySQL: an UPDATE has failed since, which changes nothing yet; but what it had counted counts as soon as a statement that
   * writes has succeeded. Where: while that session alone knows.
   */
  #updateFailed = false;
  #updateFailedOn: ServerSession | null = null;
  /** Null: they are on {@link conditionsOn}, or gone. */
  #conditions: Conditions | null = Conditions.NONE;
  #conditionsUnread = false;
  #conditionsOn: ServerSession | null = null;
  /** Where the mark was set, see {@link needsMark}. */
  #markOn: ServerSession | null = null;
  /** What the client's conditions are if the mark is still to be read on {@link conditionsUnreadOn}. */
  #unlessCleared: Conditions | null = null;
  /** Warnings that the last reply told of: more than SHOW WARNINGS lists, if there are many. */
  #told = 0;
  #failed = false;
  /** How many there are on {@link conditionsOn}, as far as replies tell. */
  #listed = 0;
  #affected = 0n;
  #rows: number | null = null;
  #hasOk = false;
  /** One of its results had rows, or might have had. */
  #hadRows = false;
  /** Its rows are still to be fetched: nobody has counted them here. */
  #hasCursor = false;

  constructor(use: FoundRowsUse) {
    this.#use = use;
  }

  get foundRows(): bigint | null {
    return this.#foundRows === null ? null : BigInt(this.#foundRows);
  }

  get conditions(): Conditions | null {
    return this.#conditions;
  }

  /**
   * Too many to be kept here: the session has to stay until a statement that makes them others. `profile` has
   * `max_error_count`.
   */
  tooMany(profile: SessionProfile): boolean {
    if (!this.#conditionsUnread || this.#listed <= MAX_KEPT_CONDITIONS) return false;
    return Number(profile.variable('max_error_count') ?? this.#listed) > MAX_KEPT_CONDITIONS;
  }

  get conditionsUnreadOn(): ServerSession | null {
    return this.#conditionsUnread ? this.#conditionsOn : null;
  }

  get foundRowsUnreadOn(): ServerSession | null {
    return this.#foundRowsUnread ? this.#foundRowsOn : null;
  }

  /** It will be asked for, or be spoilt: it is read like the rest. */
  wantFoundRows(): void {
    this.#foundRowsUnread = true;
  }

  /** The session whose own list of warnings and errors is right. */
  get conditionsOn(): ServerSession | null {
    return this.#unlessCleared === null ? this.#conditionsOn : null;
  }

  /** The session whose own FOUND_ROWS() is right. */
  get foundRowsOn(): ServerSession | null {
    return this.#foundRowsOn;
  }

  /**
   * Whether a statement that is to run on `session` may clear the client's conditions or keep them: a routine with a table or
   * without, on MariaDB. Unless they are on that session, a warning is put in their place there, that goes as they would.
   */
  needsMark(session: ServerSession, work: Pick<Work, 'traits' | 'sql'>): boolean {
    if (this.#conditions === Conditions.NONE || session.info.flavor === 'mysql') return false;
    return work.traits !== null && clearsConditions(work) === null;
  }

  /** What {@link needsMark} asked for was done. */
  marked(session: ServerSession): void {
    this.#markOn = session;
  }

  /** A statement is about to run. */
  begin(): void {
    this.#told = 0;
    this.#failed = false;
    this.#hasOk = false;
    this.#hadRows = false;
  }

  /** An OK of its reply; `rows` of the result set that it ends, null when it ends none. */
  ok(ok: OkPacket, rows: number | null): void {
    this.#hasOk = true;
    this.#rows = rows;
    if (rows !== null) this.#hadRows = true;
    this.#hasCursor = (ok.status & Status.CursorExists) !== 0;
    if (ok.warnings > this.#told) this.#told = ok.warnings;
    this.#affected = ok.affectedRows;
  }

  /** The client was answered here; `rowCount` is what the server would have afterwards. */
  answered(rowCount: bigint): void {
    this.rowCount = rowCount;
    this.rowCountOn = null;
  }

  /** A text that only sets variables was answered without the server; its reply told of these warnings. */
  answeredSet(conditions: Conditions, mysql: boolean): void {
    this.rowCount = 0n;
    this.rowCountOn = null;
    // MariaDB keeps the warnings of the statement before.
    if (!mysql && conditions === Conditions.NONE) return;
    this.#clearConditions(null);
    this.#conditions = conditions;
  }

  err(errno: number, sqlState: string): void {
    this.#failed = true;
    this.error = { errno, sqlState };
  }

  /** The reply to `work` is over. */
  replied(session: ServerSession, work: Pick<Work, 'traits' | 'isPrepare' | 'sql' | 'choosesSchema'>): void {
    const { traits } = work;
    const mysql = session.info.flavor === 'mysql';
    this.#countRows(session, traits);
    // The OK to COM_INIT_DB tells of the warnings that were there before, whose ever they are.
    if (traits === null && work.choosesSchema && !this.#failed) return;
    if (this.#failed || this.#told > 0 || (work.isPrepare && mysql)) {
      if (!this.#failed) this.error = null;
      this.#leaveConditions(session);
    } else if (traits !== null) {
      this.#conditionsAfter(session, traits.first, work);
    }
    this.#countFound(session, work, mysql);
    this.#markOn = null;
  }

  #countRows(session: ServerSession, traits: StatementTraits | null): void {
    if (this.#failed) this.rowCount = NO_ROW_COUNT;
    else if (!this.#hasOk || traits?.first === StatementKind.GetDiagnostics) return;
    else this.rowCount = this.#rows === null ? this.#affected : NO_ROW_COUNT;
    this.rowCountOn = session;
  }

  #leaveConditions(session: ServerSession): void {
    if (this.#told > 0 || this.#failed) {
      this.#listed = this.#told;
      this.#unlessCleared = null;
    }
    this.#conditions = null;
    this.#conditionsUnread = true;
    this.#conditionsOn = session;
  }

  #clearConditions(session: ServerSession | null): void {
    this.#conditions = Conditions.NONE;
    this.#conditionsUnread = false;
    this.#conditionsOn = session;
    this.#unlessCleared = null;
  }

  /** They were cleared or not: the session's own list tells, if it was marked. */
  #doubtConditions(session: ServerSession): void {
    const conditions = this.#conditions;
    this.#clearConditions(null);
    this.#conditions = null;
    if (conditions === null || this.#markOn !== session) return;
    this.#unlessCleared = conditions;
    this.#conditionsUnread = true;
    this.#conditionsOn = session;
    this.#listed = conditions.warnings;
  }

  /** After a statement that had no warnings. */
  #conditionsAfter(session: ServerSession, first: StatementKind, work: Pick<Work, 'traits' | 'sql'>): void {
    if (first === StatementKind.ShowWarnings || first === StatementKind.ShowErrors) return;
    const isHere = this.#conditionsOn === session;
    if (first === StatementKind.GetDiagnostics) {
      // One that asks for a condition which does not exist adds one.
      if (isHere) this.#leaveConditions(session);
      return;
    }
    if (session.info.flavor === 'mysql') {
      this.#clearConditions(session);
      return;
    }
    if (this.#conditions === Conditions.NONE && !isHere) return;
    const clears = clearsConditions(work);
    if (clears === true) this.#clearConditions(session);
    else if (isHere) {
      if (this.#conditions !== Conditions.NONE) this.#leaveConditions(session);
    } else if (clears === null) {
      this.#doubtConditions(session);
    }
  }

  #countFound(session: ServerSession, work: Pick<Work, 'traits' | 'sql'>, mysql: boolean): void {
    const { rows, serverSequence } = session.tracker;
    const late = work.traits?.statements === 1 ? rows > 0 || serverSequence !== 1 : this.#hadRows;
    const count = this.#failed
      ? countAfterError(work, this.error?.errno ?? 0, late, mysql)
      : countAfter(work, this.#hasCursor ? null : this.#rows, mysql);
    switch (count) {
      case Count.Kept:
        if (mysql && work.traits !== null) this.#keepFound(session, work.traits.first);
        return;
      case Count.Rows:
        this.#setFoundRows(this.#rows ?? 0, session);
        return;
      case Count.One:
        this.#setFoundRows(1, session);
        return;
      case Count.Unlikely:
      case Count.Likely:
        this.#onlyKnownOn(session, count === Count.Likely);
    }
  }

  #keepFound(session: ServerSession, first: StatementKind): void {
    if (this.#failed) {
      if (first !== StatementKind.Update) return;
      this.#updateFailed = true;
      this.#updateFailedOn = session;
    } else if (this.#updateFailed && WRITES.has(first)) {
      this.#onlyKnownOn(this.#updateFailedOn === session ? session : null, false);
    }
  }

  /** `session`: null where nobody knows any more. */
  #onlyKnownOn(session: ServerSession | null, isLikely: boolean): void {
    this.#setFoundRows(null, session);
    this.#foundRowsUnread = session !== null && (isLikely || this.#use.asked);
  }

  /** `on`: the session whose own is right as well. */
  #setFoundRows(value: number | null, on: ServerSession | null): void {
    this.#foundRows = value;
    this.#foundRowsUnread = false;
    this.#foundRowsOn = on;
    this.#updateFailed = false;
    this.#updateFailedOn = null;
  }

  /** How to read the warnings and errors from {@link conditionsUnreadOn}. */
  conditionsQuestion(session: ServerSession): LeftoverQuestion {
    const listed = this.#listed;
    return {
      command: SHOW_WARNINGS,
      answered: ({ err, packets, rows }) => {
        if (this.conditionsUnreadOn !== session) return;
        this.#conditionsUnread = false;
        const kept = this.#unlessCleared;
        this.#unlessCleared = null;
        if (kept !== null && isMark(rows)) {
          this.#conditions = kept;
          this.#conditionsOn = null;
          return;
        }
        const isWhole = err === null && rows.length <= MAX_KEPT_CONDITIONS;
        this.#conditions = isWhole ? Conditions.of(packets, listed) : null;
      },
    };
  }

  /** As {@link conditionsQuestion}. The server's own value is another one afterwards, and so are its warnings. */
  foundRowsQuestion(session: ServerSession): LeftoverQuestion {
    return {
      command: READ_FOUND_ROWS,
      answered: ({ err, rows }) => {
        if (this.foundRowsUnreadOn !== session) return;
        this.#foundRowsUnread = false;
        this.#foundRowsOn = null;
        if (this.#conditionsOn === session && this.#conditions !== null) this.#conditionsOn = null;
        const digits = (rows[0]?.[0] ?? '').replace(/[^0-9]/g, '');
        this.#foundRows = err === null ? Number(digits) : null;
      },
    };
  }

  /** Something is run on `session` that makes its own values wrong; they were read before where that matters. */
  forgetPlace(session: ServerSession): void {
    if (this.rowCountOn === session) this.rowCountOn = null;
    if (this.#foundRowsOn === session && !this.#foundRowsUnread) this.#foundRowsOn = null;
    if (this.#updateFailedOn === session) this.#updateFailedOn = null;
    if (this.#conditionsOn === session && !this.#conditionsUnread) this.#conditionsOn = null;
  }

  lost(session: ServerSession): void {
    if (this.conditionsUnreadOn === session) {
      this.#conditionsUnread = false;
      this.#unlessCleared = null;
    }
    if (this.foundRowsUnreadOn === session) this.#foundRowsUnread = false;
    this.forgetPlace(session);
  }

  reset(): void {
    this.rowCount = 0n;
    this.rowCountOn = null;
    this.#setFoundRows(0, null);
    this.#clearConditions(null);
  }
}
