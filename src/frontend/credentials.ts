import { randomBytes, timingSafeEqual } from 'node:crypto';
import { AuthPlugin } from '../protocol/auth-packets.js';
import { nativeDigest, sha2Digest } from '../protocol/auth-scramble.js';
import type { Sha256CryptHash } from '../protocol/auth-sha256-crypt.js';
import type { PasswordHasher } from './password-hasher.js';

/**
 * What is known of one user's password, in the forms the methods check against. An {@link AuthExchange} asks; a credential
 * says neither who the user is nor anything to a client.
 */
export interface Credential {
  /** Methods that can prove this password; the first is asked for where a client names none of them. */
  readonly plugins: readonly [AuthPlugin, ...AuthPlugin[]];
  /** Whether no password at all is right. */
  readonly acceptsEmpty: boolean;
  /** SHA1(SHA1(password)), when known. */
  readonly nativeDigest: Buffer | null;
  /** SHA256(SHA256(password)), when known; without it, or when it does not match, full authentication decides. */
  readonly sha2Digest: Buffer | null;
  /**
   * Checks the password itself (full authentication); null where the digest is the whole truth, so that a wrong response is
   * final. A password that is right may set `sha2Digest`, which makes the next login a fast one.
   * The promise rejects with an error that has `errno` and `sqlState` when it cannot be checked now.
   */
  readonly checkPassword: ((password: Buffer) => Promise<boolean>) | null;
  /**
   * Somebody else is asked, by `checkPassword`: for the empty password as well, and however the password comes in clear.
   */
  readonly asksElsewhere?: true;
  /**
   * Begins a login on the server for a client that can prove its password by mysql_native_password alone. `known`: the digest is
   * known by now. Null: the password itself has to be asked for.
   */
  readonly relay?: (() => Promise<RelayedProof | 'known' | null>) | null;
  /** Told SHA1(password) by each response that was right for `nativeDigest`: what a login on the server can be made of. */
  readonly nativeProven?: ((passwordSha1: Buffer) => void) | undefined;
}

/** A login on the server that waits for a client's answer. Either of the two is called, once. */
export interface RelayedProof {
  /** The server's own: what the client has to answer. */
  readonly scramble: Buffer;
  /** Whether the server takes it. Rejects as {@link Credential.checkPassword} does. */
  prove(response: Buffer): Promise<boolean>;
  cancel(): void;
}

/** A password that the proxy knows: every method works and none needs the password from the client. */
export class PasswordCredential implements Credential {
  readonly plugins = [AuthPlugin.CachingSha2, AuthPlugin.Native] as const;
  readonly acceptsEmpty: boolean;
  readonly nativeDigest: Buffer;
  readonly sha2Digest: Buffer;
  readonly checkPassword = null;

  constructor(password: string) {
    this.acceptsEmpty = password === '';
    this.nativeDigest = nativeDigest(password);
    this.sha2Digest = sha2Digest(password);
  }
}

/** A password known by its caching_sha2_password hash only. */
export class HashCredential implements Credential {
  readonly plugins = [AuthPlugin.CachingSha2] as const;
  readonly acceptsEmpty = false;
  readonly nativeDigest = null;
  readonly #hash: Sha256CryptHash;
  readonly #hasher: PasswordHasher;
  #sha2Digest: Buffer | null = null;

  constructor(hash: Sha256CryptHash, hasher: PasswordHasher) {
    this.#hash = hash;
    this.#hasher = hasher;
  }

  get sha2Digest(): Buffer | null {
    return this.#sha2Digest;
  }

  readonly checkPassword = async (password: Buffer): Promise<boolean> => {
    const digest = Buffer.from(await this.#hasher.digest(password, this.#hash), 'latin1');
    const expected = Buffer.from(this.#hash.digest, 'latin1');
    const right = digest.length === expected.length && timingSafeEqual(digest, expected);
    if (right) this.#sha2Digest = sha2Digest(password);
    return right;
  };
}

/** A password known by its mysql_native_password hash only: no other method can prove it. */
export class NativeHashCredential implements Credential {
  readonly plugins = [AuthPlugin.Native] as const;
  readonly acceptsEmpty = false;
  readonly nativeDigest: Buffer;
  readonly sha2Digest = null;
  readonly checkPassword = null;
  readonly nativeProven: ((passwordSha1: Buffer) => void) | undefined;

  constructor(digest: Buffer, proven?: (passwordSha1: Buffer) => void) {
    this.nativeDigest = digest;
    this.nativeProven = proven;
  }
}

/** A password known by what caching_sha2_password's fast authentication checks against: a wrong response is final. */
export class Sha2DigestCredential implements Credential {
  readonly plugins = [AuthPlugin.CachingSha2] as const;
  readonly acceptsEmpty = false;
  readonly nativeDigest = null;
  readonly sha2Digest: Buffer;
  readonly checkPassword = null;

  constructor(digest: Buffer) {
    this.sha2Digest = digest;
  }
}

/** Stands in for a user that does not exist: the same work and the same exchange as with a password, and never right. */
export function decoyPassword(): Credential {
  return new PasswordCredential(randomBytes(32).toString('base64'));
}

/** As {@link decoyPassword}, for a user with a hash of as many rounds: its digest is no password's. */
export function decoyHash(rounds: number, hasher: PasswordHasher): Credential {
  const digest = randomBytes(33).toString('base64').slice(0, 43);
  return new HashCredential({ rounds, salt: randomBytes(20), digest }, hasher);
}

/** As {@link decoyPassword}, for a user with a mysql_native_password hash. */
export function decoyNativeHash(): Credential {
  return new NativeHashCredential(randomBytes(20));
}

/** As {@link decoyPassword}, for a user with SHA256(SHA256(password)). */
export function decoySha2Digest(): Credential {
  return new Sha2DigestCredential(randomBytes(32));
}
