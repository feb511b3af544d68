import { randomInt } from 'node:crypto';
import type { HashKind } from '../config/argv.js';
import { nativeDigest, sha2Digest } from '../protocol/auth-scramble.js';
import { Sha256Crypt } from '../protocol/auth-sha256-crypt.js';

/** Rounds of a caching_sha2_password hash unless the server is told otherwise. */
const ROUNDS = 5_000;
const SALT_LENGTH = 20;
/** Printable, and in need of no quoting, whatever bytes a server's own salts may have. */
const SALT_CHARACTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz./';

/** A value for `hash` in `users`. */
export function makeHash(kind: HashKind, password: Buffer): string {
  switch (kind) {
    case 'sha256':
      return `sha256:${sha2Digest(password).toString('hex')}`;
    case 'native':
      return `*${nativeDigest(password).toString('hex').toUpperCase()}`;
    case 'caching_sha2': {
      const characters = Array.from(
        { length: SALT_LENGTH },
        () => SALT_CHARACTERS[randomInt(SALT_CHARACTERS.length)] as string,
      );
      const salt = characters.join('');
      const crypt = new Sha256Crypt(password, Buffer.from(salt), ROUNDS);
      crypt.run(ROUNDS);
      return `$A$${(ROUNDS / 1_000).toString(16).padStart(3, '0').toUpperCase()}$${salt}${crypt.digest()}`;
    }
  }
}
