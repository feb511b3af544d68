import { hash, timingSafeEqual } from 'node:crypto';
import { AuthPlugin } from '../protocol/auth-packets.js';
import { nativeDigest, recoverNative, sha2Digest } from '../protocol/auth-scramble.js';
import type { Credential, RelayedProof } from './credentials.js';
import type { ServerTries } from './server-tries.js';
import type { AuthCandidate, Authenticator, UserEntry } from './users.js';

/** A password that is not shown by accident. */
export interface SealedPassword {
  reveal(): string;
}

/** What the server has taken from a user: the password, or SHA1(password) as hexadecimal digits (mysql_native_password). */
export type TakenSecret = { readonly password: SealedPassword } | { readonly passwordSha1: SealedPassword };

/** A password that the server has taken from a user. */
interface Proof {
  /** SHA1(SHA1(password)), by which passwords are told apart. */
  readonly native: Buffer;
  /** SHA256(SHA256(password)); null where the password itself is not known. */
  readonly sha2: Buffer | null;
  readonly secret: TakenSecret;
  /** Until when it is taken here without asking again. */
  until: number;
}

/** Passwords of one account that count at a time: MySQL's may have two, of which either worker may use another. */
const MAX_PROOFS = 2;

/**
 * A user who was let in by the server. Its password is kept in clear for as long as its clients may need sessions: to log in
 * to MySQL it takes no less, since after a restart, FLUSH PRIVILEGES or ALTER USER caching_sha2_password wants the password
 * itself, and a restart must not end anybody's connection. Of a user of MariaDB's, SHA1(password) will do. Neither is in a log,
 * message or file.
 */
export class ServerUser implements UserEntry {
  readonly name: string;
  /** The one that was taken last comes first. */
  #proofs: readonly Proof[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** To log in to the server with. */
  get secret(): { readonly password: string } | { readonly passwordSha1: Buffer } {
    const secret = this.#proofs[0]?.secret;
    if (secret === undefined) return { password: '' };
    return 'password' in secret
      ? { password: secret.password.reveal() }
      : { passwordSha1: Buffer.from(secret.passwordSha1.reveal(), 'hex') };
  }

  /** Whether any password is taken without asking the server. */
  isKnown(now: number): boolean {
    return this.#proofs.some(({ until }) => until > now);
  }

  /** The digests that a client's responses are checked against. */
  digestsAt(now: number): { readonly native: Buffer | null; readonly sha2: Buffer | null } {
    const known = this.#proofs.filter(({ until }) => until > now);
    return { native: known[0]?.native ?? null, sha2: known.find(({ sha2 }) => sha2 !== null)?.sha2 ?? null };
  }

  /** The digest of a password that was taken before, though perhaps too long ago, and that answers this scramble so. */
  hadAnswer(response: Buffer, scramble: Buffer): Buffer | null {
    const proof = this.#proofs.find(({ native }) => recoverNative(response, scramble, native) !== null);
    return proof?.native ?? null;
  }

  /** Whether it is taken, by {@link nativeDigest}. */
  matches(native: Buffer, now: number): boolean {
    return this.#proofs.some((proof) => proof.until > now && timingSafeEqual(proof.native, native));
  }

  /** Whether it was taken before, though perhaps too long ago. */
  hadBefore(native: Buffer): boolean {
    return this.#proofs.some((proof) => timingSafeEqual(proof.native, native));
  }

  /** The server has taken it. @returns whether it is a new one */
  proven(native: Buffer, sha2: Buffer | null, secret: TakenSecret, until: number): boolean {
    const before = this.#proofs.find((proof) => timingSafeEqual(proof.native, native));
    // Whether it has taken the place of the others or stands beside them, the server knows: those are asked for once more.
    if (before === undefined) this.#doubtAll();
    const others = this.#proofs.filter((proof) => proof !== before);
    // Who knows the password itself needs less of others.
    const proof = sha2 === null && before ? { ...before, until } : { native, sha2, secret, until };
    this.#proofs = [proof, ...others].slice(0, MAX_PROOFS);
    return before === undefined;
  }

