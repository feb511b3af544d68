import { InvalidValue } from './problem.js';

/**
 * The `authentication_string` of a caching_sha2_password account: SHA-crypt (SHA-256) of the password with the server's salt.
 * Layout: `$A$` + three hex digits (thousands of rounds) + `$` + 20 bytes of salt + 43 characters of digest.
 */
export interface CachingSha2Hash {
  /** 5,000 to 4,095,000 rounds of SHA-256. */
  readonly rounds: number;
  /** 20 bytes, none of them NUL or `$`. */
  readonly salt: Buffer;
  /** 43 characters of SHA-crypt's own base64 (./0-9A-Za-z). */
  readonly digest: string;
}

/** What may stand in place of a password: as little to be shown as that, since it is what guesses are checked against. */
export type PasswordHash =
  | HiddenHash<'caching_sha2_hash', CachingSha2Hash>
  /** SHA1(SHA1(password)), 20 bytes. */
  | HiddenHash<'native_hash', Buffer>
  /** SHA256(SHA256(password)), 32 bytes. */
  | HiddenHash<'sha2_digest', Buffer>;

/** A hash that neither JSON nor inspection prints. */
class HiddenHash<K extends string, T> {
  readonly kind: K;
  readonly #value: T;

  constructor(kind: K, value: T) {
    this.kind = kind;
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }
}

const NATIVE = /^\*([0-9a-f]{40})$/i;
const SHA2_DIGEST = /^sha256:([0-9a-f]{64})$/i;

/** Whether `text` is the `authentication_string` of a mysql_native_password account. */
export function isNativeHash(text: string): boolean {
  return NATIVE.test(text);
}

/**
 * @param text `*` and 40 hexadecimal digits, `sha256:` and 64 of them, or what {@link parseCachingSha2Hash} reads
 * @throws InvalidValue, without quoting the hash
 */
export function parsePasswordHash(text: string): PasswordHash {
  const native = NATIVE.exec(text)?.[1];
  if (native !== undefined) return new HiddenHash('native_hash', Buffer.from(native, 'hex'));
  const sha2 = SHA2_DIGEST.exec(text)?.[1];
  if (sha2 !== undefined) return new HiddenHash('sha2_digest', Buffer.from(sha2, 'hex'));
  if (text.startsWith('*')) {
    throw new InvalidValue('is not a mysql_native_password hash: that is * and 40 hexadecimal digits');
  }
  if (text.startsWith('sha256:')) throw new InvalidValue('has no 64 hexadecimal digits behind sha256:');
  return new HiddenHash('caching_sha2_hash', parseCachingSha2Hash(text));
}

const LENGTH = 70;
const LEAST_ROUNDS = 5_000;

/**
 * @param text the 70 characters themselves, or `0x` and their 140 hexadecimal digits (a salt is rarely printable), as
 *   `SHOW CREATE USER` gives them with `print_identified_with_as_hex=ON`
 * @throws InvalidValue, without quoting the hash
 */
export function parseCachingSha2Hash(text: string): CachingSha2Hash {
  const bytes = /^0x(?:[0-9a-f]{2})*$/i.test(text)
    ? Buffer.from(text.slice(2), 'hex')
    : Buffer.from(text, 'utf8');
  const head = bytes.subarray(0, 7).toString('latin1');
  const salt = Buffer.from(bytes.subarray(7, 27));
  const digest = bytes.subarray(27).toString('latin1');
  const rounds = Number.parseInt(head.slice(3, 6), 16) * 1_000;
  if (!/^\$A\$[0-9A-F]{3}\$$/i.test(head) || rounds < LEAST_ROUNDS) {
    throw new InvalidValue(
      'is not a hash of a password: it must begin with $A$005$ (or with 0x and that in hexadecimal), with * or with sha256:',
    );
  }
  if (bytes.length !== LENGTH) {
    throw new InvalidValue(
      `has ${bytes.length} bytes where a caching_sha2_password hash has ${LENGTH}; if its salt is not plain text, give it as 0x and hexadecimal digits`,
    );
  }
  if (salt.includes(0) || salt.includes('$')) throw new InvalidValue('has a NUL byte or a $ in its salt');
  if (!/^[./0-9A-Za-z]{43}$/.test(digest))
    throw new InvalidValue('does not end in 43 characters of ./0-9A-Za-z');
  return { rounds, salt, digest };
}
