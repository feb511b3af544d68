import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ClientSocket } from '../../src/streams/client-socket.js';
import { acceptLean } from '../../src/streams/lean-accept.js';
import { LeanSocket } from '../../src/streams/lean-socket.js';
import { giveBack, READ_SIZE } from '../../src/streams/read-chunks.js';
import { isStreamHandle, serverHandle } from '../../src/streams/stream-binding.js';
import { eventually } from '../support/proxied.js';

/** Both ends of a connection, and what was told to whom. */
interface Pair {
  readonly accepted: ClientSocket;
  readonly client: Socket;
  /** What the accepted one told, in order; data as text. */
  readonly told: string[];
  /** What the client received. */
  readonly received: Buffer[];
}

const BIG = Buffer.alloc(16 << 20, 'x');

async function pair(t: Test, isLean: boolean, listens = true): Promise<Pair> {
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const coming = new Promise<ClientSocket>((resolve) => {
    server.on('connection', resolve);
    if (isLean) acceptLean(server, resolve, 60_000);
  });
  const bound = server.address();
  if (bound === null || typeof bound !== 'object') throw new TypeError('not TCP');
  const client = connect({ port: bound.port, host: '127.0.0.1', allowHalfOpen: true });
  const [accepted] = await Promise.all([coming, once(client, 'connect')]);
  t.equal(accepted instanceof LeanSocket, isLean);
  t.teardown(() => {
    client.destroy();
    accepted.destroy();
  });
  const told: string[] = [];
  const received: Buffer[] = [];
  accepted.on('error', (error) => told.push(`error ${'code' in error ? error.code : error.message}`));
  accepted.on('end', () => told.push('end')).on('close', () => told.push('close'));
  accepted.on('drain', () => told.push('drain'));
  if (listens) accepted.on('data', (chunk) => told.push(chunk.toString())).resume();
  client.on('error', () => undefined);
  return { accepted, client, told, received };
}

/** Reads what the client gets. */
function reads({ client, received }: Pair): void {
  client.on('data', (chunk) => received.push(chunk));
}

/** A scenario for both kinds: whatever it does with the runtime's own socket, it does with ours. */
function both(
  name: string,
  run: (t: Test, make: (listens?: boolean) => Promise<Pair>) => Promise<void>,
): void {
  for (const isLean of [false, true])
    t.test(`${name}: ${isLean ? 'lean' : "the runtime's own"}`, (t) =>
      run(t, (listens) => pair(t, isLean, listens)),
    );
}

const has = (told: readonly string[], event: string) => eventually(event, async () => told.includes(event));

both('data, an end, and who is there', async (t, make) => {
  const ends = await make();
  const { accepted, client, told } = ends;
  reads(ends);
  t.equal(accepted.remoteAddress, '127.0.0.1');
  t.equal(accepted.remotePort, client.localPort);
  t.equal(accepted.localPort, client.remotePort);
  client.write('hello');
  await has(told, 'hello');
  t.ok(accepted.write(Buffer.from('welcome')));
  t.same([accepted.bytesRead, accepted.bytesWritten, accepted.writableLength], [5, 7, 0]);
  client.end();
  await once(client, 'close');
  await has(told, 'close');
  t.same(told, ['hello', 'end', 'close']);
  t.equal(Buffer.concat(ends.received).toString(), 'welcome');
  t.ok(accepted.destroyed);
  t.notOk(accepted.write(Buffer.from('nobody')));
  accepted.destroy();
  accepted.destroySoon();
});

both('a reset', async (t, make) => {
  const { accepted, client, told } = await make();
  client.resetAndDestroy();
  await has(told, 'close');
  t.same(told, ['error ECONNRESET', 'close']);
  t.ok(accepted.destroyed);
});

both('the end of who is paused, with nothing held', async (t, make) => {
  const { accepted, client, told } = await make();
  accepted.pause();
  client.end();
  await has(told, 'close');
  t.same(told, ['end', 'close']);
});

both('a slow reader', async (t, make) => {
  const ends = await make();
  const { accepted, told } = ends;
  t.notOk(accepted.write(BIG));
  t.ok(accepted.writableNeedDrain);
  t.ok(accepted.writableLength > 0);
  t.notOk(accepted.write(Buffer.from('behind it')));
  t.same(told, []);
  reads(ends);
  await has(told, 'drain');
  t.same([accepted.writableNeedDrain, accepted.writableLength], [false, 0]);
  t.ok(accepted.write(Buffer.from(', last')));
  accepted.end();
  await once(ends.client, 'end');
  const all = Buffer.concat(ends.received);
  t.equal(all.length, BIG.length + 15);
  t.equal(all.subarray(BIG.length).toString(), 'behind it, last');
  t.same(told, ['drain']);
});

