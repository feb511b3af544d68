import { constants, createHash, publicEncrypt } from 'node:crypto';
import t from 'tap';
import { AuthExchange } from '../../src/frontend/auth-exchange.js';
import type { AuthRequest, AuthStep, DenialReason } from '../../src/frontend/auth-step.js';
import { PasswordHasher } from '../../src/frontend/password-hasher.js';
import { RsaKeys } from '../../src/frontend/rsa-keys.js';
import { LocalUsers } from '../../src/frontend/users.js';
import { AuthPlugin } from '../../src/protocol/auth-packets.js';
import { nativeDigest, sha2Digest } from '../../src/protocol/auth-scramble.js';
import { maskedPassword, nativeResponse, sha2Response } from '../protocol/support/client-side.js';
import { fc } from '../support/properties.js';
import { HASHED_PASSWORD, USERS } from './support/harness.js';

const scramble = Buffer.from('abcdefghijklmnopqrst');
const keys = new RsaKeys();

interface Setup {
  announced?: AuthPlugin;
  secure?: boolean;
  users?: LocalUsers;
  fingerprint?: Buffer;
}

/** Of users that nobody else has to be asked about. */
class LocalExchange extends AuthExchange {
  override begin(asked: AuthRequest, sequenceId: number): AuthStep {
    const step = super.begin(asked, sequenceId);
    if (step instanceof Promise) throw new Error('it has to wait');
    return step;
  }
}

function exchange(setup: Setup = {}): LocalExchange {
  const { announced = AuthPlugin.CachingSha2, secure = false, users, fingerprint = null } = setup;
  return new LocalExchange({
    users: users ?? new LocalUsers(USERS, new PasswordHasher()),
    keys,
    scramble,
    announced,
    secure,
    host: '10.1.2.3',
    fingerprint,
  });
}

function request(
  user: string,
  plugin: string | null,
  response: Buffer,
  more: Partial<AuthRequest> = {},
): AuthRequest {
  return { user, plugin, response, canSwitch: true, answersScramble: true, ...more };
}

const native = (password: string): Buffer => nativeResponse(password, scramble);
const sha2 = (password: string): Buffer => sha2Response(password, scramble);

function deniedText(step: AuthStep): string {
  return step.kind === 'denied' ? `${step.err.errno} ${step.err.sqlState} ${step.err.message}` : step.kind;
}

function sent(step: AuthStep): Buffer {
  if (step.kind !== 'send') throw new Error(`${deniedText(step)} where a packet was expected`);
  return step.packet.subarray(4);
}

function switchTo(plugin: string): Buffer {
  return Buffer.concat([Buffer.of(0xfe), Buffer.from(`${plugin}\0`), scramble, Buffer.of(0)]);
}

t.test('a known password: at once, by either method', async (t) => {
  const byNative = exchange().begin(request('app', AuthPlugin.Native, native('secret')), 2);
  t.match(byNative, { kind: 'accepted', user: { name: 'app' }, preface: null });
  const bySha2 = exchange().begin(request('app', AuthPlugin.CachingSha2, sha2('secret')), 2);
  t.match(bySha2, { kind: 'accepted', user: { name: 'app' } });
  t.same(bySha2.kind === 'accepted' && bySha2.preface, Buffer.of(2, 0, 0, 2, 0x01, 0x03));
  const old = exchange().begin(request('app', null, native('secret'), { canSwitch: false }), 2);
  t.match(old, { kind: 'accepted', preface: null }, 'a client without PLUGIN_AUTH');
  const other = exchange().begin(request('jürgen', AuthPlugin.CachingSha2, sha2('pässwörd')), 2);
  t.match(other, { kind: 'accepted', user: { name: 'jürgen' } });
});

t.test("a wrong password: at once, in MySQL's words", async (t) => {
  for (const [plugin, response] of [
    [AuthPlugin.Native, native('wrong')],
    [AuthPlugin.CachingSha2, sha2('wrong')],
  ] as const) {
    const step = exchange().begin(request('app', plugin, response), 2);
    t.equal(deniedText(step), "1045 28000 Access denied for user 'app'@'10.1.2.3' (using password: YES)");
  }
  const none = exchange().begin(request('app', AuthPlugin.CachingSha2, Buffer.alloc(0)), 2);
  t.equal(deniedText(none), "1045 28000 Access denied for user 'app'@'10.1.2.3' (using password: NO)");
});

