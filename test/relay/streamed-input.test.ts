import assert from 'node:assert/strict';
import t from 'tap';
import type { ServerSession } from '../../src/backend/server-session.js';
import { CommandEvent, CommandReader } from '../../src/relay/command-reader.js';
import {
  FileTarget,
  LongCommandTarget,
  type PieceTarget,
  Progress,
  SKIP,
  StreamedInput,
} from '../../src/relay/streamed-input.js';
import { giveBack, READ_SIZE, readChunk } from '../../src/streams/read-chunks.js';
import { cutAt, MAX_PAYLOAD, packet, packets } from '../support/packets.js';
import { fc } from '../support/properties.js';

const UNLIMITED = Number.POSITIVE_INFINITY;

/** A session as far as streaming is concerned: takes writes and says when it has enough. */
class Sink {
  readonly written: Buffer[] = [];
  flows = true;
  /** Of what was written, not taken by the kernel yet. */
  pending = 0;
  readonly session: ServerSession;

  constructor(shift = 0) {
    const channel = {
      write: (bytes: Buffer): boolean => {
        this.written.push(Buffer.from(bytes));
        return this.flows;
      },
    };
    Object.defineProperty(channel, 'pendingBytes', { get: () => this.pending });
    this.session = { channel, tracker: { shift } } as unknown as ServerSession;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.written);
  }
}

/** Pushes the chunks and pumps after each until it starves; answers what came last. */
function stream(reader: CommandReader, input: StreamedInput, chunks: readonly Buffer[]): Progress {
  let progress: Progress = Progress.Starved;
  for (const chunk of chunks) {
    reader.push(Buffer.from(chunk));
    if (progress === Progress.Starved) progress = pump(input);
  }
  return progress;
}

function pump(input: StreamedInput): Progress {
  let progress: Progress;
  do progress = input.pump();
  while (progress === Progress.Congested);
  return progress;
}

function filePackets(lengths: readonly number[], firstId: number): Buffer {
  return Buffer.concat(lengths.map((length, i) => packet(firstId + i, Buffer.alloc(length, 65 + (i % 26)))));
}

const cuts = fc.array(fc.nat(3_000), { maxLength: 15 });

t.test('a file passes with its numbers brought back to those of the server, at random splits', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 8 }),
      fc.nat(300),
      fc.nat(255),
      cuts,
      fc.boolean(),
      (lengths, shift, firstId, at, flows) => {
        const reader = new CommandReader();
        const sink = new Sink(shift);
        sink.flows = flows;
        const input = new StreamedInput(reader, new FileTarget(sink.session), true, UNLIMITED);
        const all = [...lengths, 0];
        const next = packet(0, Buffer.from('\x0e'));
        const chunks = cutAt(Buffer.concat([filePackets(all, firstId + shift), next]), at);
        assert.equal(stream(reader, input, chunks), Progress.Done);
        assert.deepEqual(sink.bytes, filePackets(all, firstId));
        assert.equal(reader.next(), CommandEvent.Command, 'what comes behind it is a command again');
      },
    ),
    { numRuns: 300 },
  );
});

t.test('a file is not over before the empty packet has come', async (t) => {
  const reader = new CommandReader();
  const sink = new Sink();
  const input = new StreamedInput(reader, new FileTarget(sink.session), true, UNLIMITED);
  const bytes = filePackets([10, 3, 0], 2);
  t.equal(input.pump(), Progress.Starved);
  for (const [i] of bytes.entries()) {
    reader.push(bytes.subarray(i, i + 1));
    t.equal(input.pump(), i === bytes.length - 1 ? Progress.Done : Progress.Starved, `after ${i + 1} bytes`);
  }
  t.strictSame(sink.bytes, bytes);
});

t.test('an empty packet that only ends one of 16 MiB - 1 does not end the file', async (t) => {
  const block = Buffer.alloc(MAX_PAYLOAD, 65);
  const file = Buffer.concat([packets(2, block), packet(4, Buffer.from('more')), packet(5, Buffer.alloc(0))]);
  for (const at of [
    [],
    [MAX_PAYLOAD + 4],
    [MAX_PAYLOAD + 5],
    [MAX_PAYLOAD + 8],
    [100, MAX_PAYLOAD, MAX_PAYLOAD + 8],
  ]) {
    const reader = new CommandReader();
    const sink = new Sink();
    const input = new StreamedInput(reader, new FileTarget(sink.session), true, UNLIMITED);
    t.equal(stream(reader, input, cutAt(file, at)), Progress.Done, `cut at ${at}`);
    t.equal(sink.bytes.compare(file), 0);
    t.equal(reader.unread, 0);
  }
});