both('the reader resets in the midst of it', async (t, make) => {
  const { accepted, client, told } = await make();
  accepted.write(BIG);
  client.resetAndDestroy();
  await has(told, 'close');
  t.equal(told.length, 2);
  t.match(told, [/^error (EPIPE|ECONNRESET)$/, 'close']);
});

both('an end with last words; the other side goes on', async (t, make) => {
  const ends = await make();
  const { accepted, client, told } = ends;
  reads(ends);
  const done: string[] = [];
  accepted.end(Buffer.from('bye'));
  t.ok(accepted.writableEnded);
  accepted.end(() => done.push('first'));
  await once(client, 'end');
  client.write('still here');
  await has(told, 'still here');
  t.same(done, ['first']);
  client.end();
  await has(told, 'close');
  t.same(told, ['still here', 'end', 'close']);
  t.equal(Buffer.concat(ends.received).toString(), 'bye');
});

both('paused', async (t, make) => {
  const { accepted, client, told } = await make();
  accepted.pause();
  t.ok(accepted.isPaused());
  client.write('kept');
  await eventually('it is there', async () => accepted.readableLength === 4);
  client.end('more');
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.same(told, []);
  accepted.resume();
  t.notOk(accepted.isPaused());
  await has(told, 'close');
  t.equal(told.slice(0, -2).join(''), 'keptmore');
  t.same(told.slice(-2), ['end', 'close']);
});

both('what came while paused can be read', async (t, make) => {
  const { accepted, client, told } = await make(false);
  accepted.on('data', (chunk) => told.push(chunk.toString())).pause();
  accepted.resume();
  accepted.pause();
  client.write('kept');
  await eventually('it is there', async () => accepted.readableLength === 4);
  t.equal(String(accepted.read()), 'kept');
  t.equal(accepted.read(), null);
  t.equal(accepted.readableLength, 0);
  client.write('more');
  accepted.resume();
  await has(told, 'more');
});

both('destroyed in a listener', async (t, make) => {
  const { accepted, client, told } = await make(false);
  accepted.on('data', (chunk) => {
    told.push(chunk.toString());
    accepted.destroy();
  });
  accepted.resume();
  client.write('a');
  await has(told, 'close');
  t.same(told, ['a', 'close']);
});

both('destroyed with a reason', async (t, make) => {
  const { accepted, told } = await make();
  accepted.destroy(new Error('enough'));
  t.same(told, [], 'not before it returns');
  await has(told, 'close');
  t.same(told, ['error enough', 'close']);
});

both('destroyed as soon as all is written', async (t, make) => {
  const ends = await make();
  const { accepted, client, told } = ends;
  accepted.write(BIG);
  accepted.destroySoon();
  t.notOk(accepted.destroyed);
  reads(ends);
  await once(client, 'end');
  await has(told, 'close');
  t.equal(Buffer.concat(ends.received).length, BIG.length);
  t.ok(accepted.destroyed);
});

both('destroyed while bytes wait', async (t, make) => {
  const { accepted, told } = await make();
  accepted.write(BIG);
  accepted.destroy();
  await has(told, 'close');
  t.same(told, ['close']);
});

both('listeners come and go', async (t, make) => {
  const { accepted, client, told } = await make(false);
  const first = (chunk: Buffer): void => void told.push(`1 ${chunk}`);
  const second = (chunk: Buffer): void => void told.push(`2 ${chunk}`);
  const third = (chunk: Buffer): void => void told.push(`3 ${chunk}`);
  const never = (): void => void told.push('never');
  accepted.on('data', first).on('data', second).on('data', third).on('close', never).resume();
  client.write('a');
  await has(told, '3 a');
  accepted.off('data', first).off('close', never);
  client.write('b');
  await has(told, '3 b');
  accepted.off('data', third);
  client.write('c');
  await has(told, '2 c');
  accepted.once('close', () => told.push('once')).destroy();
  await has(told, 'once');
  t.same(told, ['1 a', '2 a', '3 a', '2 b', '3 b', '2 c', 'close', 'once']);
});

