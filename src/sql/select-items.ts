import { FUNCTION_FLAGS, FUNCTION_HOLDS, SYSTEM_VARIABLE_FLAGS, WORD_FLAGS } from './effects.js';
import { isGlobalVariable, isServerFunction } from './expression.js';
import {
  EVALUATED,
  LIST_ENDS,
  LOCK_CALLS,
  OPTIONS,
  SCOPE_LENGTHS,
  SERVER_IDS,
  VALUE_CALLS,
  VALUE_FLAGS,
  VALUE_VARIABLES,
  VARIABLE_LENGTHS,
} from './item-words.js';
import type { StatementState } from './statement-state.js';
import { Token } from './tokens.js';
import {
  Flag,
  Hold,
  LockCall,
  MAX_LISTED_CHANGES,
  SessionValue,
  type SessionValueUse,
  StatementKind,
} from './traits.js';
import { Word } from './words.js';

/** A call or variable that is wanted, by the numbers of its tokens. */
interface Span {
  readonly first: number;
  /** -1 while it is open. */
  last: number;
}

interface Value extends Span {
  readonly value: SessionValue;
  readonly start: number;
  end: number;
  namesColumn: boolean;
}

interface Lock extends Span {
  readonly call: LockCall;
}

/** A list of items that has not ended yet, and its current item. */
interface List {
  /** Of the parentheses in which it stands. */
  readonly depth: number;
  /** No column has a name: DO. */
  readonly isNameless: boolean;
  /** Number of the item's first token. */
  first: number;
  isFirstItem: boolean;
  /** Number of an AS in the item, outside of parentheses; -1 without. */
  as: number;
  values: number;
  value: Value | null;
  locks: number;
  lock: Lock | null;
}

/** Where a text is on its way to be a SELECT of nothing but items. */
const Only = {
  Start: 0,
  Items: 1,
  From: 2,
  Dual: 3,
  /** It is something else. */
  No: 4,
} as const;
type Only = (typeof Only)[keyof typeof Only];

function isName(kind: Token): boolean {
  return kind === Token.Word || kind === Token.QuotedName || kind === Token.String;
}

/**
 * Finds what {@link StatementTraits.sessionValues} and {@link StatementTraits.lockColumns} list. It takes the tokens of one
 * statement that have a meaning in expressions, and is in doubt about all values as soon as it is about one: either every
 * use of a value in the statement is listed, or none.
 */
export class SelectItems {
  /** Tokens so far: the number of the next one. */
  #count = 0;
  /** Offsets of the first bytes of this token and of the one before. */
  #start = 0;
  #lastStart = 0;
  /** Lists that have not ended, from the outside in. */
  #lists: List[] = [];
  #queries = 0;
  /** The text's own list has options, or items that are no values. */
  #isMixed = false;

  #values: Value[] = [];
  /** A call of a value's function whose parenthesis is not closed. */
  #openValue: Value | null = null;
  /** Uses of values in any form. */
  #uses = 0;
  #inDoubt = false;
  /** First byte and number of the last `@@`. */
  #variableStart = 0;
  #variableFirst = -1;

  #only: Only = Only.Start;
  #columns: LockCall[] = [];
  #hasLocks = false;
  #hasServerIds = false;

  reset(): void {
    this.#count = 0;
    this.#lists = [];
    this.#queries = 0;
    this.#isMixed = false;
    this.#values = [];
    this.#openValue = null;
    this.#uses = 0;
    this.#inDoubt = false;
    this.#variableFirst = -1;
    this.#only = Only.Start;
    this.#columns = [];
    this.#hasLocks = false;
    this.#hasServerIds = false;
  }

  /** A token has come, whether {@link take} is to have it or not. @param start offset of its first byte */
  move(start: number): void {
    this.#lastStart = this.#start;
    this.#start = start;
  }

