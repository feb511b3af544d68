import { ByteClass, Gate, type LexerContext } from './lexer-context.js';

const MIN_DIGITS = 5;
/** Six digits and what follows them. */
const MAX_BYTES = 7;

/** Reads what follows the `!` of a comment, and decides whether the comment is code. */
export class VersionComment {
  /** What it is, once {@link take} has decided. */
  gate: Gate = Gate.Code;
  readonly #bytes = Buffer.alloc(MAX_BYTES);
  #length = 0;
  #versionLength = 0;
  #ofMariadb = false;

  /** @param ofMariadb the comment starts with `M!` */
  begin(ofMariadb: boolean): void {
    this.#length = 0;
    this.#ofMariadb = ofMariadb;
  }

  /** Takes a byte. @returns whether it is decided now */
  take(byte: number, context: LexerContext): boolean {
    this.#bytes[this.#length++] = byte;
    const isDigit = context.classes[byte] === ByteClass.Digit;
    if (isDigit && this.#length < MAX_BYTES) return false;
    const digits = isDigit ? this.#length : this.#length - 1;
    this.#versionLength = 0;
    // Without a version it is code for everyone, and what digits there are belong to it.
    this.gate = digits < MIN_DIGITS ? Gate.Code : this.#decide(digits, context);
    return true;
  }

  /** The bytes taken that are not the version. Only valid until the next comment. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#versionLength, this.#length);
  }

  #decide(digits: number, context: LexerContext): Gate {
    const after = this.#bytes[this.#length - 1] as number;
    const isSpaced = this.#length === MAX_BYTES && context.classes[after] === ByteClass.Space;
    const length = context.versionDigits(digits > MIN_DIGITS, isSpaced);
    this.#versionLength = length ?? MIN_DIGITS;
    if (length === null) return Gate.Unsure;
    return context.gate(Number(this.#bytes.toString('latin1', 0, length)), this.#ofMariadb);
  }
}
