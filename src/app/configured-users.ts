import { hash } from 'node:crypto';
import { ServerAccount, type ServerPassword } from '../backend/server-account.js';
import type { Config } from '../config/load.js';
import type { PasswordSource } from '../config/password-file.js';
import { type SecretFile, SecretFiles, type SecretFilesLog } from '../config/secret-files.js';
import type { ClientUser, Credential, ServerLogin, ServerSecret } from '../config/users.js';
import type { PasswordHasher } from '../frontend/password-hasher.js';
import { type LocalSecret, type LocalUser, LocalUsers } from '../frontend/users.js';
import type { UserTerms } from '../relay/client-identity.js';
import { LiveTimeLimits, termsOf } from './options.js';

/** SHA1(password) of a user, once a client has proven it. */
interface Proofs {
  current: Buffer | null;
  old: Buffer | null;
}

/** What an account logs in to the server with now, and the user whose clients prove it. */
interface AccountLogin {
  key: string;
  userName: string;
  secrets: readonly ServerSecret[];
}

/** How a user is served who has logged in, or may. */
interface Known {
  readonly limits: LiveTimeLimits;
  terms: UserTerms;
}

/**
 * The users of the configuration, which may change: what clients prove, what the proxy logs in to the server with, and the
 * files both stand in.
 */
export class ConfiguredUsers {
  readonly local: LocalUsers;
  readonly #config: Config;
  readonly #passwordChanged: (account: ServerAccount) => void;
  readonly #files: SecretFiles;
  readonly #followed = new WeakSet<SecretFile>();
  /** All there ever were: an account that nobody is listed with any more may have clients still, or be wanted again. */
  readonly #logins = new Map<ServerAccount, AccountLogin>();
  #inUse: ReadonlySet<ServerAccount> = new Set();
  /** Those of users who are gone, too: a login may have been under way. */
  readonly #known = new Map<string, Known>();
  readonly #proofs = new Map<string, Proofs>();
  #users: readonly ClientUser[] = [];
  readonly #locals = new WeakMap<ClientUser, LocalUser>();

  /** @param passwordChanged - a file says another password for the account, which may be one that the server takes */
  constructor(
    config: Config,
    hasher: PasswordHasher,
    log: SecretFilesLog,
    passwordChanged: (account: ServerAccount) => void = () => {},
  ) {
    this.#config = config;
    this.#passwordChanged = passwordChanged;
    this.#files = new SecretFiles(log);
    this.local = new LocalUsers([], hasher);
    this.apply();
  }

  /** Server accounts. */
  get size(): number {
    return this.#inUse.size;
  }