  /** Takes a token before the state does. */
  take(s: StatementState, kind: Token, word: number): void {
    this.#beginList(s);
    this.#takeValue(kind);
    switch (kind) {
      case Token.Word:
      case Token.QuotedName:
        if (kind === Token.Word) this.#takeWord(s, word);
        if (SERVER_IDS.has(word)) this.#hasServerIds = true;
        this.#takeVariable(s, kind, word);
        break;
      case Token.SystemVariable:
        this.#variableStart = this.#start;
        this.#variableFirst = this.#count;
        break;
      case Token.LeftParen:
      case Token.SpacedLeftParen:
        if (s.last === Token.Word || s.last === Token.QuotedName) this.#takeCall(s, kind === Token.LeftParen);
        break;
      case Token.RightParen:
        this.#closeParen(s);
        break;
      case Token.Comma: {
        const list = this.#listAt(s.depth);
        if (list !== null) this.#endItem(s, list);
        break;
      }
      default:
        break;
    }
    if (this.#lists.length === 0 && this.#only !== Only.Start) this.#takeBehindItems(s, kind, word);
    this.#count++;
  }

  /** The statement has ended. @param s as it is at the end */
  finish(s: StatementState): void {
    if (s.depth !== 0 || this.#lists.length > 1) {
      this.#inDoubt = true;
      this.#only = Only.No;
    }
    const list = this.#listAt(0);
    if (list !== null) this.#endItem(s, list);
  }

  /** @param s as it is at the end */
  values(s: StatementState): readonly SessionValueUse[] {
    if (this.#inDoubt || this.#values.length !== this.#uses || !EVALUATED.has(s.kind)) return [];
    if ((s.holds & Hold.Unknown) !== 0) return [];
    if (this.#values.length > MAX_LISTED_CHANGES) return [];
    if (this.#values.some(({ value }) => this.#isFragile(s, value))) return [];
    return this.#values.map(({ value, start, end, namesColumn }) => ({ value, start, end, namesColumn }));
  }

  /** @param s as it is at the end */
  lockColumns(s: StatementState): readonly LockCall[] | null {
    const isOnly = this.#only === Only.Items || this.#only === Only.Dual;
    if (!this.#hasLocks || !isOnly || this.#columns.length > MAX_LISTED_CHANGES) return null;
    if (s.kind === StatementKind.Select) return this.#columns;
    // No reply tells what DO got.
    const isTold = this.#columns.every((call) => call === LockCall.ReleaseAll || call === LockCall.None);
    return s.kind === StatementKind.Do && isTold ? this.#columns : null;
  }

  /** Whether what the statement does may change the value while it runs, or the statement compares it with others. */
  #isFragile(s: StatementState, value: SessionValue): boolean {
    const runs = (s.flags & Flag.MayRunRoutine) !== 0;
    switch (value) {
      case SessionValue.ConnectionId:
        return this.#hasServerIds;
      case SessionValue.FoundRows:
        return runs || this.#queries > 1;
      case SessionValue.RowCount:
        return runs;
      case SessionValue.WarningCount:
      case SessionValue.ErrorCount: {
        // MariaDB clears them when a table is named; anything else may warn, on MySQL FOUND_ROWS() does.
        const isAlone = this.#only === Only.Items || this.#only === Only.Dual;
        return !isAlone || this.#isMixed || (s.flags & Flag.ReadsFoundRows) !== 0;
      }
    }
  }

  /** The innermost list, if its items stand at this depth. */
  #listAt(depth: number): List | null {
    const list = this.#lists.at(-1);
    return list !== undefined && list.depth === depth ? list : null;
  }

  #beginList(s: StatementState): void {
    const isSelect = s.isAfter(Word.select) && s.before !== Token.Dot;
    const isDo = s.isAfter(Word.do) && s.before === Token.None && s.kind === StatementKind.Do;
    // VALUES as a statement: MariaDB names its columns by the source.
    if (s.isAfter(Word.values) && s.before === Token.None) this.#inDoubt = true;
    if (!isSelect && !isDo) return;
    if (isSelect) this.#queries++;
    const before = this.#listAt(s.depth);
    if (before !== null) {
      // After a word that is no known end of a list.
      this.#lists.pop();
      if (before.values > 0) this.#inDoubt = true;
      this.#only = Only.No;
    }
    const isFirst = s.before === Token.None && s.depth === 0 && this.#only === Only.Start;
    if (isFirst) this.#only = Only.Items;
    else if (s.depth === 0) this.#only = Only.No;
    this.#lists.push({
      depth: s.depth,
      isNameless: isDo,
      first: this.#count,
      isFirstItem: true,
      as: -1,
      values: 0,
      value: null,
      locks: 0,
      lock: null,
    });
  }

