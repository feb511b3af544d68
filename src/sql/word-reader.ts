import type { LexerContext } from './lexer-context.js';
import { DEAD, FOREIGN_BYTE, NO_NAME_BYTE, ROOT } from './name-trie.js';
import type { TokenText } from './tokens.js';
import { FOREIGN_WORD, NAME_TRIE } from './words.js';

const { base, check, value } = NAME_TRIE;

/** Reads bare words: keywords and names. */
export class WordReader {
  /** Its end has not been seen yet. */
  open = false;
  #node = ROOT;
  #foreign = false;
  /** The byte before starts a pair, if the next one fits. */
  #lead = false;
  readonly #text: TokenText;

  constructor(text: TokenText) {
    this.#text = text;
  }

  begin(): void {
    this.open = true;
    this.#node = ROOT;
    this.#foreign = false;
    this.#lead = false;
    this.#text.clear();
  }

  /** What is read on began as something else (digits), so it is nothing known; its text goes on. */
  continueName(): void {
    this.open = true;
    this.#node = DEAD;
    this.#foreign = false;
    this.#lead = false;
  }

  /** The word's number. */
  get word(): number {
    return this.#foreign ? FOREIGN_WORD : (value[this.#node] as number);
  }

  /** @returns the position of the first byte that is no part of the word, or `end` */
  read(buf: Uint8Array, start: number, end: number, context: LexerContext): number {
    const { codes } = context;
    let node = this.#node;
    let pos = start;
    if (this.#lead) {
      this.#lead = false;
      if (context.isTrail(buf[pos] as number)) pos++;
    }
    for (; pos < end; pos++) {
      const c = buf[pos] as number;
      const code = codes[c] as number;
      if (code > FOREIGN_BYTE) {
        const to = (base[node] as number) + code;
        node = check[to] === node ? to : DEAD;
      } else if (code === NO_NAME_BYTE) {
        this.open = false;
        break;
      } else {
        node = DEAD;
        if (c < 0x80) continue;
        this.#foreign = true;
        if (!context.isLead(c)) continue;
        if (pos + 1 === end) this.#lead = true;
        else if (context.isTrail(buf[pos + 1] as number)) pos++;
      }
    }
    this.#node = node;
    if (this.#text.keepsNames) this.#text.append(buf, start, pos);
    return pos;
  }
}
