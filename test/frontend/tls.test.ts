import { createHash, X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { makeSelfSigned } from '../../src/frontend/self-signed.js';
import { TlsAcceptor } from '../../src/frontend/tls-acceptor.js';
import { Capability } from '../../src/protocol/constants.js';
import { CLIENT_CAPABILITIES } from '../../src/protocol/handshake-capabilities.js';
import { framed, sslRequest } from '../protocol/support/client-side.js';
import { TestAuthority } from '../support/certificates.js';
import { eventually } from '../support/proxied.js';
import { HASHED_PASSWORD, type Harness, MARIADB, MYSQL, startHarness } from './support/harness.js';
import { loginPayload, RawClient } from './support/raw-client.js';

const INSECURE =
  '3159 HY000 Connections using insecure transport are prohibited while --require_secure_transport=ON.';
const DENIED = "1045 28000 Access denied for user 'app'@'127.0.0.1' (using password: YES)";

const pair = makeSelfSigned();
const acceptor = (): TlsAcceptor => new TlsAcceptor({ ...pair, ca: null }, 'TLSv1.2');

async function logIn(client: RawClient, user = 'app', password = 'secret', sequenceId = 2): Promise<string> {
  const greeting = await client.greeting();
  if (sequenceId === 2) await client.secure();
  return answerTo(client, loginPayload(greeting, user, password), sequenceId);
}

/** `ok`, or the error's number, state and text. */
async function answerTo(client: RawClient, payload: Buffer, sequenceId: number): Promise<string> {
  client.send(payload, sequenceId);
  const packet = await client.expect();
  if (packet.sequenceId !== sequenceId + 1) throw new Error(`sequence id ${packet.sequenceId}`);
  if (packet.payload[0] === 0x00) return 'ok';
  const { payload: err } = packet;
  return `${err.readUInt16LE(1)} ${err.toString('latin1', 4, 9)} ${err.toString('utf8', 9)}`;
}

/** Which server it is, is not known before {@link known}: nobody is greeted until then. */
async function startUnknowing(t: Test): Promise<{ harness: Harness; known: () => void }> {
  let tell: (server: typeof MARIADB) => void = () => undefined;
  const harness = await startHarness(t, {
    tls: acceptor(),
    serverInfo: () => null,
    whenServerKnown: () =>
      new Promise((resolve) => {
        tell = resolve;
      }),
  });
  return { harness, known: () => tell(MARIADB) };
}

async function allGone({ frontend }: Harness): Promise<void> {
  await eventually('all places are free', () => frontend.counts.clients === 0);
}

t.test('the greeting offers it where there is a certificate', async (t) => {
  for (const tls of [null, acceptor()]) {
    const { port } = await startHarness(t, { tls });
    const client = new RawClient({ port });
    const { capabilities } = await client.greeting();
    t.equal(capabilities, (CLIENT_CAPABILITIES | (tls === null ? 0 : Capability.Ssl)) >>> 0);
    client.socket.destroy();
  }
});

t.test('a login over TLS', async (t) => {
  const tls = acceptor();
  const harness = await startHarness(t, { tls });
  const client = new RawClient({ port: harness.port });
  t.equal(await logIn(client), 'ok');
  const [login] = harness.logins;
  t.match(login, { user: { name: 'app' }, secure: true, remote: { kind: 'tcp', address: '127.0.0.1' } });
  t.equal(
    login?.capabilities,
    (login?.capabilities ?? 0) & CLIENT_CAPABILITIES,
    'TLS is no capability of a session',
  );
  t.ok(login?.fingerprint?.equals(createHash('sha256').update(new X509Certificate(pair.cert).raw).digest()));
  client.send(Buffer.of(0x0e), 0);
  t.equal((await client.expect()).payload[0], 0x00, 'a ping');
  client.socket.destroy();
  await allGone(harness);
  t.match(harness.frontend.counts.logins, { accepted: 1, broken: 0, denied: 0, left: 0 });
  t.equal(tls.counts.connections.get('TLSv1.3'), 1);
  t.equal(tls.counts.failures, 0);
});

t.test('over a unix socket', async (t) => {
  const { socketPath, logins } = await startHarness(t, { tls: acceptor() });
  t.equal(await logIn(new RawClient({ path: socketPath })), 'ok');
  t.match(logins, [{ remote: { kind: 'unix' } }]);
});

t.test('the password itself may come', async (t) => {
  const { port } = await startHarness(t, { tls: acceptor(), server: MYSQL });
  const client = new RawClient({ port });
  const greeting = await client.greeting();
  await client.secure();
  client.send(loginPayload(greeting, 'hashed', HASHED_PASSWORD), 2);
  t.same((await client.expect()).payload, Buffer.of(1, 4));
  client.send(Buffer.from(`${HASHED_PASSWORD}\0`), 4);
  t.equal((await client.expect()).payload[0], 0x00);
  client.socket.destroy();
});

t.test('the proof of the certificate by the password', async (t) => {
  const proofOf = async (server: typeof MARIADB, user: string, password: string): Promise<string> => {
    const { logins, port } = await startHarness(t, { tls: acceptor(), server });
    t.equal(await logIn(new RawClient({ port }), user, password).catch(String), 'ok', user);
    return logins[0]?.info.toString('latin1') ?? 'nothing';
  };
  const { logins, port } = await startHarness(t, { tls: acceptor() });
  const client = new RawClient({ port });
  const greeting = await client.greeting();
  await client.secure();
  client.send(loginPayload(greeting, 'app', 'secret'), 2);
  const { payload } = await client.expect();
  const sha = (name: string, ...parts: Uint8Array[]): Buffer =>
    createHash(name).update(Buffer.concat(parts)).digest();
  const stored = sha('sha1', sha('sha1', Buffer.from('secret')));
  const certificate = sha('sha256', new X509Certificate(pair.cert).raw);
  const proof = sha('sha256', stored, greeting.scramble, certificate).toString('hex').toUpperCase();
  t.equal(payload.toString('latin1', 7), `\x41\x01${proof}`);
  t.equal(logins.length, 1);
  client.socket.destroy();
  t.equal(await proofOf(MARIADB, 'nopass', ''), '', 'an empty password proves nothing');
  const plain = await startHarness(t);
  t.equal(await logIn(new RawClient({ port: plain.port }), 'app', 'secret', 1), 'ok');
  t.equal(plain.logins[0]?.info.length, 0, 'none without TLS');
});

t.test('the handshake, however its bytes arrive', async (t) => {
  const harness = await startHarness(t, { tls: acceptor() });
  for (const split of ['with the request', 'byte by byte']) {
    const client = new RawClient({ port: harness.port });
    const greeting = await client.greeting();
    let request: Buffer | null = null;
    await client.secure({}, (bytes, raw) => {
      if (split === 'byte by byte') for (const byte of bytes) raw.write(Buffer.of(byte));
      else if (request === null) request = bytes;
      else {
        raw.write(Buffer.concat([request, bytes]));
        request = Buffer.alloc(0);
      }
    });
    t.equal(await answerTo(client, loginPayload(greeting, 'app', 'secret'), 2), 'ok', split);
    client.socket.destroy();
  }
  await allGone(harness);
});

t.test('what is sent in clear behind the request is never a part of the login', async (t) => {
  const tls = acceptor();
  const harness = await startHarness(t, { tls });
  const client = new RawClient({ port: harness.port });
  const greeting = await client.greeting();
  const login = framed(loginPayload(greeting, 'app', 'secret'), 2);
  client.socket.write(Buffer.concat([framed(sslRequest(), 1), login, framed(Buffer.of(0x0e), 0)]));
  await client.ended().catch(() => undefined);
  await allGone(harness);
  t.equal(harness.logins.length, 0);
  t.match(harness.frontend.counts.logins, { accepted: 0, broken: 1 });
  t.equal(tls.counts.failures, 1);
  t.match(harness.log.at(-1), {
    level: 'warn',
    message: 'TLS with a client failed',
    fields: { reason: 'what the client sent is not TLS' },
  });
});

t.test('who asks for it where it is not offered, or twice', async (t) => {
  const without = await startHarness(t);
  const client = new RawClient({ port: without.port });
  await client.greeting();
  client.send(sslRequest(), 1);
  t.equal(await client.err(), '1043 08S01 Bad handshake: the client asks for TLS, which is not offered');
  await client.ended();
  await allGone(without);
  const harness = await startHarness(t, { tls: acceptor() });
  const again = new RawClient({ port: harness.port });
  await again.greeting();
  await again.secure();
  again.send(sslRequest(), 2);
  t.equal(await again.err(), '1043 08S01 Bad handshake: the client asks for TLS within TLS');
  await again.ended();
  await allGone(harness);
  t.equal(harness.logins.length + without.logins.length, 0);
});

t.test('required', async (t) => {
  const harness = await startHarness(t, { tls: acceptor(), tlsRequired: true });
  const over = (
    target: { port: number } | { path: string },
    sequenceId: number,
    user = 'app',
    password = 'secret',
  ) => logIn(new RawClient(target), user, password, sequenceId);
  const tcp = { port: harness.port };
  t.equal(await over(tcp, 2), 'ok');
  t.equal(await over({ path: harness.socketPath }, 1), 'ok', 'a unix socket is secure');
  t.equal(harness.logins.length, 2);
  // Nothing tells who exists, nor whether the password was right.
  for (const [user, password] of [
    ['app', 'secret'],
    ['app', 'wrong'],
    ['nopass', ''],
    ['stranger', 'secret'],
  ] as const)
    t.equal(await over(tcp, 1, user, password), INSECURE, `${user} with '${password}'`);
  t.equal(harness.logins.length, 2);
  t.match(harness.log.at(-1)?.fields, { errno: 3159, reason: 'no_tls' });
});

t.test('a certificate of the client', async (t) => {
  const [authority, other] = [await TestAuthority.make(t), await TestAuthority.make(t)];
  const [good, expired, foreign] = [
    await authority.issue('good'),
    await authority.issue('expired', -1),
    await other.issue('foreign'),
  ];
  const material = { ...pair, ca: authority.cert };
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const tls = new TlsAcceptor(material, 'TLSv1.2');
    const harness = await startHarness(t, { tls, tlsRequired: true });
    const shown = async (options: object, password = 'secret'): Promise<string> => {
      const client = new RawClient({ port: harness.port });
      const greeting = await client.greeting();
      await client.secure({ maxVersion, ...options });
      return answerTo(client, loginPayload(greeting, 'app', password), 2);
    };
    t.equal(await shown({ cert: good.cert, key: good.key }), 'ok');
    t.equal(harness.logins.length, 1);
    t.equal(
      await shown({ cert: good.cert, key: good.key }, 'wrong'),
      DENIED,
      'the password is asked for as well',
    );
    for (const [name, options, reason] of [
      ['none', {}, 'the client has shown none'],
      ['of another authority', { cert: foreign.cert, key: foreign.key }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
      ['expired', { cert: expired.cert, key: expired.key }, 'CERT_HAS_EXPIRED'],
    ] as const) {
      t.equal(await shown(options), DENIED, `${name}, ${maxVersion}`);
      t.match(harness.log.at(-1)?.fields, { reason: 'certificate', certificate: reason });
    }
    t.equal(await logIn(new RawClient({ port: harness.port }), 'app', 'secret', 1), INSECURE);
    t.equal(
      await logIn(new RawClient({ path: harness.socketPath }), 'app', 'secret', 1),
      'ok',
      'a unix socket',
    );
    t.equal(harness.logins.length, 2);
  }
});

t.test('a session is not resumed under other authorities', async (t) => {
  const [authority, other] = [await TestAuthority.make(t), await TestAuthority.make(t)];
  const good = await authority.issue('good');
  const tls = new TlsAcceptor({ ...pair, ca: authority.cert }, 'TLSv1.2');
  const harness = await startHarness(t, { tls, tlsRequired: true });
  const connect = async (session?: Buffer) => {
    const client = new RawClient({ port: harness.port });
    const greeting = await client.greeting();
    const socket = await client.secure({
      cert: good.cert,
      key: good.key,
      maxVersion: 'TLSv1.2',
      ...(session === undefined ? {} : { session }),
    });
    const answer = await answerTo(client, loginPayload(greeting, 'app', 'secret'), 2);
    return { answer, reused: socket.isSessionReused(), session: socket.getSession() };
  };
  const first = await connect();
  t.match(first, { answer: 'ok', reused: false });
  t.match(await connect(first.session), { answer: 'ok', reused: true }, 'resumed');
  tls.replace({ ...pair, ca: other.cert });
  t.match(await connect(first.session), { answer: DENIED, reused: false });
});

t.test('versions', async (t) => {
  const tls = new TlsAcceptor({ ...pair, ca: null }, 'TLSv1.3');
  const harness = await startHarness(t, { tls });
  const client = new RawClient({ port: harness.port });
  await client.greeting();
  await t.rejects(client.secure({ maxVersion: 'TLSv1.2' }));
  await allGone(harness);
  t.match(harness.log.at(-1)?.fields, {
    reason: 'the client has no version of TLS that is allowed (tls_min_version)',
  });
  t.equal(tls.counts.failures, 1);
  const old = new TlsAcceptor({ ...pair, ca: null }, 'TLSv1.2');
  const lenient = await startHarness(t, { tls: old });
  const both = new RawClient({ port: lenient.port });
  const greeting = await both.greeting();
  await both.secure({ maxVersion: 'TLSv1.2' });
  t.equal(await answerTo(both, loginPayload(greeting, 'app', 'secret'), 2), 'ok');
  t.equal(old.counts.connections.get('TLSv1.2'), 1);
  both.socket.destroy();
});

t.test('who does not trust the certificate', async (t) => {
  const harness = await startHarness(t, { tls: acceptor() });
  const client = new RawClient({ port: harness.port });
  await client.greeting();
  await t.rejects(client.secure({ rejectUnauthorized: true }), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  await allGone(harness);
  t.equal(harness.logins.length, 0);
});

t.test('the login timeout', async (t) => {
  const short = await startHarness(t, { tls: acceptor(), loginTimeoutMs: 300 });
  const silent = new RawClient({ port: short.port });
  await silent.greeting();
  silent.send(sslRequest(), 1);
  t.equal(await silent.packet(), null, 'in the handshake nothing can be said');
  // Long enough for a handshake on a busy machine.
  const harness = await startHarness(t, { tls: acceptor(), loginTimeoutMs: 3_000 });
  const secured = new RawClient({ port: harness.port });
  await secured.greeting();
  await secured.secure();
  t.match(await secured.err(), '1159 08S01 Got timeout reading communication packets');
  await secured.ended();
  for (const one of [short, harness]) {
    await allGone(one);
    t.match(one.frontend.counts.logins, { timed_out: 1, broken: 0, left: 0 });
  }
});

t.test('who goes away', async (t) => {
  const harness = await startHarness(t, { tls: acceptor() });
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const inHandshake = new RawClient({ port: harness.port });
    await inHandshake.greeting();
    inHandshake.send(sslRequest(), 1);
    inHandshake.socket[leave]();
    await allGone(harness);
    const behindIt = new RawClient({ port: harness.port });
    await behindIt.greeting();
    const raw = behindIt.socket;
    await behindIt.secure();
    raw[leave]();
    await allGone(harness);
  }
  t.match(harness.frontend.counts.logins, { left: 4, broken: 0, accepted: 0 });
});

t.test('who has asked for it and gone before it could be greeted', async (t) => {
  const { harness, known } = await startUnknowing(t);
  for (const bytes of [
    framed(sslRequest(), 1),
    Buffer.concat([framed(sslRequest(), 1), Buffer.alloc(500, 0x16)]),
  ]) {
    const client = new RawClient({ port: harness.port });
    client.socket.end(bytes);
    const left = harness.frontend.counts.logins.left + 1;
    await eventually('it has gone', () => harness.frontend.counts.logins.left === left);
    known();
    await allGone(harness);
    client.socket.destroy();
  }
  t.equal(harness.logins.length, 0);
  t.notOk(harness.log.some(({ level }) => level === 'error'));
});

t.test('and who is gone when the greeting is written, but not noticed yet', async (t) => {
  const { harness, known } = await startUnknowing(t);
  const client = new RawClient({ port: harness.port });
  client.socket.write(framed(sslRequest(), 1));
  await eventually('it waits', () => harness.frontend.counts.loggingIn === 1);
  // What it has said is read by then, or this shows nothing.
  await sleep(100);
  client.socket.resetAndDestroy();
  known();
  await allGone(harness);
  t.equal(harness.frontend.counts.logins.left, 1);
  t.notOk(harness.log.some(({ level }) => level === 'error'));
});

t.test('when the proxy stops', async (t) => {
  const tls = acceptor();
  const harness = await startHarness(t, { tls });
  const inHandshake = new RawClient({ port: harness.port });
  await inHandshake.greeting();
  inHandshake.send(sslRequest(), 1);
  const secured = new RawClient({ port: harness.port });
  await secured.greeting();
  await secured.secure();
  await eventually('it is encrypted here as well', () => tls.counts.connections.get('TLSv1.3') === 1);
  t.equal(harness.frontend.counts.loggingIn, 2);
  harness.frontend.stop();
  t.equal(await secured.err(), '1053 08S01 Server shutdown in progress');
  t.equal(await inHandshake.packet(), null);
  secured.socket.destroy();
  await allGone(harness);
});

t.test('max_client_conn counts the same', async (t) => {
  const harness = await startHarness(t, { tls: acceptor(), maxClients: 1 });
  const first = new RawClient({ port: harness.port });
  t.equal(await logIn(first), 'ok');
  const second = new RawClient({ port: harness.port });
  t.match(await second.err(), '1040 08004 Too many connections');
  first.socket.destroy();
  await allGone(harness);
  t.equal(await logIn(new RawClient({ port: harness.port })), 'ok');
});

t.test('records that are none', async (t) => {
  const harness = await startHarness(t, { tls: acceptor() });
  const client = new RawClient({ port: harness.port });
  await client.greeting();
  const raw = client.socket;
  await client.secure();
  raw.write(Buffer.from('17030300200000000000000000000000000000000000000000000000000000000000000000', 'hex'));
  await allGone(harness);
  t.equal(harness.logins.length, 0);
});

t.test('another certificate', async (t) => {
  const tls = acceptor();
  const harness = await startHarness(t, { tls });
  const shown = async (): Promise<string> => {
    const client = new RawClient({ port: harness.port });
    const greeting = await client.greeting();
    const socket = await client.secure();
    const certificate = socket.getPeerX509Certificate();
    t.equal(await answerTo(client, loginPayload(greeting, 'app', 'secret'), 2), 'ok');
    return certificate?.fingerprint256 ?? '';
  };
  const open = new RawClient({ port: harness.port });
  t.equal(await logIn(open), 'ok');
  const before = await shown();
  t.throws(() => tls.replace({ cert: makeSelfSigned().cert, key: pair.key, ca: null }));
  t.equal(await shown(), before, 'a pair that does not fit changes nothing');
  const next = makeSelfSigned();
  tls.replace({ ...next, ca: null });
  t.equal(await shown(), new X509Certificate(next.cert).fingerprint256);
  t.equal(harness.logins.at(-1)?.fingerprint?.toString('hex'), fingerprint(next.cert));
  open.send(Buffer.of(0x0e), 0);
  t.equal((await open.expect()).payload[0], 0x00, 'an open connection goes on');
});

function fingerprint(cert: string): string {
  return new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
}