t.test('a unix socket', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-lean-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const server = createServer().listen(join(folder, 's.sock'));
  await once(server, 'listening');
  t.teardown(() => server.close());
  acceptLean(
    server,
    (socket) => {
      t.ok(socket instanceof LeanSocket);
      t.same([socket.remoteAddress, socket.remotePort, socket.localPort], [undefined, undefined, undefined]);
      socket.end(Buffer.from('unix'));
    },
    60_000,
  );
  const client = connect(join(folder, 's.sock'));
  const [chunk] = await once(client, 'data');
  t.equal(String(chunk), 'unix');
  client.destroy();
});

t.test('surrendered to the runtime', async (t) => {
  const { accepted, client } = await pair(t, true, false);
  if (!(accepted instanceof LeanSocket)) throw new TypeError('not lean');
  const own = accepted.surrender();
  t.ok(accepted.destroyed);
  t.throws(() => accepted.surrender(), { message: /nothing to surrender/ });
  const received = once(client, 'data');
  own.write('from the other');
  t.equal(String((await received)[0]), 'from the other');
  own.destroy();
});

/** `02`: the timer that runs is that of keep-alive. */
async function timerOf(port: number, peer: number): Promise<string | undefined> {
  const hex = (n: number) => n.toString(16).toUpperCase().padStart(4, '0');
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  return lines.find(
    ([, own, other]) => own?.endsWith(`:${hex(port)}`) && other?.endsWith(`:${hex(peer)}`),
  )?.[5];
}

t.test(
  'a peer that is silent is asked whether it lives',
  { skip: process.platform !== 'linux' && 'Linux only' },
  async (t) => {
    for (const isLean of [false, true]) {
      const { accepted } = await pair(t, isLean);
      const timer = await timerOf(accepted.localPort ?? 0, accepted.remotePort ?? 0);
      t.match(timer, /^02:/, isLean ? 'lean' : "the runtime's own");
    }
  },
);

t.test('another runtime', async (t) => {
  t.equal(serverHandle({}), null);
  t.equal(serverHandle({ _handle: {} }), null);
  t.notOk(isStreamHandle({ onread: null }));
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  // What is accepted there is not what is expected: the server's own way is gone.
  const handle = serverHandle(server);
  if (handle === null) throw new TypeError('no handle');
  acceptLean(server, () => t.fail('not accepted here'), 60_000);
  const accepting = handle.onconnection;
  const sockets: Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  handle.onconnection = function (error, client) {
    if (client !== undefined) Object.defineProperty(client, 'useUserBuffer', { value: undefined });
    accepting.call(this, error, client);
  };
  const client = connect(port, '127.0.0.1');
  await eventually('it is accepted', async () => sockets.length === 1);
  t.notOk(sockets[0] instanceof LeanSocket);
  client.destroy();
  sockets[0]?.destroy();
});

/** Bytes that say where they are. */
const NUMBERED = Buffer.from(Uint32Array.from({ length: 2 << 20 }, (_, i) => i).buffer);

t.test('very much at once, of which each chunk is given back or kept', async (t) => {
  const { accepted, client } = await pair(t, true, false);
  const kept: [at: number, chunk: Buffer][] = [];
  const buffers = new Set<ArrayBufferLike>();
  let at = 0;
  let isRight = true;
  accepted.on('data', (chunk) => {
    isRight &&= chunk.equals(NUMBERED.subarray(at, at + chunk.length));
    buffers.add(chunk.buffer);
    if ((at >> 16) % 8 === 0) kept.push([at, chunk]);
    else giveBack(chunk);
    at += chunk.length;
    // What comes while it is paused is held, and told later.
    if ((at >> 16) % 16 === 3) {
      accepted.pause();
      setTimeout(() => accepted.resume(), 1);
    }
  });
  accepted.resume();
  client.write(NUMBERED);
  await eventually('all is there', () => at === NUMBERED.length);
  t.ok(isRight);
  t.ok(
    kept.every(([from, chunk]) => chunk.equals(NUMBERED.subarray(from, from + chunk.length))),
    'what was kept was not read into',
  );
  t.comment(`${buffers.size} buffers for ${kept.length} chunks that were kept`);
  client.write('a few');
  const [last] = await Promise.all([
    new Promise<Buffer>((resolve) => accepted.on('data', resolve)),
    eventually('they are there', () => at === NUMBERED.length + 5),
  ]);
  t.equal(last.toString(), 'a few');
  t.not(last.buffer.byteLength, READ_SIZE, 'they are in no chunk of that size');
});
