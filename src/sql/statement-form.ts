import { ByteClass, type LexerContext } from './lexer-context.js';

/** Bytes of a text that are looked at. */
export const MAX_READ = 16 * 1024;

/** Literals, or lists of them, in a row: as many more make no difference. */
const MAX_RUN = 4;

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const BANG = 0x21;
const DOUBLE_QUOTE = 0x22;
const HASH = 0x23;
const DOLLAR = 0x24;
const QUOTE = 0x27;
const LEFT = 0x28;
const RIGHT = 0x29;
const STAR = 0x2a;
const COMMA = 0x2c;
const DASH = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const UPPER_M = 0x4d;
const LOWER_E = 0x65;
const SWE7 = 'swe7';
const BACKSLASH = 0x5c;
const BACKTICK = 0x60;

/** What stands for literals, and for whole lists of one or of several: texts with such bytes of their own have no form. */
const Unit = { None: 0, Literal: 1, One: 2, Several: 3 } as const;
type Unit = (typeof Unit)[keyof typeof Unit];

const LONG = 4;

/** Part of a word, or what makes a word of digits behind it. By byte. */
const JOINS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const isWord = byte >= 0x80 || byte === DOLLAR || /\w/.test(String.fromCharCode(byte));
  return isWord || byte === DOT || byte === 0x40 ? 1 : 0;
});

/** How a byte goes on with a stretch of names, words and operators. */
const Code = {
  /** It ends it. */
  Other: 0,
  /** It has no meaning of its own here, wherever it stands. */
  Plain: 1,
  Space: 2,
  Digit: 3,
  Comma: 4,
  Backtick: 5,
} as const;

/** {@link Code} by byte. */
const CODES = Uint8Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  if (byte === COMMA) return Code.Comma;
  if (byte === BACKTICK) return Code.Backtick;
  if (byte === SPACE || (byte >= TAB && byte <= RETURN)) return Code.Space;
  if (/\d/.test(char)) return Code.Digit;
  return byte < TAB || /["#$'()\-/[]/.test(char) ? Code.Other : Code.Plain;
});

/**
 * A text without what its literals say: texts of one form have the same tokens, but for the contents of strings, of numbers
 * written in digits, and of comments that are no code, for how often a literal or a list of nothing but literals is repeated
 * behind commas (four times or more), and for the kinds of literals. So they have the same digest, and the same traits where none of that matters.
 *
 * It takes a few nanoseconds a byte, and allocates nothing. One instance may be used for any number of texts.
 */
export class StatementForm {
  /** Of the last text taken: the form is its first {@link length} bytes. */
  readonly bytes = Buffer.alloc(MAX_READ + 1);
  length = 0;
  /** More of the text follows, which is not looked at. */
  #isCut = false;
  /** The byte before, where it may make one word with what comes next. */
  #before = 0;
  #gap = false;
  /** What came last, and how many of it in a row. */
  #unit: Unit = Unit.None;
  #run = 0;
  /** A comma behind a literal or list, that is not put down yet. */
  #comma = false;
  /** The list of literals that may be open: how many there are; -1 where none is. */
  #listed = -1;
  #lengthBefore = 0;
  #unitBefore: Unit = Unit.None;
  #runBefore = 0;
  #commaBefore = false;