t.test('congestion stops the flow behind the chunk, and it goes on from there', async (t) => {
  const reader = new CommandReader();
  const sink = new Sink();
  const input = new StreamedInput(reader, new FileTarget(sink.session), true, UNLIMITED);
  sink.flows = false;
  for (const chunk of cutAt(filePackets([5, 6, 0], 2), [9, 19])) reader.push(chunk);
  t.equal(input.pump(), Progress.Congested);
  t.equal(sink.bytes.length, 9);
  t.equal(input.pump(), Progress.Congested);
  t.equal(sink.bytes.length, 19);
  t.equal(input.pump(), Progress.Done, 'the end is the end, congested or not');
  t.equal(sink.bytes.length, 23);
});

/** The reader at the point where the relay has seen a long command's head. */
function longCommand(
  payload: Buffer,
  at: readonly number[],
): { reader: CommandReader; rest: Buffer[]; head: Buffer } {
  const reader = new CommandReader();
  const rest = cutAt(packets(0, payload), at);
  while (reader.next() !== CommandEvent.LongCommand) reader.push(rest.shift() as Buffer);
  return { reader, rest, head: Buffer.from(reader.buf.subarray(reader.start, reader.end)) };
}

const LONG = 1_100_000;

t.test('a long command passes as it is, and its text is seen without headers and command byte', async (t) => {
  for (const length of [LONG, MAX_PAYLOAD, MAX_PAYLOAD + 1_000]) {
    const payload = Buffer.concat([Buffer.of(3), Buffer.alloc(length - 1, 'SELECT 1 + ')]);
    for (const at of [[], [1, 3, 4, 5, 300_000], [200_000, MAX_PAYLOAD + 2, MAX_PAYLOAD + 5]]) {
      const { reader, rest, head } = longCommand(payload, at);
      const sink = new Sink();
      const text: Buffer[] = [];
      const listener = {
        push: (buf: Buffer, start: number, end: number): void => {
          text.push(Buffer.from(buf.subarray(start, end)));
        },
      };
      const target = new LongCommandTarget(sink.session, listener as never, head.length, null);
      const input = new StreamedInput(reader, target, false, UNLIMITED);
      const last = pump(input);
      t.equal(
        rest.length === 0 ? last : stream(reader, input, rest),
        Progress.Done,
        `${length}, cut at ${at}`,
      );
      t.equal(sink.bytes.compare(packets(0, payload)), 0);
      t.equal(Buffer.concat(text).compare(payload.subarray(1)), 0);
    }
  }
});

t.test('a new head takes the place of the old one', async (t) => {
  const payload = Buffer.alloc(LONG, 7);
  for (const at of [[], [2, 40_000, 900_000]]) {
    const { reader, rest, head } = longCommand(payload, at);
    const sink = new Sink();
    const target = new LongCommandTarget(sink.session, null, head.length, Buffer.from('another head'));
    const input = new StreamedInput(reader, target, false, UNLIMITED);
    const last = pump(input);
    t.equal(rest.length === 0 ? last : stream(reader, input, rest), Progress.Done);
    const expected = Buffer.concat([Buffer.from('another head'), packets(0, payload).subarray(head.length)]);
    t.equal(sink.bytes.compare(expected), 0);
  }
});

t.test(
  'a payload of the limit passes; of one more byte, nothing behind the header that says so',
  async () => {
    const FULL = MAX_PAYLOAD;
    fc.assert(
      fc.property(
        fc.constantFrom(LONG, LONG + 1, FULL - 1, FULL, FULL + 1),
        fc.integer({ min: -2, max: 2 }),
        cuts,
        (limit, over, at) => {
          const length = limit + over;
          const { reader, rest, head } = longCommand(Buffer.alloc(length, 1), at);
          const sink = new Sink();
          const target = new LongCommandTarget(sink.session, null, head.length, null);
          const input = new StreamedInput(reader, target, false, limit);
          const first = pump(input);
          const last = first === Progress.Starved && rest.length > 0 ? stream(reader, input, rest) : first;
          assert.equal(last, over > 0 ? Progress.TooLarge : Progress.Done);
          // A payload of more than one packet shows by the header of the second one.
          const passed = over <= 0 ? packets(0, Buffer.alloc(length)).length : limit < FULL ? 0 : FULL + 4;
          assert.equal(sink.bytes.length, length === FULL && limit < FULL ? 0 : passed);
        },
      ),
      { numRuns: 40 },
    );
  },
);

