import { timingSafeEqual } from 'node:crypto';
import { AuthPlugin } from '../protocol/auth-packets.js';
import { sha2Digest } from '../protocol/auth-scramble.js';
import type { Credential } from './credentials.js';
import type { ServerTries } from './server-tries.js';
import type { AuthCandidate, Authenticator, UserEntry } from './users.js';

/** A password that is not shown by accident. */
export interface SealedPassword {
  reveal(): string;
}

/** A password that the server has taken from a user. */
interface Proof {
  /** SHA256(SHA256(password)) */
  readonly digest: Buffer;
  readonly password: SealedPassword;
  /** Until when it is taken here without asking again. */
  until: number;
}

/** Passwords of one account that count at a time: MySQL's may have two, of which either worker may use another. */
const MAX_PROOFS = 2;

/**
 * A user who was let in by the server. Its password is kept in clear for as long as its clients may need sessions: to log in
 * to MySQL it takes no less, since after a restart, FLUSH PRIVILEGES or ALTER USER caching_sha2_password wants the password
 * itself, and a restart must not end anybody's connection. It is in no log, message or file.
 */
export class ServerUser implements UserEntry {
  readonly name: string;
  /** The one that was taken last comes first. */
  #proofs: readonly Proof[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** To log in to the server with. */
  get password(): string {
    return this.#proofs[0]?.password.reveal() ?? '';
  }

  /** Whether any password is taken without asking the server. */
  isKnown(now: number): boolean {
    return this.#proofs.some(({ until }) => until > now);
  }

  /** The digest that a client's fast response is checked against. */
  digestAt(now: number): Buffer | null {
    return this.#proofs.find(({ until }) => until > now)?.digest ?? null;
  }

  matches(digest: Buffer, now: number): boolean {
    return this.#proofs.some((proof) => proof.until > now && timingSafeEqual(proof.digest, digest));
  }

  /** Whether it was taken before, though perhaps too long ago. */
  hadBefore(digest: Buffer): boolean {
    return this.#proofs.some((proof) => timingSafeEqual(proof.digest, digest));
  }

  /** The server has taken it. @returns whether it is a new one */
  proven(digest: Buffer, password: SealedPassword, until: number): boolean {
    const isNew = !this.hadBefore(digest);
    // Whether it has taken the place of the others or stands beside them, the server knows: those are asked for once more.
    if (isNew) this.#doubtAll();
    const others = this.#proofs.filter((proof) => !timingSafeEqual(proof.digest, digest));
    this.#proofs = [{ digest, password, until }, ...others].slice(0, MAX_PROOFS);
    return isNew;
  }

  /** The server has taken this password from the proxy itself. */
  confirmed(password: string, until: number): void {
    const proof = this.#proofs.find((one) => one.password.reveal() === password);
    if (proof !== undefined) proof.until = Math.max(proof.until, until);
  }

  /** The server refuses it: nobody logs in any more without being asked for the password. */
  refused(password: string): void {
    const proof = this.#proofs.find((one) => one.password.reveal() === password);
    if (proof === undefined) return;
    this.#doubtAll();
    // Where there is another one, that is used from now on.
    this.#proofs = [...this.#proofs.filter((one) => one !== proof), proof];
  }

  #doubtAll(): void {
    for (const proof of this.#proofs) proof.until = Number.NEGATIVE_INFINITY;
  }
}

export interface PassThroughOptions {
  /** Those of the configuration: they come first. */
  readonly local: Authenticator & { has(name: string): boolean };
  readonly tries: Pick<ServerTries, 'ask'>;
  /** How long a password is taken without asking the server again, in ms. */
  readonly expiryMs: number;
  readonly seal: (password: string) => SealedPassword;
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

  find(name: string, host: string): AuthCandidate {
    const { local } = this.#options;
    if (local.has(name)) return local.find(name, host);
    return { credential: new ServerCredential(this, name, this.#now()), user: { name } };
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
  confirmed(user: ServerUser, password: string): void {
    user.confirmed(password, this.#now() + this.#options.expiryMs);
  }

  /** {@link Credential.checkPassword} */
  async check(name: string, bytes: Buffer): Promise<boolean> {
    const digest = sha2Digest(bytes);
    if (this.#users.get(name)?.matches(digest, this.#now()) === true) return true;
    const password = asText(bytes);
    if (password === null || name.length > MAX_NAME) return false;
    const { tries, seal, expiryMs, proven } = this.#options;
    try {
      if (!(await tries.ask(name, password))) return false;
    } catch (error) {
      if (!isOfTakenPassword(error) || this.#users.get(name)?.hadBefore(digest) !== true) throw error;
    }
    const known = this.#users.get(name);
    const user = known ?? new ServerUser(name);
    // Of those who asked for the same at once, the first one has been here.
    if (user.matches(digest, this.#now())) return true;
    const isNew = user.proven(digest, seal(password), this.#now() + expiryMs);
    if (known === undefined) this.#makeRoom();
    this.#users.set(name, user);
    proven(user, isNew);
    return true;
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
  readonly plugins = [AuthPlugin.CachingSha2] as const;
  // Nothing tells that no password would be right: the server is asked about that, too.
  readonly acceptsEmpty = false;
  readonly asksElsewhere = true;
  readonly nativeDigest = null;
  readonly sha2Digest: Buffer | null;
  readonly checkPassword: (password: Buffer) => Promise<boolean>;

  constructor(users: PassThroughUsers, name: string, now: number) {
    this.sha2Digest = users.user(name)?.digestAt(now) ?? null;
    this.checkPassword = (password) => users.check(name, password);
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
