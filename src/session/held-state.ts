import { Status } from '../protocol/constants.js';
import { type StateChange, StatementKind, type TableName } from '../sql/traits.js';
import { HoldReason } from './hold-reason.js';
import { NameSet } from './name-set.js';
import type { SessionProfile } from './profile.js';
import type { StateStep } from './state-steps.js';
import { type TableKey, TemporaryTables } from './temporary-tables.js';
import { TextStatements } from './text-statements.js';
import { UserLocks } from './user-locks.js';
import { isNullLiteral } from './user-variables.js';

/** What of the client's state the steps are taken in. */
export interface StepContext {
  /** The schema of names without one; null where it can't be told. */
  readonly schema: string | null;
  /** What a text that is prepared now is read with; null where it can't be told. */
  readonly profile: SessionProfile | null;
  /** Status flags of the OK. */
  readonly status: number;
  /** The first row of the result, where it was kept. */
  readonly row: readonly (bigint | null)[] | null;
  /** Assigns user variables that can be set again elsewhere; false where this one can't be carried. */
  readonly carry: (name: string, literal: string) => boolean;
  /** A user variable got a value that can't be set again elsewhere. */
  readonly drop: (name: string) => void;
}

/** What the server must be asked before a hold ends. */
export interface HoldQuestions {
  readonly tables: readonly TableKey[];
  readonly insertId: boolean;
  readonly role: boolean;
}

/** Errors by which a server refuses a text before it has done anything but end the statement of the same name. */
const PREPARE_REFUSED: ReadonlySet<number> = new Set([1054, 1064, 1146, 1049, 1305, 1295]);
const NO_SUCH_STATEMENT = 1243;
const NO_SUCH_HANDLER = 1109;
/** GET_LOCK was refused: a name that is none, a deadlock. */
const LOCK_REFUSED: ReadonlySet<number> = new Set([1213, 3057, 3058, 4163]);

/**
 * State of one client on one server session that is made and ended by statements: each kind has a container of its own,
 * and holds the session while that is not empty.
 */
export class HeldState {
  readonly statements = new TextStatements();
  readonly #tables = new TemporaryTables();
  readonly #handlers = new NameSet();
  readonly #locks = new UserLocks();
  /** User variables whose values can't be set again elsewhere. */
  readonly #variables = new NameSet();
  readonly #oneShots = new NameSet();
  /** The last value of `insert_id`, which only the server knows to be used up. */
  #insertIdAsked = false;
  #roleAsked = false;
  #role = false;
  /** Locks that the tracker does not show, and UNLOCK TABLES ends: FLUSH TABLES WITH READ LOCK. */
  #globalLock = false;
  /** LOCK INSTANCE FOR BACKUP. */
  #instanceLock = false;
  /** BACKUP STAGE. */
  #backupStage = false;
  /** BACKUP LOCK. */
  #backupLock = false;
  #tablesLocked = false;
  /** LOCK TABLES has failed, which gives up the locks before it. */
  #locksDoubtful = false;
  #xa = false;
  /** `HoldReason` bits that only a reset ends. */
  #lasting = 0;