t.test('a command that failed before it was sent is read and dropped', async (t) => {
  const { reader, rest } = longCommand(Buffer.alloc(LONG, 1), [600_000]);
  const input = new StreamedInput(reader, SKIP, false, UNLIMITED);
  t.equal(input.pump(), Progress.Starved);
  reader.push(Buffer.concat([...rest, packet(0, Buffer.of(14))]));
  t.equal(input.pump(), Progress.Done);
  t.equal(reader.next(), CommandEvent.Command);
  t.equal(reader.buf[reader.start + 4], 14);
});

t.test('targets are told which pieces begin with a header', async (t) => {
  const reader = new CommandReader();
  const seen: [number, boolean][] = [];
  const target: PieceTarget = {
    maxPayload: UNLIMITED,
    piece: (_buf, start, end, header) => seen.push([end - start, header]) > 0,
    flush: () => true,
    isDone: true,
  };
  const input = new StreamedInput(reader, target, true, UNLIMITED);
  for (const chunk of cutAt(filePackets([10, 0], 1), [2, 9])) {
    reader.push(chunk);
    input.pump();
  }
  t.strictSame(seen, [
    [9, true],
    [5, false],
    [4, true],
  ]);
});

t.test('the packets of a file that are in one chunk are written at once', async (t) => {
  const sink = new Sink(1);
  const reader = new CommandReader();
  const input = new StreamedInput(reader, new FileTarget(sink.session), true, UNLIMITED);
  const file = filePackets([100, 200, 300, 0], 3);
  for (const chunk of [file.subarray(0, 150), file.subarray(150, 400), file.subarray(400)]) {
    reader.push(Buffer.from(chunk));
    input.pump();
  }
  t.same(
    sink.written.map(({ length }) => length),
    [150, 250, file.length - 400],
  );
  t.ok(sink.bytes.equals(filePackets([100, 200, 300, 0], 2)), 'by the ids that the server waits for');
});

/** The next chunk to be read into is this one again. */
function isFree(chunk: Buffer): boolean {
  const next = readChunk();
  const isSame = next.buffer === chunk.buffer;
  if (!isSame) return false;
  giveBack(next);
  return true;
}

t.test('a chunk is read into again when nobody needs it', async (t) => {
  const sink = new Sink();
  const reader = new CommandReader();
  const input = new StreamedInput(reader, new FileTarget(sink.session), true, UNLIMITED);
  const chunkOf = (bytes: Buffer): Buffer => {
    const chunk = readChunk();
    bytes.copy(chunk);
    return chunk;
  };
  const file = filePackets([3 * READ_SIZE, 0], 1);
  const [first, second] = [chunkOf(file), chunkOf(file.subarray(READ_SIZE))];
  reader.push(first);
  input.pump();
  t.ok(isFree(first), 'all of it has gone');
  sink.pending = 1;
  reader.push(second);
  input.pump();
  t.notOk(isFree(second), 'the kernel has not taken it');
  sink.pending = 0;
  input.pump();
  t.ok(isFree(second));
});

t.test('a chunk in which something else came before is left to the garbage collector', async (t) => {
  const sink = new Sink();
  const reader = new CommandReader();
  const chunk = readChunk();
  const command = packet(0, Buffer.of(3, 65));
  const packets = Buffer.concat([command, filePackets([2 * READ_SIZE], 1)]);
  packets.copy(chunk);
  reader.push(chunk);
  t.equal(reader.next(), CommandEvent.Command);
  const input = new StreamedInput(reader, new FileTarget(sink.session), true, UNLIMITED);
  input.pump();
  t.notOk(isFree(chunk), 'the command may be looked at yet');
  giveBack(Buffer.alloc(READ_SIZE));
  t.notOk(isFree(chunk), 'a chunk of another origin is none to read into');
});
