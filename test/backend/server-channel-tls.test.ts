import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import t, { type Test } from 'tap';
import { type ChannelHandler, ServerChannel } from '../../src/backend/server-channel.js';
import { CertificateMaker } from '../support/certificate-maker.js';
import { listening, onward } from '../support/listening.js';
import { eventually } from '../support/proxied.js';

/** What a channel promises holds under TLS as well; the peer is one of the runtime's own TLS sockets. */

interface Pair {
  readonly channel: ServerChannel;
  readonly handler: Collector;
  readonly peer: tls.TLSSocket;
  /** Below the peer's TLS. */
  readonly raw: net.Socket;
}

class Collector implements ChannelHandler {
  readonly chunks: Buffer[] = [];
  drains = 0;
  closed: Error | null | undefined;
  onChunk: (buf: Buffer, start: number, end: number) => void = () => {};

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get size(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0);
  }

  onBytes(buf: Buffer, start: number, end: number): void {
    this.chunks.push(Buffer.from(buf.subarray(start, end)));
    this.onChunk(buf, start, end);
  }

  onDrain(): void {
    this.drains++;
  }

  onClosed(error: Error | null): void {
    if (this.closed !== undefined) throw new Error('told twice');
    this.closed = error;
  }
}

async function openPair(t: Test, maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<Pair> {
  const listener = net.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  const accepted = once(listener, 'connection');
  const channel = new ServerChannel({ host: '127.0.0.1', port });
  const [raw] = (await accepted) as [net.Socket];
  raw.on('error', () => {});
  t.teardown(() => {
    channel.destroy();
    raw.destroy();
    listener.close();
  });
  const peer = new tls.TLSSocket(raw, { isServer: true, cert, key, maxVersion });
  peer.on('error', () => {});
  const secure = once(peer, 'secure');
  // As it is in a login: TLS begins within the read that brought the last bytes in clear.
  raw.write('!');
  const handler = new Collector();
  await new Promise<void>((resolve) => {
    handler.onChunk = () =>
      channel.secure((socket) => tls.connect({ socket, rejectUnauthorized: false }), resolve);
    channel.handler = handler;
  });
  await secure;
  handler.onChunk = () => {};
  handler.chunks.length = 0;
  return { channel, handler, peer, raw };
}

function pattern(size: number): Buffer {
  const buf = Buffer.alloc(size);
  for (let i = 0; i + 4 <= size; i += 4) buf.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i);
  return buf;
}

async function readPeer(peer: tls.TLSSocket, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  while (received < size) {
    const chunk = peer.read() as Buffer | null;
    if (chunk === null) {
      await once(peer, 'readable');
      continue;
    }
    chunks.push(chunk);
    received += chunk.length;
  }
  return Buffer.concat(chunks);
}

/** Turns of the event loop in which whatever is on its way arrives. */
async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

const made = new Promise<{ cert: Buffer; key: Buffer }>((resolve, reject) => {
  t.test('a certificate', async (t) => {
    const maker = await CertificateMaker.start(t);
    const { cert, key } = await maker.make({ commonName: 'peer' });
    resolve({ cert: readFileSync(cert), key: readFileSync(key) });
  }).catch(reject);
});
const { cert, key } = await made;

t.test('bytes arrive in order, each read in a buffer that may be kept', async (t) => {
  const { channel, handler, peer } = await openPair(t);
  t.equal(channel.tlsVersion, 'TLSv1.3');
  const kept: Buffer[] = [];
  handler.onChunk = (buf, start, end) => {
    kept.push(buf.subarray(start, end));
    channel.retainReadBuffer();
  };
  const sent = pattern(1 << 20);
  peer.write(sent);
  await eventually('all is there', () => handler.size === sent.length);
  t.ok(handler.bytes.equals(sent));
  t.ok(Buffer.concat(kept).equals(sent), 'also long after');
  t.throws(() => channel.retainReadBuffer(), /outside onBytes/);
});

