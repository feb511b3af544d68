import type { StatementState } from './statement-state.js';
import { decodeString } from './string-literal.js';
import { MAX_TOKEN_TEXT, Token } from './tokens.js';
import { Hold, MAX_LISTED_CHANGES, type StateChange, type TableName } from './traits.js';
import { Word } from './words.js';

/** A table that cannot be told: it may be any. */
const ANY_TABLE: TableName = { schema: null, name: null };

/** Adds to the list, or notes that it is too long. */
export function addChange(s: StatementState, change: StateChange): void {
  if (s.changes.length < MAX_LISTED_CHANGES) s.changes.push(change);
  else s.holds |= Hold.Unknown;
}

export function isName(kind: Token): boolean {
  return kind === Token.Word || kind === Token.QuotedName;
}

/** Takes the next token of a table's name, which is in {@link StatementState.table}. @returns whether it is part of it */
export function takeTable(s: StatementState, kind: Token): boolean {
  if (kind === Token.Dot) return true;
  if (!isName(kind)) return false;
  const name = s.text.read(s.context.utf8);
  if (s.table === null) {
    s.table = { schema: null, name };
    return true;
  }
  if (s.last !== Token.Dot) return false;
  const schema = s.table.name;
  // Without its schema it would be a table of the default one.
  s.table = schema === null ? ANY_TABLE : { schema, name };
  return true;
}

/** Gives up the name that {@link takeTable} has read, and waits for another one. */
export function giveTable(s: StatementState): TableName {
  const table = s.table ?? ANY_TABLE;
  s.table = null;
  return table;
}

/** IF EXISTS, IF NOT EXISTS before a name: the words are reserved. */
export function isCondition(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word || s.table !== null) return false;
  return word === Word.if || word === Word.not || word === Word.exists;
}

/** In lower case; null unless it is ASCII: servers may take names that differ only in accents for the same. */
function lowerAscii(name: string | null): string | null {
  return name !== null && /^[\0-\x7f]*$/.test(name) ? name.toLowerCase() : null;
}

/**
 * The name of a user variable, prepared statement or handler, in lower case; null as in {@link lowerAscii}. On MySQL spaces
 * at its end mean nothing.
 */
export function lowerName(s: StatementState, name: string | null): string | null {
  const lower = lowerAscii(name);
  return s.context.mariadb || lower === null ? lower : lower.replace(/ +$/, '');
}

/** The last token as such a name. */
export function readName(s: StatementState, kind: Token): string | null {
  return isName(kind) ? lowerName(s, s.text.readAscii()) : null;
}

/** The name of the user variable that was the last token. */
export function readUserVariable(s: StatementState): string | null {
  if (s.text.quote === 0) return lowerName(s, s.text.readAscii());
  const source = s.text.readSource();
  const name = source === null ? null : decodeString(source, s.context);
  return name === null || name.length > MAX_TOKEN_TEXT ? null : lowerName(s, name);
}