  /**
   * Takes the text `buf[start]` up to, not including, `buf[end]`.
   * @returns false where it is none of the usual ones, which have no form; behind {@link MAX_READ} bytes nothing is looked at
   */
  take(buf: Buffer, start: number, end: number, context: LexerContext): boolean {
    // In swe7 some punctuation is letters.
    if (!context.certain || context.pairs !== null || context.charset === SWE7) return false;
    this.length = 0;
    this.#before = 0;
    this.#gap = false;
    this.#unit = Unit.None;
    this.#run = 0;
    this.#comma = false;
    this.#listed = -1;
    const stop = Math.min(end, start + MAX_READ);
    this.#isCut = stop < end;
    let pos = start;
    while (pos < stop && pos >= 0) pos = this.#next(buf, pos, stop, context);
    if (pos < 0) return false;
    this.#other();
    if (this.#isCut) this.#put(LONG);
    return true;
  }

  /** @returns the position behind what stands at `pos`; -1 for what is not to be told apart here */
  #next(buf: Buffer, pos: number, end: number, context: LexerContext): number {
    const c = buf[pos] as number;
    if (CODES[c] === Code.Plain || c === BACKTICK) return this.#code(buf, pos, end);
    if (c < TAB) return -1;
    if (c === SPACE || c <= RETURN) {
      this.#gap = true;
      return pos + 1;
    }
    const isJoined = !this.#gap && JOINS[this.#before] === 1;
    if (isDigit(c) && !isJoined) return this.#number(buf, pos, end);
    switch (c) {
      case QUOTE:
        return this.#string(buf, pos, end, context);
      case DOUBLE_QUOTE:
        return context.ansiQuotes ? this.#copy(buf, pos, end) : this.#string(buf, pos, end, context);
      case HASH:
        return this.#lineEnd(buf, pos, end);
      case DASH:
        // In 1e-- and 1.5e-- it depends on the server whether the first dash belongs to the number.
        if (!this.#gap && (this.#before | 0x20) === LOWER_E && pos + 1 < end && buf[pos + 1] === DASH)
          return -1;
        if (pos + 1 < end && buf[pos + 1] === DASH && this.#endsDashes(buf, pos + 2, end, context))
          return this.#lineEnd(buf, pos, end);
        break;
      case SLASH:
        if (pos + 2 < end && buf[pos + 1] === STAR) return this.#commentEnd(buf, pos, end);
        break;
      case LEFT:
        this.#open();
        return pos + 1;
      case RIGHT:
        this.#close();
        return pos + 1;
      case COMMA:
        if (this.#unit === Unit.None || this.#comma) break;
        this.#comma = true;
        return pos + 1;
      default:
        if (context.classes[c] === ByteClass.Bracket) return -1;
        if (context.classes[c] === ByteClass.Dollar && !isJoined) return -1;
    }
    this.#byte(c);
    return pos + 1;
  }

  #endsDashes(buf: Buffer, pos: number, end: number, context: LexerContext): boolean {
    return pos >= end || context.endsDashes[buf[pos] as number] === 1;
  }

  #number(buf: Buffer, start: number, end: number): number {
    let pos = digitsEnd(buf, start, end);
    if (pos + 1 < end && buf[pos] === DOT && isDigit(buf[pos + 1] as number))
      pos = digitsEnd(buf, pos + 1, end);
    // Hexadecimal, with an exponent, or no number at all.
    if (pos < end && JOINS[buf[pos] as number] === 1) {
      this.#byte(buf[start] as number);
      return start + 1;
    }
    return this.#literal(pos);
  }

  /** `end`: where it ends. Two in a row may be one. */
  #literal(end: number): number {
    if (this.#unit === Unit.Literal && !this.#comma) return -1;
    this.#add(Unit.Literal);
    return end;
  }

  #string(buf: Buffer, start: number, end: number, { noBackslashEscapes }: LexerContext): number {
    const quote = buf[start] as number;
    for (let pos = start + 1; pos < end; pos++) {
      const c = buf[pos] as number;
      if (c === BACKSLASH && !noBackslashEscapes) pos++;
      else if (c === quote) {
        if (pos + 1 === end || buf[pos + 1] !== quote) return this.#literal(pos + 1);
        pos++;
      }
    }
    return this.#isCut ? this.#literal(end) : -1;
  }