  /** Accounts that no user is listed with any more. */
  get retired(): readonly ServerAccount[] {
    return [...this.#logins.keys()].filter((account) => !this.#inUse.has(account));
  }

  /** Looks at the password files. */
  secondPassed(): void {
    this.#files.secondPassed();
  }

  /**
   * Takes the users of the configuration: logins under way and clients that are logged in are not touched, but for the limits
   * of a user who is still listed.
   * @returns accounts that log in with something else now
   */
  apply(): readonly ServerAccount[] {
    const { users } = this.#config;
    this.#users = users;
    for (const user of users) this.#forgetProofs(user);
    const { accounts, changed } = this.#accountsOf(users);
    this.#inUse = new Set(accounts.values());
    for (const user of users) {
      const account = accounts.get(user.name);
      if (account !== undefined) this.#know(user, account);
    }
    for (const source of users.flatMap(sourcesOf)) this.#follow(this.#files.add(source));
    this.#files.keepOnly(
      new Set(users.flatMap(sourcesOf).flatMap(({ file }) => (file === null ? [] : [file]))),
    );
    this.local.replaceAll(users.map((user) => this.#localUser(user)));
    return changed;
  }

  /** Of whoever is listed, or was when its login began. @throws RangeError for anybody else */
  termsOf(name: string): UserTerms {
    const known = this.#known.get(name);
    if (known === undefined) throw new RangeError(`user ${name} has logged in but is not configured`);
    return known.terms;
  }

  #know(user: ClientUser, account: ServerAccount): void {
    const limits = this.#known.get(user.name)?.limits ?? new LiveTimeLimits(this.#config, user.limits);
    limits.own = user.limits;
    this.#known.set(user.name, { limits, terms: termsOf(user, account, limits) });
  }

  /**
   * One account for all users who log in to the server with the same: they share its sessions. Where something else is to be
   * said to the server for the same of its users, the account that nobody else needs stays, with its sessions and clients.
   */
  #accountsOf(users: readonly ClientUser[]): {
    readonly accounts: ReadonlyMap<string, ServerAccount>;
    readonly changed: readonly ServerAccount[];
  } {
    const wanted = new Map(users.map(({ name, server }) => [keyOf(name, server), { name, server }] as const));
    const byKey = new Map([...this.#logins].map(([account, { key }]) => [key, account] as const));
    const changed: ServerAccount[] = [];
    for (const [key, { name, server }] of wanted) {
      if (byKey.has(key)) continue;
      const login = { key, userName: name, secrets: server.secrets };
      const spare = [...byKey].find(([other, { user }]) => !wanted.has(other) && user === server.user);
      if (spare === undefined) {
        byKey.set(key, this.#newAccount(server.user, login));
        continue;
      }
      const [before, account] = spare;
      byKey.delete(before);
      byKey.set(key, account);
      this.#logins.set(account, login);
      account.passwordChanged();
      changed.push(account);
    }
    const accounts = new Map<string, ServerAccount>();
    for (const { name, server } of users) {
      const account = byKey.get(keyOf(name, server));
      if (account !== undefined) accounts.set(name, account);
    }
    return { accounts, changed };
  }

  #newAccount(user: string, login: AccountLogin): ServerAccount {
    const account: ServerAccount = new ServerAccount(user, () => this.#passwords(account), {
      poolName: this.#poolName(user),
    });
    this.#logins.set(account, login);
    return account;
  }

  /** The user, or `user#2` where another account has it: it logs in with something else. */
  #poolName(user: string): string {
    const taken = new Set([...this.#logins.keys()].map(({ poolName }) => poolName));
    for (let number = 1; ; number++) {
      const name = number === 1 ? user : `${user}#${number}`;
      if (!taken.has(name)) return name;
    }
  }

  /** The ones that are meant to work, then what their files said before. */
  #passwords(account: ServerAccount): ServerPassword[] {
    const login = this.#logins.get(account);
    if (login === undefined) throw new TypeError('an account that nobody has made');
    const passwords: ServerPassword[] = [];
    const previous: ServerPassword[] = [];
    for (const secret of login.secrets) {
      if (secret.kind === 'password') {
        const file = this.#files.add(secret);
        passwords.push({ password: file?.password ?? secret.password.reveal() });
        if (file?.previous != null) previous.push({ password: file.previous });
      } else {
        const passwordSha1 = this.#proofs.get(login.userName)?.[secret.of] ?? null;
        if (passwordSha1 !== null) passwords.push({ passwordSha1 });
      }
    }
    return [...passwords, ...previous];
  }

  #follow(file: SecretFile | null): void {
    if (file === null || this.#followed.has(file)) return;
    this.#followed.add(file);
    file.changed.push(() => {
      const isOf = (secrets: readonly (Credential | ServerSecret | null)[]): boolean =>
        secrets.some((secret) => secret?.kind === 'password' && secret.file === file.path);
      for (const user of this.#users)
        if (isOf([user.credential, user.old])) this.local.replace(this.#newLocalUser(user));
      for (const [account, { secrets }] of this.#logins) {
        if (!isOf(secrets)) continue;
        account.passwordChanged();
        this.#passwordChanged(account);
      }
    });
  }

  /** What clients have proven of another hash. */
  #forgetProofs({ name, credential, old }: ClientUser): void {
    const proofs = this.#proofs.get(name);
    if (proofs === undefined) return;
    for (const [of, secret] of [
      ['current', credential],
      ['old', old],
    ] as const)
      if (secret?.kind !== 'native_hash' || !isProofOf(proofs[of], secret.reveal())) proofs[of] = null;
  }

  #localUser(user: ClientUser): LocalUser {
    return this.#locals.get(user) ?? this.#newLocalUser(user);
  }

  #newLocalUser(user: ClientUser): LocalUser {
    const { name, credential, old, guards } = user;
    const { addresses, certificate } = guards;
    const local = {
      name,
      secret: this.#secret(name, credential, 'current'),
      former: old === null ? null : this.#secret(name, old, 'old'),
      admits: addresses === null ? null : (host: string) => addresses.allows(host),
      certificate,
    };
    this.#locals.set(user, local);
    return local;
  }

  #secret(name: string, credential: Credential, of: 'current' | 'old'): LocalSecret {
    switch (credential.kind) {
      case 'password':
        return { password: this.#files.add(credential)?.password ?? credential.password.reveal() };
      case 'caching_sha2_hash':
        return { hash: credential.reveal() };
      case 'sha2_digest':
        return { sha2Digest: credential.reveal() };
      case 'native_hash':
        return {
          nativeDigest: credential.reveal(),
          proven: (passwordSha1) => {
            const proofs = this.#proofs.get(name) ?? { current: null, old: null };
            proofs[of] = passwordSha1;
            this.#proofs.set(name, proofs);
          },
        };
    }
  }
}

function isProofOf(passwordSha1: Buffer | null, digest: Buffer): boolean {
  return passwordSha1 !== null && hash('sha1', passwordSha1, 'buffer').equals(digest);
}

/** The passwords of a user that may stand in files. */
function sourcesOf({ credential, old, server }: ClientUser): readonly PasswordSource[] {
  return [credential, old, ...server.secrets].filter((secret) => secret?.kind === 'password');
}

function keyOf(userName: string, { user, secrets }: ServerLogin): string {
  return JSON.stringify([user, ...secrets.map((secret) => secretKey(userName, secret))]);
}

function secretKey(userName: string, secret: ServerSecret): readonly string[] {
  if (secret.kind === 'native_proof') return ['proof', secret.of, userName];
  return secret.file === null ? ['password', secret.password.reveal()] : ['file', secret.file];
}
