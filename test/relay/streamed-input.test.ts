import assert from 'node:assert/strict';
import fc from 'fast-check';
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
import { cutAt, MAX_PAYLOAD, packet, packets } from '../support/packets.js';

const UNLIMITED = Number.POSITIVE_INFINITY;

/** A session as far as streaming is concerned: takes writes and says when it has enough. */
class Sink {
  readonly written: Buffer[] = [];
  flows = true;
  readonly session: ServerSession;

  constructor(shift = 0) {
    const channel = {
      write: (bytes: Buffer): boolean => {
        this.written.push(Buffer.from(bytes));
        return this.flows;
      },
    };
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

t.test('congestion stops the flow behind the piece, and it goes on from there', async (t) => {
  const reader = new CommandReader();
  const sink = new Sink();
  const input = new StreamedInput(reader, new FileTarget(sink.session), true, UNLIMITED);
  sink.flows = false;
  reader.push(filePackets([5, 6, 0], 2));
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

t.test('the limit counts all bytes that came, and nothing beyond it is passed on', async (t) => {
  for (const [limit, progress] of [
    [LONG + 4, Progress.Done],
    [LONG + 3, Progress.TooLarge],
  ] as const) {
    const { reader, rest, head } = longCommand(Buffer.alloc(LONG, 1), [300_000, 700_000]);
    const sink = new Sink();
    const input = new StreamedInput(
      reader,
      new LongCommandTarget(sink.session, null, head.length, null),
      false,
      limit,
    );
    const first = pump(input);
    t.equal(first, Progress.Starved);
    t.equal(stream(reader, input, rest), progress, `${limit}`);
    t.equal(sink.bytes.length, progress === Progress.Done ? LONG + 4 : 700_000);
  }
});

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
  const target: PieceTarget = { piece: (_buf, start, end, header) => seen.push([end - start, header]) > 0 };
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
