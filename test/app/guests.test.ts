import t from 'tap';
import { Guests } from '../../src/app/guests.js';
import { ServerConnectError } from '../../src/backend/connect.js';
import type { ServerAccount } from '../../src/backend/upstream.js';
import { completeConfigWithUrl, loadSettings } from '../../src/config/load.js';
import { PasswordHasher } from '../../src/frontend/password-hasher.js';
import { LocalUsers } from '../../src/frontend/users.js';
import { SessionPools } from '../../src/pool/session-pools.js';
import { KnownSchemas, type RelayServices } from '../../src/relay/relay-services.js';
import type { PoolTarget, ServerPools } from '../../src/relay/session-cleaner.js';

/** A server that lets anybody in, and the parts that hear when a user has gone. No session is ever opened. */
function world(expiry: string) {
  const flags = new Map([
    ['auth', { source: '--auth', values: ['passthrough'] }],
    ['passthrough_expiry', { source: '--passthrough-expiry', values: [expiry] }],
  ] as const);
  const config = completeConfigWithUrl(
    loadSettings({ flags, configFile: null, env: {} }),
    'mysql://app:secret@localhost/app',
  );
  const pools: ServerPools = new SessionPools({
    limit: 1,
    waitTimeoutMs: 1_000,
    dialRetryMs: 1_000,
    dial: () => new Promise(() => {}),
    close: () => undefined,
    fingerprint: () => null,
  });
  const forgotten = { controls: 0, routines: 0 };
  const clients = new Set<{ account: ServerAccount }>();
  const services = {
    clients,
    pools,
    knownSchemas: new KnownSchemas(),
    servers: { forget: () => forgotten.controls++, retry: () => {} },
    routines: { forget: () => forgotten.routines++ },
  } as unknown as RelayServices;
  const time = { now: 0 };
  const local = new LocalUsers([], new PasswordHasher());
  const upstream = {
    facts: null,
    tryLogin: () => Promise.resolve(true),
    relay: () => Promise.reject(new Error('not asked')),
  };
  const guests = new Guests(
    config,
    local,
    upstream,
    () => services,
    () => time.now,
  );
  const logIn = (name: string, password = 'secret'): Promise<boolean> | undefined =>
    guests.users.find(name, '127.0.0.1').credential.checkPassword?.(Buffer.from(password));
  const account = (name: string): ServerAccount => {
    const terms = guests.termsOf(name);
    if (terms === null) throw new Error(`${name} is not known`);
    return terms.account;
  };
  const poolOf = (name: string): object => {
    const target: PoolTarget = { account: account(name), capabilities: 0, schemaless: false };
    return pools.pool(name, target);
  };
  return { guests, time, clients, forgotten, logIn, account, poolOf };
}

t.test('thousands of names leave nothing once they have gone', async (t) => {
  const { guests, time, clients, forgotten, logIn, account, poolOf } = world('1s');
  const names = Array.from({ length: 200 }, (_, i) => `user ${i}`);
  for (const name of names) {
    t.equal(await logIn(name), true);
    poolOf(name);
  }
  guests.sweep();
  t.equal(guests.users.size, names.length, 'they are remembered');
  const stays = { account: account('user 7') };
  clients.add(stays);
  time.now += 1_001;
  guests.sweep();
  t.equal(guests.users.size, 1, 'but one, who is connected');
  t.equal(guests.termsOf('user 6'), null);
  t.equal(guests.termsOf('user 7')?.account, stays.account);
  t.same(forgotten, { controls: names.length - 1, routines: names.length - 1 });
  clients.delete(stays);
  guests.sweep();
  t.equal(guests.users.size, 0);
  t.equal(guests.termsOf('user 7'), null);
});

t.test('one account for a user, whatever its password is by now', async (t) => {
  const { logIn, account, poolOf } = world('1h');
  await logIn('bob', 'first');
  const bob = account('bob');
  const pool = poolOf('bob');
  t.strictSame(bob.attempts(0), [{ password: 'first' }]);
  t.ok(bob.isGuest);
  await logIn('bob', 'second');
  t.equal(account('bob'), bob);
  t.equal(poolOf('bob'), pool);
  t.strictSame(bob.attempts(0), [{ password: 'second' }]);
  const error = new ServerConnectError('db:3306', 'credentials', {
    errno: 1045,
    sqlState: '28000',
    message: 'no',
  });
  bob.refusals.set({}, { password: { password: 'second' }, error, until: Number.POSITIVE_INFINITY });
  bob.onLogin?.({ password: 'second' }, error);
  t.strictSame(bob.attempts(0), [{ password: 'first' }], 'it may have two: the other one is tried');
  await logIn('bob', 'second');
  t.equal(bob.refusals.size, 0, 'the server has taken it again');
  t.strictSame(bob.attempts(0), [{ password: 'second' }]);
});