  /** Of a password that is known by a proof of it, a client has shown the rest. It is taken as long as it was. */
  completed(native: Buffer, sha2: Buffer, secret: TakenSecret): void {
    this.#proofs = this.#proofs.map((proof) =>
      timingSafeEqual(proof.native, native) ? { ...proof, sha2, secret } : proof,
    );
  }

  /** The server has taken this from the proxy itself. */
  confirmed(secret: ServerUser['secret'], until: number): void {
    const proof = this.#proofOf(secret);
    if (proof !== undefined) proof.until = Math.max(proof.until, until);
  }

  /** The server refuses it: nobody logs in any more without being asked for the password. */
  refused(secret: ServerUser['secret']): void {
    const proof = this.#proofOf(secret);
    if (proof === undefined) return;
    this.#doubtAll();
    // Where there is another one, that is used from now on.
    this.#proofs = [...this.#proofs.filter((one) => one !== proof), proof];
  }

  #proofOf(secret: ServerUser['secret']): Proof | undefined {
    const native =
      'password' in secret ? nativeDigest(secret.password) : hash('sha1', secret.passwordSha1, 'buffer');
    return this.#proofs.find((proof) => timingSafeEqual(proof.native, native));
  }

  #doubtAll(): void {
    for (const proof of this.#proofs) proof.until = Number.NEGATIVE_INFINITY;
  }
}

/** A login on the server by a client's own answer. */
export interface ServerRelay {
  readonly scramble: Buffer;
  /** @returns null where it is wrong */
  prove(response: Buffer): Promise<{ readonly digest: Buffer; readonly passwordSha1: Buffer } | null>;
  cancel(): void;
}

/** `isWanted`: asked when it is this one's turn. */
export type OpenRelay = (user: string, isWanted: () => boolean) => Promise<ServerRelay | null>;

export interface PassThroughOptions {
  /** Those of the configuration: they come first. */
  readonly local: Authenticator & { has(name: string): boolean };
  readonly tries: Pick<ServerTries, 'ask'>;
  /** Begins a login by a client's own answer; resolves with null when that cannot be had now. Null: the server has no such. */
  readonly relays: () => OpenRelay | null;
  /** How long a password is taken without asking the server again, in ms. */
  readonly expiryMs: number;
  readonly seal: (secret: string) => SealedPassword;
  /** The server has taken a password from the user; `isNew`: not the one it had. Called before its client is logged in. */
  readonly proven: (user: ServerUser, isNew: boolean) => void;
  /** In ms, monotonic. */
  readonly now?: () => number;
}

/** Users whose password may be remembered: more only where the server lets in any name. The oldest ones are asked for anew. */
const MAX_USERS = 10_000;

/**
 * Users that only the server knows. Who is not in the configuration is asked for the password itself, and that is tried on
 * the server; for a time after that, logins with the same one need neither. So names in the configuration can be told from
 * others (they are not asked), but a name that the server has not cannot be told from one that it has, as far as the server
 * itself makes no difference.
 */
export class PassThroughUsers implements Authenticator {
  readonly #options: PassThroughOptions;
  readonly #now: () => number;
  readonly #users = new Map<string, ServerUser>();

