import { hash, randomBytes } from 'node:crypto';
import type { Sha256CryptHash } from '../protocol/auth-sha256-crypt.js';
import {
  type Credential,
  decoyHash,
  decoyNativeHash,
  decoyPassword,
  decoySha2Digest,
  HashCredential,
  NativeHashCredential,
  PasswordCredential,
  Sha2DigestCredential,
} from './credentials.js';
import type { PasswordHasher } from './password-hasher.js';

/** A user that may log in to the proxy. Whoever needs more of it, keeps it by name. */
export interface UserEntry {
  readonly name: string;
}

/** Who a login claims to be, and how to find out whether that is so. */
export interface AuthCandidate {
  readonly credential: Credential;
  /** A second password that proves the user as well, while the first takes its place. Both are always checked. */
  readonly former?: Credential | null;
  /**
   * The user, read once the credential is proven; null: nobody, whatever the credential says. A source that learns users
   * from a real server only knows it then.
   */
  readonly user: UserEntry | null;
  /** There is such a user, but it may not log in from where this client is. For the log: the client is told nothing of it. */
  readonly elsewhere?: boolean;
  /** As {@link elsewhere}: it has to show a certificate of another name. */
  readonly lacksCertificate?: boolean;
}

/** A source of users. It answers for every name: an unknown one gets a candidate that can't be told from a known one. */
export interface Authenticator {
  /**
   * @param host - the client's address, IPv4 or IPv6; `localhost` over a unix socket
   * @param certificate - the name in the client's certificate, which is a good one; null without
   */
  find(name: string, host: string, certificate?: string | null): AuthCandidate;
}

/** A password, or what is known of it. */
export type LocalSecret =
  | { readonly password: string }
  /** Of caching_sha2_password. */
  | { readonly hash: Sha256CryptHash }
  /** SHA1(SHA1(password)) of mysql_native_password; `proven` is told SHA1(password) whenever a client proves it. */
  | { readonly nativeDigest: Buffer; readonly proven?: (passwordSha1: Buffer) => void }
  /** SHA256(SHA256(password)) */
  | { readonly sha2Digest: Buffer };

export interface LocalUser extends UserEntry {
  readonly secret: LocalSecret;
  /** {@link AuthCandidate.former} */
  readonly former?: LocalSecret | null;
  /** Whether it may log in from an address; without it: from anywhere. */
  readonly admits?: ((host: string) => boolean) | null;
  /** The name that has to be in its certificate; without it: it needs none. */
  readonly certificate?: string | null;
}

interface Known {
  readonly candidate: AuthCandidate;
  readonly admits: ((host: string) => boolean) | null;
  readonly certificate: string | null;
}

/** The users of the configuration: looked up and checked without asking anyone. */
export class LocalUsers implements Authenticator {
  readonly #hasher: PasswordHasher;
  readonly #known = new Map<string, Known>();
  /**
   * Decoys in the mixture of the real users, chosen by name under a key of this process: an unknown name always meets the same
   * kind of exchange, which tells nothing, even where the kinds differ. Where they do not, one will do, and no name has to be
   * hashed for its choice.
   */
  #decoys: readonly AuthCandidate[] = [];
  readonly #decoyKey = randomBytes(16);

  constructor(users: readonly LocalUser[], hasher: PasswordHasher) {
    this.#hasher = hasher;
    this.replaceAll(users);
  }

  /** There are these and no others; the same object is the same user. Logins under way are not touched. */
  replaceAll(users: readonly LocalUser[]): void {
    const before = new Map(this.#known);
    this.#known.clear();
    for (const user of users) {
      const known = before.get(user.name);
      // Of a hash it may know by now what makes logins fast.
      if (known !== undefined && known.candidate.user === user) this.#known.set(user.name, known);
      else this.replace(user);
    }
    const decoys = users.map((user) => this.#decoyOf(user));
    this.#decoys = decoys.length === 0 ? [{ credential: decoyPassword(), user: null }] : decoys;
    if (new Set(users.map(kindOf)).size === 1) this.#decoys = this.#decoys.slice(0, 1);
  }

  /** Takes the place of the user of this name, whose credentials are of the same kind: logins under way are not touched. */
  replace(user: LocalUser): void {
    const credential = this.#credentialOf(user.secret);
    const former = user.former ? this.#credentialOf(user.former) : null;
    const { name, admits = null, certificate = null } = user;
    this.#known.set(name, { candidate: { credential, former, user }, admits, certificate });
  }

  find(name: string, host: string, certificate: string | null = null): AuthCandidate {
    const known = this.#known.get(name);
    // Worked out for known names, too: it takes as long for both.
    const decoy = this.#decoyFor(name);
    if (known === undefined) return decoy;
    if (known.admits !== null && !known.admits(host)) return { ...decoy, elsewhere: true };
    const lacksCertificate = known.certificate !== null && known.certificate !== certificate;
    return lacksCertificate ? { ...decoy, lacksCertificate } : known.candidate;
  }

  has(name: string): boolean {
    return this.#known.has(name);
  }

  /** Whether anybody at all may log in from this address. */
  admits(host: string): boolean {
    for (const { admits } of this.#known.values()) if (admits === null || admits(host)) return true;
    return false;
  }

  #credentialOf(secret: LocalSecret): Credential {
    if ('password' in secret) return new PasswordCredential(secret.password);
    if ('hash' in secret) return new HashCredential(secret.hash, this.#hasher);
    if ('sha2Digest' in secret) return new Sha2DigestCredential(secret.sha2Digest);
    return new NativeHashCredential(secret.nativeDigest, secret.proven);
  }

  #decoyOf({ secret, former }: LocalUser): AuthCandidate {
    const decoy = (of: LocalSecret): Credential => {
      if ('password' in of) return decoyPassword();
      if ('hash' in of) return decoyHash(of.hash.rounds, this.#hasher);
      return 'sha2Digest' in of ? decoySha2Digest() : decoyNativeHash();
    };
    return { credential: decoy(secret), former: former ? decoy(former) : null, user: null };
  }

  #decoyFor(name: string): AuthCandidate {
    if (this.#decoys.length === 1) return this.#decoys[0] as AuthCandidate;
    const digest = hash('sha256', Buffer.concat([this.#decoyKey, Buffer.from(name)]), 'buffer');
    return this.#decoys[digest.readUInt32LE(0) % this.#decoys.length] as AuthCandidate;
  }
}

/** Users of one kind are asked for the same, and checked by the same work. */
function kindOf({ secret, former }: LocalUser): string {
  const kind = (of: LocalSecret): string => {
    if ('password' in of) return 'password';
    if ('hash' in of) return `hash ${of.hash.rounds}`;
    return 'sha2Digest' in of ? 'sha2' : 'native';
  };
  return former ? `${kind(secret)}, ${kind(former)}` : kind(secret);
}
