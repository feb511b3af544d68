import { addChange, readUserVariable } from './name-reader.js';
import type { StepFunction } from './statement-grammar.js';
import { Assigned, type StatementState, Step } from './statement-state.js';
import { assignmentEffect } from './system-variables.js';
import { MAX_TOKEN_TEXT, Token } from './tokens.js';
import { AssignmentScope, Flag, Hold, MAX_LISTED_ASSIGNMENTS, StatementKind } from './traits.js';
import { Word } from './words.js';

const SCOPES: ReadonlyMap<number, AssignmentScope> = new Map([
  [Word.global, AssignmentScope.Global],
  [Word.persist, AssignmentScope.Global],
  [Word.persist_only, AssignmentScope.Global],
  [Word.session, AssignmentScope.Session],
  [Word.local, AssignmentScope.Session],
]);

/** MariaDB renamed the variables of a transaction's characteristics. */
const MARIADB_RENAMED_TX = 110100;

function record(s: StatementState, name: string | null, scope: AssignmentScope): void {
  const { holds, flags } = assignmentEffect(name, scope, s.context.mariadb);
  s.holds |= holds;
  s.flags |= flags;
  if (s.assignments.length < MAX_LISTED_ASSIGNMENTS) {
    s.assignments.push({ name, scope, isDefault: false });
    s.assigned = Assigned.SystemVariable;
  } else {
    s.holds |= Hold.Unknown;
  }
}

/** Not a form of SET that is known. */
function setUnknown(s: StatementState): void {
  s.holds |= Hold.Unknown;
  s.step = Step.SetValue;
}

/** At the start of an assignment. */
function target(s: StatementState, kind: Token, word: number): boolean {
  s.assigned = Assigned.Other;
  s.literal.reset();
  switch (kind) {
    case Token.UserVariable:
      s.holds |= Hold.WritesUserVariable;
      s.name = readUserVariable(s);
      s.step = Step.SetUserVariable;
      break;
    case Token.SystemVariable:
      s.name = '';
      s.nameScope = AssignmentScope.AtNone;
      s.step = Step.SetSystemName;
      break;
    case Token.Word:
      targetWord(s, word);
      break;
    case Token.QuotedName:
      beginName(s);
      break;
    default:
      setUnknown(s);
      return false;
  }
  return true;
}

function beginName(s: StatementState): void {
  s.name = s.text.readAscii();
  s.nameScope = s.scope;
  s.step = Step.SetName;
}

function targetWord(s: StatementState, word: number): void {
  const scope = SCOPES.get(word);
  switch (word) {
    case Word.names:
    case Word.char:
    case Word.character:
    case Word.charset:
      s.flags |= Flag.SetsCharset;
      s.step = Step.SetValue;
      break;
    case Word.transaction:
      s.kind = StatementKind.SetTransaction;
      // Without a scope it is for the next transaction.
      if (s.scope === AssignmentScope.None) s.holds |= Hold.OneShot;
      s.step = Step.SetTransaction;
      break;
    case Word.role:
      s.kind = StatementKind.SetRole;
      s.holds |= Hold.Role;
      s.step = Step.SetRole;
      break;
    case Word.default:
      s.step = Step.SetDefault;
      break;
    case Word.password:
      s.kind = StatementKind.SetPassword;
      s.flags |= Flag.EndsTransaction;
      s.hasAccounts = true;
      s.step = Step.SetValue;
      break;
    case Word.resource:
      s.kind = StatementKind.SetResourceGroup;
      s.holds |= Hold.ResourceGroup;
      s.step = Step.SetValue;
      break;
    case Word.statement:
      s.flags |= Flag.SetStatement;
      s.step = Step.SetStatement;
      break;
    default:
      if (scope === undefined) beginName(s);
      // It holds for the assignments after this one as well, until another scope is named (both servers).
      else s.scope = scope;
  }
}

function join(s: StatementState): void {
  const part = s.text.readAscii();
  if (s.name === null || part === null || s.name.length > MAX_TOKEN_TEXT) s.name = null;
  else s.name = s.name === '' ? part : `${s.name}.${part}`;
}

