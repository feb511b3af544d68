import { readFileSync } from 'node:fs';
import type net from 'node:net';
import tls from 'node:tls';
import t, { type Test } from 'tap';
import { connectServer, ServerConnectError } from '../../src/backend/connect.js';
import { ServerTls } from '../../src/backend/server-tls.js';
import { Capability } from '../../src/protocol/constants.js';
import { PayloadWriter } from '../../src/protocol/payload-writer.js';
import { type Certificate, CertificateMaker } from '../support/certificate-maker.js';
import { listening } from '../support/listening.js';

/** Peers that are no proper servers; real ones never do what is done here. */

const CAPABILITIES =
  Capability.Protocol41 |
  Capability.Ssl |
  Capability.SecureConnection |
  Capability.PluginAuth |
  Capability.SessionTrack |
  Capability.DeprecateEof;

function greeting(): Buffer {
  return new PayloadWriter(200)
    .uint8(10)
    .bytes(Buffer.from('9.7.0\0'))
    .uint32(7)
    .bytes(Buffer.from('12345678\0'))
    .uint16(CAPABILITIES & 0xffff)
    .uint8(45)
    .uint16(2)
    .uint16(CAPABILITIES >>> 16)
    .uint8(21)
    .bytes(Buffer.alloc(10))
    .bytes(Buffer.from('901234567890\0'))
    .bytes(Buffer.from('mysql_native_password\0'))
    .packet(0);
}

const ERR = new PayloadWriter(20).uint8(0xff).uint16(1045).bytes(Buffer.from('#28000spoofed')).packet(2);
const OK = new PayloadWriter(20).uint8(0).uint8(0).uint8(0).uint16(2).uint16(0).packet(3);

/** Bytes of an SSLRequest: 32 behind the header. */
const REQUEST_SIZE = 36;

interface Attempt {
  readonly error: ServerConnectError;
  /** What the peer was sent, as it came. */
  readonly received: Buffer;
}

async function attempt(
  t: Test,
  behave: (socket: net.Socket) => void,
  ca: string | null = null,
  host = 'localhost',
): Promise<Attempt> {
  const received: Buffer[] = [];
  const address = await listening(t, (socket) => {
    socket.on('data', (bytes: Buffer) => received.push(bytes));
    behave(socket);
  });
  const target = { host, port: address.port };
  const settings = {
    serverTlsMode: ca === null ? 'require' : 'verify_full',
    serverTlsCa: ca,
    serverTlsCert: null,
    serverTlsKey: null,
    serverTlsMinVersion: 'TLSv1.2',
  } as const;
  try {
    const { channel } = await connectServer({
      address: target,
      user: 'app',
      password: 'a secret password',
      schema: null,
      capabilities: 0,
      collation: 45,
      connectTimeoutMs: 5_000,
      attributes: {},
      tls: ServerTls.of(settings, target, { encrypted: () => {}, filesUnusable: () => {} }),
    });
    channel.destroy();
  } catch (error) {
    if (error instanceof ServerConnectError) return { error, received: Buffer.concat(received) };
    throw error;
  }
  throw new Error('logged in');
}

/** The peer's own TLS, begun when it has been asked for. */
function answerInTls(
  socket: net.Socket,
  certificate: Certificate,
  then: (secure: tls.TLSSocket) => void,
): void {
  const { cert, key } = read(certificate);
  socket.removeAllListeners('data');
  socket.once('readable', () => {
    if (socket.read(REQUEST_SIZE) === null) throw new Error('the SSLRequest came in pieces');
    const secure = new tls.TLSSocket(socket, { isServer: true, cert, key });
    secure.on('error', () => {});
    then(secure);
  });
  socket.write(greeting());
}

function read({ cert, key }: Certificate): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

t.test('what is sent in clear, before TLS, is never believed', async (t) => {
  t.test('together with the greeting', async (t) => {
    for (const extra of [ERR, OK, Buffer.from([0])]) {
      const { error, received } = await attempt(t, (socket) =>
        socket.write(Buffer.concat([greeting(), extra])),
      );
      t.match(error, { errno: 2012, refused: 'other', message: /bytes after the greeting, before TLS/ });
      t.equal(received.length, 0, 'and nothing was answered');
    }
  });
  t.test('after the SSLRequest', async (t) => {
    for (const extra of [ERR, OK]) {
      const { error, received } = await attempt(t, (socket) => {
        socket.write(greeting());
        socket.once('data', () => socket.write(extra));
      });
      t.match(error, { errno: 2026, refused: 'tls', message: /offers TLS, but what it then sends is none/ });
      t.notOk(received.includes('app\0'), 'no user name in clear');
    }
  });
});

t.test('the SSLRequest is the beginning of the login, and no more', async (t) => {
  const { error, received } = await attempt(t, (socket) => {
    socket.write(greeting());
    socket.once('data', () => socket.destroy());
  });
  t.match(error, {
    errno: 2026,
    refused: 'network',
    fatalToWaiters: false,
    nobodyThere: false,
    message: /lost in the midst of the TLS handshake/,
  });
  t.equal(received.subarray(0, 4).toString('hex'), '20000001');
  const flags = received.readUInt32LE(4);
  t.equal((flags & Capability.Ssl) >>> 0, Capability.Ssl);
  t.equal((flags & Capability.SessionTrack) >>> 0, Capability.SessionTrack);
  t.equal(received[12], 45);
  t.equal(received.subarray(13, REQUEST_SIZE).toString('hex'), '00'.repeat(23));
  t.equal(received[REQUEST_SIZE], 22, 'then TLS: a handshake record');
});

