import type { Change } from './live-config.js';
import { formatDuration } from './units.js';
import type { ClientUser, Credential, ServerSecret } from './users.js';

/** Which users are there, are gone, or are another in something: one change for each of them. */
export function userChanges(old: readonly ClientUser[], next: readonly ClientUser[]): readonly Change[] {
  const names = new Set([...old, ...next].map(({ name }) => name));
  return [...names].flatMap((name) => {
    const [before, after] = [old, next].map((users) => users.find((user) => user.name === name));
    if (before !== undefined && after !== undefined && sameUser(before, after)) return [];
    const [was, is] = [describe(before), describe(after)];
    const effect = 'applied' as const;
    return [{ key: `users[${name}]`, old: was, new: was === is ? `${is} (another secret)` : is, effect }];
  });
}

/** Those of `next`, but whoever is the same as before is the same object; and so is the list. */
export function keptUsers(old: readonly ClientUser[], next: readonly ClientUser[]): readonly ClientUser[] {
  const before = new Map(old.map((user) => [user.name, user]));
  const users = next.map((user) => {
    const known = before.get(user.name);
    return known !== undefined && sameUser(known, user) ? known : user;
  });
  const isSame = users.length === old.length && users.every((user, index) => user === old[index]);
  return isSame ? old : users;
}

/** Also in what is secret. */
export function sameUser(one: ClientUser, other: ClientUser): boolean {
  return JSON.stringify(identityOf(one)) === JSON.stringify(identityOf(other));
}

/** Everything that makes the user, secrets included: never to be shown. */
function identityOf({ name, credential, old, server, limits, guards }: ClientUser): readonly unknown[] {
  return [
    name,
    secretOf(credential),
    old === null ? null : secretOf(old),
    server.user,
    server.secrets.map(secretOf),
    Object.entries(limits).sort(([a], [b]) => (a < b ? -1 : 1)),
    guards.addresses?.rules ?? null,
    guards.schemas,
    guards.readOnly,
  ];
}

/** Of a file only its name counts: its contents are looked after anyway. */
function secretOf(secret: Credential | ServerSecret): readonly unknown[] {
  switch (secret.kind) {
    case 'password':
      return secret.file === null ? ['password', secret.password.reveal()] : ['file', secret.file];
    case 'native_proof':
      return ['proof', secret.of];
    case 'native_hash':
    case 'sha2_digest':
    case 'caching_sha2_hash':
      return [secret.kind, secret.reveal()];
  }
}

/** Without anything secret; empty for nobody. */
function describe(user: ClientUser | undefined): string {
  if (user === undefined) return '';
  const { name, credential, old, server, limits, guards } = user;
  const words = [wordOf(credential), ...(old === null ? [] : [`old_${wordOf(old)}`])];
  if (server.user !== name) words.push(`server_user ${server.user}`);
  for (const [key, value] of Object.entries({
    query_timeout: limits.queryTimeout,
    transaction_timeout: limits.transactionTimeout,
    idle_transaction_timeout: limits.idleTransactionTimeout,
    client_idle_timeout: limits.clientIdleTimeout,
  }))
    if (value !== undefined) words.push(`${key} ${formatDuration(value)}`);
  if (limits.maxClientConn !== undefined) words.push(`max_client_conn ${limits.maxClientConn}`);
  if (guards.addresses !== null) words.push(`allowed_addresses ${guards.addresses.rules.join(' ')}`);
  if (guards.schemas !== null) words.push(`schemas ${guards.schemas.join(' ')}`);
  if (guards.readOnly) words.push('read_only');
  return words.join(', ');
}

function wordOf(credential: Credential): string {
  if (credential.kind !== 'password') return 'hash [secret]';
  return credential.file === null ? 'password [secret]' : `password_file ${credential.file}`;
}
