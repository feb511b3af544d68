import type { AddressList } from './address-list.js';
import { type PasswordSource, readPasswordFile } from './password-file.js';
import { isNativeHash, type PasswordHash } from './password-hash.js';
import type { UpstreamTarget } from './upstream.js';
import type { UserEntry } from './user-schema.js';

/** What a client proves its name with. */
export type Credential = ({ readonly kind: 'password' } & PasswordSource) | PasswordHash;

/** What the proxy logs in to the server with. */
export type ServerSecret =
  | ({ readonly kind: 'password' } & PasswordSource)
  /** SHA1(password), from a client that has proven the user's password, or its old one. */
  | { readonly kind: 'native_proof'; readonly of: 'current' | 'old' };

/** An account on the server. */
export interface ServerLogin {
  readonly user: string;
  /** The second, where there is one, is tried when the server refuses the first. */
  readonly secrets: readonly [ServerSecret, ...ServerSecret[]];
}

/** What is said of a user alone; undefined where the key for all users counts. Times are milliseconds. */
export interface UserLimits {
  readonly queryTimeout?: number | undefined;
  readonly transactionTimeout?: number | undefined;
  readonly idleTransactionTimeout?: number | undefined;
  readonly clientIdleTimeout?: number | undefined;
  readonly maxClientConn?: number | undefined;
}

/** What a user may do, as far as the proxy can tell. */
export interface UserGuards {
  /** Null: from anywhere. */
  readonly addresses: AddressList | null;
  /** Name of the certificate that its clients have to show; null: any that will do for everybody. */
  readonly certificate: string | null;
  /** Null: any. */
  readonly schemas: readonly string[] | null;
  readonly readOnly: boolean;
}

export const NO_GUARDS: UserGuards = { addresses: null, certificate: null, schemas: null, readOnly: false };

/** A user that clients may log in as, and the account that they then work as. */
export interface ClientUser {
  readonly name: string;
  readonly credential: Credential;
  /** A second one that counts as well, while the first takes its place. */
  readonly old: Credential | null;
  readonly server: ServerLogin;
  readonly limits: UserLimits;
  readonly guards: UserGuards;
}

/** A mistake in one entry: the path continues that of the entry. */
export interface UserMistake {
  readonly path: readonly string[];
  readonly message: string;
}

const CREDENTIALS = ['password', 'password_file', 'hash'] as const;
const OLD_CREDENTIALS = ['old_password', 'old_password_file', 'old_hash'] as const;
const SERVER_PASSWORDS = ['server_password', 'server_password_file'] as const;

/** What the keys of an entry demand of each other, found on its raw form, so that it is told beside bad values. */
export function userMistakes(raw: unknown): readonly UserMistake[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return [];
  const has = (key: string): boolean => Object.hasOwn(raw, key);
  const mistakes: UserMistake[] = [];
  const given = CREDENTIALS.filter(has);
  if (given.length === 0)
    mistakes.push({ path: [], message: 'needs one of password, password_file and hash' });
  for (const keys of [CREDENTIALS, OLD_CREDENTIALS, SERVER_PASSWORDS]) {
    const both = keys.filter(has);
    if (both.length > 1)
      mistakes.push({ path: [], message: `has ${both.join(' and ')}; only one of them can be used` });
  }
  const { hash, old_hash: oldHash } = raw as { readonly hash?: unknown; readonly old_hash?: unknown };
  if (has('hash') && !has('server_user') && !(typeof hash === 'string' && isNativeHash(hash))) {
    mistakes.push({
      path: ['hash'],
      message: 'cannot log in to the server; give server_user and server_password as well',
    });
  }
  if (
    typeof hash === 'string' &&
    typeof oldHash === 'string' &&
    isNativeHash(hash) !== isNativeHash(oldHash)
  ) {
    mistakes.push({ path: ['old_hash'], message: 'and hash are of methods that no client can use at once' });
  }
  const serverPasswords = SERVER_PASSWORDS.filter(has);
  if (has('server_user') && serverPasswords.length === 0) {
    mistakes.push({
      path: ['server_user'],
      message: 'needs server_password or server_password_file as well (server_password: "" for an empty one)',
    });
  }
  for (const key of has('server_user') ? [] : serverPasswords)
    mistakes.push({ path: [key], message: 'needs server_user as well' });
  return mistakes;
}

