import t from 'tap';
import type { LoginResult } from '../../src/frontend/login-result.js';
import { PasswordHasher } from '../../src/frontend/password-hasher.js';
import { LocalUsers } from '../../src/frontend/users.js';
import { Capability, Command } from '../../src/protocol/constants.js';
import { CLIENT_CAPABILITIES } from '../../src/protocol/handshake-capabilities.js';
import { framed, USUAL_CAPABILITIES } from '../protocol/support/client-side.js';
import { fc } from '../support/properties.js';
import { HASHED_PASSWORD, MARIADB, MYSQL, serve, startHarness } from './support/harness.js';
import { loginPayload, RawClient } from './support/raw-client.js';

const PING = framed(Buffer.of(Command.Ping), 0);

t.test('the greeting', async (t) => {
  for (const [server, plugin] of [
    [MARIADB, 'mysql_native_password'],
    [MYSQL, 'caching_sha2_password'],
  ] as const) {
    const { port } = await startHarness(t, { server });
    const client = new RawClient({ port });
    const greeting = await client.greeting();
    t.match(greeting, {
      versionText: server.versionText,
      connectionId: 0x80000001,
      capabilities: CLIENT_CAPABILITIES,
      collation: server.collation,
      status: 2,
      plugin,
    });
    const other = await new RawClient({ port }).greeting();
    t.notOk(other.scramble.equals(greeting.scramble));
    t.ok([...greeting.scramble, ...other.scramble].every((byte) => byte > 0 && byte < 0x80 && byte !== 0x24));
    client.socket.destroy();
  }
});

t.test('a login is handed over with everything the client said', async (t) => {
  const { port, logins, frontend } = await startHarness(t);
  const client = new RawClient({ port });
  const greeting = await client.greeting();
  const payload = loginPayload(greeting, 'app', 'secret', {
    capabilities:
      USUAL_CAPABILITIES | Capability.ConnectWithDb | Capability.ConnectAttrs | Capability.Compress,
    maxPacketSize: 1 << 24,
    collation: 33,
    schema: 'shop',
    attributes: [['_pid', '4711']],
  });
  client.send(payload, 1);
  t.same(await client.expect(), { sequenceId: 2, payload: Buffer.of(0, 0, 0, 2, 0, 0, 0) });
  const [login] = logins;
  if (login === undefined) throw new Error('nobody logged in');
  t.match(login, {
    user: { name: 'app' },
    schema: 'shop',
    capabilities: USUAL_CAPABILITIES | Capability.ConnectWithDb | Capability.ConnectAttrs,
    collation: 33,
    maxPacketSize: 1 << 24,
    connectionId: greeting.connectionId,
    secure: true,
    remote: { kind: 'tcp', address: '127.0.0.1', port: client.socket.localPort },
    sequenceId: 2,
  });
  t.same([...login.attributes], [['_pid', '4711']]);
  t.same(login.scramble, greeting.scramble);
  client.socket.write(PING);
  t.equal((await client.expect()).payload[0], 0);
  t.match(frontend.counts, { clients: 1, loggingIn: 0, logins: { accepted: 1 } });
  client.socket.destroy();
});

t.test('no schema is no schema', async (t) => {
  const { port, logins } = await startHarness(t);
  for (const capabilities of [USUAL_CAPABILITIES, USUAL_CAPABILITIES | Capability.ConnectWithDb]) {
    const client = new RawClient({ port });
    client.send(loginPayload(await client.greeting(), 'app', 'secret', { capabilities }), 1);
    await client.expect();
    client.socket.destroy();
  }
  t.same(
    logins.map(({ schema }) => schema),
    [null, null],
  );
});

t.test('the socket is handed over paused', async (t) => {
  const seen: unknown[] = [];
  const { port } = await startHarness(t, {
    onLogin: (login) => {
      const { socket } = login;
      seen.push(socket.isPaused(), socket.readableLength);
      serve(login);
    },
  });
  const client = new RawClient({ port });
  client.send(loginPayload(await client.greeting(), 'app', 'secret'), 1);
  await client.expect();
  t.same(seen, [true, 0]);
  client.socket.destroy();
});

