import t from 'tap';
import { HEADER_SIZE } from '../../src/protocol/constants.js';
import { PayloadWriter } from '../../src/protocol/payload-writer.js';
import { FirstRow } from '../../src/relay/first-row.js';

/** What is read of a reply's beginning; the real servers' replies are in hold-ends.test.ts. */

const definition = (type: number): Buffer => {
  const writer = new PayloadWriter();
  for (const text of ['def', '', '', '', 'name', 'name']) writer.lenencText(text);
  return writer.uint8(12).uint16(63).uint32(21).uint8(type).uint16(0).uint8(0).uint16(0).packet(2);
};
const head = (columns: number): Buffer => new PayloadWriter().lenencInt(columns).packet(1);

function textReply(...values: (string | null)[]): Buffer {
  const row = new PayloadWriter();
  for (const value of values) value === null ? row.uint8(0xfb) : row.lenencText(value);
  const definitions = values.map(() => definition(8));
  return Buffer.concat([head(values.length), ...definitions, row.packet(3)]);
}

function read(reply: Buffer, binary: boolean, piece = reply.length): (bigint | null)[] | null {
  const row = new FirstRow(binary);
  for (let pos = 0; pos < reply.length; pos += piece)
    row.push(reply, pos, Math.min(pos + piece, reply.length));
  return row.read();
}

t.test('text rows, at every split', async (t) => {
  const reply = textReply('1', null, 'text', '-20', '', '1.5', '9223372036854775807');
  const values = [1n, null, null, -20n, null, null, 9223372036854775807n];
  for (let piece = 1; piece <= reply.length; piece++) t.strictSame(read(reply, false, piece), values);
});

t.test('binary rows of every kind of type', async (t) => {
  const types = [1, 2, 3, 8, 5, 4, 253, 12, 6, 8];
  const row = new PayloadWriter().uint8(0);
  // The last one is NULL: bit 9 + 2.
  row.bytes(Buffer.of(0, 1 << 3));
  row
    .uint8(0xff)
    .uint16(2)
    .uint32(3)
    .bytes(Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]));
  row
    .zeros(8)
    .zeros(4)
    .lenencText('text')
    .bytes(Buffer.of(4, 1, 2, 3, 4));
  const reply = Buffer.concat([head(types.length), ...types.map(definition), row.packet(9)]);
  t.strictSame(read(reply, true), [-1n, 2n, 3n, 4n, null, null, null, null, null, null]);
});

t.test('no row, half a row, too long a row', async (t) => {
  const reply = textReply('1');
  t.equal(read(reply.subarray(0, -1), false), null);
  t.equal(read(reply.subarray(0, HEADER_SIZE + 1), false), null);
  t.equal(read(Buffer.alloc(0), false), null);
  t.equal(read(textReply('x'.repeat(5000), '1'), false), null);
  t.equal(read(Buffer.concat([head(1), definition(8), new PayloadWriter().uint8(9).packet(1)]), false), null);
});
