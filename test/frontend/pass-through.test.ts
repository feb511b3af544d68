import { inspect } from 'node:util';
import t from 'tap';
import { Secret } from '../../src/config/secret.js';
import { AuthExchange } from '../../src/frontend/auth-exchange.js';
import type { AuthRequest, AuthStep } from '../../src/frontend/auth-step.js';
import { PassThroughUsers, type ServerUser } from '../../src/frontend/pass-through.js';
import { PasswordHasher } from '../../src/frontend/password-hasher.js';
import { RsaKeys } from '../../src/frontend/rsa-keys.js';
import { LocalUsers } from '../../src/frontend/users.js';
import { AuthPlugin } from '../../src/protocol/auth-packets.js';
import { nativeResponse, sha2Response } from '../protocol/support/client-side.js';
import { USERS } from './support/harness.js';

const SCRAMBLE = Buffer.from('abcdefghijklmnopqrst');
const keys = new RsaKeys();

/** A server with accounts that the test may change. */
function world() {
  const accounts = new Map([
    ['bob', 'builder'],
    ['nopass', ''],
  ]);
  const asked: string[] = [];
  const proven: [ServerUser, boolean][] = [];
  const time = { now: 1_000 };
  const answer = { error: null as Error | null };
  const users = new PassThroughUsers({
    local: new LocalUsers(USERS.slice(0, 2), new PasswordHasher()),
    tries: {
      ask: async (user, password) => {
        asked.push(`${user} ${password}`);
        if (answer.error !== null) throw answer.error;
        return accounts.get(user) === password;
      },
    },
    relays: () => null,
    expiryMs: 60_000,
    seal: (password) => new Secret(password),
    proven: (user, isNew) => proven.push([user, isNew]),
    now: () => time.now,
  });
  const exchange = (secure = true): AuthExchange =>
    new AuthExchange({
      users,
      keys,
      scramble: SCRAMBLE,
      announced: AuthPlugin.CachingSha2,
      secure,
      host: '10.1.2.3',
      fingerprint: null,
    });
  return { accounts, asked, proven, time, answer, users, exchange };
}

function request(user: string, password: string, more: Partial<AuthRequest> = {}): AuthRequest {
  const response = password === '' ? Buffer.alloc(0) : sha2Response(password, SCRAMBLE);
  return { user, plugin: AuthPlugin.CachingSha2, response, canSwitch: true, answersScramble: true, ...more };
}

/** `fast`, `full` or `denied`, over a connection that nobody else reads. */
async function login(exchange: AuthExchange, user: string, password: string): Promise<string> {
  const begun = await exchange.begin(request(user, password), 2);
  if (begun.kind !== 'send') return begun.kind === 'accepted' ? 'fast' : begun.kind;
  const step = await exchange.receive(Buffer.from(`${password}\0`), 4);
  return step.kind === 'accepted' ? 'full' : step.kind;
}

t.test('asked for at first, then fast until it expires', async (t) => {
  const { asked, time, exchange, proven } = world();
  t.equal(await login(exchange(), 'bob', 'builder'), 'full');
  t.equal(await login(exchange(), 'bob', 'builder'), 'fast');
  t.same(asked, ['bob builder']);
  time.now += 60_001;
  t.equal(await login(exchange(), 'bob', 'builder'), 'full');
  t.same(
    proven.map(([{ name }, isNew]) => [name, isNew]),
    [
      ['bob', true],
      ['bob', false],
    ],
  );
});

t.test('wrong, unknown, too long, no text: 1045 after the same exchange', async (t) => {
  const { asked, exchange } = world();
  await login(exchange(), 'bob', 'builder');
  for (const [user, password] of [
    ['bob', 'wrong'],
    ['stranger', 'wrong'],
  ] as const) {
    const auth = exchange();
    const begun = await auth.begin(request(user, password), 2);
    t.same(begun.kind === 'send' && begun.packet.subarray(4), Buffer.of(1, 4), user);
    const step = await auth.receive(Buffer.from(`${password}\0`), 4);
    const message = `Access denied for user '${user}'@'10.1.2.3' (using password: YES)`;
    t.match(step, { kind: 'denied', err: { errno: 1045, sqlState: '28000', message } });
  }
  t.same(asked, ['bob builder', 'bob wrong', 'stranger wrong']);
  for (const bytes of [Buffer.alloc(300, 0x61), Buffer.of(0x70, 0xe4, 0x73, 0)]) {
    const auth = exchange();
    await auth.begin(request('bob', 'x'), 2);
    t.match(await auth.receive(Buffer.concat([bytes, Buffer.of(0)]), 4), { kind: 'denied' });
  }
  t.equal(asked.length, 3, 'the server is not asked about what can be no password');
  t.equal(await login(exchange(), 'x'.repeat(129), 'any'), 'denied');
  t.equal(asked.length, 3, 'or no name');
});

t.test('users of the configuration come first', async (t) => {
  const { asked, accounts, exchange } = world();
  accounts.set('app', 'of the server');
  t.equal(await login(exchange(), 'app', 'secret'), 'fast');
  t.equal(await login(exchange(), 'app', 'of the server'), 'denied');
  t.same(asked, []);
});

