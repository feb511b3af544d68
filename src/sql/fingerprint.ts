import type { LexerContext } from './lexer-context.js';
import { StatementForm } from './statement-form.js';

/** Odd numbers with their bits well mixed: FNV's, and that of MurmurHash2. */
const LOW_PRIME = 0x01000193;
const HIGH_PRIME = 0x5bd1e995;

/**
 * Tells texts apart that differ in more than their literals: two numbers, equal for texts with the same digest but for what is
 * rare. The other way round it is safe: texts with equal numbers have the same digest, but by an accident of 1 in 2^60, or where
 * they differ behind 16 KiB. It is many times as fast as the digest, and allocates nothing. One instance may be used for any number of texts.
 */
export class Fingerprint {
  low = 0;
  high = 0;
  readonly #form = new StatementForm();

  /**
   * Takes the text `buf[start]` up to, not including, `buf[end]`.
   * @returns false where it is none of the usual ones, of which nothing is told
   */
  take(buf: Buffer, start: number, end: number, context: LexerContext): boolean {
    const form = this.#form;
    if (!form.take(buf, start, end, context)) return false;
    const { bytes, length } = form;
    let low = 0x811c9dc5 | 0;
    let high = 0x2545f491;
    for (let pos = 0; pos < length; pos++) {
      const c = bytes[pos] as number;
      low = Math.imul(low ^ c, LOW_PRIME);
      low ^= low >>> 15;
      high = Math.imul(high ^ c, HIGH_PRIME);
      high ^= high >>> 13;
    }
    this.low = low;
    this.high = high;
    return true;
  }
}