t.test('however the bytes are split, and with commands right behind them', async (t) => {
  const { port, logins } = await startHarness(t, { server: MYSQL });
  const run = async (split: (bytes: Buffer) => Buffer[]): Promise<void> => {
    const client = new RawClient({ port });
    const login = framed(loginPayload(await client.greeting(), 'app', 'secret'), 1);
    for (const chunk of split(Buffer.concat([login, PING, PING]))) {
      client.socket.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    t.same((await client.expect()).payload, Buffer.of(1, 3), 'fast authentication');
    t.match(await client.expect(), { sequenceId: 3 });
    t.match(await client.expect(), { sequenceId: 1 });
    t.match(await client.expect(), { sequenceId: 1 });
    client.socket.destroy();
  };
  await run((bytes) => [bytes]);
  t.equal(logins[0]?.rest.length, 2 * PING.length);
  await run((bytes) => [...bytes].map((byte) => Buffer.of(byte)));
  const length = 4 + loginPayload(await new RawClient({ port }).greeting(), 'app', 'secret').length;
  for (let at = 1; at < length + 2 * PING.length; at++) {
    await run((bytes) => [bytes.subarray(0, at), bytes.subarray(at)]);
  }
});

t.test('commands sent while a password is checked are not lost either', async (t) => {
  const { socketPath, logins } = await startHarness(t, { server: MYSQL });
  const client = new RawClient({ path: socketPath });
  client.send(loginPayload(await client.greeting(), 'hashed', HASHED_PASSWORD), 1);
  t.same(await client.expect(), { sequenceId: 2, payload: Buffer.of(1, 4) });
  client.send(Buffer.from(`${HASHED_PASSWORD}\0`), 3);
  // The check takes many turns of the event loop; these arrive in the middle of it.
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    client.socket.write(PING);
  }
  t.match(await client.expect(), { sequenceId: 4 });
  for (let i = 0; i < 3; i++) t.match(await client.expect(), { sequenceId: 1 });
  t.match(logins[0], { user: { name: 'hashed' }, secure: true, remote: { kind: 'unix' } });
  client.socket.destroy();
});

t.test(
  'wrong password and unknown user get the same words, and a line in the log without secrets',
  async (t) => {
    // With users of one kind: an unknown name may else meet the exchange of another kind than `app` does.
    const users = new LocalUsers([{ name: 'app', secret: { password: 'secret' } }], new PasswordHasher());
    const { port, log, frontend } = await startHarness(t, { users });
    for (const user of ['app', 'stranger']) {
      const client = new RawClient({ port });
      client.send(loginPayload(await client.greeting(), user, 'wrong'), 1);
      t.equal(
        await client.err(),
        `1045 28000 Access denied for user '${user}'@'127.0.0.1' (using password: YES)`,
      );
      await client.ended();
    }
    t.equal(frontend.counts.logins.denied, 2);
    const lines = log.filter(({ level }) => level === 'warn');
    t.same(
      lines.map(({ message, fields }) => [message, fields.user, fields.errno, fields.reason]),
      [
        ['login denied', 'app', 1045, 'wrong_password'],
        ['login denied', 'stranger', 1045, 'unknown_user'],
      ],
    );
  },
);

t.test("bad input ends that client only, with the servers' own error", async (t) => {
  const { port, log, frontend } = await startHarness(t);
  const good = new RawClient({ port });
  const greeting = await good.greeting();
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n'), '1156 08S01 Got packets out of order'],
    ['a wrong sequence id', framed(Buffer.alloc(40), 2), '1156 08S01 Got packets out of order'],
    ['an empty packet', framed(Buffer.alloc(0), 1), '1043 08S01 Bad handshake: login packet of 0 bytes'],
    [
      'half a response',
      framed(loginPayload(greeting, 'app', 'secret').subarray(0, 40), 1),
      '1043 08S01 Bad handshake',
    ],
    [
      'an oversized packet',
      Buffer.of(0xff, 0xff, 0xff, 1),
      '1043 08S01 Bad handshake: more than 65536 bytes',
    ],
    ['a request for TLS', framed(sslRequest(), 1), '1043 08S01 Bad handshake: the client asks for TLS'],
    [
      'the protocol before 4.1',
      framed(Buffer.from('\x05\0\xff\xff\xffapp\0\0', 'latin1'), 1),
      '1251 08004 Client does not support',
    ],
  ];
  for (const [what, bytes, expected] of cases) {
    const client = new RawClient({ port });
    await client.greeting();
    client.socket.write(bytes);
    t.equal((await client.err()).slice(0, expected.length), expected, what);
    await client.ended();
  }
  const half = new RawClient({ port });
  await half.greeting();
  half.socket.end(Buffer.of(9, 0));
  await half.ended();
  t.equal(log.at(-1)?.message, 'client left before it was logged in');
  t.match(frontend.counts.logins, { broken: 6, denied: 1, left: 1, accepted: 0 });

  good.send(loginPayload(greeting, 'app', 'secret'), 1);
  t.equal((await good.expect()).payload[0], 0, 'the one that was there first logs in');
  good.socket.destroy();
});

