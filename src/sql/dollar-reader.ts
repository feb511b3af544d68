import type { LexerContext } from './lexer-context.js';
import { NO_NAME_BYTE } from './name-trie.js';

/** What a `$` at the start of a token turned out to be. */
export const DollarEnd = {
  Open: 0,
  /** A name that starts with `$`, whole. */
  Word: 1,
  /** A text in dollar quotes, whole. */
  Text: 2,
} as const;
export type DollarEnd = (typeof DollarEnd)[keyof typeof DollarEnd];

/** A longer tag is not remembered, and the text is uncertain. */
const MAX_TAG = 64;
const DOLLAR = 0x24;

/** Reads `$$text$$` and `$tag$text$tag$`, in which MySQL 9 writes routines in other languages. */
export class DollarReader {
  /** Why {@link read} stopped. */
  end: DollarEnd = DollarEnd.Open;
  /** False: the closing tag cannot be recognized. */
  certain = true;
  /** The whole delimiter, with both dollars. */
  readonly #tag = Buffer.alloc(MAX_TAG + 2);
  #tagLength = 0;
  #inText = false;
  /** Bytes of the delimiter seen in the text up to here. */
  #matched = 0;

  /** After the first `$`. */
  begin(): void {
    this.end = DollarEnd.Open;
    this.certain = true;
    this.#tag[0] = DOLLAR;
    this.#tagLength = 1;
    this.#inText = false;
    this.#matched = 0;
  }

  /** @returns the position of the first byte that it did not take */
  read(buf: Buffer, start: number, end: number, context: LexerContext): number {
    let pos = start;
    while (!this.#inText && pos < end) {
      const c = buf[pos] as number;
      if (context.codes[c] === NO_NAME_BYTE) {
        this.end = DollarEnd.Word;
        return pos;
      }
      if (this.#tagLength <= MAX_TAG || c === DOLLAR) this.#tag[Math.min(this.#tagLength++, MAX_TAG + 1)] = c;
      else this.certain = false;
      this.#inText = c === DOLLAR;
      pos++;
    }
    for (; pos < end; pos++) {
      const c = buf[pos] as number;
      // No dollar inside a tag: what broke a match can only start another one as its first byte.
      if (c === this.#tag[this.#matched]) this.#matched++;
      else this.#matched = c === DOLLAR ? 1 : 0;
      if (this.#matched === this.#tagLength) {
        this.end = DollarEnd.Text;
        return pos + 1;
      }
    }
    return pos;
  }

  /** At the end of the text. @returns whether it was a name */
  finish(): boolean {
    return !this.#inText;
  }
}
