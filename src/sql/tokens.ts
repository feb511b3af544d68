import { isAscii, isUtf8 } from 'node:buffer';

/** What the lexer tells apart. Comments and white space are no tokens. */
export const Token = {
  /** Nothing yet. */
  None: 0,
  /** A bare word, keyword or name; its number is given with it. */
  Word: 1,
  /** A name in backticks, brackets, or (under ANSI_QUOTES) double quotes. Numbered as well: a native function may be quoted. */
  QuotedName: 2,
  String: 3,
  Number: 4,
  /** `@x`, quoted or not; also the host of `user@host`. */
  UserVariable: 5,
  /** `@@`; the variable's name, with its scope, follows as words and dots. */
  SystemVariable: 6,
  /** `(` right after the token before it. */
  LeftParen: 7,
  /** `(` after white space or a comment. */
  SpacedLeftParen: 8,
  RightParen: 9,
  Comma: 10,
  Dot: 11,
  Equal: 12,
  /** `:=` */
  Assign: 13,
  Semicolon: 14,
  Colon: 15,
  /** Any other character, one by one. */
  Operator: 16,
} as const;
export type Token = (typeof Token)[keyof typeof Token];

/** Takes the tokens of a text, in order. */
export interface TokenSink {
  /** @param word the number in {@link NAMES} of a Word or QuotedName, PLAIN_WORD or FOREIGN_WORD; 0 for other tokens */
  token(kind: Token, word: number): void;
}

/** How much of a token's text is kept; longer ones are no names of anything. */
export const MAX_TOKEN_TEXT = 256;

/** Up to here copying byte by byte is faster than a call. */
const SHORT = 32;

/** The text of the last word, name, number or operator, when it is wanted: {@link TokenText.wanted}. */
export class TokenText {
  /** Whether the text of words and names is kept. */
  keepsNames = false;
  #wanted = false;
  #wantsNames = false;
  /** Set by the sink: bytes of a literal's source to keep at most, those of strings too; 0 for names and numbers only. */
  sourceLimit = 0;
  /** The opening quote of what is kept as its source: a string, or a user variable's name in a string's quotes; else 0. */
  quote = 0;
  #bytes = Buffer.alloc(MAX_TOKEN_TEXT);
  #length = 0;

  clear(): void {
    this.#length = 0;
    this.quote = 0;
  }

  /** Set by the sink: keep the text of the tokens from the next one on. */
  set wanted(wanted: boolean) {
    this.#wanted = wanted;
    this.keepsNames = wanted || this.#wantsNames;
  }

  get wanted(): boolean {
    return this.#wanted;
  }

  /** Set by the sink: keep the text of words and names at least. */
  set wantsNames(wantsNames: boolean) {
    this.#wantsNames = wantsNames;
    this.keepsNames = wantsNames || this.#wanted;
  }

  get wantsNames(): boolean {
    return this.#wantsNames;
  }

  append(buf: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start;
    if (length <= Math.max(MAX_TOKEN_TEXT, this.sourceLimit)) {
      if (length > this.#bytes.length) this.#grow(length);
      if (end - start > SHORT) this.#bytes.set(buf.subarray(start, end), this.#length);
      else for (let i = start; i < end; i++) this.#bytes[this.#length + i - start] = buf[i] as number;
    }
    this.#length = length;
  }

  #grow(length: number): void {
    const bytes = Buffer.alloc(2 ** Math.ceil(Math.log2(length)));
    this.#bytes.copy(bytes);
    this.#bytes = bytes;
  }

  /** The bytes as they stand in the text (latin1), quotes and all; null when they are more than {@link sourceLimit}. */
  readSource(): string | null {
    if (this.#length > this.sourceLimit) return null;
    const source = this.#bytes.toString('latin1', 0, this.#length);
    return this.quote === 0 ? source : String.fromCharCode(this.quote) + source;
  }

  /** Null when it is longer than {@link MAX_TOKEN_TEXT}, or neither ASCII nor (if it may be that) UTF-8. */
  read(utf8: boolean): string | null {
    if (this.#length > MAX_TOKEN_TEXT) return null;
    const bytes = this.#bytes.subarray(0, this.#length);
    if (isAscii(bytes)) return bytes.toString('latin1');
    return utf8 && isUtf8(bytes) ? bytes.toString('utf8') : null;
  }

  /** Lower case; null when it is too long or not ASCII. */
  readAscii(): string | null {
    const text = this.read(false);
    return text === null ? null : text.toLowerCase();
  }
}
