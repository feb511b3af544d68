import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CachingSha2Hash } from './password-hash.js';
import { quoteValue } from './problem.js';
import { Secret } from './secret.js';
import type { UpstreamTarget } from './upstream.js';
import type { UserEntry } from './user-schema.js';

/** What a client proves its name with. */
export type Credential =
  | { readonly kind: 'password'; readonly password: Secret }
  | { readonly kind: 'caching_sha2_hash'; readonly hash: CachingSha2Hash };

/** An account on the server. */
export interface ServerLogin {
  readonly user: string;
  readonly password: Secret;
}

/** What is said of a user alone; undefined where the key for all users counts. Times are milliseconds. */
export interface UserLimits {
  readonly queryTimeout?: number | undefined;
  readonly transactionTimeout?: number | undefined;
  readonly idleTransactionTimeout?: number | undefined;
  readonly clientIdleTimeout?: number | undefined;
  readonly maxClientConn?: number | undefined;
}

/** A user that clients may log in as, and the account that they then work as. */
export interface ClientUser {
  readonly name: string;
  readonly credential: Credential;
  readonly server: ServerLogin;
  readonly limits: UserLimits;
}

/** A mistake in one entry: the path continues that of the entry. */
export interface UserMistake {
  readonly path: readonly string[];
  readonly message: string;
}

const CREDENTIALS = ['password', 'password_file', 'hash'] as const;

/** What the keys of an entry demand of each other, found on its raw form, so that it is told beside bad values. */
export function userMistakes(raw: unknown): readonly UserMistake[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return [];
  const has = (key: string): boolean => Object.hasOwn(raw, key);
  const mistakes: UserMistake[] = [];
  const given = CREDENTIALS.filter(has);
  if (given.length === 0)
    mistakes.push({ path: [], message: 'needs one of password, password_file and hash' });
  if (given.length > 1)
    mistakes.push({ path: [], message: `has ${given.join(' and ')}; only one of them can be used` });
  if (has('hash') && !has('server_user')) {
    mistakes.push({
      path: ['hash'],
      message: 'cannot log in to the server; give server_user and server_password as well',
    });
  }
  if (has('server_user') && !has('server_password')) {
    mistakes.push({
      path: ['server_user'],
      message: 'needs server_password as well (write "" for an empty one)',
    });
  }
  if (has('server_password') && !has('server_user')) {
    mistakes.push({ path: ['server_password'], message: 'needs server_user as well' });
  }
  return mistakes;
}

const quotePath = (path: string): string => quoteValue(path, path.length);

function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EISDIR':
      return 'it is a directory';
    default:
      return code === '' ? String(error) : code;
  }
}

/** A file's text, or why it cannot be had. Bytes that are no UTF-8 would silently become another password. */
export function readTextFile(
  path: string,
): { text: string; failure: null } | { text: null; failure: string } {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return { text: null, failure: `cannot read ${quotePath(path)}: ${reason(error)}` };
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), failure: null };
  } catch {
    return { text: null, failure: `cannot read ${quotePath(path)}: it is not UTF-8 text` };
  }
}

function readPassword(path: string, directory: string): { password: Secret } | { failure: string } {
  const { text, failure } = readTextFile(resolve(directory, path));
  if (text === null) return { failure };
  const password = text.replace(/\r?\n$/, '');
  if (password === '') return { failure: `${quotePath(path)} is empty` };
  if (/[\r\n\0]/.test(password))
    return { failure: `${quotePath(path)} holds more than one line, or a NUL byte` };
  return { password: new Secret(password) };
}

function credentialOf(entry: UserEntry, directory: string): { credential: Credential } | UserMistake {
  if (entry.hash !== undefined) return { credential: { kind: 'caching_sha2_hash', hash: entry.hash } };
  if (entry.password !== undefined) return { credential: { kind: 'password', password: entry.password } };
  const read = readPassword(entry.password_file ?? '', directory);
  if ('failure' in read) return { path: ['password_file'], message: read.failure };
  return { credential: { kind: 'password', password: read.password } };
}

/**
 * The user that an entry free of `userMistakes` describes; reads its password file.
 * @param directory - where relative paths start
 */
export function resolveUser(entry: UserEntry, directory: string): ClientUser | UserMistake {
  const result = credentialOf(entry, directory);
  if ('message' in result) return result;
  const { credential } = result;
  const { name, server_user: user, server_password: password } = entry;
  const limits: UserLimits = {
    queryTimeout: entry.query_timeout,
    transactionTimeout: entry.transaction_timeout,
    idleTransactionTimeout: entry.idle_transaction_timeout,
    clientIdleTimeout: entry.client_idle_timeout,
    maxClientConn: entry.max_client_conn,
  };
  if (user !== undefined && password !== undefined)
    return { name, credential, server: { user, password }, limits };
  if (credential.kind !== 'password') throw new TypeError('a hash without server_user passed validation');
  return { name, credential, server: { user: name, password: credential.password }, limits };
}

/** The upstream URL's own user first, unless the file has an entry with its name, which then counts instead. */
export function withUpstreamUser(
  users: readonly ClientUser[],
  upstream: UpstreamTarget,
): readonly ClientUser[] {
  const { user, password } = upstream;
  if (users.some(({ name }) => name === user)) return users;
  const own: ClientUser = {
    name: user,
    credential: { kind: 'password', password },
    server: { user, password },
    limits: {},
  };
  return [own, ...users];
}
