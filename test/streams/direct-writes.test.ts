import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import { DirectWrites, handleOf } from '../../src/streams/direct-writes.js';
import type { StreamHandle } from '../../src/streams/stream-binding.js';
import { eventually } from '../support/proxied.js';
import { readToEnd, socketPair } from '../support/socket-pair.js';

const CHUNK = 64 * 1024;

function handle(socket: Socket): StreamHandle {
  const found = handleOf(socket);
  if (found === null) throw new Error('this runtime has no handle as it is expected');
  return found;
}

/** Writes until the kernel takes no more. */
function fill(writes: DirectWrites): Buffer {
  const written: Buffer[] = [];
  for (let i = 0; i < 1_000 && !writes.needDrain; i++) {
    const chunk = Buffer.alloc(CHUNK, i);
    written.push(chunk);
    writes.write(chunk);
  }
  return Buffer.concat(written);
}

t.test('the handle of a socket', async (t) => {
  const { ours, close } = await socketPair();
  t.teardown(close);
  t.not(handleOf(ours), null, 'as it is expected in this runtime');
  t.equal(handleOf(Object.create(ours, { encrypted: { value: true } })), null, 'not where TLS is between');
  t.equal(handleOf(Object.create(ours, { _handle: { value: {} } })), null, 'nor of another shape');
  t.equal(handleOf(Object.create(ours, { _handle: { value: null } })), null);
  const connecting = connect({ host: '127.0.0.1', port: ours.localPort ?? 0 });
  connecting.on('error', () => {});
  t.equal(handleOf(connecting), null, 'nor while it connects');
  connecting.destroy();
  ours.destroy();
  t.equal(handleOf(ours), null, 'nor when it is closed');
});

t.test('what the kernel takes at once is not in use any more', async (t) => {
  const { ours, theirs, close } = await socketPair();
  t.teardown(close);
  const writes = new DirectWrites(ours, handle(ours), () => t.fail('nothing has waited'));
  const bytes = Buffer.from('one');
  for (const word of ['one', 'two', 'six']) {
    bytes.write(word);
    t.ok(writes.write(bytes));
    t.equal(writes.pending, 0);
  }
  t.equal(ours.bytesWritten, 9);
  ours.end('.');
  t.equal((await readToEnd(theirs)).toString(), 'onetwosix.');
});

t.test('a peer that does not read', async (t) => {
  const { ours, theirs, close } = await socketPair();
  t.teardown(close);
  let drained = 0;
  const writes = new DirectWrites(ours, handle(ours), () => drained++);
  const first = fill(writes);
  t.ok(writes.needDrain && writes.pending > 0);
  t.notOk(writes.write(Buffer.from('behind it')));
  t.equal(ours.bytesWritten, first.length + 9);
  t.equal(drained, 0);
  const received: Buffer[] = [];
  theirs.on('data', (chunk: Buffer) => received.push(chunk)).resume();
  await eventually('it drains', () => drained > 0);
  t.equal(writes.pending, 0);
  t.notOk(writes.needDrain);
  t.ok(writes.write(Buffer.from(', and on')));
  // Behind what waits come the socket's own bytes and its end, too.
  const second = fill(writes);
  ours.end('the end');
  await once(theirs, 'end');
  const expected = Buffer.concat([first, Buffer.from('behind it, and on'), second, Buffer.from('the end')]);
  t.equal(Buffer.concat(received).compare(expected), 0, 'everything came, in order');
});

t.test('a peer that resets while bytes wait', async (t) => {
  const { ours, theirs, close } = await socketPair();
  t.teardown(close);
  const writes = new DirectWrites(ours, handle(ours), () => t.fail('drained'));
  fill(writes);
  const ended = new Promise((resolve) => ours.once('close', resolve));
  ours.resume();
  theirs.resetAndDestroy();
  await ended;
  await eventually('the writes are over', () => writes.pending === 0);
  t.ok(writes.write(Buffer.from('too late')), 'which nobody waits for');
});

t.test('a write to a peer that has gone ends the socket with the error of the system', async (t) => {
  const { ours, theirs, close } = await socketPair();
  t.teardown(close);
  const writes = new DirectWrites(ours, handle(ours), () => t.fail('drained'));
  const failed = once(ours, 'error') as Promise<[NodeJS.ErrnoException]>;
  // Ours does not read: only a write shows it.
  theirs.resetAndDestroy();
  await eventually('a write fails', () => {
    writes.write(Buffer.from('x'));
    return ours.destroyed;
  });
  const [error] = await failed;
  t.match(error.code, /^(EPIPE|ECONNRESET)$/);
  t.equal(error.message, `write ${error.code}`);
});

t.test('a socket that is destroyed while bytes wait', async (t) => {
  const { ours, theirs, close } = await socketPair();
  t.teardown(close);
  const writes = new DirectWrites(ours, handle(ours), () => t.fail('drained'));
  fill(writes);
  ours.destroy();
  await once(ours, 'close');
  await eventually('the writes are over', () => writes.pending === 0);
  theirs.resume();
  await once(theirs, 'close');
});

t.test('an end while bytes wait: the peer gets them first', async (t) => {
  const { ours, theirs, close } = await socketPair();
  t.teardown(close);
  const writes = new DirectWrites(ours, handle(ours), () => {});
  const expected = fill(writes);
  ours.resume();
  ours.destroySoon();
  const received = await readToEnd(theirs);
  t.equal(received.compare(expected), 0);
});