/** A password in clear, one in a file, or a hash; null where none of them is given. */
function credentialOf(
  entry: UserEntry,
  prefix: '' | 'old_' | 'server_',
  directory: string,
): Credential | UserMistake | null {
  const hash = prefix === 'server_' ? undefined : entry[`${prefix}hash`];
  if (hash !== undefined) return hash;
  const password = entry[`${prefix}password`];
  if (password !== undefined) return { kind: 'password', password, file: null };
  const key = `${prefix}password_file` as const;
  const path = entry[key];
  if (path === undefined) return null;
  const read = readPasswordFile(path, directory);
  return 'failure' in read ? { path: [key], message: read.failure } : { kind: 'password', ...read };
}

function serverSecret(credential: Credential, of: 'current' | 'old'): ServerSecret[] {
  switch (credential.kind) {
    case 'password':
      return [credential];
    case 'native_hash':
      return [{ kind: 'native_proof', of }];
    case 'caching_sha2_hash':
    case 'sha2_digest':
      return [];
  }
}

/**
 * The user that an entry free of `userMistakes` describes; reads its password files.
 * @param directory - where relative paths start
 */
export function resolveUser(entry: UserEntry, directory: string): ClientUser | readonly UserMistake[] {
  const found = (['', 'old_', 'server_'] as const).map((prefix) => credentialOf(entry, prefix, directory));
  const mistakes = found.filter((one) => one !== null && 'message' in one);
  if (mistakes.length > 0) return mistakes;
  const [credential, old, server] = found as (Credential | null)[];
  if (!credential) throw new TypeError('a user without a credential passed validation');
  const { name } = entry;
  const limits: UserLimits = {
    queryTimeout: entry.query_timeout,
    transactionTimeout: entry.transaction_timeout,
    idleTransactionTimeout: entry.idle_transaction_timeout,
    clientIdleTimeout: entry.client_idle_timeout,
    maxClientConn: entry.max_client_conn,
  };
  const guards: UserGuards = {
    addresses: entry.allowed_addresses ?? null,
    certificate: entry.certificate ?? null,
    schemas: entry.schemas ?? null,
    readOnly: entry.read_only ?? false,
  };
  const secrets = server
    ? serverSecret(server, 'current')
    : [...serverSecret(credential, 'current'), ...(old ? serverSecret(old, 'old') : [])];
  const [first, ...others] = secrets;
  if (first === undefined) throw new TypeError('a hash without server_user passed validation');
  const login: ServerLogin = { user: entry.server_user ?? name, secrets: [first, ...others] };
  return { name, credential, old: old ?? null, server: login, limits, guards };
}

/**
 * The upstream URL's own user first, unless the file has an entry with its name, which then counts instead. An entry that is
 * known by a mysql_native_password hash alone leaves the login on the server to the URL.
 * @param file - the one that the upstream's password was read from
 */
export function withUpstreamUser(
  users: readonly ClientUser[],
  upstream: UpstreamTarget,
  file: string | null,
): readonly ClientUser[] {
  const { user, password } = upstream;
  const secret = { kind: 'password', password, file } as const;
  const server: ServerLogin = { user, secrets: [secret] };
  if (users.some(({ name }) => name === user)) {
    return users.map((one) => {
      const byProof = one.server.user === user && one.server.secrets[0].kind === 'native_proof';
      return one.name === user && byProof ? { ...one, server } : one;
    });
  }
  const own: ClientUser = {
    name: user,
    credential: secret,
    old: null,
    server,
    limits: {},
    guards: NO_GUARDS,
  };
  return [own, ...users];
}