t.test('ends in the midst of the handshake', async (t) => {
  const ends: readonly [string, (socket: net.Socket) => void][] = [
    ['FIN', (socket) => socket.end()],
    ['RST', (socket) => socket.resetAndDestroy()],
  ];
  for (const [name, end] of ends) {
    const { error } = await attempt(t, (socket) => {
      socket.write(greeting());
      socket.once('data', () => end(socket));
    });
    t.match(error, { errno: 2026, refused: 'network', nobodyThere: false }, name);
  }
});

t.test('a peer that says nothing more is given up in time', async (t) => {
  const address = await listening(t, (socket) => socket.resume().write(greeting()));
  const settings = {
    serverTlsMode: 'require',
    serverTlsCa: null,
    serverTlsCert: null,
    serverTlsKey: null,
    serverTlsMinVersion: 'TLSv1.2',
  } as const;
  const tlsTo = ServerTls.of(settings, address, { encrypted: () => {}, filesUnusable: () => {} });
  const login = { user: 'app', password: '', schema: null, capabilities: 0, collation: 45, attributes: {} };
  const opening = connectServer({ address, ...login, connectTimeoutMs: 100, tls: tlsTo });
  await t.rejects(opening, /no answer within 100 ms/);
});

t.test('certificates', async (t) => {
  const maker = await CertificateMaker.start(t);
  const ca = await maker.ca('a CA');
  const good = { commonName: 'db', names: ['DNS:localhost'], issuer: ca };
  const talk = (certificate: Certificate) => (socket: net.Socket) => {
    // As soon as it can: with TLS 1.3 that is before the client's certificate or its own has been looked at.
    answerInTls(socket, certificate, (secure) => secure.write(ERR));
  };
  t.test('nothing is said to a server that has the wrong one', async (t) => {
    const wrong: readonly [string, Certificate, RegExp][] = [
      [
        'by itself',
        await maker.make({ ...good, issuer: { ...(await maker.ca('none of ours')) } }),
        /not signed by a CA/,
      ],
      ['over', await maker.make({ ...good, days: -1 }), /has expired$/],
      [
        'another name',
        await maker.make({ ...good, names: ['DNS:other.example'] }),
        /another name.*other\.example/,
      ],
    ];
    for (const [name, certificate, message] of wrong) {
      const { error } = await attempt(t, talk(certificate), ca.cert);
      t.match(error, { errno: 2026, refused: 'tls', fatalToWaiters: true, message }, name);
    }
  });
  t.test('many names are not all quoted', async (t) => {
    const names = Array.from({ length: 300 }, (_, i) => `DNS:host-${i}.example`);
    const { error } = await attempt(t, talk(await maker.make({ ...good, names })), ca.cert);
    t.match(error.message, /another name/);
    t.ok(error.message.length < 400);
  });
  t.test('a common name alone will do, as MySQL makes them', async (t) => {
    const { error } = await attempt(
      t,
      talk(await maker.make({ commonName: 'localhost', issuer: ca })),
      ca.cert,
    );
    t.not(error.refused, 'tls');
  });
  t.test('what comes before the handshake is done is not read', async (t) => {
    const { error } = await attempt(t, talk(await maker.make(good)), ca.cert);
    t.match(error, { refused: /other|credentials/ });
  });
  t.test('an ERR within TLS is the server’s', async (t) => {
    const { error } = await attempt(
      t,
      (socket) =>
        answerInTls(socket, certificate, (secure) => {
          secure.once('data', () =>
            secure.write(
              new PayloadWriter(20).uint8(0xff).uint16(1045).bytes(Buffer.from('#28000no')).packet(3),
            ),
          );
        }),
      ca.cert,
    );
    t.match(error, {
      errno: 1045,
      sqlState: '28000',
      message: 'no',
      refused: 'credentials',
      tlsLeftOut: false,
    });
  });
  const certificate = await maker.make(good);
  t.test('the name that is asked for is sent, unless it is an address', async (t) => {
    for (const host of ['localhost', '127.0.0.1']) {
      const asked: unknown[] = [];
      const behave = (socket: net.Socket): void =>
        answerInTls(socket, certificate, (secure) => {
          secure.once('secure', () => {
            asked.push(Reflect.get(secure, 'servername'));
            secure.destroy();
          });
        });
      await attempt(t, behave, null, host);
      t.strictSame(asked, [host === 'localhost' ? host : false]);
    }
  });
  t.test('packets out of order within TLS', async (t) => {
    const { error } = await attempt(
      t,
      (socket) =>
        answerInTls(socket, certificate, (secure) => {
          secure.once('data', () => secure.write(OK.fill(2, 3, 4)));
        }),
      ca.cert,
    );
    t.match(error, { errno: 2012, refused: 'other', message: /packets out of order/ });
  });
});