t.test('what is written arrives, also several buffers in one turn', async (t) => {
  const { channel, peer } = await openPair(t);
  const sent: Buffer[] = [];
  for (let i = 0; i < 50; i++) sent.push(Buffer.alloc(1 + i * 37, i));
  for (const buf of sent) channel.write(buf);
  const all = Buffer.concat(sent);
  t.ok((await readPeer(peer, all.length)).equals(all));
  t.equal(channel.bytesWritten >= all.length, true);
});

t.test('a peer that does not read congests the channel, one drain follows', async (t) => {
  const { channel, handler, peer } = await openPair(t);
  const sent: Buffer[] = [];
  let flowing = true;
  while (flowing || sent.length < 40) {
    const chunk = pattern(256 * 1024).fill(sent.length, 0, 8);
    sent.push(chunk);
    flowing = channel.write(chunk);
  }
  await turns();
  t.ok(channel.pendingBytes > 0);
  t.equal(handler.drains, 0);
  const all = Buffer.concat(sent);
  t.ok((await readPeer(peer, all.length)).equals(all));
  await eventually('it has drained', () => handler.drains > 0);
  await turns();
  t.equal(handler.drains, 1);
  t.equal(channel.pendingBytes, 0);
});

t.test('pausing from within onBytes stops what comes; nothing is lost', async (t) => {
  const { channel, handler, peer } = await openPair(t);
  let reads = 0;
  handler.onChunk = () => {
    reads++;
    channel.pause();
  };
  const sent = pattern(1 << 20);
  peer.write(sent);
  await eventually('the first is there', () => reads > 0);
  while (handler.size < sent.length) {
    const before = reads;
    await turns(4);
    t.equal(reads, before);
    channel.resume();
    await eventually('more is there', () => reads > before);
  }
  t.ok(handler.bytes.equals(sent));
});

t.test('a slow reader makes the peer wait', async (t) => {
  const { channel, handler, peer } = await openPair(t);
  channel.pause();
  const size = 16 << 20;
  peer.write(Buffer.alloc(size));
  await turns(200);
  t.ok(peer.writableLength > 0, 'not all of it was taken');
  t.equal(handler.size, 0);
  channel.resume();
  await eventually('all is there', () => handler.size === size);
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`the end of the peer is told once, ${version}`, async (t) => {
    t.test('close_notify and FIN', async (t) => {
      const { channel, handler, peer } = await openPair(t, version);
      peer.end('last words');
      await eventually('it has ended', () => handler.closed !== undefined);
      t.equal(handler.bytes.toString(), 'last words');
      t.equal(handler.closed, null);
      t.ok(channel.closed);
      t.equal(channel.handler, null);
    });
    t.test('FIN alone', async (t) => {
      const { handler, raw } = await openPair(t, version);
      raw.end();
      await eventually('it has ended', () => handler.closed !== undefined);
      t.equal(handler.closed, null);
    });
    t.test('RST', async (t) => {
      const { handler, raw } = await openPair(t, version);
      raw.resetAndDestroy();
      await eventually('it has ended', () => handler.closed !== undefined);
      t.match(handler.closed, { code: 'ECONNRESET' });
    });
    t.test('bytes that are no TLS', async (t) => {
      const { handler, raw } = await openPair(t, version);
      raw.write(Buffer.from('17030300100000000000000000000000000000000000', 'hex'));
      await eventually('it has ended', () => handler.closed !== undefined);
      t.match(handler.closed, { code: /^ERR_SSL_/ });
      t.equal(handler.size, 0);
    });
  });

  t.test(`an idle channel, ${version}`, async (t) => {
    t.test('a byte ends it', async (t) => {
      const { channel, peer } = await openPair(t, version);
      channel.handler = null;
      peer.write('unasked');
      await eventually('it has ended', () => channel.closed);
    });
    t.test('FIN and RST end it', async (t) => {
      for (const end of ['end', 'resetAndDestroy'] as const) {
        const { channel, raw } = await openPair(t, version);
        channel.handler = null;
        raw[end]();
        await eventually('it has ended', () => channel.closed);
      }
    });
  });
}

