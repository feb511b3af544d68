import type { LexerContext } from './lexer-context.js';
import { DEAD, FOREIGN_BYTE, ROOT } from './name-trie.js';
import { isEscaped, SHORT_RUN, stringEnd } from './string-end.js';
import type { TokenText } from './tokens.js';
import { FOREIGN_WORD, NAME_TRIE } from './words.js';

const Step = {
  Inside: 0,
  /** After a backslash: one byte is skipped, whatever it is (half a character, too). */
  Escaped: 1,
  /** After a quote, which may turn out to be one of two. */
  Closing: 2,
} as const;
type Step = (typeof Step)[keyof typeof Step];

const BACKSLASH = 0x5c;
const DOUBLE_QUOTE = 0x22;

/** Reads what stands in quotes: a string, which is skipped, or a name, which is looked up. */
export class QuotedReader {
  /** The closing quote has not been seen yet. */
  open = false;
  /** Whether the next two are wanted. */
  watchesReading = true;
  /** Something seen would be read in another way under other quoting rules in sql_mode. */
  seesQuotingMode = false;
  /** Something seen would be read in another way in another character set. */
  seesCharset = false;

  readonly #text: TokenText;
  #context: LexerContext;
  #step: Step = Step.Inside;
  #quote = 0;
  #isName = false;
  #escapes = false;
  /** The byte before the next one. */
  #previous = 0;
  /** That byte starts a pair, if the next one fits. */
  #lead = false;
  #node = ROOT;
  #foreign = false;

  // Where the current chunk has its next quote and backslash; below the current position when not searched yet.
  #nextQuote = -1;
  #searched = 0;
  #nextEscape = -1;

  constructor(text: TokenText, context: LexerContext) {
    this.#text = text;
    this.#context = context;
  }

  reset(context: LexerContext): void {
    this.#context = context;
    this.open = false;
    this.watchesReading = true;
    this.seesQuotingMode = false;
    this.seesCharset = false;
  }

  /** A new chunk begins: positions mean nothing any more. */
  newChunk(): void {
    this.#nextQuote = -1;
    this.#nextEscape = -1;
  }

  /** After the opening quote. @param quote the closing one */
  begin(quote: number, isName: boolean): void {
    this.open = true;
    this.#step = Step.Inside;
    this.#quote = quote;
    this.#isName = isName;
    this.#escapes = !isName && !this.#context.noBackslashEscapes;
    this.#previous = 0;
    this.#lead = false;
    this.#node = ROOT;
    this.#foreign = false;
    this.#text.clear();
    if (quote === DOUBLE_QUOTE) this.seesQuotingMode = true;
  }

