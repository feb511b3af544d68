import type { LexerContext } from './lexer-context.js';
import { LiteralReader } from './literal-reader.js';
import { Token, type TokenText } from './tokens.js';
import {
  type Assignment,
  AssignmentScope,
  type KillTarget,
  type LockCall,
  type SessionValueUse,
  type StateChange,
  StatementKind,
  type TableName,
} from './traits.js';

/** What the grammar waits for in a statement: statement-grammar.ts and set-grammar.ts have a function for each. */
export const Step = {
  /** Nothing any more. */
  Done: 0,
  Start: 1,
  With: 2,
  Explain: 3,
  Analyze: 4,
  Insert: 5,
  Load: 6,
  LoadInto: 7,
  Begin: 8,
  StartWhat: 9,
  Commit: 10,
  Rollback: 11,
  Xa: 12,
  Flush: 13,
  Handler: 14,
  Create: 15,
  CreateTable: 16,
  Drop: 17,
  Show: 18,
  Use: 19,
  Kill: 20,
  KillEnd: 21,
  SetTarget: 22,
  SetName: 23,
  SetSystemName: 24,
  SetRole: 25,
  SetDefault: 26,
  SetTransaction: 27,
  SetValue: 28,
  SetStatement: 29,
  SetUserVariable: 30,
  /** The name of a temporary table to be created. */
  CreateName: 31,
  Alter: 32,
  AlterName: 33,
  AlterTable: 34,
  /** After RENAME in ALTER TABLE. */
  AlterRename: 35,
  DropNames: 36,
  DropSchema: 37,
  Rename: 38,
  RenameFrom: 39,
  RenameTo: 40,
  Prepare: 41,
  /** In what is prepared. */
  PrepareText: 42,
  Execute: 43,
  ExecuteText: 44,
  Deallocate: 45,
  HandlerAlias: 46,
  PrepareFrom: 47,
  /** After LOCK, UNLOCK and BACKUP. */
  Lock: 48,
  Unlock: 49,
  Backup: 50,
  BackupStage: 51,
  /** After START TRANSACTION. */
  TransactionModes: 52,
} as const;
export type Step = (typeof Step)[keyof typeof Step];

/** Parts of a text that do not run now. */
export const Inert = {
  No: 0,
  /** A view's definition. */
  View: 1,
  /** Before the body of a routine, trigger or event. */
  RoutineHead: 2,
  RoutineBody: 3,
  /** All the rest of the text: it may do anything anyway. */
  Rest: 4,
} as const;
export type Inert = (typeof Inert)[keyof typeof Inert];

/** What SET assigns a value to. */
export const Assigned = {
  UserVariable: 0,
  /** A system variable, the last of {@link StatementState.assignments}. */
  SystemVariable: 1,
  /** Nothing that is listed. */
  Other: 2,
} as const;
export type Assigned = (typeof Assigned)[keyof typeof Assigned];

/** {@link StatementState.listDepth} when no list is open. */
export const NO_LIST = -1;

/** Beside the bits of {@link Flag}: the statement is no plain read. */
export const IMPURE = 1 << 24;

/** All that is known of one statement so far: a record of fixed shape on which the grammar's functions work. */
export class StatementState {
  context: LexerContext;
  readonly text: TokenText;

  kind: StatementKind = StatementKind.Empty;
  holds = 0;
  flags = 0;
  step: Step = Step.Start;
  /** Names before a parenthesis are tables, columns or types here, not functions. */
  isHeader = false;
  /** `@x` may be written from here on. */
  writesVariables = false;
  /** `a@b` is an account here. */
  hasAccounts = false;
  /** ANALYZE stands before the statement: it is explained and run. */
  isRun = false;

  /** Open parentheses. */
  depth = 0;
  /** At this depth the names of common table expressions stand. */
  listDepth = NO_LIST;
  /** The last token and the number of its word, and those before. */
  last: Token = Token.None;
  lastWord = 0;
  before: Token = Token.None;
  beforeWord = 0;
  /** After LAST_INSERT_ID and its parenthesis. */
  inLastInsertId = false;
  /** After `@@`, in the variable's name. */
  inSystemVariable = false;

  inert: Inert = Inert.No;
  /** TRIGGER, EVENT, or a word for something with parameters. */
  routineWord = 0;
  /** Blocks and CASEs open in a routine's body; never more than there are. */
  blocks = 0;
  bodyStarted = false;
  /** After DECLARE ... HANDLER: a block may follow. */
  inHandler = false;

  /** Of SET: named last, and meant until another one is named. */
  scope: AssignmentScope = AssignmentScope.None;
  /** The variable to be assigned; null when it cannot be told. */
  name: string | null = null;
  nameScope: AssignmentScope = AssignmentScope.None;
  /** What the value is for. */
  assigned: Assigned = Assigned.Other;
  /** Reads the value of an assignment, and what is prepared. */
  readonly literal = new LiteralReader();
  /** The table's name that is being read. */
  table: TableName | null = null;
  /** The table to be renamed, and its new name. */
  from: TableName | null = null;
  to: TableName | null = null;
  assignments: Assignment[] = [];
  changes: StateChange[] = [];
  lockColumns: readonly LockCall[] | null = null;
  sessionValues: readonly SessionValueUse[] = [];
  routines: string[] = [];
  /** The name before the last dot, while names are wanted; null when it cannot be read or is qualified itself. */
  qualifier: string | null = null;
  /** Of CALL, as {@link qualifier}. */
  procedure: string | null = null;
  isQualified = false;
  use: string | null = null;
  kill: { kind: KillTarget['kind']; id: bigint | null } | null = null;

  constructor(context: LexerContext, text: TokenText) {
    this.context = context;
    this.text = text;
  }

  reset(context: LexerContext): void {
    this.context = context;
    this.holds = 0;
    this.flags = 0;
    this.last = Token.None;
    this.lastWord = 0;
    this.before = Token.None;
    this.beforeWord = 0;
    if (this.assignments.length > 0) this.assignments = [];
    if (this.changes.length > 0) this.changes = [];
    this.lockColumns = null;
    if (this.sessionValues.length > 0) this.sessionValues = [];
    if (this.routines.length > 0) this.routines = [];
    this.qualifier = null;
    this.procedure = null;
    this.isQualified = false;
    this.use = null;
    this.kill = null;
    this.restart();
  }

  /** A statement starts here, as part of this one; what was found so far stays. */
  restart(): void {
    this.kind = StatementKind.Empty;
    this.step = Step.Start;
    this.isHeader = false;
    this.writesVariables = false;
    this.hasAccounts = false;
    this.isRun = false;
    this.depth = 0;
    this.listDepth = NO_LIST;
    this.inLastInsertId = false;
    this.inSystemVariable = false;
    this.inert = Inert.No;
    this.routineWord = 0;
    this.blocks = 0;
    this.bodyStarted = false;
    this.inHandler = false;
    this.scope = AssignmentScope.None;
    this.assigned = Assigned.Other;
    this.table = null;
    this.from = null;
    this.to = null;
    this.text.wanted = false;
    this.text.sourceLimit = 0;
  }

  /** Whether the last token was this bare word. */
  isAfter(word: number): boolean {
    return this.last === Token.Word && this.lastWord === word;
  }
}