t.test('records that carry no bytes do not end an idle channel', async (t) => {
  // The tickets of TLS 1.3 come after the handshake, when the channel may be idle already.
  const { channel, handler, peer } = await openPair(t);
  channel.handler = null;
  peer.write('');
  await turns(50);
  t.notOk(channel.closed);
  channel.handler = handler;
  peer.write('x');
  await eventually('a byte is there', () => handler.size === 1);
});

t.test('keys that change in the midst of a session', async (t) => {
  const maker = await CertificateMaker.start(t);
  const pair = await maker.make({ commonName: 'peer' });
  // The runtime's own TLS cannot begin it.
  const port = await freePort();
  const form = [
    '-accept',
    `127.0.0.1:${port}`,
    '-cert',
    pair.cert,
    '-key',
    pair.key,
    '-tls1_3',
    '-msg',
    '-naccept',
    '1',
  ];
  const peer = spawn('openssl', ['s_server', ...form], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => peer.kill());
  const printed: string[] = [];
  peer.stdout.on('data', (text) => printed.push(String(text)));
  await eventually('it listens', () => printed.join('').includes('ACCEPT'));
  const relay = await listening(t, (client) => {
    client.write('!');
    const upstream = onward(client, { host: '127.0.0.1', port });
    client.pipe(upstream).pipe(client);
  });
  const channel = new ServerChannel(relay);
  t.teardown(() => channel.destroy());
  const handler = new Collector();
  await new Promise<void>((resolve) => {
    handler.onChunk = () =>
      channel.secure((socket) => tls.connect({ socket, rejectUnauthorized: false }), resolve);
    channel.handler = handler;
  });
  handler.onChunk = () => {};
  handler.chunks.length = 0;
  const updates = (from: '<<<' | '>>>'): number =>
    [...printed.join('').matchAll(/(<<<|>>>) TLS 1\.3, Handshake [^\n]*KeyUpdate/g)].filter(
      ([, way]) => way === from,
    ).length;
  for (const round of [1, 2]) {
    channel.handler = null;
    peer.stdin.write('K\n');
    await eventually('the peer has new keys', () => updates('>>>') === round);
    await turns(50);
    t.notOk(channel.closed, 'it is no byte on an idle channel');
    channel.handler = handler;
    channel.write(Buffer.from(`to ${round}\n`));
    await eventually('what is written arrives', () => printed.join('').includes(`to ${round}`));
    // They are answered with what is written next, once they have come.
    await eventually('there are new keys here, too', () => {
      channel.write(Buffer.from('.\n'));
      return updates('<<<') === round;
    });
    peer.stdin.write(`from ${round}\n`);
    await eventually('what is read arrives', () => handler.bytes.includes(`from ${round}`));
  }
});

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

t.test("the owner's own end is not told", async (t) => {
  const { channel, handler, peer } = await openPair(t);
  channel.destroy();
  peer.resume();
  await once(peer, 'close');
  t.equal(handler.closed, undefined);
  t.ok(channel.write(Buffer.from('into the void')));
});

t.test('quit says COM_QUIT, also right after something else, then closes', async (t) => {
  const { channel, peer } = await openPair(t);
  channel.write(Buffer.from('before '));
  const gone = new Promise<void>((resolve) => channel.quit(resolve));
  const received: Buffer[] = [];
  for await (const chunk of peer) received.push(chunk as Buffer);
  await gone;
  t.equal(Buffer.concat(received).toString('latin1'), 'before \x01\0\0\0\x01');
});

t.test('quit does not wait for writes that are stuck', async (t) => {
  const { channel } = await openPair(t);
  for (let i = 0; i < 40; i++) channel.write(Buffer.alloc(1 << 20));
  let gone = false;
  channel.quit(() => {
    gone = true;
  });
  t.ok(gone);
  t.ok(channel.closed);
});