  constructor(options: PassThroughOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get size(): number {
    return this.#users.size;
  }

  find(name: string, host: string, certificate: string | null = null): AuthCandidate {
    const { local } = this.#options;
    if (local.has(name)) return local.find(name, host, certificate);
    return { credential: new ServerCredential(this, name, this.#now), user: { name } };
  }

  user(name: string): ServerUser | null {
    return this.#users.get(name) ?? null;
  }

  values(): Iterable<ServerUser> {
    return this.#users.values();
  }

  /** To be called for a user without clients and sessions whose password is not taken any more. */
  forget(user: ServerUser): void {
    if (this.#users.get(user.name) === user) this.#users.delete(user.name);
  }

  isKnown(user: ServerUser): boolean {
    return user.isKnown(this.#now());
  }

  /** The server has let the proxy in with it. */
  confirmed(user: ServerUser, secret: ServerUser['secret']): void {
    user.confirmed(secret, this.#now() + this.#options.expiryMs);
  }

  /** {@link Credential.checkPassword} */
  async check(name: string, bytes: Buffer): Promise<boolean> {
    const digest = nativeDigest(bytes);
    const password = asText(bytes);
    if (password === null || name.length > MAX_NAME) return false;
    const user = this.#users.get(name);
    if (user?.matches(digest, this.#now()) === true) {
      // Where only a proof of it was known: now others can use other methods.
      if (user.digestsAt(this.#now()).sha2 === null)
        user.completed(digest, sha2Digest(bytes), { password: this.#options.seal(password) });
      return true;
    }
    try {
      if (!(await this.#options.tries.ask(name, password))) return false;
    } catch (error) {
      if (!isOfTakenPassword(error) || this.#users.get(name)?.hadBefore(digest) !== true) throw error;
    }
    // Of those who asked for the same at once, the first one has been here.
    if (this.#users.get(name)?.matches(digest, this.#now()) !== true)
      this.#take(name, digest, sha2Digest(bytes), password);
    return true;
  }

  /** {@link Credential.relay}; null where the server has none. */
  relayOf(name: string): (() => Promise<RelayedProof | 'known' | null>) | null {
    const open = name.length > MAX_NAME ? null : this.#options.relays();
    return open === null ? null : () => this.#relay(name, open);
  }

  async #relay(name: string, open: OpenRelay): Promise<RelayedProof | 'known' | null> {
    const isKnown = (): boolean => this.#users.get(name)?.isKnown(this.#now()) === true;
    // What is known was not what this client has said: its password may be a new one.
    const before = isKnown();
    const relay = await open(name, () => before || !isKnown());
    // Somebody else has brought it while this one waited for its turn.
    if (!before && isKnown()) {
      relay?.cancel();
      return 'known';
    }
    if (relay === null) return null;
    return {
      scramble: relay.scramble,
      cancel: () => relay.cancel(),
      prove: async (response) => {
        try {
          const taken = await relay.prove(response);
          if (taken !== null) this.#take(name, taken.digest, null, taken.passwordSha1);
          return taken !== null;
        } catch (error) {
          const had = this.#users.get(name)?.hadAnswer(response, relay.scramble) ?? null;
          if (had === null || !isOfTakenPassword(error)) throw error;
          return true;
        }
      },
    };
  }

  /** The server has taken it. `secret`: the password, or SHA1 of it. */
  #take(name: string, digest: Buffer, sha2: Buffer | null, secret: string | Buffer): void {
    const { seal, expiryMs, proven } = this.#options;
    const known = this.#users.get(name);
    const user = known ?? new ServerUser(name);
    const sealed =
      typeof secret === 'string'
        ? { password: seal(secret) }
        : { passwordSha1: seal(secret.toString('hex')) };
    const isNew = user.proven(digest, sha2, sealed, this.#now() + expiryMs);
    if (known === undefined) this.#makeRoom();
    this.#users.set(name, user);
    proven(user, isNew);
  }

  #makeRoom(): void {
    if (this.#users.size < MAX_USERS) return;
    for (const oldest of this.#users.keys()) {
      this.#users.delete(oldest);
      return;
    }
  }
}

/**
 * The account has no further connection left (max_user_connections): the servers look at that after the password. The proxy's
 * own sessions may be all that it may have, and then it needs no other one.
 */
function isOfTakenPassword(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && (error.errno === 1203 || error.errno === 1226);
}

/** Characters; the servers' own limits are lower. */
const MAX_NAME = 128;

/** One login of a user of whom the server is asked. */
class ServerCredential implements Credential {
  readonly plugins: readonly [AuthPlugin, ...AuthPlugin[]];
  // Nothing tells that no password would be right: the server is asked about that, too.
  readonly acceptsEmpty = false;
  readonly asksElsewhere = true;
  readonly sha2Digest: Buffer | null;
  readonly checkPassword: (password: Buffer) => Promise<boolean>;
  readonly relay: (() => Promise<RelayedProof | 'known' | null>) | null;
  readonly #nativeDigest: () => Buffer | null;

  constructor(users: PassThroughUsers, name: string, now: () => number) {
    this.sha2Digest = users.user(name)?.digestsAt(now()).sha2 ?? null;
    this.#nativeDigest = () => users.user(name)?.digestsAt(now()).native ?? null;
    this.checkPassword = (password) => users.check(name, password);
    this.relay = users.relayOf(name);
    this.plugins =
      this.relay === null ? [AuthPlugin.CachingSha2] : [AuthPlugin.CachingSha2, AuthPlugin.Native];
  }

  /** As it is known by now. */
  get nativeDigest(): Buffer | null {
    return this.relay === null ? null : this.#nativeDigest();
  }
}

/** Null for bytes that are no UTF-8: they would become another password. */
function asText(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
