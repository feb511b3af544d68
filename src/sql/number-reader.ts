import { NO_NAME_BYTE } from './name-trie.js';

const Step = {
  Zero: 0,
  HexStart: 1,
  Hex: 2,
  BinStart: 3,
  Bin: 4,
  Integer: 5,
  /** After digits and `e`. */
  Exponent: 6,
  /** After digits, `e` and a sign. */
  ExponentSign: 7,
  Float: 8,
  Fraction: 9,
  /** After a fraction and `e`. */
  FractionExponent: 10,
  FractionExponentSign: 11,
} as const;
type Step = (typeof Step)[keyof typeof Step];

/** What a run of bytes that starts with a digit turned out to be. */
export const NumberEnd = {
  /** Not at its end yet. */
  Open: 0,
  Number: 1,
  /** A name that starts with digits, and goes on: 1abc, 0X1F, 1e. */
  Word: 2,
  /** Such a name and the sign after it, both whole: 1e+ without digits. */
  WordAndSign: 3,
} as const;
export type NumberEnd = (typeof NumberEnd)[keyof typeof NumberEnd];

const ZERO = 0x30;
const ONE = 0x31;
const NINE = 0x39;
const DOT = 0x2e;
const PLUS = 0x2b;
const MINUS = 0x2d;
const LOWER_X = 0x78;
const LOWER_B = 0x62;

function isDigit(c: number): boolean {
  return c >= ZERO && c <= NINE;
}

function isHexDigit(c: number): boolean {
  const lower = c | 0x20;
  return isDigit(c) || (lower >= 0x61 && lower <= 0x66);
}

function isE(c: number): boolean {
  return (c | 0x20) === 0x65;
}

function isSign(c: number): boolean {
  return c === PLUS || c === MINUS;
}

/**
 * Tells numbers from names that start with digits, as the servers do: `1e5FOR` is a number and a keyword, `1FOR` and `0x1FOR`
 * are names, `0x1F` is a number and `0X1F` a name.
 */
export class NumberReader {
  #step: Step = Step.Integer;
  /** Why {@link read} stopped. */
  end: NumberEnd = NumberEnd.Open;

  /** @param first its first byte, a digit, or the dot before the first digit */
  begin(first: number): void {
    this.end = NumberEnd.Open;
    this.#step = first === ZERO ? Step.Zero : first === DOT ? Step.Fraction : Step.Integer;
  }

  /** Reads on. @returns the position of the first byte that it did not take, or `end` when it is still open */
  read(buf: Uint8Array, start: number, end: number, codes: Uint8Array): number {
    for (let pos = start; pos < end; pos++) {
      const c = buf[pos] as number;
      if (this.#step === Step.Integer && isDigit(c)) continue;
      this.end = this.#take(c, (codes[c] as number) !== NO_NAME_BYTE);
      if (this.end !== NumberEnd.Open) return pos;
    }
    return end;
  }

  /** At the end of the text. @returns whether it was a name */
  finish(): boolean {
    const step = this.#step;
    return (
      step === Step.HexStart || step === Step.BinStart || step === Step.Exponent || step === Step.ExponentSign
    );
  }

  #go(step: Step): NumberEnd {
    this.#step = step;
    return NumberEnd.Open;
  }

  #take(c: number, named: boolean): NumberEnd {
    const stop = named ? NumberEnd.Word : NumberEnd.Number;
    switch (this.#step) {
      case Step.Zero:
        // Lower case only.
        if (c === LOWER_X) return this.#go(Step.HexStart);
        if (c === LOWER_B) return this.#go(Step.BinStart);
        return this.#takeInteger(c, stop);
      case Step.HexStart:
        return isHexDigit(c) ? this.#go(Step.Hex) : NumberEnd.Word;
      case Step.Hex:
        return isHexDigit(c) ? NumberEnd.Open : stop;
      case Step.BinStart:
        return c === ZERO || c === ONE ? this.#go(Step.Bin) : NumberEnd.Word;
      case Step.Bin:
        return c === ZERO || c === ONE ? NumberEnd.Open : stop;
      case Step.Integer:
        return this.#takeInteger(c, stop);
      case Step.Exponent:
        if (isSign(c)) return this.#go(Step.ExponentSign);
        return isDigit(c) ? this.#go(Step.Float) : NumberEnd.Word;
      case Step.ExponentSign:
        return isDigit(c) ? this.#go(Step.Float) : NumberEnd.WordAndSign;
      case Step.Float:
        return isDigit(c) ? NumberEnd.Open : NumberEnd.Number;
      case Step.Fraction:
        if (isE(c)) return this.#go(Step.FractionExponent);
        return isDigit(c) ? NumberEnd.Open : NumberEnd.Number;
      case Step.FractionExponent:
        if (isSign(c)) return this.#go(Step.FractionExponentSign);
        return isDigit(c) ? this.#go(Step.Float) : NumberEnd.Number;
      case Step.FractionExponentSign:
        return isDigit(c) ? this.#go(Step.Float) : NumberEnd.Number;
    }
  }

  #takeInteger(c: number, stop: NumberEnd): NumberEnd {
    if (isDigit(c)) return this.#go(Step.Integer);
    if (c === DOT) return this.#go(Step.Fraction);
    return isE(c) ? this.#go(Step.Exponent) : stop;
  }
}