/** In `name` or `a.b`, up to its `=`. */
function name(s: StatementState, kind: Token): boolean {
  if (kind === Token.Dot) return true;
  if (s.last === Token.Dot && (kind === Token.Word || kind === Token.QuotedName)) {
    join(s);
    return true;
  }
  return endName(s, kind);
}

/** In `@@name` or `@@scope.name`. */
function systemName(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Dot) return true;
  const scope = kind === Token.Word && s.last === Token.SystemVariable ? SCOPES.get(word) : undefined;
  if (scope !== undefined) {
    s.nameScope = scope;
    return true;
  }
  if ((kind === Token.Word || kind === Token.QuotedName) && s.last !== Token.Word) {
    join(s);
    return true;
  }
  return endName(s, kind);
}

function endName(s: StatementState, kind: Token): boolean {
  if ((kind !== Token.Equal && kind !== Token.Assign) || s.name === '') {
    setUnknown(s);
    return false;
  }
  record(s, s.name, s.nameScope);
  s.step = Step.SetValue;
  return true;
}

function role(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && word === Word.none) s.kind = StatementKind.SetRoleNone;
  if (kind === Token.Word && word === Word.default) s.kind = StatementKind.SetRoleDefault;
  s.step = Step.SetValue;
  return true;
}

/** SET DEFAULT ROLE: for the account's next sessions. */
function defaultRole(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word || word !== Word.role) {
    setUnknown(s);
    return false;
  }
  s.kind = StatementKind.SetDefaultRole;
  s.flags |= Flag.EndsTransaction;
  s.hasAccounts = true;
  s.step = Step.SetValue;
  return true;
}

function transaction(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word || s.scope === AssignmentScope.None) return true;
  const renamed = !s.context.mariadb || s.context.serverVersion >= MARIADB_RENAMED_TX;
  const prefix = renamed ? 'transaction' : 'tx';
  if (word === Word.isolation) record(s, `${prefix}_isolation`, s.scope);
  if (s.isAfter(Word.read) && (word === Word.only || word === Word.write))
    record(s, `${prefix}_read_only`, s.scope);
  return true;
}

/** Before the `=` after a user variable. */
function userVariable(s: StatementState, kind: Token): boolean {
  if (kind !== Token.Equal && kind !== Token.Assign) {
    setUnknown(s);
    return false;
  }
  s.assigned = Assigned.UserVariable;
  s.step = Step.SetValue;
  return true;
}

/** In a value, up to the next assignment. */
function value(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Comma && s.depth === 0) {
    endValue(s);
    s.step = Step.SetTarget;
  } else {
    s.literal.take(kind, word, s.text);
    noteAssignment(s, kind);
  }
  return false;
}

/** `@x := ...` inside a value. */
function noteAssignment(s: StatementState, kind: Token): void {
  if (kind !== Token.Assign || s.last !== Token.UserVariable) return;
  // Its name is still the last text.
  addChange(s, { kind: 'user_variable', name: readUserVariable(s), literal: null });
}

function endValue(s: StatementState): void {
  switch (s.assigned) {
    case Assigned.UserVariable:
      addChange(s, { kind: 'user_variable', name: s.name, literal: s.literal.source });
      break;
    case Assigned.SystemVariable: {
      const last = s.assignments.pop();
      if (last !== undefined) s.assignments.push({ ...last, isDefault: s.literal.isDefault });
      break;
    }
    case Assigned.Other:
      break;
  }
}

/** SET STATEMENT assignments FOR statement: the assignments do not stay. */
function statement(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word || word !== Word.for || s.depth !== 0) {
    noteAssignment(s, kind);
    return false;
  }
  s.restart();
  return true;
}

/** SET's part of the table of steps. */
export const SET_STEPS = {
  [Step.SetTarget]: target,
  [Step.SetName]: name,
  [Step.SetSystemName]: systemName,
  [Step.SetRole]: role,
  [Step.SetDefault]: defaultRole,
  [Step.SetTransaction]: transaction,
  [Step.SetValue]: value,
  [Step.SetUserVariable]: userVariable,
  [Step.SetStatement]: statement,
} satisfies Partial<Record<Step, StepFunction>>;

/** What is still to be said at the statement's end, by the step it has got to. */
export const SET_ENDS: Partial<Record<Step, (s: StatementState) => void>> = { [Step.SetValue]: endValue };
