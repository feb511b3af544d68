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
  if (/^\*[0-9a-f]{40}$/i.test(text)) {
    throw new InvalidValue(
      'is a mysql_native_password hash; give the password itself or a caching_sha2_password hash ($A$005$…)',
    );
  }
  const head = bytes.subarray(0, 7).toString('latin1');
  const salt = Buffer.from(bytes.subarray(7, 27));
  const digest = bytes.subarray(27).toString('latin1');
  const rounds = Number.parseInt(head.slice(3, 6), 16) * 1_000;
  if (!/^\$A\$[0-9A-F]{3}\$$/i.test(head) || rounds < LEAST_ROUNDS) {
    throw new InvalidValue(
      'is not a caching_sha2_password hash: it must begin with $A$005$, or with 0x and that in hexadecimal',
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
