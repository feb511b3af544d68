import { Token, type TokenText } from './tokens.js';
import { Word } from './words.js';

/** The longest source of a literal that is kept, in bytes. */
export const MAX_LITERAL = 1024;

/** What of a literal has been read. */
const Shape = {
  Empty: 0,
  /** `-` or `+` */
  Sign: 1,
  /** `_utf8mb4` */
  Introducer: 2,
  /** The letter before the quotes of N'', X'' and B''. */
  Letter: 3,
  /** All of it. */
  Whole: 4,
  /** The word DEFAULT. */
  Default: 5,
  /** Something else than a literal. */
  Other: 6,
} as const;
type Shape = (typeof Shape)[keyof typeof Shape];

/** Tells whether the tokens of a value are one literal, and keeps its source. */
export class LiteralReader {
  #shape: Shape = Shape.Empty;
  #source = '';
  #isString = false;

  reset(): void {
    this.#shape = Shape.Empty;
    this.#source = '';
    this.#isString = false;
  }

  /** No token has come. */
  get isEmpty(): boolean {
    return this.#shape === Shape.Empty;
  }

  /** The word DEFAULT, or the number 0. */
  get isDefault(): boolean {
    return this.#shape === Shape.Default || (this.#shape === Shape.Whole && this.#source === '0');
  }

  /** The literal's bytes (latin1) without white space or comments between its parts; null for anything else. */
  get source(): string | null {
    return this.#shape === Shape.Whole && this.#source.length <= MAX_LITERAL ? this.#source : null;
  }

  /** The source when it is one string with nothing before it, however long; else null. */
  get stringSource(): string | null {
    return this.#shape === Shape.Whole && this.#isString ? this.#source : null;
  }

  /** Takes the value's next token. */
  take(kind: Token, word: number, text: TokenText): void {
    if (this.#shape !== Shape.Other) this.#shape = this.#next(kind, word, text);
  }

  #next(kind: Token, word: number, text: TokenText): Shape {
    const before = this.#shape;
    const isFirst = before === Shape.Empty;
    switch (kind) {
      case Token.Word:
        if (isFirst) return this.#firstWord(word, text);
        return before === Shape.Introducer ? this.#letter(text) : Shape.Other;
      case Token.String:
        if (text.quote === 0) return Shape.Other;
        this.#isString = isFirst;
        return isFirst || before === Shape.Introducer || before === Shape.Letter
          ? this.#add(text, Shape.Whole)
          : Shape.Other;
      case Token.Number:
        return this.#number(text);
      case Token.Operator:
        return isFirst && isSign(text) ? this.#add(text, Shape.Sign) : Shape.Other;
      default:
        return Shape.Other;
    }
  }

  #firstWord(word: number, text: TokenText): Shape {
    switch (word) {
      case Word.null:
      case Word.true:
      case Word.false:
        return this.#add(text, Shape.Whole);
      case Word.default:
        return Shape.Default;
      default:
        if (text.readAscii()?.startsWith('_') === true) return this.#add(text, Shape.Introducer);
        return this.#letter(text);
    }
  }

  #letter(text: TokenText): Shape {
    const letter = text.readAscii();
    const isHexOrBits = letter === 'x' || letter === 'b';
    const isLetter = isHexOrBits || (letter === 'n' && this.#shape === Shape.Empty);
    return isLetter ? this.#add(text, Shape.Letter) : Shape.Other;
  }

  #number(text: TokenText): Shape {
    const isHexOrBits = /^0[xb]/.test(text.readSource() ?? '');
    const after = this.#shape;
    const fits = after === Shape.Empty || (isHexOrBits ? after === Shape.Introducer : after === Shape.Sign);
    return fits ? this.#add(text, Shape.Whole) : Shape.Other;
  }

  #add(text: TokenText, shape: Shape): Shape {
    const part = text.readSource();
    if (part === null) return Shape.Other;
    // An introducer is a word of its own.
    this.#source += this.#shape === Shape.Introducer ? ` ${part}` : part;
    return shape;
  }
}

function isSign(text: TokenText): boolean {
  const sign = text.readSource();
  return sign === '-' || sign === '+';
}