function sslRequest(): Buffer {
  const payload = Buffer.alloc(32);
  payload.writeUInt32LE((USUAL_CAPABILITIES | Capability.Ssl) >>> 0);
  return payload;
}

t.test('random bytes after the greeting never do more than end their client', async (t) => {
  const { port, frontend, log } = await startHarness(t);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.boolean(), async (bytes, headed) => {
      const client = new RawClient({ port });
      await client.greeting();
      client.socket.end(headed ? framed(bytes, 1) : bytes);
      await client.ended();
    }),
    { numRuns: 200 },
  );
  t.equal(frontend.counts.logins.accepted, 0);
  t.equal(log.filter(({ level }) => level === 'error').length, 0);
});

t.test('the last packet arrives though the client is still sending', async (t) => {
  const { port } = await startHarness(t);
  const client = new RawClient({ port });
  await client.greeting();
  client.socket.write(Buffer.concat([framed(Buffer.alloc(3), 1), Buffer.alloc(300_000)]));
  t.match(await client.err(), /^1043 /);
  await client.ended();
});

t.test('max_client_conn', async (t) => {
  const { port, frontend, logins, log } = await startHarness(t, { maxClients: 2 });
  const first = new RawClient({ port });
  first.send(loginPayload(await first.greeting(), 'app', 'secret'), 1);
  await first.expect();
  const second = new RawClient({ port });
  await second.greeting();
  for (let i = 0; i < 2; i++) {
    const third = new RawClient({ port });
    t.equal(
      await third.err(),
      '1040 08004 Too many connections: 2 clients are connected and max_client_conn is 2',
    );
    await third.ended();
  }
  t.match(frontend.counts, { clients: 2, loggingIn: 1, turnedAway: 2 });
  t.match(log.at(-1), { level: 'warn', fields: { limit: 2, clients: 2 } });

  second.socket.destroy();
  await gone(() => frontend.counts.clients === 1);
  first.socket.destroy();
  await gone(() => frontend.counts.clients === 0);
  (logins[0] as LoginResult).release();
  t.equal(frontend.counts.clients, 0, 'releasing again changes nothing');
  const fourth = new RawClient({ port });
  await fourth.greeting();
  fourth.socket.destroy();
});