t.test('the empty password', async (t) => {
  for (const [plugin, empty] of [
    [AuthPlugin.Native, Buffer.alloc(0)],
    [AuthPlugin.CachingSha2, Buffer.alloc(0)],
    [AuthPlugin.CachingSha2, Buffer.of(0)],
  ] as const) {
    t.match(exchange().begin(request('nopass', plugin, empty), 2), { kind: 'accepted', preface: null });
    t.match(exchange().begin(request('app', plugin, empty), 2), { kind: 'denied' });
    t.match(exchange().begin(request('hashed', plugin, empty, { canSwitch: false }), 2), { kind: 'denied' });
  }
  const given = exchange().begin(request('nopass', AuthPlugin.Native, native('x')), 2);
  t.equal(deniedText(given), "1045 28000 Access denied for user 'nopass'@'10.1.2.3' (using password: YES)");
});

t.test('a method that will not do is switched, once', async (t) => {
  for (const announced of [AuthPlugin.Native, AuthPlugin.CachingSha2]) {
    const respond = announced === AuthPlugin.Native ? native : sha2;
    for (const [password, outcome] of [
      ['secret', 'accepted'],
      ['wrong', 'denied'],
    ] as const) {
      const auth = exchange({ announced });
      const first = auth.begin(request('app', 'client_ed25519', Buffer.alloc(64)), 2);
      t.same(sent(first), switchTo(announced));
      t.equal(first.kind === 'send' && first.packet[3], 2);
      t.match(await auth.receive(respond(password), 4), { kind: outcome });
    }
  }
  const auth = exchange({ announced: AuthPlugin.Native });
  t.same(
    sent(auth.begin(request('hashed', AuthPlugin.Native, native('x')), 2)),
    switchTo(AuthPlugin.CachingSha2),
  );
  const old = exchange().begin(request('hashed', null, native('x'), { canSwitch: false }), 2);
  t.match(deniedText(old), /^1251 08004 Client does not support/, 'a client that cannot be switched');
});

t.test('a response that does not fit is asked for again, then refused', async (t) => {
  const auth = exchange();
  t.same(
    sent(auth.begin(request('app', AuthPlugin.CachingSha2, Buffer.alloc(9)), 2)),
    switchTo(AuthPlugin.CachingSha2),
  );
  t.match(await auth.receive(Buffer.alloc(9), 4), { kind: 'denied' });
});

t.test('an empty response that may mean "ask me"', async (t) => {
  const doubtful = { answersScramble: false };
  const auth = exchange({ announced: AuthPlugin.Native });
  const first = auth.begin(request('app', AuthPlugin.CachingSha2, Buffer.alloc(0), doubtful), 2);
  t.same(sent(first), switchTo(AuthPlugin.CachingSha2), "in the client's own method");
  t.match(await auth.receive(sha2('secret'), 4), { kind: 'accepted' });

  const empty = exchange();
  t.match(empty.begin(request('nopass', AuthPlugin.Native, Buffer.alloc(0), doubtful), 2), { kind: 'send' });
  t.match(await empty.receive(Buffer.alloc(0), 4), { kind: 'accepted' });

  const right = exchange().begin(request('app', AuthPlugin.Native, native('secret'), doubtful), 2);
  t.match(right, { kind: 'accepted' }, 'what is right needs no second question');
  const stale = exchange();
  t.match(
    stale.begin(
      request('app', AuthPlugin.Native, nativeResponse('secret', Buffer.alloc(20, 1)), doubtful),
      2,
    ),
    {
      kind: 'send',
    },
  );
  t.match(await stale.receive(native('secret'), 4), { kind: 'accepted' });
});

