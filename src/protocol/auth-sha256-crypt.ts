import { hash } from 'node:crypto';

/** A password as MySQL stores it for caching_sha2_password (`$A$005$` + salt + digest). */
export interface Sha256CryptHash {
  /** 5,000 to 4,095,000 rounds. */
  readonly rounds: number;
  /** 20 bytes; unlike crypt(3), MySQL does not cut the salt at 16. */
  readonly salt: Buffer;
  /** 43 characters of crypt's own base64. */
  readonly digest: string;
}

const SIZE = 32;
const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * SHA-crypt with SHA-256 (Ulrich Drepper's specification, https://www.akkadia.org/drepper/SHA-crypt.txt), as MySQL uses it
 * for `authentication_string`. At least 5,000 hashes take milliseconds, so it is done in portions: a caller on an event loop
 * gives way to others between two calls of {@link Sha256Crypt.run}.
 */
export class Sha256Crypt {
  readonly #key: Buffer;
  readonly #salt: Buffer;
  readonly #rounds: number;
  #state: Buffer;
  #done = 0;
  /** Room for the longest input of a round: state, salt and the key twice. */
  readonly #input: Buffer;

  constructor(password: Buffer, salt: Buffer, rounds: number) {
    this.#rounds = rounds;
    this.#state = startingState(password, salt);
    // Both sequences hang on the lengths alone from here on: the rounds never see password and salt themselves.
    this.#key = stretch(hash('sha256', repeat(password, password.length), 'buffer'), password.length);
    const saltRepeats = 16 + (this.#state[0] as number);
    this.#salt = stretch(hash('sha256', repeat(salt, saltRepeats), 'buffer'), salt.length);
    this.#input = Buffer.alloc(SIZE + salt.length + 2 * password.length);
  }

  /** Does up to `portion` more rounds. True once all are done. */
  run(portion: number): boolean {
    const end = Math.min(this.#rounds, this.#done + portion);
    for (let round = this.#done; round < end; round++) this.#round(round);
    this.#done = end;
    return end === this.#rounds;
  }

  /** The 43 characters; meaningful once {@link run} has returned true. */
  digest(): string {
    return encode(this.#state);
  }

  #round(round: number): void {
    const odd = (round & 1) !== 0;
    const input = this.#input;
    let length = (odd ? this.#key : this.#state).copy(input, 0);
    if (round % 3 !== 0) length += this.#salt.copy(input, length);
    if (round % 7 !== 0) length += this.#key.copy(input, length);
    length += (odd ? this.#state : this.#key).copy(input, length);
    this.#state = hash('sha256', input.subarray(0, length), 'buffer');
  }
}

function startingState(password: Buffer, salt: Buffer): Buffer {
  const mixed = hash('sha256', Buffer.concat([password, salt, password]), 'buffer');
  const parts: Buffer[] = [password, salt, stretch(mixed, password.length)];
  for (let bits = password.length; bits > 0; bits >>= 1) parts.push((bits & 1) !== 0 ? mixed : password);
  return hash('sha256', Buffer.concat(parts), 'buffer');
}

function repeat(bytes: Buffer, times: number): Buffer {
  return Buffer.alloc(bytes.length * times, bytes);
}

/** `block` repeated, and cut at `length`. */
function stretch(block: Buffer, length: number): Buffer {
  return Buffer.alloc(length, block);
}

/** Three bytes to four characters, least significant first, in crypt's odd byte order. */
function encode(state: Buffer): string {
  let text = '';
  const put = (high: number, middle: number, low: number, characters: number): void => {
    let bits = (high << 16) | (middle << 8) | low;
    for (let i = 0; i < characters; i++) {
      text += ALPHABET[bits & 0x3f];
      bits >>= 6;
    }
  };
  let [a, b, c] = [0, 10, 20];
  for (let i = 0; i < 10; i++) {
    put(state[a] as number, state[b] as number, state[c] as number, 4);
    [a, b, c] = [c + 1, a + 1, b + 1];
  }
  put(0, state[31] as number, state[30] as number, 3);
  return text;
}
