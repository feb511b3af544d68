import assert from 'node:assert/strict';
import t from 'tap';
import { MalformedPacketError, PayloadReader } from '../../src/protocol/payload-reader.js';
import { lenencSize, PayloadWriter } from '../../src/protocol/payload-writer.js';
import { lenenc, packet } from '../support/packets.js';
import { fc } from '../support/properties.js';

const U64_MAX = (1n << 64n) - 1n;
/** Both sides of every border between the forms of a length-encoded integer. */
const BORDERS = [0n, 250n, 251n, 252n, 255n, 256n, 0xffffn, 0x10000n, 0xffffffn, 0x1000000n, 1n << 32n];
const HUGE = [(1n << 53n) - 1n, 1n << 53n, (1n << 63n) - 1n, 1n << 63n, U64_MAX];

interface Field {
  write(writer: PayloadWriter): void;
  read(reader: PayloadReader): unknown;
  readonly value: unknown;
}

type Codec<T> = readonly [
  value: fc.Arbitrary<T>,
  write: (writer: PayloadWriter, value: T) => void,
  read: (reader: PayloadReader, value: T) => unknown,
];

function field<T>([value, write, read]: Codec<T>): fc.Arbitrary<Field> {
  return value.map((value) => ({ value, write: (w) => write(w, value), read: (r) => read(r, value) }));
}

const bytes = fc.uint8Array({ maxLength: 600 }).map((value) => Buffer.from(value));
const text = fc.string({ unit: 'grapheme', maxLength: 80 });
const nulFree = text.filter((value) => !value.includes('\0'));
const length = fc.oneof(fc.constantFrom(...BORDERS.map(Number), Number.MAX_SAFE_INTEGER), fc.maxSafeNat());
const bigLength = fc.oneof(fc.constantFrom(...BORDERS, ...HUGE), fc.bigInt(0n, U64_MAX));

const FIELDS = fc.oneof(
  field([fc.nat(0xff), (w, v) => w.uint8(v), (r) => r.uint8()]),
  field([fc.nat(0xff), (w, v) => w.uint8(v), (r) => [r.peek(), r.uint8()][1]]),
  field([fc.nat(0xffff), (w, v) => w.uint16(v), (r) => r.uint16()]),
  field([fc.nat(0xffffff), (w, v) => w.uint24(v), (r) => r.uint16() + 0x10000 * r.uint8()]),
  field([fc.nat(0xffffffff), (w, v) => w.uint32(v), (r) => r.uint32()]),
  field([length, (w, v) => w.lenencInt(v), (r) => r.lenencInt()]),
  field([bigLength, (w, v) => w.lenencInt(v), (r) => r.lenencBigInt()]),
  field([bytes, (w, v) => w.bytes(v), (r, v) => r.bytes(v.length)]),
  field([bytes, (w, v) => w.lenencBytes(v), (r) => r.lenencBytes()]),
  field([bytes, (w, v) => w.lenencBytes(v), (r) => r.lenencBytesOrNull()]),
  field([fc.constant(null), (w) => w.uint8(0xfb), (r) => r.lenencBytesOrNull()]),
  field([text, (w, v) => w.text(v), (r, v) => r.bytes(Buffer.byteLength(v)).toString()]),
  field([text, (w, v) => w.lenencText(v), (r) => r.lenencBytes().toString()]),
  field([text, (w, v) => w.lenencText(v), (r) => r.lenencText()]),
  field([nulFree, (w, v) => w.nulText(v), (r) => r.nulBytes().toString()]),
  field([fc.nat(300), (w, v) => w.zeros(v), (r, v) => [r.bytes(v).findIndex((b) => b !== 0), v][1]]),
);

t.test('what is written is read back, in any order, from the middle of a buffer', async () => {
  fc.assert(
    fc.property(
      fc.array(FIELDS, { maxLength: 25 }),
      fc.nat(40),
      fc.nat(255),
      (fields, before, sequenceId) => {
        const writer = new PayloadWriter(before);
        for (const one of fields) one.write(writer);
        const built = writer.packet(sequenceId);
        assert.equal(built.readUIntLE(0, 3), built.length - 4);
        assert.equal(built[3], sequenceId);
        const buf = Buffer.concat([Buffer.alloc(before, 0xfd), built, Buffer.alloc(9, 0xfd)]);
        const reader = new PayloadReader(buf, before + 4, before + built.length);
        for (const one of fields) assert.deepEqual(one.read(reader), one.value);
        assert.equal(reader.remaining, 0);
        assert.equal(reader.position, before + built.length);
      },
    ),
    { numRuns: 300 },
  );
});

t.test('length-encoded integers have the shortest form', async (t) => {
  for (const value of [...BORDERS, ...HUGE]) {
    const built = new PayloadWriter(1).lenencInt(value).packet(0);
    t.strictSame(built.subarray(4), lenenc(value), `${value}`);
    t.equal(lenencSize(value), built.length - 4);
    t.equal(new PayloadReader(built, 4).lenencBigInt(), value);
  }
});

t.test('longer forms than needed are read as well', async (t) => {
  const forms = [
    [0xfc, 5, 0],
    [0xfd, 5, 0, 0],
    [0xfe, 5, 0, 0, 0, 0, 0, 0, 0],
  ];
  for (const form of forms) {
    t.equal(new PayloadReader(Buffer.from(form)).lenencInt(), 5);
    t.equal(new PayloadReader(Buffer.from(form)).lenencBigInt(), 5n);
  }
});

