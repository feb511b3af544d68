import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { readDirectly } from '../../src/streams/direct-reads.js';
import { handleOf } from '../../src/streams/direct-writes.js';
import { eventually } from '../support/proxied.js';

interface State {
  buffer: Buffer;
  /** What is read into after the next read. */
  next: Buffer | null;
  read: string;
  /** Reads that the stream was told of. */
  byStream: number;
}

/** A connection of which our end is read as a server session's, and past its stream. */
async function world(t: Test) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const state: State = { buffer: Buffer.alloc(16), next: null, read: '', byStream: 0 };
  const onread = {
    buffer: (): Uint8Array => state.buffer,
    callback: (): boolean => {
      state.byStream++;
      return true;
    },
  };
  const ours = connect({ host: '127.0.0.1', port, onread });
  const [accepted] = await Promise.all([once(server, 'connection'), once(ours, 'connect')]);
  const theirs = accepted[0] as Socket;
  for (const socket of [ours, theirs]) socket.on('error', () => {});
  t.teardown(() => {
    ours.destroy();
    theirs.destroy();
    server.close();
  });
  const handle = handleOf(ours);
  if (handle === null) throw new Error('this runtime has no handle as it is expected');
  readDirectly(handle, (length) => {
    state.read += state.buffer.toString('latin1', 0, length);
    if (state.next === null) return undefined;
    state.buffer = state.next;
    state.next = null;
    return state.buffer;
  });
  return { ours, theirs, state };
}

t.test('what comes is told at once, and not by the stream', async (t) => {
  const { ours, theirs, state } = await world(t);
  theirs.write('one');
  await eventually('one has come', () => state.read === 'one');
  ours.pause();
  theirs.write('two');
  ours.resume();
  await eventually('two has come', () => state.read === 'onetwo');
  t.equal(ours.bytesRead, 6);
  t.equal(state.byStream, 0);
});

t.test('another buffer for what comes next', async (t) => {
  const { theirs, state } = await world(t);
  const first = state.buffer;
  state.next = Buffer.alloc(16);
  theirs.write('one');
  await eventually('one has come', () => state.read === 'one');
  theirs.write('two');
  await eventually('two has come', () => state.read === 'onetwo');
  t.equal(first.toString('latin1', 0, 3), 'one', 'the one before is left alone');
});

t.test('ends and errors are the socket’s', async (t) => {
  const { ours, theirs, state } = await world(t);
  theirs.end('over');
  await once(ours, 'end');
  t.equal(state.read, 'over');
  const second = await world(t);
  const failed = once(second.ours, 'error');
  second.theirs.resetAndDestroy();
  t.match(await failed, [{ code: 'ECONNRESET', syscall: 'read' }]);
});
