import assert from 'node:assert/strict';
import t from 'tap';
import { CommandEvent, CommandReader, MAX_ASSEMBLED_COMMAND } from '../../src/relay/command-reader.js';
import { cutAt, everySplit, MAX_PAYLOAD, packet, packetLengths, packets } from '../support/packets.js';
import { fc } from '../support/properties.js';

/** Largest payload that is still assembled. */
const LARGEST = MAX_ASSEMBLED_COMMAND - 4;

/** What was read: each whole command, or the pieces of a long one joined. */
interface Read {
  readonly bytes: Buffer;
  readonly long: boolean;
  /** Bytes of a long one that were there when it was announced. */
  readonly head: number;
}

/** Reads as the relay does: commands one by one, the rest of a long one piece by piece. */
class Consumer {
  readonly reader = new CommandReader();
  readonly commands: Read[] = [];
  #pieces: Buffer[] | null = null;
  #head: Buffer = Buffer.alloc(0);
  /** Payload bytes of the packet under way that have not come yet. */
  #left = 0;

  push(chunk: Buffer): void {
    const { reader } = this;
    reader.push(chunk);
    for (;;) {
      if (this.#pieces !== null) {
        if (!this.#piece(this.#pieces)) return;
        continue;
      }
      const event = reader.next();
      if (event === CommandEvent.None) return;
      const bytes = Buffer.from(reader.buf.subarray(reader.start, reader.end));
      if (event === CommandEvent.Command) {
        this.commands.push({ bytes, long: false, head: bytes.length });
      } else {
        this.#head = bytes;
        this.#pieces = [];
      }
    }
  }

  #piece(pieces: Buffer[]): boolean {
    const { reader } = this;
    if (!reader.nextPiece()) return false;
    const { headerLength, start, end, last } = reader;
    assert.ok(end > start);
    assert.equal(headerLength >= 0, this.#left === 0, 'a header is at the start of a packet, whole');
    if (headerLength >= 0) assert.equal(reader.buf.readUIntLE(start, 3), headerLength);
    this.#left = (headerLength >= 0 ? headerLength + 4 : this.#left) - (end - start);
    assert.ok(this.#left >= 0, 'a piece is of one packet');
    pieces.push(Buffer.from(reader.buf.subarray(start, end)));
    if (pieces.length === 1)
      assert.ok(end - start >= this.#head.length, 'the first piece has all of the head');
    if (!last) return true;
    assert.equal(this.#left, 0);
    const bytes = Buffer.concat(pieces);
    assert.equal(bytes.subarray(0, this.#head.length).compare(this.#head), 0);
    this.commands.push({ bytes, long: true, head: this.#head.length });
    this.#pieces = null;
    return true;
  }
}

/** The packets of one command. */
function command(payloadLength: number, fill: number): Buffer {
  return packets(0, Buffer.alloc(payloadLength, fill));
}

function check(consumer: Consumer, commands: readonly Buffer[]): void {
  assert.equal(consumer.commands.length, commands.length);
  for (const [i, expected] of commands.entries()) {
    const read = consumer.commands[i] as Read;
    assert.equal(read.bytes.compare(expected), 0, `command ${i} of ${expected.length} bytes`);
    assert.equal(
      read.long,
      expected.length > MAX_ASSEMBLED_COMMAND,
      `command ${i} of ${expected.length} bytes`,
    );
  }
  assert.equal(consumer.reader.unread, 0);
}

const cuts = (max: number, count: number) => fc.array(fc.nat(max), { maxLength: count });

t.test('short commands at every split, the empty one too', async () => {
  const commands = [1, 0, 5, 1, 300, 2].map(command);
  for (const pieces of everySplit(Buffer.concat(commands))) {
    const consumer = new Consumer();
    for (const piece of pieces) consumer.push(piece);
    check(consumer, commands);
  }
});

t.test('commands of any length, pipelined, at random splits', async () => {
  const length = fc.oneof(
    { weight: 12, arbitrary: fc.nat(300) },
    { weight: 2, arbitrary: fc.nat(100_000) },
    fc.constantFrom(LARGEST - 1, LARGEST, LARGEST + 1, LARGEST + 70_000),
  );
  fc.assert(
    fc.property(
      fc.array(length, { minLength: 1, maxLength: 8 }),
      cuts(400_000, 20),
      cuts(2_000, 20),
      (lengths, far, near) => {
        const commands = lengths.map(command);
        const consumer = new Consumer();
        for (const piece of cutAt(Buffer.concat(commands), [...far, ...near])) consumer.push(piece);
        check(consumer, commands);
      },
    ),
    { numRuns: 150 },
  );
});

t.test(
  'commands of several packets, and one of exactly 16 MiB - 1, which ends with an empty packet',
  async (t) => {
    for (const length of [MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD + 100]) {
      const commands = [command(3, 1), command(length, 2), command(5, 3)];
      const stream = Buffer.concat(commands);
      const second = 7 + 4 + MAX_PAYLOAD;
      for (const at of [
        [],
        [second],
        [second + 1, second + 3, second + 4],
        Array.from({ length: 600 }, (_, i) => i * 65_536),
      ]) {
        const consumer = new Consumer();
        for (const piece of cutAt(stream, at)) consumer.push(piece);
        check(consumer, commands);
        t.equal(consumer.commands[1]?.long, true, `${length}, cut ${at.length} times`);
      }
    }
  },
);

t.test(
  'the head of a long command has room for an execute with all the types of 65,535 parameters',
  async (t) => {
    const consumer = new Consumer();
    consumer.push(command(LARGEST + 1, 1));
    const [read] = consumer.commands;
    const parameters = 65_535;
    t.ok((read?.head ?? 0) >= 4 + 10 + Math.ceil(parameters / 8) + 1 + 2 * parameters);
  },
);

t.test('a long command is announced as soon as its head is there, and not before', async (t) => {
  const stream = command(LARGEST + 1, 1);
  const reader = new CommandReader();
  let pushed = 0;
  while (reader.next() === CommandEvent.None) {
    reader.push(stream.subarray(pushed, pushed + 1_000));
    pushed += 1_000;
  }
  const head = reader.end - reader.start;
  t.ok(pushed >= head && pushed < head + 1_000, `after ${pushed} bytes for ${head}`);
});

t.test('a whole command in one chunk is where it came; a scattered one is joined', async (t) => {
  const reader = new CommandReader();
  const chunk = Buffer.concat([command(10, 1), command(20, 2), command(30, 3).subarray(0, 9)]);
  reader.push(chunk);
  t.equal(reader.next(), CommandEvent.Command);
  t.equal(reader.buf, chunk);
  t.strictSame([reader.start, reader.end], [0, 14]);
  t.equal(reader.next(), CommandEvent.Command);
  t.equal(reader.buf, chunk);
  t.strictSame([reader.start, reader.end], [14, 38]);
  t.equal(reader.next(), CommandEvent.None);
  t.equal(reader.unread, 9);
  const rest = command(30, 3).subarray(9);
  reader.push(rest);
  t.equal(reader.next(), CommandEvent.Command);
  t.strictSame(reader.buf.subarray(reader.start, reader.end), command(30, 3));
  t.equal(reader.unread, 0);
});

t.test('empty chunks are nothing', async (t) => {
  const reader = new CommandReader();
  reader.push(Buffer.alloc(0));
  t.equal(reader.next(), CommandEvent.None);
  t.equal(reader.nextPiece(), false);
  reader.push(command(1, 1));
  reader.push(Buffer.alloc(0));
  t.equal(reader.next(), CommandEvent.Command);
  t.equal(reader.next(), CommandEvent.None);
});

t.test('the packets of a file, then commands again', async () => {
  const size = fc.oneof(fc.nat(40), fc.nat(100_000));
  fc.assert(
    fc.property(fc.array(size, { maxLength: 8 }), cuts(150_000, 20), cuts(300, 10), (sizes, far, near) => {
      const lengths = [...sizes.map((length) => length + 1), 0];
      const file = lengths.map((length, i) => packet(2 + i, Buffer.alloc(length, i)));
      const stream = Buffer.concat([command(8, 1), ...file, command(5, 2)]);
      const reader = new CommandReader();
      const seen: Buffer[][] = [];
      let commands = 0;
      for (const chunk of cutAt(stream, [...far, ...near])) {
        reader.push(chunk);
        for (;;) {
          if (commands !== 1 || seen.length > file.length) {
            if (reader.next() === CommandEvent.None) break;
            commands++;
            continue;
          }
          if (!reader.nextPiece()) break;
          const bytes = Buffer.from(reader.buf.subarray(reader.start, reader.end));
          if (reader.headerLength >= 0) seen.push([bytes]);
          else seen.at(-1)?.push(bytes);
          assert.equal(
            reader.last,
            Buffer.concat(seen.at(-1) ?? []).length === 4 + (lengths[seen.length - 1] ?? 0),
          );
          if (reader.headerLength === 0) seen.push([]);
        }
      }
      assert.deepEqual(
        seen.slice(0, -1).map((parts) => Buffer.concat(parts)),
        file,
      );
      assert.equal(commands, 2);
      assert.equal(reader.unread, 0);
    }),
    { numRuns: 150 },
  );
});

t.test('lengths of packets add up', async (t) => {
  t.strictSame(packetLengths(2 * MAX_PAYLOAD), [MAX_PAYLOAD, MAX_PAYLOAD, 0]);
});