t.test('limits of length-encoded integers', async (t) => {
  const read = (value: bigint): number => new PayloadReader(lenenc(value)).lenencInt();
  t.equal(read((1n << 53n) - 1n), Number.MAX_SAFE_INTEGER);
  t.throws(() => read(1n << 53n), MalformedPacketError, 'not a length that anybody can send');
  t.throws(() => read(U64_MAX), MalformedPacketError);
  for (const lead of [0xfb, 0xff]) {
    const buf = Buffer.alloc(9, lead);
    t.throws(() => new PayloadReader(buf).lenencInt(), MalformedPacketError, `0x${lead.toString(16)}`);
    t.throws(() => new PayloadReader(buf).lenencBigInt(), MalformedPacketError);
    t.throws(() => new PayloadReader(buf).lenencBytes(), MalformedPacketError);
  }
  t.equal(new PayloadReader(Buffer.of(0xfb)).lenencBytesOrNull(), null);
  const long = Buffer.concat([lenenc(U64_MAX), Buffer.alloc(20)]);
  t.throws(() => new PayloadReader(long).lenencBytes(), MalformedPacketError);
});

t.test('nothing is read beyond the end, though the buffer goes on', async (t) => {
  const reads: readonly [name: string, size: number, read: (reader: PayloadReader) => unknown][] = [
    ['peek', 1, (r) => r.peek()],
    ['uint8', 1, (r) => r.uint8()],
    ['uint16', 2, (r) => r.uint16()],
    ['uint32', 4, (r) => r.uint32()],
    ['skip', 7, (r) => r.skip(7)],
    ['bytes', 7, (r) => r.bytes(7)],
    ['lenencInt of 2 bytes', 3, (r) => r.lenencInt()],
    ['lenencInt of 3 bytes', 4, (r) => r.lenencInt()],
    ['lenencInt of 8 bytes', 9, (r) => r.lenencInt()],
    ['lenencBigInt of 8 bytes', 9, (r) => r.lenencBigInt()],
    ['lenencBytes', 6, (r) => r.lenencBytes()],
    ['lenencText', 6, (r) => r.lenencText()],
    ['lenencBytesOrNull', 6, (r) => r.lenencBytesOrNull()],
    ['nulBytes', 5, (r) => r.nulBytes()],
  ];
  const content: Record<string, number[]> = {
    'lenencInt of 2 bytes': [0xfc, 1, 2],
    'lenencInt of 3 bytes': [0xfd, 1, 2, 3],
    'lenencInt of 8 bytes': [0xfe, 1, 2, 3, 4, 5, 6, 0, 0],
    'lenencBigInt of 8 bytes': [0xfe, 1, 2, 3, 4, 5, 6, 7, 8],
    lenencBytes: [5, 1, 2, 3, 4, 5],
    lenencText: [5, 1, 2, 3, 4, 5],
    lenencBytesOrNull: [5, 1, 2, 3, 4, 5],
    nulBytes: [1, 2, 3, 4, 0],
  };
  for (const [name, size, read] of reads) {
    const buf = Buffer.from([7, ...(content[name] ?? new Array(size).fill(1)), 0, 0, 0, 0]);
    for (let end = 1; end < 1 + size; end++) {
      t.throws(
        () => read(new PayloadReader(buf, 1, end)),
        MalformedPacketError,
        `${name} in ${end - 1} bytes`,
      );
    }
    const reader = new PayloadReader(buf, 1, 1 + size);
    t.doesNotThrow(() => read(reader), name);
    t.equal(reader.remaining, name === 'peek' ? 1 : 0, name);
  }
});

t.test('a read that fails consumes nothing, and the rest is what is left', async (t) => {
  const reader = new PayloadReader(Buffer.of(9, 1, 2, 3), 1, 4);
  t.throws(() => reader.bytes(4), MalformedPacketError);
  t.equal(reader.position, 1);
  t.equal(reader.uint8(), 1);
  t.strictSame(reader.rest(), Buffer.of(2, 3));
  t.strictSame(reader.rest(), Buffer.alloc(0));
});

t.test('views, not copies', async (t) => {
  const buf = Buffer.of(2, 8, 9, 0);
  const view = new PayloadReader(buf).lenencBytes();
  buf[1] = 7;
  t.equal(view[0], 7);
});

t.test('random bytes are read or malformed', async () => {
  const reads: ((reader: PayloadReader) => unknown)[] = [
    (r) => r.uint32(),
    (r) => r.lenencInt(),
    (r) => r.lenencBigInt(),
    (r) => r.lenencBytes(),
    (r) => r.lenencBytesOrNull(),
    (r) => r.nulBytes(),
  ];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(fc.nat(reads.length - 1)), (given, order) => {
      const reader = new PayloadReader(Buffer.from(given));
      try {
        for (const i of order) reads[i]?.(reader);
      } catch (error) {
        return error instanceof MalformedPacketError && reader.remaining >= 0;
      }
      return reader.remaining >= 0;
    }),
    { numRuns: 1_000 },
  );
});

t.test('sequence ids wrap, and a packet of 16 MiB - 1 is not built as one', async (t) => {
  t.equal(new PayloadWriter().uint8(1).packet(256 + 3)[3], 3);
  t.strictSame(new PayloadWriter(0).uint8(1).packet(7), packet(7, Buffer.of(1)));
  const largest = new PayloadWriter(0xfffffe).zeros(0xfffffe).packet(0);
  t.equal(largest.readUIntLE(0, 3), 0xfffffe);
  t.throws(() => new PayloadWriter(0xffffff).zeros(0xffffff).packet(0), RangeError);
});