async function fullAuthentication(auth: LocalExchange, user: string, password: string): Promise<AuthStep> {
  t.same(sent(auth.begin(request(user, AuthPlugin.CachingSha2, sha2(password)), 2)), Buffer.of(0x01, 0x04));
  return auth.receive(Buffer.from(`${password}\0`), 4);
}

t.test('full authentication where nobody listens: the password in clear', async (t) => {
  const users = new LocalUsers(USERS, new PasswordHasher());
  const wrong = await fullAuthentication(exchange({ secure: true, users }), 'hashed', 'wrong');
  t.equal(deniedText(wrong), "1045 28000 Access denied for user 'hashed'@'10.1.2.3' (using password: YES)");
  const right = await fullAuthentication(exchange({ secure: true, users }), 'hashed', HASHED_PASSWORD);
  t.match(right, { kind: 'accepted', user: { name: 'hashed' }, preface: null });

  const again = exchange({ secure: false, users }).begin(
    request('hashed', AuthPlugin.CachingSha2, sha2(HASHED_PASSWORD)),
    2,
  );
  t.match(again, { kind: 'accepted', user: { name: 'hashed' } }, 'the next login is a fast one');
  const wrongAgain = await fullAuthentication(exchange({ secure: true, users }), 'hashed', 'wrong');
  t.match(wrongAgain, { kind: 'denied' }, 'and a wrong password is wrong still');
});

t.test('over a safe line, encrypted or in clear is told by what decrypts', async (t) => {
  const { publicPem } = await keys.get();
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  for (let i = 0; i < 3; i++) {
    const auth = exchange({ secure: true });
    sent(auth.begin(request('hashed', AuthPlugin.CachingSha2, sha2('whatever')), 2));
    const masked = maskedPassword(HASHED_PASSWORD, scramble);
    const step = await auth.receive(publicEncrypt({ key: publicPem, padding }, masked), 4);
    t.match(step, { kind: 'accepted' }, 'by a client that has the key from before');
  }
  // As long as ciphertext, yet a password: a wrong one, but understood.
  const long = exchange({ secure: true });
  sent(long.begin(request('hashed', AuthPlugin.CachingSha2, sha2('whatever')), 2));
  const step = await long.receive(Buffer.from(`${'x'.repeat(255)}\0`), 4);
  t.match(step, { kind: 'denied', reason: 'wrong_password' });
});

t.test('full authentication by RSA', async (t) => {
  const { publicPem } = await keys.get();
  const encrypt = (plain: Buffer): Buffer =>
    publicEncrypt({ key: publicPem, padding: constants.RSA_PKCS1_OAEP_PADDING }, plain);
  const start = (): AuthExchange => {
    const auth = exchange();
    sent(auth.begin(request('hashed', AuthPlugin.CachingSha2, sha2('whatever')), 2));
    return auth;
  };

  const asks = start();
  t.same(sent(await asks.receive(Buffer.of(0x02), 4)), Buffer.concat([Buffer.of(0x01), publicPem]));
  t.match(publicPem.toString(), /^-----BEGIN PUBLIC KEY-----\n/);
  t.match(await asks.receive(encrypt(maskedPassword(HASHED_PASSWORD, scramble)), 6), { kind: 'accepted' });
  t.match(
    await start().receive(encrypt(maskedPassword(HASHED_PASSWORD, scramble)), 4),
    { kind: 'accepted' },
    'key known',
  );

  const refused: readonly (readonly [string, Buffer, DenialReason])[] = [
    ['a wrong password', encrypt(maskedPassword('wrong', scramble)), 'wrong_password'],
    [
      'the mask of another scramble',
      encrypt(maskedPassword(HASHED_PASSWORD, Buffer.alloc(20, 9))),
      'wrong_password',
    ],
    [
      'no NUL at its end',
      encrypt(maskedPassword(HASHED_PASSWORD, scramble).subarray(0, -1)),
      'wrong_password',
    ],
    ['not made with the key', Buffer.alloc(256, 3), 'not_encrypted'],
    ['the password in clear on an open line', Buffer.from(`${HASHED_PASSWORD}\0`), 'not_encrypted'],
    ['nothing', Buffer.alloc(0), 'not_encrypted'],
    ['a second request for the key and no more', Buffer.of(0x02), 'not_encrypted'],
  ];
  for (const [what, bytes, reason] of refused) {
    const auth = start();
    if (what.startsWith('a second')) await auth.receive(Buffer.of(0x02), 4);
    t.match(await auth.receive(bytes, 6), { kind: 'denied', reason }, what);
  }
});

