import { FUNCTION_FLAGS, FUNCTION_HOLDS, SYSTEM_VARIABLE_FLAGS, WORD_FLAGS, WORD_HOLDS } from './effects.js';
import { NameClass } from './function-names.js';
import { IMPURE, NO_LIST, type StatementState } from './statement-state.js';
import { Token } from './tokens.js';
import { Flag, Hold, MAX_LISTED_CHANGES, StatementKind } from './traits.js';
import { FOREIGN_WORD, NAMES, WORD_LIMIT, Word } from './words.js';

/** What a word may do inside a statement, apart from being called. */
const Role = {
  None: 0,
  Effect: 1,
  Into: 2,
  Lock: 3,
  Locking: 4,
  Query: 5,
  With: 6,
  SequenceValue: 7,
  Value: 8,
  SetOperation: 9,
  OtherRows: 10,
} as const;

const ROLES: Uint8Array = (() => {
  const roles = new Uint8Array(WORD_LIMIT);
  const set = (role: number, ...words: number[]): void => {
    for (const word of words) roles[word] = role;
  };
  for (const word of NAMES.values()) {
    if (WORD_HOLDS[word] !== 0 || WORD_FLAGS[word] !== 0) set(Role.Effect, word);
  }
  set(Role.Into, Word.into);
  set(Role.Lock, Word.lock);
  set(Role.Locking, Word.update, Word.share);
  set(Role.Query, Word.select, Word.values, Word.table, Word.delete, Word.insert, Word.replace);
  set(Role.With, Word.with);
  set(Role.SequenceValue, Word.nextval, Word.currval);
  set(Role.Value, Word.value);
  set(Role.SetOperation, Word.union, Word.except, Word.intersect);
  set(Role.OtherRows, Word.offset, Word.procedure);
  return roles;
})();

/** Takes a token for what it may mean anywhere in a statement. */
export function takeAnywhere(s: StatementState, kind: Token, word: number): void {
  if (s.inLastInsertId) {
    s.inLastInsertId = false;
    if (kind !== Token.RightParen) s.flags |= Flag.WritesLastInsertId;
  }
  switch (kind) {
    case Token.Word:
      if (s.inSystemVariable) takeSystemVariable(s, word);
      if (ROLES[word] !== Role.None) takeWord(s, word);
      return;
    case Token.QuotedName:
      if (s.inSystemVariable) takeSystemVariable(s, word);
      return;
    case Token.Dot:
      return;
    case Token.LeftParen:
    case Token.SpacedLeftParen:
      if (s.last === Token.Word || s.last === Token.QuotedName) callFunction(s, kind === Token.LeftParen);
      if (s.depth === s.listDepth && s.last === Token.RightParen) s.listDepth = NO_LIST;
      s.depth++;
      break;
    case Token.RightParen:
      if (--s.depth < s.listDepth) s.listDepth = NO_LIST;
      break;
    case Token.UserVariable:
      takeUserVariable(s);
      break;
    case Token.Assign:
      if (s.last === Token.UserVariable) s.holds |= Hold.WritesUserVariable;
      break;
    case Token.SystemVariable:
      s.inSystemVariable = true;
      return;
    case Token.Comma:
      if (s.before === Token.Word && s.beforeWord === Word.limit) countsOtherRows(s);
      break;
    default:
      break;
  }
  s.inSystemVariable = false;
}

/** A word in or right after `@@scope.name`. */
function takeSystemVariable(s: StatementState, word: number): void {
  if (s.last !== Token.SystemVariable && s.last !== Token.Dot) {
    s.inSystemVariable = false;
    return;
  }
  if (!isGlobalVariable(s)) s.flags |= SYSTEM_VARIABLE_FLAGS[word] as number;
}

/** Whether `@@global.` stands before: the value is no session's. */
export function isGlobalVariable(s: StatementState): boolean {
  return s.last === Token.Dot && s.before === Token.Word && s.beforeWord === Word.global;
}