  #takeWord(s: StatementState, word: number): void {
    if (((WORD_FLAGS[word] as number) & VALUE_FLAGS) !== 0) this.#uses++;
    if (s.last === Token.Dot) return;
    // Their columns are named by the source, too.
    if (word === Word.returning && s.depth === 0) this.#inDoubt = true;
    const isInsert = s.kind === StatementKind.Insert || s.kind === StatementKind.Replace;
    if (word === Word.values && (s.depth > 0 || !isInsert)) this.#inDoubt = true;
    const list = this.#listAt(s.depth);
    if (word === Word.table) this.#queries++;
    if (list === null || s.isAfter(Word.as)) return;
    if (word === Word.as) {
      list.as = this.#count;
    } else if (LIST_ENDS.has(word)) {
      this.#endItem(s, list);
      this.#lists.pop();
    } else if (list.isFirstItem && list.first === this.#count && OPTIONS.has(word)) {
      list.first++;
      this.#isMixed = true;
      if (word !== Word.sql_no_cache) this.#only = Only.No;
    }
  }

  /** Goes on with a call whose parenthesis came last: it is one without arguments, or none. */
  #takeValue(kind: Token): void {
    const value = this.#openValue;
    if (value !== null) {
      this.#openValue = null;
      if (kind === Token.RightParen) {
        value.end = this.#start + 1;
        value.last = this.#count;
        this.#addValue(value);
      }
    }
    // @@warning_count.x
    const last = this.#values.at(-1);
    if (kind === Token.Dot && last !== undefined && last.last === this.#count - 1) this.#uses++;
  }

  #addValue(value: Value): void {
    this.#values.push(value);
    for (const list of this.#lists) {
      list.values++;
      list.value = value;
    }
  }

  #takeCall(s: StatementState, tight: boolean): void {
    const word = s.lastWord;
    const flags = FUNCTION_FLAGS[word] as number;
    const isLock =
      ((FUNCTION_HOLDS[word] as number) & Hold.UserLock) !== 0 || (flags & Flag.ReleasesUserLock) !== 0;
    if ((flags & VALUE_FLAGS) === 0 && !isLock) return;
    const isServers = isServerFunction(s, tight);
    const first = this.#count - 1;
    if ((flags & VALUE_FLAGS) !== 0) {
      this.#uses++;
      const value = VALUE_CALLS.get(word);
      if (isServers && value !== undefined) {
        this.#openValue = { value, start: this.#lastStart, end: 0, first, last: -1, namesColumn: false };
      }
    }
    if (isLock) this.#takeLock(isServers ? LOCK_CALLS.get(word) : undefined, first);
  }

  #takeLock(call: LockCall | undefined, first: number): void {
    this.#hasLocks = true;
    const list = this.#lists[0];
    if (call === undefined || list === undefined) {
      this.#only = Only.No;
      return;
    }
    list.locks++;
    list.lock = { call, first, last: -1 };
  }

  #takeVariable(s: StatementState, kind: Token, word: number): void {
    if (!s.inSystemVariable || (s.last !== Token.SystemVariable && s.last !== Token.Dot)) return;
    if (((SYSTEM_VARIABLE_FLAGS[word] as number) & VALUE_FLAGS) === 0 || isGlobalVariable(s)) return;
    this.#uses++;
    const value = VALUE_VARIABLES.get(word);
    const length = VARIABLE_LENGTHS.get(word);
    if (value === undefined || length === undefined) return;
    const scope =
      s.last === Token.Dot && s.before === Token.Word ? (SCOPE_LENGTHS.get(s.beforeWord) ?? -1) : 0;
    const tokens = s.last === Token.Dot ? 3 : 1;
    const isWhole = this.#count === this.#variableFirst + tokens;
    // Without white space: it would mean something else to some servers.
    if (!isWhole || this.#start !== this.#variableStart + 2 + scope) return;
    this.#addValue({
      value,
      start: this.#variableStart,
      end: this.#start + length + (kind === Token.QuotedName ? 2 : 0),
      first: this.#variableFirst,
      last: this.#count,
      namesColumn: false,
    });
  }

  #closeParen(s: StatementState): void {
    const ended = this.#listAt(s.depth);
    if (ended !== null) {
      this.#endItem(s, ended);
      this.#lists.pop();
    }
    const list = this.#listAt(s.depth - 1);
    if (list !== null && list.lock !== null && list.lock.last < 0) list.lock.last = this.#count;
  }

  /** At the token behind an item. */
  #endItem(s: StatementState, list: List): void {
    const { value } = list;
    if (list.values > 0 && !list.isNameless && !this.#isAliased(s, list, value)) {
      const isWhole = value !== null && value.first === list.first && value.last === this.#count - 1;
      if (isWhole && list.depth === 0) value.namesColumn = true;
      else this.#inDoubt = true;
    }
    if (value === null || !this.#isBare(s, list, value)) this.#isMixed = true;
    if (list === this.#lists[0] && list.depth === 0) this.#columns.push(this.#columnOf(s, list));
    list.first = this.#count + 1;
    list.isFirstItem = false;
    list.as = -1;
    list.values = 0;
    list.value = null;
    list.locks = 0;
    list.lock = null;
  }

  /** Whether the item that ends here has a name of its own. @param span what it would be an alias of, if it has no AS */
  #isAliased(s: StatementState, list: List, span: Span | null): boolean {
    if (!isName(s.last)) return false;
    if (list.as >= 0) return this.#count === list.as + 2;
    // Nothing but an alias may be a single token behind a call.
    return span !== null && span.first === list.first && span.last === this.#count - 2;
  }

  #columnOf(s: StatementState, list: List): LockCall {
    const { lock } = list;
    if (lock === null) return LockCall.None;
    if (list.locks > 1 || !this.#isBare(s, list, lock)) this.#only = Only.No;
    return lock.call;
  }

  /** Whether the item that ends here is nothing else, apart from an alias. */
  #isBare(s: StatementState, list: List, span: Span): boolean {
    if (span.first !== list.first || (list.as >= 0 && list.as !== span.last + 1)) return false;
    return span.last === this.#count - 1 || this.#isAliased(s, list, span);
  }

  /** Only FROM DUAL may come. */
  #takeBehindItems(s: StatementState, kind: Token, word: number): void {
    if (s.depth !== 0 || kind !== Token.Word) this.#only = Only.No;
    else if (this.#only === Only.Items && word === Word.from) this.#only = Only.From;
    else if (this.#only === Only.From && word === Word.dual) this.#only = Only.Dual;
    else this.#only = Only.No;
  }
}

/** Longer sources are cut when they name a column: not at the same byte when they are given as an alias. */
const MAX_SOURCE = 128;

/**
 * Whether the sources of all values can be given as names: ASCII without control characters, which is the same in any
 * character set. @param start of the text in `buf`
 */
export function areNameable(values: readonly SessionValueUse[], buf: Uint8Array, start: number): boolean {
  return values.every((value) => {
    if (value.end - value.start > MAX_SOURCE) return false;
    return buf.subarray(start + value.start, start + value.end).every(isNameable);
  });
}

function isNameable(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