t.test('two passwords: either proves the user, by each method that can prove both', async (t) => {
  const hasher = new PasswordHasher();
  const proofs: string[] = [];
  const proven = (sha1: Buffer): void => void proofs.push(sha1.toString('hex'));
  const hashed = (password: string) => ({ nativeDigest: nativeDigest(password), proven });
  const stored = USERS.find(({ name }) => name === 'hashed')?.secret;
  if (stored === undefined) throw new Error('no user with a hash');
  const users = new LocalUsers(
    [
      { name: 'clear', secret: { password: 'new' }, former: { password: 'old' } },
      { name: 'native', secret: hashed('new'), former: hashed('old') },
      { name: 'half', secret: { password: 'new' }, former: hashed('old') },
      { name: 'sha2', secret: { sha2Digest: sha2Digest('new') }, former: { sha2Digest: sha2Digest('old') } },
      { name: 'stored', secret: stored, former: { sha2Digest: sha2Digest('old') } },
      { name: 'stored-old', secret: { password: 'new' }, former: stored },
    ],
    hasher,
  );
  for (const name of ['clear', 'native', 'half', 'sha2']) {
    for (const [password, kind] of [
      ['new', 'accepted'],
      ['old', 'accepted'],
      ['other', 'denied'],
    ] as const) {
      for (const [plugin, response] of [
        [AuthPlugin.Native, native(password)],
        [AuthPlugin.CachingSha2, sha2(password)],
      ] as const) {
        const auth = exchange({ users });
        const step = auth.begin(request(name, plugin, response), 2);
        const unfit =
          (name === 'sha2' && plugin === AuthPlugin.Native) ||
          (['native', 'half'].includes(name) && plugin === AuthPlugin.CachingSha2);
        t.equal(step.kind, unfit ? 'send' : kind, `${name}: ${password} by ${plugin}`);
        if (!unfit) continue;
        const other = plugin === AuthPlugin.Native ? sha2(password) : native(password);
        t.equal((await auth.receive(other, 4)).kind, kind, `${name}: ${password} after a switch`);
      }
    }
  }
  const sha1 = (password: string): string => createHash('sha1').update(password).digest('hex');
  t.same(new Set(proofs), new Set([sha1('new'), sha1('old')]), 'of a hash, what is proven is told');
  for (const [name, fast] of [
    ['stored', 'old'],
    ['stored-old', 'new'],
  ] as const) {
    t.match(exchange({ users }).begin(request(name, AuthPlugin.CachingSha2, sha2(fast)), 2), {
      kind: 'accepted',
    });
    t.match(await fullAuthentication(exchange({ users, secure: true }), name, 'wrong'), { kind: 'denied' });
    t.match(await fullAuthentication(exchange({ users, secure: true }), name, HASHED_PASSWORD), {
      kind: 'accepted',
    });
    t.match(exchange({ users }).begin(request(name, AuthPlugin.CachingSha2, sha2(HASHED_PASSWORD)), 2), {
      kind: 'accepted',
    });
  }
});

