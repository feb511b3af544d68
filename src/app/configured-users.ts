import { ServerAccount, type ServerPassword } from '../backend/server-account.js';
import type { Config } from '../config/load.js';
import { type SecretFile, SecretFiles, type SecretFilesLog } from '../config/secret-files.js';
import type { ClientUser, Credential, ServerLogin, ServerSecret } from '../config/users.js';
import type { PasswordHasher } from '../frontend/password-hasher.js';
import { type LocalSecret, type LocalUser, LocalUsers } from '../frontend/users.js';
import type { UserTerms } from '../relay/client-identity.js';
import { termsOf } from './options.js';

/** SHA1(password) of a user, once a client has proven it. */
interface Proofs {
  current: Buffer | null;
  old: Buffer | null;
}

/** The users of the configuration: what clients prove, what the proxy logs in to the server with, and the files both stand in. */
export class ConfiguredUsers {
  readonly local: LocalUsers;
  readonly #files: SecretFiles;
  readonly #accounts = new Map<string, ServerAccount>();
  readonly #terms = new Map<string, UserTerms>();
  readonly #proofs = new Map<string, Proofs>();

  constructor(config: Config, hasher: PasswordHasher, log: SecretFilesLog) {
    this.#files = new SecretFiles(log);
    this.local = new LocalUsers(
      config.users.map((user) => this.#localUser(user)),
      hasher,
    );
    for (const user of config.users) {
      this.#terms.set(user.name, termsOf(config, user, this.account(user.name, user.server)));
      for (const credential of [user.credential, user.old]) {
        if (credential?.kind !== 'password') continue;
        this.#files.add(credential)?.changed.push(() => this.local.replace(this.#localUser(user)));
      }
    }
  }

  /** Server accounts. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Looks at the password files. */
  secondPassed(): void {
    this.#files.secondPassed();
  }

  /** @throws RangeError for a user that is not of the configuration */
  termsOf(name: string): UserTerms {
    const terms = this.#terms.get(name);
    if (terms === undefined) throw new RangeError(`user ${name} has logged in but is not configured`);
    return terms;
  }

  /** One account for all users who log in to the server with the same: they share its sessions. */
  account(userName: string, login: ServerLogin): ServerAccount {
    const { user, secrets } = login;
    const key = JSON.stringify([user, ...secrets.map((secret) => keyOf(userName, secret))]);
    let account = this.#accounts.get(key);
    if (account === undefined) {
      const files = secrets.map((secret) => (secret.kind === 'password' ? this.#files.add(secret) : null));
      const passwords = (): ServerPassword[] => this.#passwords(userName, secrets, files);
      const created = new ServerAccount(user, passwords, { poolName: this.#poolName(user) });
      for (const file of files) file?.changed.push(() => created.passwordChanged());
      this.#accounts.set(key, created);
      account = created;
    }
    return account;
  }

  /** The user, or `user#2` where another account has it: it logs in with something else. */
  #poolName(user: string): string {
    const taken = new Set([...this.#accounts.values()].map(({ poolName }) => poolName));
    for (let number = 1; ; number++) {
      const name = number === 1 ? user : `${user}#${number}`;
      if (!taken.has(name)) return name;
    }
  }

  /** The ones that are meant to work, then what their files said before. */
  #passwords(
    userName: string,
    secrets: readonly ServerSecret[],
    files: readonly (SecretFile | null)[],
  ): ServerPassword[] {
    const passwords: ServerPassword[] = [];
    for (const [index, secret] of secrets.entries()) {
      if (secret.kind === 'password') {
        passwords.push({ password: files[index]?.password ?? secret.password.reveal() });
      } else {
        const passwordSha1 = this.#proofs.get(userName)?.[secret.of] ?? null;
        if (passwordSha1 !== null) passwords.push({ passwordSha1 });
      }
    }
    for (const file of files) {
      const previous = file?.previous ?? null;
      if (previous !== null) passwords.push({ password: previous });
    }
    return passwords;
  }

  #localUser(user: ClientUser): LocalUser {
    const { name, credential, old, guards } = user;
    const { addresses } = guards;
    return {
      name,
      secret: this.#secret(name, credential, 'current'),
      former: old === null ? null : this.#secret(name, old, 'old'),
      admits: addresses === null ? null : (host) => addresses.allows(host),
    };
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

function keyOf(userName: string, secret: ServerSecret): readonly string[] {
  if (secret.kind === 'native_proof') return ['proof', secret.of, userName];
  return secret.file === null ? ['password', secret.password.reveal()] : ['file', secret.file];
}
