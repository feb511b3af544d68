import { ByteClass, Gate, type LexerContext } from './lexer-context.js';

const MIN_DIGITS = 5;
/** Six digits and what follows them. */
const MAX_BYTES = 7;

/** Reads what follows the `!` of a comment, and decides whether the comment is code. */
export class VersionComment {
  /** What it is, once {@link take} or {@link finish} has decided. */
  gate: Gate = Gate.Code;
  /** The bytes taken, those of the version among them. */
  readonly bytes = Buffer.alloc(MAX_BYTES);
  length = 0;
  /** How many of {@link bytes} are the version; the rest belongs to what follows. */
  versionLength = 0;
  #ofMariadb = false;

  /** @param ofMariadb the comment starts with `M!` */
  begin(ofMariadb: boolean): void {
    this.length = 0;
    this.#ofMariadb = ofMariadb;
  }

  /** Takes a byte. @returns whether it is decided now */
  take(byte: number, context: LexerContext): boolean {
    this.bytes[this.length++] = byte;
    const isDigit = context.classes[byte] === ByteClass.Digit;
    if (isDigit && this.length < MAX_BYTES) return false;
    this.#decide(context);
    return true;
  }

  /** At the end of the text. */
  finish(context: LexerContext): void {
    this.#decide(context);
  }

  #decide(context: LexerContext): void {
    let digits = 0;
    while (digits < this.length && context.classes[this.bytes[digits] as number] === ByteClass.Digit)
      digits++;
    this.versionLength = 0;
    this.gate = Gate.Code;
    // Without a version it is code for everyone, and what digits there are belong to it.
    if (digits < MIN_DIGITS) return;
    const after = this.bytes[MIN_DIGITS + 1] as number;
    const spaced = this.length > MIN_DIGITS + 1 && context.classes[after] === ByteClass.Space;
    const length = context.versionDigits(digits > MIN_DIGITS, spaced);
    this.versionLength = length ?? MIN_DIGITS;
    if (length === null) this.gate = Gate.Unsure;
    else this.gate = context.gate(Number(this.bytes.toString('latin1', 0, length)), this.#ofMariadb);
  }
}