/** Waits for what comes with the next events; a test that waits in vain is ended by its own time limit. */
async function gone(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

t.test('a login that takes too long is ended, whatever it is waiting for', async (t) => {
  const { port, frontend, log } = await startHarness(t, { loginTimeoutMs: 50 });
  const silent = new RawClient({ port });
  await silent.greeting();
  t.match(await silent.err(), /^1159 08S01 Got timeout reading communication packets/);
  await silent.ended();
  const slow = new RawClient({ port });
  const bytes = framed(loginPayload(await slow.greeting(), 'app', 'secret'), 1);
  let sent = 0;
  // A byte every 5 ms: every read finds something, and yet the login would take several times the limit.
  const drip = setInterval(() => slow.socket.write(bytes.subarray(sent, ++sent)), 5);
  t.teardown(() => clearInterval(drip));
  t.match(await slow.err(), /^1159 /);
  t.equal(frontend.counts.logins.timed_out, 2);
  t.match(
    log.find(({ fields }) => fields.errno === 1159),
    { level: 'warn', message: 'login failed' },
  );
});

t.test('who is logged in is under no login timeout', async (t) => {
  const { port } = await startHarness(t, { loginTimeoutMs: 1_000 });
  const inside = new RawClient({ port });
  inside.send(loginPayload(await inside.greeting(), 'app', 'secret'), 1);
  await inside.expect();
  const silent = new RawClient({ port });
  await silent.greeting();
  t.match(await silent.err(), /^1159 /, 'the limit of the first has passed as well');
  inside.socket.write(PING);
  t.equal((await inside.expect()).payload[0], 0);
  inside.socket.destroy();
});

t.test('clients wait until the server is known', async (t) => {
  let known: ((server: typeof MYSQL) => void) | null = null;
  const waiting = new Promise<typeof MYSQL>((resolve) => {
    known = resolve;
  });
  const { port, frontend } = await startHarness(t, {
    serverInfo: () => null,
    whenServerKnown: () => waiting,
  });
  const client = new RawClient({ port });
  await gone(() => frontend.counts.loggingIn === 1);
  (known as unknown as (server: typeof MYSQL) => void)(MYSQL);
  const greeting = await client.greeting();
  t.equal(greeting.versionText, MYSQL.versionText);
  client.send(loginPayload(greeting, 'app', 'secret'), 1);
  await client.expect();
  t.match(await client.expect(), { sequenceId: 3 });
  client.socket.destroy();
});

t.test('or get the reason why it is not', async (t) => {
  const down = Object.assign(new Error("Can't connect to MySQL server on 'db:3306' (111)"), {
    errno: 2003,
    sqlState: 'HY000',
  });
  const { port, log, frontend } = await startHarness(t, {
    serverInfo: () => null,
    whenServerKnown: () => Promise.reject(down),
  });
  const client = new RawClient({ port });
  t.equal(await client.err(), "2003 HY000 Can't connect to MySQL server on 'db:3306' (111)");
  await client.ended();
  t.equal(frontend.counts.logins.refused, 1);
  t.equal(
    log.filter(({ level }) => level !== 'debug').length,
    0,
    "the server's absence is not each client's news",
  );
});

t.test('while they wait they can neither flood us nor stay unnoticed when they go', async (t) => {
  const { port, frontend } = await startHarness(t, {
    serverInfo: () => null,
    whenServerKnown: () => new Promise(() => undefined),
  });
  const flood = new RawClient({ port });
  flood.socket.write(Buffer.alloc(100_000));
  t.match(await flood.err(), /^1043 08S01 Bad handshake: more than 65536 bytes/);
  const leaver = new RawClient({ port });
  await gone(() => frontend.counts.loggingIn === 1);
  leaver.socket.destroy();
  await gone(() => frontend.counts.logins.left === 1);
  await gone(() => frontend.counts.clients === 0);
});

t.test('stopping ends logins under way and leaves the others alone', async (t) => {
  const { port, frontend } = await startHarness(t);
  const inside = new RawClient({ port });
  inside.send(loginPayload(await inside.greeting(), 'app', 'secret'), 1);
  await inside.expect();
  const outside = new RawClient({ port });
  await outside.greeting();
  frontend.stop();
  t.equal(await outside.err(), '1053 08S01 Server shutdown in progress');
  await outside.ended();
  inside.socket.write(PING);
  t.equal((await inside.expect()).payload[0], 0);
  const late = new RawClient({ port });
  t.equal(await late.packet(), null, 'nobody listens any more');
  inside.socket.destroy();
});

t.test('a fault in checking a password ends that login only, and is logged', async (t) => {
  const { port, log } = await startHarness(t, {
    users: {
      find: () => {
        throw new TypeError('a mistake of ours');
      },
    },
  });
  const client = new RawClient({ port });
  client.send(loginPayload(await client.greeting(), 'app', 'secret'), 1);
  t.match(
    await client.err(),
    /^1105 HY000 mybouncer: Internal error of the proxy during login; see its log \(client \d+\)$/,
  );
  t.match(log.at(-1), { level: 'error', fields: { err: { message: 'a mistake of ours' } } });
});
