import { randomFillSync } from 'node:crypto';
import { SCRAMBLE_LENGTH } from '../protocol/auth-packets.js';

/** Scrambles drawn from the generator at a time: a draw costs about as much for one as for many. */
const BATCH = 256;
const DOLLAR = 0x24;

/** Fresh scrambles (challenges) of 20 bytes, each without NUL and `$` and below 0x80, as MySQL makes them. */
export class ScrambleSource {
  readonly #random = Buffer.alloc(SCRAMBLE_LENGTH * BATCH);
  #next = this.#random.length;

  next(): Buffer {
    if (this.#next === this.#random.length) this.#refill();
    const start = this.#next;
    this.#next += SCRAMBLE_LENGTH;
    // So short, and not out of the pool, it lies on the heap by itself: clients keep it, and a slab of 8 KiB would stay with it.
    const scramble = Buffer.allocUnsafeSlow(SCRAMBLE_LENGTH);
    this.#random.copy(scramble, 0, start, this.#next);
    return scramble;
  }

  #refill(): void {
    randomFillSync(this.#random);
    for (let i = 0; i < this.#random.length; i++) {
      const byte = (this.#random[i] as number) & 0x7f;
      this.#random[i] = byte === 0 || byte === DOLLAR ? byte + 1 : byte;
    }
    this.#next = 0;
  }
}