  /** `HoldReason` bits. */
  get bits(): number {
    let bits = this.#lasting;
    if (this.#tables.any) bits |= HoldReason.TemporaryTable;
    if (this.statements.any) bits |= HoldReason.TextPrepare;
    if (this.#handlers.any) bits |= HoldReason.Handler;
    if (this.#locks.any) bits |= HoldReason.UserLock;
    if (this.#variables.any) bits |= HoldReason.UserVariable;
    if (this.#oneShots.any) bits |= HoldReason.OneShotVariable;
    if (this.#role) bits |= HoldReason.Role;
    if (this.#tablesLocked || this.#locksUntold) bits |= HoldReason.TableLock;
    if (this.#xa) bits |= HoldReason.Xa;
    return bits;
  }

  /** Those of {@link bits} that may have ended already: the server knows. */
  get doubtful(): number {
    let bits = 0;
    if (this.#tables.any && !this.#tables.certain) bits |= HoldReason.TemporaryTable;
    if (this.#role && !this.#roleAsked) bits |= HoldReason.Role;
    if (this.#tablesLocked && this.#locksDoubtful && !this.#locksUntold) bits |= HoldReason.TableLock;
    if (this.#insertIdAsked && this.#oneShots.size === 1) bits |= HoldReason.OneShotVariable;
    return bits & ~this.#lasting;
  }

  /** Locks of which the tracker does not tell. */
  get #locksUntold(): boolean {
    return this.#globalLock || this.#instanceLock || this.#backupStage || this.#backupLock;
  }

  get questions(): HoldQuestions {
    return {
      tables: this.#tables.askable,
      insertId: this.#insertIdAsked,
      role: this.#role && !this.#roleAsked,
    };
  }

  add(bits: number): void {
    this.#lasting |= bits;
  }

  /** The tracker has reported a variable that can't be set again elsewhere. */
  oneShot(name: string, value: string): void {
    this.#oneShots.add(name);
    // MySQL gives the next row the id 0 then, and shows the same value before and after.
    if (name === 'insert_id' && Number(value) === 0) this.#oneShots.add('insert_id=0');
  }

  /** A variable that is carried, but only while it is off. */
  switched(name: string, on: boolean): void {
    if (on) this.#oneShots.add(name);
    else this.#oneShots.delete(name);
  }

  /** The tracker says whether tables are locked. */
  tablesLocked(locked: boolean): void {
    this.#tablesLocked = locked;
    this.#locksDoubtful = false;
  }

  /** The server has told all that it had to tell. */
  told(): void {
    this.#locksDoubtful = false;
  }

  /** The tracker is about to forget that tables are locked, and won't tell when they no longer are. */
  lockUnseen(): void {
    if (this.#tablesLocked) this.#globalLock = true;
    this.#tablesLocked = false;
  }

  /** An insert has used up `insert_id`, if it was set. */
  inserted(): void {
    if (this.#oneShots.has('insert_id')) this.#insertIdAsked = true;
  }

  /** A statement's end: an XA transaction is over with its status flag (both servers, prepared or not). */
  status(status: number): void {
    if ((status & Status.InTransaction) === 0) this.#xa = false;
  }

  /** A statement has succeeded. */
  succeeded(step: StateStep, context: StepContext): void {
    this.#lasting |= step.adds;
    this.#addUnnamed(step.unnamed);
    for (const change of step.changes) this.#apply(change, context);
    if (step.writesUnnamedVariables) this.#variables.add(null);
    if (step.locks === null) this.#locks.lost();
    else if (step.locks !== undefined) this.#locks.returned(step.locks, context.row);
    for (const { name, isDefault } of step.oneShots) {
      if (name === 'timestamp' && isDefault) this.#oneShots.delete(name);
      else this.#oneShots.add(name);
      if (name === 'insert_id') this.#insertIdAsked = false;
    }
    this.#applyKind(step, context);
  }

  /**
   * A statement has failed: what it may have made is taken for made, what it may have ended is in doubt.
   * @param errno of the error; 0 for a statement before it, of which it isn't known how it ended
   */
  failed(step: StateStep, errno: number, schema: string | null): void {
    this.#lasting |= step.adds;
    this.#addUnnamed(step.unnamed);
    for (const change of step.changes) this.#unsure(change, errno, schema);
    if (step.writesUnnamedVariables) this.#variables.add(null);
    const refused = step.locks?.filter((call) => call !== 'none').length === 1 && LOCK_REFUSED.has(errno);
    if (step.locks !== undefined && !refused) this.#locks.lost();
    if (step.kind === StatementKind.XaStart && errno === 0) this.#xa = true;
    // A SET that fails has set nothing; one of which that isn't known may have.
    if (errno === 0) for (const { name } of step.oneShots) this.#oneShots.add(name);
    if (step.locksTables && errno === 0) this.#locked(step.kind);
    if (step.locksTables) this.#locksDoubtful = true;
    if (SETS_ROLE.has(step.kind)) this.#roleSet();
  }

  /** A statement was not run at all; PREPARE has ended the one of that name all the same. */
  refused(step: StateStep, errno: number): void {
    for (const change of step.changes) {
      if (change.kind === 'prepare' || change.kind === 'execute') this.#unsure(change, errno, null);
    }
  }

  /** The value of `insert_id` was read. */
  insertIdIs(value: string | null): void {
    this.#insertIdAsked = false;
    if (value === '0') this.#oneShots.delete('insert_id');
  }

  roleIs(asAtFirst: boolean): void {
    this.#roleAsked = true;
    this.#role = !asAtFirst;
  }

  tableIs(table: TableKey, there: boolean | null): void {
    this.#tables.told(table, there);
  }

  clear(): void {
    this.statements.clear();
    this.#tables.clear();
    this.#handlers.clear();
    this.#locks.clear();
    this.#variables.clear();
    this.#oneShots.clear();
    this.#insertIdAsked = false;
    this.#roleAsked = false;
    this.#role = false;
    this.#globalLock = false;
    this.#instanceLock = false;
    this.#backupStage = false;
    this.#backupLock = false;
    this.#tablesLocked = false;
    this.#locksDoubtful = false;
    this.#xa = false;
    this.#lasting = 0;
  }

  #roleSet(): void {
    this.#role = true;
    this.#roleAsked = false;
  }

  #addUnnamed(bits: number): void {
    if ((bits & HoldReason.TemporaryTable) !== 0) this.#tables.created(null, null);
    if ((bits & HoldReason.Handler) !== 0) this.#handlers.add(null);
    if ((bits & HoldReason.TextPrepare) !== 0) this.statements.prepared(null, null);
  }

  #applyKind(step: StateStep, { status }: StepContext): void {
    switch (step.kind) {
      case StatementKind.XaStart:
        this.#xa = (status & Status.InTransaction) !== 0;
        break;
      case StatementKind.UnlockTables:
        this.#globalLock = false;
        break;
      case StatementKind.UnlockInstance:
        this.#instanceLock = false;
        break;
      case StatementKind.BackupStageEnd:
        this.#backupStage = false;
        break;
      case StatementKind.BackupUnlock:
        this.#backupLock = false;
        break;
      case StatementKind.LockTables:
      case StatementKind.Flush:
        // Locks of named tables are reported; WITH READ LOCK of all is not, and is refused while tables are locked.
        if (step.locksTables && !this.#tablesLocked) this.#globalLock = true;
        break;
      default:
        if (step.locksTables) this.#locked(step.kind);
        if (SETS_ROLE.has(step.kind)) this.#roleSet();
    }
  }

  #locked(kind: StatementKind): void {
    if (kind === StatementKind.LockInstance) this.#instanceLock = true;
    else if (kind === StatementKind.BackupStage) this.#backupStage = true;
    else if (kind === StatementKind.BackupLock) this.#backupLock = true;
    else this.#globalLock = true;
  }

  #apply(change: StateChange, context: StepContext): void {
    switch (change.kind) {
      case 'create_temporary':
        this.#tables.created(...fullName(change.table, context.schema));
        break;
      case 'drop_table':
        this.#tables.dropped(...fullName(change.table, context.schema));
        break;
      case 'rename_table':
        this.#rename(change.from, change.to, context.schema);
        break;
      case 'drop_schema':
        // Its temporary tables stay (both servers).
        break;
      case 'user_variable':
        this.#assign(change.name, change.literal, context);
        break;
      case 'prepare': {
        const { text } = change;
        const { profile } = context;
        this.statements.prepared(change.name, text === null || profile === null ? null : { text, profile });
        break;
      }
      case 'deallocate':
        this.statements.deallocated(change.name);
        break;
      case 'handler_open':
        this.#handlers.add(change.name);
        break;
      case 'handler_close':
        this.#handlers.delete(change.name);
        break;
      case 'execute':
      case 'execute_immediate':
    }
  }

  #rename(from: TableName, to: TableName, schema: string | null): void {
    const [fromSchema, fromName] = fullName(from, schema);
    const [toSchema, toName] = fullName(to, schema);
    this.#tables.renamed({ schema: fromSchema, name: fromName }, { schema: toSchema, name: toName });
  }

  #assign(name: string | null, literal: string | null, context: StepContext): void {
    // A NULL keeps the type of the value before it.
    const typeKnown = literal === null || !isNullLiteral(literal) || !this.#variables.mayHave(name);
    if (name !== null && literal !== null && typeKnown && context.carry(name, literal)) {
      this.#variables.delete(name);
      return;
    }
    this.#variables.add(name);
    if (name !== null) context.drop(name);
  }

  #unsure(change: StateChange, errno: number, schema: string | null): void {
    switch (change.kind) {
      case 'create_temporary':
        this.#tables.created(...fullName(change.table, schema), true);
        this.#tables.doubt();
        break;
      case 'drop_table':
        this.#tables.doubt();
        break;
      case 'rename_table':
        this.#rename(change.from, change.to, schema);
        break;
      case 'user_variable':
        // A SET that fails has set nothing.
        if (errno === 0) this.#variables.add(change.name);
        break;
      case 'prepare':
        if (PREPARE_REFUSED.has(errno)) this.statements.deallocated(change.name);
        else if (errno === 0) this.statements.prepared(change.name, null);
        break;
      case 'execute':
      case 'deallocate':
        if (errno === NO_SUCH_STATEMENT) this.statements.deallocated(change.name);
        break;
      case 'handler_open':
        if (errno === 0) this.#handlers.add(change.name);
        break;
      case 'handler_close':
        if (errno === NO_SUCH_HANDLER) this.#handlers.delete(change.name);
        break;
      case 'drop_schema':
      case 'execute_immediate':
    }
  }
}

const SETS_ROLE: ReadonlySet<StatementKind> = new Set([
  StatementKind.SetRole,
  StatementKind.SetRoleNone,
  StatementKind.SetRoleDefault,
]);

function fullName({ schema, name }: TableName, current: string | null): [string | null, string | null] {
  return [schema ?? current, name];
}
