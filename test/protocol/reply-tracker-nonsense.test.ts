import assert from 'node:assert/strict';
import t from 'tap';
import { MalformedPacketError } from '../../src/protocol/payload-reader.js';
import { ReplyProtocolError, ReplyShape, ReplyTracker } from '../../src/protocol/reply-tracker.js';
import { cutAt, lenenc, lenencString, okPayload, packet, plainOk } from '../support/packets.js';
import { fc } from '../support/properties.js';
import { anyReply, mergeSpans, serverBytes } from '../support/replies.js';
import { follow, Recorder } from './support/reply-recorder.js';

const splitPoints = fc.array(fc.nat(2_000), { maxLength: 12 });

const isReplyError = { code: /^(REPLY_PROTOCOL|MALFORMED_PACKET)$/ };

t.test('what no server says ends with an error, however it is cut', async (t) => {
  const columns = Buffer.concat([packet(1, lenenc(1)), packet(2, lenencString('def'))]);
  const cases: readonly (readonly [name: string, shape: ReplyShape, bytes: Buffer])[] = [
    ['an empty first packet', ReplyShape.Ok, packet(1, Buffer.alloc(0))],
    ['an empty packet for a row', ReplyShape.ResultSet, Buffer.concat([columns, packet(3, Buffer.alloc(0))])],
    [
      'an empty definition',
      ReplyShape.ResultSet,
      Buffer.concat([packet(1, lenenc(1)), packet(2, Buffer.alloc(0))]),
    ],
    ['rows where an OK is due', ReplyShape.Ok, packet(1, Buffer.of(1))],
    ['an EOF where an OK is due', ReplyShape.Ok, packet(1, okPayload(plainOk(0xfe)))],
    ['a LOCAL INFILE request for a prepare', ReplyShape.Prepare, packet(1, Buffer.of(0xfb, 65))],
    ['a prepared OK that is cut short', ReplyShape.Prepare, packet(1, Buffer.of(0, 1, 0, 0, 0, 1, 0, 0))],
    ['an OK that is cut short', ReplyShape.Ok, packet(1, Buffer.of(0, 0, 0, 2))],
    ['an OK of nothing but its header', ReplyShape.Ok, packet(1, Buffer.of(0))],
    ['an OK with a count that leaves it', ReplyShape.Ok, packet(1, Buffer.of(0, 0xfe, 0, 0, 0))],
    ['a result set of no columns', ReplyShape.ResultSet, packet(1, Buffer.of(0xfc, 0, 0))],
    ['a column count that is cut short', ReplyShape.ResultSet, packet(1, Buffer.of(0xfc, 1))],
    ['an EOF without status', ReplyShape.Rows, packet(1, Buffer.of(0xfe, 0, 0))],
    ['an OK longer than 1 MiB', ReplyShape.Ok, packet(1, Buffer.alloc((1 << 20) + 1))],
    ['an ERR longer than 1 MiB', ReplyShape.Fields, packet(1, Buffer.alloc((1 << 20) + 1, 0xff))],
  ];
  for (const [name, shape, bytes] of cases) {
    const shortCuts =
      bytes.length > 1_000 ? [[1], [3], [4], [5], [6], [1_000]] : [...bytes.keys()].map((at) => [at]);
    for (const at of shortCuts)
      t.throws(() => follow(shape, cutAt(bytes, at), true), isReplyError, `${name}, cut at ${at}`);
  }
});

/** What becomes of a stream that may be nonsense; throws what is neither followed nor refused in the prescribed way. */
function outcome(shape: ReplyShape, pieces: readonly Buffer[], filler: number): unknown {
  const tracker = new ReplyTracker();
  const recorder = new Recorder(true);
  tracker.begin(shape);
  try {
    for (const piece of pieces) {
      const buf = Buffer.concat([Buffer.alloc(2, filler), piece, Buffer.alloc(12, filler)]);
      for (let at = 2; at < 2 + piece.length; ) {
        const reached = tracker.push(buf, at, 2 + piece.length, recorder);
        if (reached < at || reached > 2 + piece.length) throw new Error(`at ${reached}`);
        at = reached;
        if (tracker.done) tracker.begin(shape);
        else if (at !== 2 + piece.length) throw new Error('neither done nor in need of more');
      }
      if (
        buf.subarray(0, 2).some((byte) => byte !== filler) ||
        buf.subarray(2 + piece.length).some((byte) => byte !== filler)
      )
        throw new Error('wrote outside of what it was given');
    }
  } catch (error) {
    if (error instanceof ReplyProtocolError || error instanceof MalformedPacketError) return 'refused';
    throw error;
  }
  return JSON.stringify(mergeSpans(recorder.events));
}

const anyShape = fc.constantFrom(...Object.values(ReplyShape));
/** Small lengths and the bytes that mean something, so that nonsense gets far. */
const telling = fc.oneof(fc.constantFrom(0, 1, 2, 5, 7, 0xfb, 0xfc, 0xfd, 0xfe, 0xff), fc.nat(255));
const nonsense = fc.oneof(
  fc.array(telling, { maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
  fc
    .array(fc.array(telling, { maxLength: 12 }), { maxLength: 12 })
    .map((payloads) => Buffer.concat(payloads.map((payload, i) => packet(i + 1, Buffer.from(payload))))),
  fc
    .tuple(anyReply, fc.array(fc.tuple(fc.nat(1_000), telling), { minLength: 1, maxLength: 3 }))
    .map(([reply, changes]) => {
      const bytes = serverBytes(reply);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes;
    }),
);

t.test(
  'nonsense is followed or refused, the same way at every split; nothing outside is read or written',
  async () => {
    fc.assert(
      fc.property(anyShape, nonsense, splitPoints, (shape, bytes, cuts) => {
        const whole = outcome(shape, [bytes], 0);
        assert.equal(outcome(shape, [bytes], 0xff), whole, 'what lies outside makes no difference');
        const cut = cutAt(
          bytes,
          cuts.map((at) => at % (bytes.length + 1)),
        );
        assert.equal(outcome(shape, cut, 0xfe), whole, 'nor do splits');
        assert.equal(outcome(shape, cutAt(bytes, [...bytes.keys()]), 0), whole);
      }),
      { numRuns: 3_000 },
    );
  },
);