t.test('no password', async (t) => {
  const { asked, exchange } = world();
  t.match(await exchange().begin(request('nopass', ''), 2), { kind: 'accepted', preface: null });
  t.match(await exchange().begin(request('bob', ''), 2), {
    kind: 'denied',
    err: { message: "Access denied for user 'bob'@'10.1.2.3' (using password: NO)" },
  });
  t.same(asked, ['nopass ', 'bob ']);
  const native = { plugin: AuthPlugin.Native, response: Buffer.alloc(0) };
  const switched = exchange();
  t.match(await switched.begin(request('nopass', '', native), 2), { kind: 'send' });
  t.match(await switched.receive(Buffer.alloc(0), 4), { kind: 'accepted' });
});

t.test('mysql_native_password proves nothing to anybody else: it is switched', async (t) => {
  const { exchange } = world();
  const native = { plugin: AuthPlugin.Native, response: nativeResponse('builder', SCRAMBLE) };
  const auth = exchange();
  const step = await auth.begin(request('bob', 'builder', native), 2);
  t.match(sent(step).toString('latin1'), 'caching_sha2_password');
  t.ok(auth.awaitsPassword);
  const old = await exchange().begin(request('bob', 'builder', { ...native, canSwitch: false }), 2);
  t.match(old, { kind: 'denied', err: { errno: 1251, sqlState: '08004' } });
});

t.test('in clear only where nobody reads it, and for libraries that would need more otherwise', async (t) => {
  const methods = { pymysql: 'mysql_clear_password', 'MariaDB Connector/J': 'dialog' };
  for (const [clientName, method] of Object.entries(methods)) {
    const { exchange } = world();
    for (const password of ['builder', 'wrong']) {
      const auth = exchange();
      const step = await auth.begin(request('bob', 'builder', { clientName }), 2);
      t.match(sent(step).toString('latin1'), `\xfe${method}\0`);
      const answer = await auth.receive(Buffer.from(`${password}\0`), 4);
      t.equal(answer.kind, password === 'builder' ? 'accepted' : 'denied');
    }
    const open = await exchange(false).begin(request('jim', 'builder', { clientName }), 2);
    t.same(sent(open), Buffer.of(1, 4), 'elsewhere by caching_sha2_password');
    const local = await exchange().begin(request('app', 'secret', { clientName }), 2);
    t.equal(local.kind, 'accepted', 'nor of users that the configuration knows');
  }
});

t.test('another password takes the place of the one before, which is asked about once more', async (t) => {
  const { accounts, asked, proven, exchange, users } = world();
  await login(exchange(), 'bob', 'builder');
  accounts.set('bob', 'second');
  t.equal(await login(exchange(), 'bob', 'second'), 'full');
  t.same(users.user('bob')?.secret, { password: 'second' });
  t.equal(await login(exchange(), 'bob', 'builder'), 'denied');
  accounts.set('bob', 'builder');
  t.equal(await login(exchange(), 'bob', 'builder'), 'full', 'both, as MySQL lets an account have two');
  t.equal(await login(exchange(), 'bob', 'builder'), 'fast');
  const before = asked.length;
  t.equal(await login(exchange(), 'bob', 'second'), 'full');
  t.equal(asked.length, before, 'known, too');
  t.same(
    proven.map(([, isNew]) => isNew),
    [true, true, false],
  );
});

t.test('what the server tells the proxy itself', async (t) => {
  const { time, exchange, users } = world();
  await login(exchange(), 'bob', 'builder');
  const bob = users.user('bob') as ServerUser;
  time.now += 59_000;
  users.confirmed(bob, { password: 'builder' });
  time.now += 59_000;
  t.equal(await login(exchange(), 'bob', 'builder'), 'fast', 'taken again meanwhile');
  bob.refused({ password: 'another' });
  t.equal(await login(exchange(), 'bob', 'builder'), 'fast');
  bob.refused({ password: 'builder' });
  t.notOk(users.isKnown(bob));
  t.equal(await login(exchange(), 'bob', 'builder'), 'full');
  users.forget(bob);
  t.equal(users.size, 0);
});

t.test('an account that may have no further session has had its password taken', async (t) => {
  const { time, answer, exchange } = world();
  const full = Object.assign(new Error('too many'), { errno: 1226, sqlState: '42000' });
  answer.error = full;
  await t.rejects(login(exchange(), 'bob', 'builder'), full);
  answer.error = null;
  await login(exchange(), 'bob', 'builder');
  time.now += 60_001;
  answer.error = full;
  t.equal(await login(exchange(), 'bob', 'builder'), 'full', 'known from before');
  await t.rejects(login(exchange(), 'bob', 'wrong'), full);
});

t.test('names that fail leave nothing, passwords are not shown', async (t) => {
  const { exchange, users } = world();
  for (let i = 0; i < 100; i++) await login(exchange(), `stranger ${i}`, 'x');
  t.equal(users.size, 0);
  await login(exchange(), 'bob', 'builder');
  t.notMatch(inspect(users, { depth: 9, showHidden: true }), 'builder');
  t.notMatch(JSON.stringify(users.user('bob')), 'builder');
});

function sent(step: AuthStep): Buffer {
  if (step.kind !== 'send') throw new Error(`${step.kind} where a packet was expected`);
  return step.packet.subarray(4);
}
