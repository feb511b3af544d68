import { once } from 'node:events';
import net from 'node:net';
import t, { type Test } from 'tap';
import { addressText, type ChannelHandler, ServerChannel } from '../../src/backend/server-channel.js';
import { listening } from '../support/listening.js';

/** A listener whose peers are plain sockets: what is under test is the transport, no server is involved. */
async function openPair(t: Test): Promise<{ channel: ServerChannel; peer: net.Socket }> {
  const listener = net.createServer({ pauseOnConnect: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  const accepted = once(listener, 'connection');
  const channel = new ServerChannel({ host: '127.0.0.1', port });
  const [peer] = (await accepted) as [net.Socket];
  peer.on('error', () => {});
  // Known to be connected on both sides: before, writes wait in user space.
  const greeting = new Collector();
  channel.handler = greeting;
  peer.write('!');
  await greeting.until(1);
  channel.handler = null;
  t.teardown(() => {
    channel.destroy();
    peer.destroy();
    listener.close();
  });
  return { channel, peer };
}

/** Collects what arrives; `until` resolves once that many bytes are there. */
class Collector implements ChannelHandler {
  readonly chunks: Buffer[] = [];
  readonly buffers = new Set<Buffer>();
  drains = 0;
  closed: Error | null | undefined;
  onChunk: ((buf: Buffer, start: number, end: number) => void) | null = null;
  #size = 0;
  #wake: (() => void) | null = null;

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onBytes(buf: Buffer, start: number, end: number): void {
    this.buffers.add(buf);
    this.chunks.push(Buffer.from(buf.subarray(start, end)));
    this.#size += end - start;
    this.onChunk?.(buf, start, end);
    this.#wake?.();
  }

  onDrain(): void {
    this.drains++;
    this.#wake?.();
  }

  onClosed(error: Error | null): void {
    this.closed = error;
    this.#wake?.();
  }

  async when(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  until(size: number): Promise<void> {
    return this.when(() => this.#size >= size);
  }
}

async function readPeer(peer: net.Socket, size: number): Promise<Buffer> {
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

/** Bytes none of which repeats at the distance of a read buffer. */
function pattern(size: number): Buffer {
  const buf = Buffer.alloc(size);
  for (let i = 0; i + 4 <= size; i += 4) buf.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i);
  return buf;
}

t.test('addresses as text', async (t) => {
  t.equal(addressText({ host: 'db', port: 3306 }), 'db:3306');
  t.equal(addressText({ host: '::1', port: 3306 }), '[::1]:3306');
  t.equal(addressText({ socketPath: '/run/mysqld/mysqld.sock' }), '/run/mysqld/mysqld.sock');
});

t.test('bytes arrive in order, in one buffer that is read into again and again', async (t) => {
  const { channel, peer } = await openPair(t);
  const collector = new Collector();
  channel.handler = collector;
  const sent = pattern(1 << 20);
  peer.write(sent);
  await collector.until(sent.length);
  t.ok(collector.bytes.equals(sent));
  t.equal(collector.buffers.size, 1);
  t.equal(channel.bytesRead, 1 + sent.length);
});

t.test('a retained buffer keeps its bytes, the channel reads on into others', async (t) => {
  const { channel, peer } = await openPair(t);
  const collector = new Collector();
  const kept: Buffer[] = [];
  collector.onChunk = (buf, start, end) => {
    kept.push(buf.subarray(start, end));
    channel.retainReadBuffer();
  };
  channel.handler = collector;
  const sent = pattern(1 << 20);
  peer.write(sent);
  await collector.until(sent.length);
  t.ok(Buffer.concat(kept).equals(sent));
  t.equal(collector.buffers.size, collector.chunks.length);
});

t.test('retaining is for the moment of reading only', async (t) => {
  const { channel } = await openPair(t);
  t.throws(() => channel.retainReadBuffer(), /outside onBytes/);
});

t.test(
  'a buffer shared by sockets cannot be taken back from one of them alone (why each channel has its own)',
  async (t) => {
    const { port } = await listening(t, (socket) =>
      socket.on('data', () => socket.write('second')).write('first'),
    );
    const shared = Buffer.alloc(64);
    let current = shared;
    const open = (): { socket: net.Socket; reads: () => Promise<Buffer> } => {
      const seen: Buffer[] = [];
      let wake = (): void => {};
      const callback = (_length: number, buf: Uint8Array): boolean => {
        seen.push(buf as Buffer);
        wake();
        return true;
      };
      const socket = net.connect({ port, host: '127.0.0.1', onread: { buffer: () => current, callback } });
      const reads = async (): Promise<Buffer> => {
        if (seen.length === 0) await new Promise<void>((resolve) => (wake = resolve));
        return seen.shift() as Buffer;
      };
      t.teardown(() => socket.destroy());
      return { socket, reads };
    };
    const [a, b] = [open(), open()];
    t.equal(await a.reads(), shared);
    t.equal(await b.reads(), shared);
    current = Buffer.alloc(64);
    a.socket.write('x');
    t.equal(await a.reads(), shared, 'given before the exchange');
    b.socket.write('x');
    t.equal(await b.reads(), shared, "b still reads into what a's receiver kept");
  },
);

t.test('a buffer that the kernel took whole may be overwritten at once', async (t) => {
  const { channel, peer } = await openPair(t);
  channel.handler = new Collector();
  const expected: Buffer[] = [];
  const buf = Buffer.alloc(32 * 1024);
  for (let round = 0; round < 20; round++) {
    buf.fill(round + 1);
    expected.push(Buffer.from(buf));
    t.ok(channel.write(buf), 'not congested');
    t.equal(channel.pendingBytes, 0, 'written synchronously');
    buf.fill(0xee);
    const received = await readPeer(peer, buf.length);
    t.ok(received.equals(expected[round] as Buffer), 'the bytes as they were at the write');
  }
  t.equal(channel.bytesWritten, 20 * buf.length);
});

t.test('a peer that does not read congests the channel, one drain follows', async (t) => {
  const { channel, peer } = await openPair(t);
  const collector = new Collector();
  channel.handler = collector;
  const sent: Buffer[] = [];
  let congested = false;
  for (let i = 0; !congested; i++) {
    const chunk = pattern(256 * 1024).fill(i & 0xff, 0, 8);
    sent.push(chunk);
    congested = !channel.write(chunk);
  }
  t.ok(channel.pendingBytes > 0);
  t.equal(collector.drains, 0);
  const all = Buffer.concat(sent);
  const received = await readPeer(peer, all.length);
  t.ok(received.equals(all));
  await collector.when(() => collector.drains > 0);
  t.equal(channel.pendingBytes, 0);
  channel.write(Buffer.from('more'));
  await readPeer(peer, 4);
  t.equal(collector.drains, 1);
});

t.test('pausing from within onBytes stops at that read; nothing is lost', async (t) => {
  const { channel, peer } = await openPair(t);
  const collector = new Collector();
  let reads = 0;
  collector.onChunk = () => {
    reads++;
    channel.pause();
  };
  channel.handler = collector;
  const sent = pattern(1 << 20);
  peer.write(sent);
  await collector.until(1);
  while (collector.bytes.length < sent.length) {
    const before = reads;
    // Time for any read that a broken pause would let through.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    t.equal(reads, before);
    channel.resume();
    await collector.when(() => reads > before);
  }
  t.ok(collector.bytes.equals(sent));
});

t.test('the end of the peer is told once', async (t) => {
  t.test('FIN', async (t) => {
    const { channel, peer } = await openPair(t);
    const collector = new Collector();
    channel.handler = collector;
    peer.end('last words');
    await collector.when(() => collector.closed !== undefined);
    t.equal(collector.bytes.toString(), 'last words');
    t.equal(collector.closed, null);
    t.ok(channel.closed);
    t.equal(channel.handler, null);
  });
  t.test('RST', async (t) => {
    const { channel, peer } = await openPair(t);
    const collector = new Collector();
    channel.handler = collector;
    peer.resetAndDestroy();
    await collector.when(() => collector.closed !== undefined);
    t.match(collector.closed, { code: 'ECONNRESET' });
  });
  t.test('nobody there', async (t) => {
    const channel = new ServerChannel({ host: '127.0.0.1', port: await freePort() });
    const collector = new Collector();
    channel.handler = collector;
    await collector.when(() => collector.closed !== undefined);
    t.match(collector.closed, { code: 'ECONNREFUSED' });
  });
});

t.test("the owner's own end is not told", async (t) => {
  const { channel, peer } = await openPair(t);
  const collector = new Collector();
  channel.handler = collector;
  channel.destroy();
  peer.resume();
  await once(peer, 'close');
  t.equal(collector.closed, undefined);
  t.ok(channel.write(Buffer.from('into the void')), 'and writing is no error');
});

t.test('bytes that nobody waits for end the channel', async (t) => {
  const { channel, peer } = await openPair(t);
  peer.write('unasked');
  peer.resume();
  await once(peer, 'close');
  t.ok(channel.closed);
});

t.test('quit says COM_QUIT, then closes', async (t) => {
  const { channel, peer } = await openPair(t);
  channel.handler = new Collector();
  channel.quit();
  const received: Buffer[] = [];
  for await (const chunk of peer) received.push(chunk as Buffer);
  t.equal(Buffer.concat(received).toString('hex'), '0100000001');
});

t.test('quit does not wait for writes that are stuck', async (t) => {
  const { channel, peer } = await openPair(t);
  channel.handler = new Collector();
  while (channel.write(Buffer.alloc(1 << 20)));
  channel.quit();
  const received: Buffer[] = [];
  for await (const chunk of peer) received.push(chunk as Buffer);
  t.not(Buffer.concat(received).at(-1), 1);
  t.ok(channel.closed);
});

async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
