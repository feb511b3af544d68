import type { LexerContext } from './lexer-context.js';
import { NO_NAME_BYTE } from './name-trie.js';
import { hexEnd } from './number-reader.js';
import { SHORT_RUN, stringEnd } from './string-end.js';
import { Token } from './tokens.js';
import { PLAIN_WORD, Word } from './words.js';

/** Parentheses that may open before a literal: what is read in vain is read again at each of them. */
const MAX_OPENED = 4;

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const DOUBLE_QUOTE = 0x22;
const QUOTE = 0x27;
const LEFT = 0x28;
const RIGHT = 0x29;
const PLUS = 0x2b;
const COMMA = 0x2c;
const DASH = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const UNDERSCORE = 0x5f;
const BACKSLASH = 0x5c;
const LOWER_N = 0x6e;
const LOWER_X = 0x78;

/** By byte: it may begin a list of literals. */
const MAY_BEGIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[\s\d('"+\-nN_]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

const NULL = Buffer.from('null');
const BINARY = Buffer.from('_binary');

/** A sink that may be told of many tokens at once. */
export interface ListSink {
  /** Whether it may be now, that a comma or left parenthesis has come. */
  readonly takesLists: boolean;
  /**
   * Literals, commas and parentheses have come; last of all a comma, and before that a token of this kind.
   * @param depth so many more parentheses have been opened than closed
   */
  lists(depth: number, before: Token, beforeWord: number): void;
}

/**
 * Passes over rows of literals, and lists of them, without making tokens of each: an INSERT of many rows takes 2.1 ns a byte
 * instead of 7. Everything unusual is left to the lexer, and so is a literal that may not be there as a whole.
 */
export class LiteralLists {
  readonly #sink: ListSink;
  /** Of what {@link #read} has passed over: as in {@link ListSink.lists}. */
  #depth = 0;
  #before: Token = Token.None;
  #beforeWord = 0;
  /** Of the value last read. */
  #kind: Token = Token.None;
  #word = 0;

  constructor(sink: ListSink) {
    this.#sink = sink;
  }

  /** Behind a comma or left parenthesis, before `end`. @returns the position behind the last comma that it passed, or `start` */
  skip(buf: Buffer, start: number, end: number, context: LexerContext): number {
    const sink = this.#sink;
    if (MAY_BEGIN[buf[start] as number] === 0 || context.pairs !== null || !sink.takesLists) return start;
    const pos = this.#read(buf, start, end, context);
    if (pos > start) sink.lists(this.#depth, this.#before, this.#beforeWord);
    return pos;
  }

  #read(buf: Buffer, start: number, end: number, context: LexerContext): number {
    let passed = start;
    let pos = start;
    let depth = 0;
    let opened = 0;
    for (;;) {
      if ((buf[pos] as number) <= SPACE) pos = spacesEnd(buf, pos, end);
      if (pos < end && buf[pos] === LEFT) {
        depth++;
        if (++opened > MAX_OPENED) return passed;
        pos++;
        continue;
      }
      pos = this.#value(buf, pos, end, context);
      if (pos < 0) return passed;
      if ((buf[pos] as number) <= SPACE) pos = spacesEnd(buf, pos, end);
      for (; depth > 0 && pos < end && buf[pos] === RIGHT; pos = spacesEnd(buf, pos + 1, end)) {
        depth--;
        this.#kind = Token.RightParen;
        this.#word = 0;
      }
      if (pos >= end || buf[pos] !== COMMA) return passed;
      pos++;
      passed = pos;
      opened = 0;
      this.#depth = depth;
      this.#before = this.#kind;
      this.#beforeWord = this.#word;
    }
  }

  /** @returns the position behind the literal, before `end`; -1 where that cannot be told */
  #value(buf: Buffer, start: number, end: number, context: LexerContext): number {
    let pos = start;
    // Only a number may follow, and what may be a comment is none.
    if (pos + 1 < end && (buf[pos] === DASH || buf[pos] === PLUS)) {
      pos++;
      if (!isDigit(buf[pos] as number)) return -1;
    }
    if (pos >= end) return -1;
    const c = buf[pos] as number;
    this.#word = 0;
    if (isDigit(c)) {
      this.#kind = Token.Number;
      return numberEnd(buf, pos, end, context);
    }
    if (c === QUOTE || (c === DOUBLE_QUOTE && !context.ansiQuotes))
      return this.#string(buf, pos, end, context);
    if ((c | 0x20) === LOWER_N) {
      this.#kind = Token.Word;
      this.#word = Word.null;
      return wordEnd(buf, pos, end, NULL, context);
    }
    if (c !== UNDERSCORE) return -1;
    pos = wordEnd(buf, pos, end, BINARY, context);
    if (pos < 0) return -1;
    pos = spacesEnd(buf, pos, end);
    this.#word = PLAIN_WORD;
    return pos < end && buf[pos] === QUOTE ? this.#string(buf, pos, end, context) : -1;
  }

  #string(buf: Buffer, start: number, end: number, { noBackslashEscapes }: LexerContext): number {
    this.#kind = Token.String;
    const quote = buf[start] as number;
    // Most are short, and nothing in them is escaped.
    for (let pos = start + 1, short = Math.min(end, start + SHORT_RUN) - 1; pos < short; pos++) {
      const c = buf[pos] as number;
      if (c === BACKSLASH) break;
      if (c !== quote) continue;
      if (buf[pos + 1] === quote) break;
      return pos + 1;
    }
    const close = stringEnd(buf, start + 1, end, quote, !noBackslashEscapes);
    // The last one may be one of two.
    return close + 1 < end ? close + 1 : -1;
  }
}

function isDigit(c: number): boolean {
  return c >= ZERO && c <= NINE;
}

function spacesEnd(buf: Buffer, start: number, end: number): number {
  let pos = start;
  for (; pos < end; pos++) {
    const c = buf[pos] as number;
    if (c !== SPACE && c !== NEWLINE && c !== RETURN && c !== TAB) break;
  }
  return pos;
}

function numberEnd(buf: Buffer, start: number, end: number, { codes }: LexerContext): number {
  let pos = start + 1;
  if (buf[start] === ZERO && pos + 1 < end && buf[pos] === LOWER_X) {
    pos++;
    const digits = pos;
    pos = hexEnd(buf, pos, end);
    if (pos === digits) return -1;
  } else {
    pos = digitsEnd(buf, pos, end);
    if (pos + 1 < end && buf[pos] === DOT && isDigit(buf[pos + 1] as number))
      pos = digitsEnd(buf, pos + 1, end);
  }
  if (pos >= end) return -1;
  const next = buf[pos] as number;
  return codes[next] === NO_NAME_BYTE && next !== DOT ? pos : -1;
}

function digitsEnd(buf: Buffer, start: number, end: number): number {
  let pos = start;
  while (pos < end && isDigit(buf[pos] as number)) pos++;
  return pos;
}

/** Behind the word, in any case of its letters; -1 where another one stands there. */
function wordEnd(buf: Buffer, start: number, end: number, word: Buffer, { codes }: LexerContext): number {
  const pos = start + word.length;
  if (pos >= end || codes[buf[pos] as number] !== NO_NAME_BYTE) return -1;
  for (let i = 0; i < word.length; i++)
    if (((buf[start + i] as number) | 0x20) !== ((word[i] as number) | 0x20)) return -1;
  return pos;
}