  /** The name's number, once it is closed. */
  get word(): number {
    if (!this.#isName) return 0;
    return this.#foreign ? FOREIGN_WORD : (NAME_TRIE.value[this.#node] as number);
  }

  /** @returns the position behind the closing quote, or `end` */
  read(buf: Buffer, start: number, end: number): number {
    let pos = start;
    while (pos < end) {
      switch (this.#step) {
        case Step.Inside: {
          const from = pos;
          if (this.#isName) pos = this.#readName(buf, pos, end);
          else if (this.#context.pairs !== null) pos = this.#readPairs(buf, pos, end);
          else if (this.watchesReading) pos = this.#readString(buf, pos, end);
          else pos = this.#skipString(buf, pos, end);
          if (this.#step === Step.Inside && pos > from) this.#previous = buf[pos - 1] as number;
          break;
        }
        case Step.Escaped:
          this.#previous = buf[pos++] as number;
          this.#step = Step.Inside;
          break;
        case Step.Closing:
          if (buf[pos] !== this.#quote) {
            this.open = false;
            return pos;
          }
          this.#step = Step.Inside;
          this.#node = DEAD;
          this.#previous = this.#quote;
          if (this.#isName && this.#text.keepsNames) this.#text.append(buf, pos, pos + 1);
          pos++;
          break;
      }
    }
    return pos;
  }

  /** At the end of the text. @returns whether the quotes are closed */
  finish(): boolean {
    this.open = false;
    return this.#step === Step.Closing;
  }

  #skipString(buf: Buffer, start: number, end: number): number {
    const pos = stringEnd(buf, start, end, this.#quote, this.#escapes);
    if (pos === end) {
      if (this.#escapes && isEscaped(buf, start, end)) this.#step = Step.Escaped;
      return end;
    }
    this.#step = Step.Closing;
    return pos + 1;
  }

  #readString(buf: Buffer, start: number, end: number): number {
    const quote = this.#quote;
    const stopper = this.#escapes ? BACKSLASH : quote;
    const short = Math.min(end, start + SHORT_RUN);
    for (let pos = start; pos < short; pos++) {
      const c = buf[pos] as number;
      if (c === quote || c === stopper) return this.#stop(buf, start, pos);
    }
    if (short === end) return end;
    const pos = this.#search(buf, short);
    return pos < end ? this.#stop(buf, start, pos) : end;
  }

  /**
   * The next quote or backslash. Each is searched for once per stretch, so a literal full of the one does not search for
   * the other again and again.
   */
  #search(buf: Buffer, from: number): number {
    if (this.#nextQuote < from || this.#searched !== this.#quote) {
      const found = buf.indexOf(this.#quote, from);
      this.#nextQuote = found < 0 ? buf.length : found;
      this.#searched = this.#quote;
    }
    if (!this.#escapes) return this.#nextQuote;
    if (this.#nextEscape < from) {
      const found = buf.indexOf(BACKSLASH, from);
      this.#nextEscape = found < 0 ? buf.length : found;
    }
    return Math.min(this.#nextQuote, this.#nextEscape);
  }

  /** At a quote or backslash of a string. */
  #stop(buf: Buffer, start: number, pos: number): number {
    const previous = pos > start ? (buf[pos - 1] as number) : this.#previous;
    if (buf[pos] === this.#quote) {
      this.#step = Step.Closing;
      if (previous === BACKSLASH && !this.#escapes) this.seesQuotingMode = true;
    } else {
      this.#step = Step.Escaped;
      this.seesQuotingMode = true;
      if (previous >= 0x80) this.seesCharset = true;
    }
    return pos + 1;
  }

  /** A string in a character set where a backslash may be the second half of a character. */
  #readPairs(buf: Buffer, start: number, end: number): number {
    const quote = this.#quote;
    const stopper = this.#escapes ? BACKSLASH : quote;
    for (let pos = start; pos < end; pos++) {
      const c = buf[pos] as number;
      if (this.#lead) {
        this.#lead = false;
        if (this.#context.isTrail(c)) {
          if (c < 0x80) this.seesCharset = true;
          continue;
        }
      }
      if (c === quote || c === stopper) return this.#stop(buf, start, pos);
      this.#lead = c >= 0x80 && this.#context.isLead(c);
    }
    return end;
  }

  #readName(buf: Buffer, start: number, end: number): number {
    const { codes } = this.#context;
    let pos = start;
    for (; pos < end; pos++) {
      const c = buf[pos] as number;
      if (this.#lead) {
        this.#lead = false;
        if (this.#context.isTrail(c)) {
          if (c < 0x80) this.seesCharset = true;
          continue;
        }
      }
      if (c === this.#quote) {
        this.#step = Step.Closing;
        const previous = pos > start ? (buf[pos - 1] as number) : this.#previous;
        if (previous >= 0x80) this.seesCharset = true;
        break;
      }
      const code = codes[c] as number;
      if (code <= FOREIGN_BYTE) {
        this.#node = DEAD;
        if (c >= 0x80) {
          this.#foreign = true;
          this.#lead = this.#context.isLead(c);
        }
      } else {
        const to = (NAME_TRIE.base[this.#node] as number) + code;
        this.#node = NAME_TRIE.check[to] === this.#node ? to : DEAD;
      }
    }
    if (this.#text.keepsNames) this.#text.append(buf, start, pos);
    return this.#step === Step.Closing ? pos + 1 : pos;
  }
}
