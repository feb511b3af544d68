import t from 'tap';
import { HandshakeError } from '../../src/frontend/errors.js';
import { LoginPacketReader, MAX_LOGIN_BYTES } from '../../src/frontend/login-packet-reader.js';
import { framed } from '../protocol/support/client-side.js';
import { fc } from '../support/properties.js';

/** All packets out of `chunks`, then what is left. */
function readAll(chunks: readonly Buffer[], count: number): { packets: string[]; rest: string } {
  const reader = new LoginPacketReader();
  const packets: Buffer[] = [];
  let sequenceId = 1;
  for (const chunk of chunks) {
    reader.push(chunk);
    while (packets.length < count) {
      const payload = reader.next(sequenceId);
      if (payload === null) break;
      packets.push(payload);
      sequenceId += 2;
    }
  }
  // Only now: later bytes must not have changed the earlier packets.
  return { packets: packets.map(String), rest: reader.takeRest().toString() };
}

const payloads = ['first', '', 'a third, longer one'.repeat(20)];
const rest = 'bytes of what comes after';
const stream = Buffer.concat([
  ...payloads.map((text, i) => framed(Buffer.from(text), 1 + 2 * i)),
  Buffer.from(rest),
]);
const expected = { packets: payloads, rest };

t.test('whole, byte by byte, at every split', async (t) => {
  t.same(readAll([stream], 3), expected);
  t.same(
    readAll(
      [...stream].map((byte) => Buffer.of(byte)),
      3,
    ),
    expected,
  );
  for (let at = 0; at <= stream.length; at++) {
    t.same(readAll([stream.subarray(0, at), stream.subarray(at)], 3), expected, `split at ${at}`);
  }
});

t.test('in any chunks', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 }), (sizes) => {
      const chunks: Buffer[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length] as number;
        chunks.push(Buffer.from(stream.subarray(at, at + size)));
        at += size;
      }
      const read = readAll(chunks, 3);
      return read.rest === rest && read.packets.join('|') === payloads.join('|');
    }),
  );
});

/** What `reader` throws for its next packet. */
function refusal(reader: LoginPacketReader, sequenceId: number): unknown {
  try {
    reader.next(sequenceId);
  } catch (error) {
    return error instanceof HandshakeError ? error.err : error;
  }
  return null;
}

t.test('a header is judged without waiting for the rest', async (t) => {
  const judge = (bytes: Buffer): unknown => {
    const reader = new LoginPacketReader();
    reader.push(bytes);
    return refusal(reader, 1);
  };
  const outOfOrder = { errno: 1156, sqlState: '08S01', message: 'Got packets out of order' };
  t.same(judge(Buffer.of(5, 0, 0, 0)), outOfOrder);
  t.same(judge(Buffer.from('GET / HTTP/1.1')), outOfOrder);
  t.match(judge(Buffer.of(0xff, 0xff, 0xff, 1)), {
    errno: 1043,
    sqlState: '08S01',
    message: /^Bad handshake/,
  });
  t.equal(judge(Buffer.of(5, 0, 0, 1)), null, 'a good one is waited for');
});

t.test('the limit is on all packets together', async (t) => {
  const half = MAX_LOGIN_BYTES / 2 - 4;
  const reader = new LoginPacketReader();
  reader.push(framed(Buffer.alloc(half), 1));
  t.equal(reader.next(1)?.length, half);
  reader.push(framed(Buffer.alloc(half), 3));
  t.equal(reader.next(3)?.length, half, 'exactly at the limit');
  reader.push(Buffer.of(0, 0, 0, 5));
  t.match(refusal(reader, 5), { errno: 1043 });
});