function takeWord(s: StatementState, word: number): void {
  switch (ROLES[word]) {
    case Role.Effect:
      s.holds |= WORD_HOLDS[word] as number;
      s.flags |= WORD_FLAGS[word] as number;
      break;
    case Role.Into:
      s.flags |= IMPURE;
      countsOtherRows(s);
      if (s.kind !== StatementKind.Insert && s.kind !== StatementKind.Replace) s.writesVariables = true;
      break;
    case Role.Lock:
      s.flags |= IMPURE;
      break;
    case Role.Locking:
      if (s.isAfter(Word.for)) s.flags |= IMPURE;
      if (s.depth === s.listDepth) s.listDepth = NO_LIST;
      break;
    case Role.Query:
      if (s.depth === s.listDepth) s.listDepth = NO_LIST;
      break;
    case Role.With:
      // Elsewhere it may be WITH ROLLUP and the like.
      if (s.last === Token.LeftParen || s.last === Token.SpacedLeftParen) s.listDepth = s.depth;
      break;
    case Role.SequenceValue:
      if (s.last === Token.Dot && s.context.mariadb) s.holds |= Hold.Sequence;
      break;
    case Role.Value:
      if (s.isAfter(Word.next) || s.isAfter(Word.previous)) s.holds |= Hold.Sequence;
      break;
    case Role.SetOperation:
      // MariaDB's count leaves their LIMIT aside.
      if (s.context.mariadb) countsOtherRows(s);
      break;
    case Role.OtherRows:
      countsOtherRows(s);
      break;
  }
}

function countsOtherRows(s: StatementState): void {
  if (s.kind === StatementKind.Select) s.flags |= Flag.CountsOtherRows;
}

function takeUserVariable(s: StatementState): void {
  if (s.hasAccounts && isAccountName(s)) return;
  s.holds |= Hold.ReadsUserVariable;
  if (s.writesVariables) s.holds |= Hold.WritesUserVariable;
}

function isAccountName(s: StatementState): boolean {
  if (s.last === Token.Word) return s.context.nameClasses[s.lastWord] === NameClass.None;
  return s.last === Token.String || s.last === Token.QuotedName;
}

/** At the parenthesis after a name. @param tight nothing stands between them */
function callFunction(s: StatementState, tight: boolean): void {
  const word = s.lastWord;
  // Also where it is qualified: MariaDB knows mariadb_schema.get_lock().
  s.holds |= FUNCTION_HOLDS[word] as number;
  s.flags |= FUNCTION_FLAGS[word] as number;
  if (word === Word.last_insert_id || word === FOREIGN_WORD) s.inLastInsertId = true;
  if (isNative(s, word, tight) || isDeclared(s)) return;
  s.flags |= Flag.MayRunRoutine | Flag.ReadsLastInsertId;
  if (s.text.wantsNames && !isProcedure(s))
    recordRoutine(s, s.before === Token.Dot, s.text.read(s.context.utf8));
}

/** Whether the parenthesis after a name calls a function that the server has, and that nobody can replace. */
export function isServerFunction(s: StatementState, tight: boolean): boolean {
  return isNative(s, s.lastWord, tight) && !isDeclared(s) && !isProcedure(s);
}

/** In the name behind CALL, or right after it. */
export function isProcedure(s: StatementState): boolean {
  return s.kind === StatementKind.Call && s.depth === 0;
}

/** @param name null when it cannot be read */
export function recordRoutine(s: StatementState, isQualified: boolean, name: string | null): void {
  const schema = isQualified ? s.qualifier : '';
  if (name === null || schema === null || s.routines.length >= MAX_LISTED_CHANGES) {
    s.holds |= Hold.Unknown;
    return;
  }
  const full = (schema === '' ? name : `${schema}.${name}`).toLowerCase();
  if (!s.routines.includes(full)) s.routines.push(full);
}

function isNative(s: StatementState, word: number, tight: boolean): boolean {
  if (s.before === Token.Dot) return false;
  const nameClass = s.context.nameClasses[word];
  if (s.last === Token.QuotedName) return nameClass === NameClass.Native;
  return nameClass === NameClass.Tight ? tight : nameClass !== NameClass.None;
}

/** Whether the name before the parenthesis is a table, an alias or a type, and columns or a length follow. */
function isDeclared(s: StatementState): boolean {
  if (s.isHeader || s.depth === s.listDepth) return true;
  // FROM (SELECT ...) name (columns); x AS name (columns); CAST(x AS type (length)).
  return s.before === Token.RightParen || (s.before === Token.Word && s.beforeWord === Word.as);
}