  #lineEnd(buf: Buffer, start: number, end: number): number {
    this.#gap = true;
    const newline = buf.indexOf(NEWLINE, start);
    return newline < 0 || newline >= end ? end : newline + 1;
  }

  #commentEnd(buf: Buffer, start: number, end: number): number {
    const first = buf[start + 2];
    // Code for some server.
    if (first === BANG || first === UPPER_M) return -1;
    this.#gap = true;
    // Not behind the end, where much may follow.
    const close = buf.subarray(start + 2, end).indexOf('*/');
    return close < 0 ? -1 : start + close + 4;
  }

  /** A quoted name, as it is. */
  #copy(buf: Buffer, start: number, end: number): number {
    const close = buf.indexOf(buf[start] as number, start + 1);
    if (close < 0 || close >= end) return -1;
    this.#other();
    const { bytes } = this;
    let at = this.length;
    for (let pos = start; pos <= close; pos++) {
      const c = buf[pos] as number;
      if (c < TAB) return -1;
      bytes[at++] = c;
    }
    this.length = at;
    this.#before = 0;
    return close + 1;
  }

  /**
   * Names, words, operators, and what stands between them, in one loop: 2 ns a byte. With a function for each, and the end of
   * quoted names searched by a call, it took 4.7.
   */
  #code(buf: Buffer, start: number, end: number): number {
    this.#other();
    const { bytes } = this;
    let at = this.length;
    let gap = false;
    let before = 0;
    let pos = start;
    for (; pos < end; pos++) {
      const c = buf[pos] as number;
      const code = CODES[c];
      if (code === Code.Space) {
        gap = true;
        continue;
      }
      if (code === Code.Other || (code === Code.Digit && (gap || JOINS[before] === 0))) break;
      if (gap) bytes[at++] = SPACE;
      gap = false;
      before = c;
      bytes[at++] = c;
      if (code !== Code.Backtick) continue;
      before = 0;
      for (pos++; pos < end; pos++) {
        const inside = buf[pos] as number;
        if (inside < TAB) return -1;
        bytes[at++] = inside;
        if (inside === BACKTICK) break;
      }
      if (pos === end) return -1;
    }
    this.length = at;
    this.#gap = gap;
    this.#before = before;
    return pos;
  }

  #byte(c: number): void {
    this.#other();
    this.#put(c);
    this.#before = c;
  }

  /** Something comes that is no literal. */
  #other(): void {
    if (this.#comma) this.#put(COMMA);
    if (this.#gap) this.#put(SPACE);
    this.#comma = false;
    this.#gap = false;
    this.#unit = Unit.None;
    this.#listed = -1;
  }

  /** A literal, or a list, of which a long row is the same as a short one. */
  #add(unit: Unit): void {
    const goesOn = this.#comma && this.#unit === unit;
    this.#run = goesOn ? this.#run + 1 : 1;
    if (this.#listed >= 0) this.#listed++;
    if (this.#run <= MAX_RUN) {
      if (this.#comma) this.#put(COMMA);
      else if (this.#gap) this.#put(SPACE);
      this.#put(unit);
    }
    this.#gap = false;
    this.#comma = false;
    this.#unit = unit;
    this.#before = 0;
  }

  /** What was before a list is kept: it may turn out to be one of literals only, and one of a row. */
  #open(): void {
    if (!this.#comma) this.#other();
    this.#lengthBefore = this.length;
    this.#unitBefore = this.#unit;
    this.#runBefore = this.#run;
    this.#commaBefore = this.#comma;
    this.#byte(LEFT);
    this.#listed = 0;
  }

  #close(): void {
    const listed = this.#listed;
    if (listed <= 0 || this.#comma) {
      this.#byte(RIGHT);
      return;
    }
    this.length = this.#lengthBefore;
    this.#unit = this.#unitBefore;
    this.#run = this.#runBefore;
    this.#comma = this.#commaBefore;
    this.#gap = false;
    this.#listed = -1;
    this.#add(listed === 1 ? Unit.One : Unit.Several);
  }

  #put(value: number): void {
    this.bytes[this.length++] = value;
  }
}

function isDigit(c: number): boolean {
  return c >= ZERO && c <= NINE;
}

function digitsEnd(buf: Buffer, start: number, end: number): number {
  let pos = start;
  while (pos < end && isDigit(buf[pos] as number)) pos++;
  return pos;
}