t.test(
  'an unknown user, or one from elsewhere, meets what a known one meets, whatever its secrets are',
  async (t) => {
    const nowhere = { admits: () => false };
    const kinds = [
      { secret: { password: 'x' }, former: { password: 'y' } },
      { secret: { nativeDigest: nativeDigest('x') }, former: { password: 'y' } },
      { secret: { sha2Digest: sha2Digest('x') }, former: { sha2Digest: sha2Digest('y') } },
      { secret: { nativeDigest: nativeDigest('x') } },
    ];
    for (const kind of kinds) {
      const known = new LocalUsers([{ name: 'known', ...kind }], new PasswordHasher());
      const barred = new LocalUsers([{ name: 'known', ...kind, ...nowhere }], new PasswordHasher());
      for (const plugin of [AuthPlugin.Native, AuthPlugin.CachingSha2, 'dialog']) {
        const steps = (
          [
            [known, 'known', 'wrong'],
            [known, 'stranger', 'wrong'],
            [barred, 'known', 'x'],
          ] as const
        ).map(([users, name, password]) => {
          const response = plugin === AuthPlugin.CachingSha2 ? sha2(password) : native(password);
          const step = exchange({ users }).begin(request(name, plugin, response), 2);
          return step.kind === 'send' ? step.packet.toString('hex') : deniedText(step).replace(name, 'NAME');
        });
        t.equal(new Set(steps).size, 1, `${plugin}: ${steps[0]}`);
      }
    }
    const { reason } = exchange({
      users: new LocalUsers([{ name: 'known', secret: { password: 'x' }, ...nowhere }], new PasswordHasher()),
    }).begin(request('known', AuthPlugin.CachingSha2, sha2('x')), 2) as { reason?: DenialReason };
    t.equal(reason, 'elsewhere', 'only the log is told');
  },
);

t.test('an unknown user meets what a known one meets', async (t) => {
  const one = (secret: (typeof USERS)[number]['secret']): LocalUsers =>
    new LocalUsers([{ name: 'someone', secret }], new PasswordHasher());
  const withPassword = exchange({ users: one({ password: 'x' }) });
  t.equal(
    deniedText(withPassword.begin(request('stranger', AuthPlugin.CachingSha2, sha2('x')), 2)),
    "1045 28000 Access denied for user 'stranger'@'10.1.2.3' (using password: YES)",
  );
  const hash = USERS.find(({ name }) => name === 'hashed')?.secret;
  if (hash === undefined) throw new Error('no user with a hash');
  for (const name of ['someone', 'stranger']) {
    const step = await fullAuthentication(exchange({ secure: true, users: one(hash) }), name, 'wrong');
    t.equal(deniedText(step), `1045 28000 Access denied for user '${name}'@'10.1.2.3' (using password: YES)`);
  }
  const nobody = exchange({ users: new LocalUsers([], new PasswordHasher()) });
  t.match(nobody.begin(request('stranger', AuthPlugin.Native, native('')), 2), { kind: 'denied' });

  const users = new LocalUsers(USERS, new PasswordHasher());
  const kind = (name: string): string =>
    exchange({ users }).begin(request(name, AuthPlugin.CachingSha2, sha2('x')), 2).kind;
  const names = Array.from({ length: 200 }, (_, i) => `stranger${i}`);
  const first = names.map(kind);
  t.same(names.map(kind), first, 'a name always meets the same kind of exchange');
  t.same(new Set(first), new Set(['denied', 'send']), 'and among many names there are all kinds');
});

t.test('any payloads in any state end in a step, never in an accepted one', async () => {
  const names = fc.constantFrom('app', 'hashed', 'stranger', 'jürgen', '');
  const plugins = fc.constantFrom(AuthPlugin.Native, AuthPlugin.CachingSha2, 'dialog', '', null);
  const bytes = fc
    .oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ minLength: 256, maxLength: 256 }),
      fc.constant(Buffer.of(2)),
    )
    .map((array) => Buffer.from(array));
  const users = new LocalUsers(USERS, new PasswordHasher());
  await fc.assert(
    fc.asyncProperty(
      names,
      plugins,
      fc.array(bytes, { minLength: 5, maxLength: 5 }),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      async (name, plugin, payloads, secure, canSwitch, answersScramble) => {
        const auth = exchange({ users, secure });
        const more = { canSwitch, answersScramble };
        let step = auth.begin(request(name, plugin, payloads[0] as Buffer, more), 2);
        for (let i = 1; step.kind === 'send' && i < payloads.length; i++) {
          step = await auth.receive(payloads[i] as Buffer, 2 + 2 * i);
        }
        return step.kind === 'denied';
      },
    ),
    { numRuns: 300 },
  );
});
