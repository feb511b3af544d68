import { hash, randomBytes } from 'node:crypto';
import type { Sha256CryptHash } from '../protocol/auth-sha256-crypt.js';
import {
  type Credential,
  decoyHash,
  decoyPassword,
  HashCredential,
  PasswordCredential,
} from './credentials.js';
import type { PasswordHasher } from './password-hasher.js';

/** A user that may log in to the proxy. Whoever needs more of it, keeps it by name. */
export interface UserEntry {
  readonly name: string;
}

/** Who a login claims to be, and how to find out whether that is so. */
export interface AuthCandidate {
  readonly credential: Credential;
  /**
   * The user, read once the credential is proven; null: nobody, whatever the credential says. A source that learns users
   * from a real server only knows it then.
   */
  readonly user: UserEntry | null;
}

/** A source of users. It answers for every name: an unknown one gets a candidate that can't be told from a known one. */
export interface Authenticator {
  find(name: string): AuthCandidate;
}

export interface LocalUser extends UserEntry {
  /** The password in clear, or a caching_sha2_password hash of it. */
  readonly secret: { readonly password: string } | { readonly hash: Sha256CryptHash };
}

/** The users of the configuration: looked up and checked without asking anyone. */
export class LocalUsers implements Authenticator {
  readonly #candidates = new Map<string, AuthCandidate>();
  /**
   * Decoys in the mixture of the real users, chosen by name under a key of this process: an unknown name always meets the same
   * kind of exchange, which tells nothing, even where the kinds differ.
   */
  readonly #decoys: readonly AuthCandidate[];
  readonly #decoyKey = randomBytes(16);

  constructor(users: readonly LocalUser[], hasher: PasswordHasher) {
    const passwordDecoy = { credential: decoyPassword(), user: null };
    const decoys: AuthCandidate[] = [];
    for (const user of users) {
      const { secret } = user;
      if ('password' in secret) {
        this.#candidates.set(user.name, { credential: new PasswordCredential(secret.password), user });
        decoys.push(passwordDecoy);
      } else {
        this.#candidates.set(user.name, { credential: new HashCredential(secret.hash, hasher), user });
        decoys.push({ credential: decoyHash(secret.hash.rounds, hasher), user: null });
      }
    }
    this.#decoys = decoys.length === 0 ? [passwordDecoy] : decoys;
  }

  find(name: string): AuthCandidate {
    return this.#candidates.get(name) ?? this.#decoyFor(name);
  }

  #decoyFor(name: string): AuthCandidate {
    const digest = hash('sha256', Buffer.concat([this.#decoyKey, Buffer.from(name)]), 'buffer');
    return this.#decoys[digest.readUInt32LE(0) % this.#decoys.length] as AuthCandidate;
  }
}
