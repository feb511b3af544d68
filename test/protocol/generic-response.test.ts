import assert from 'node:assert/strict';
import t from 'tap';
import { ServerError } from '../../src/protocol/constants.js';
import {
  encodeEof,
  encodeErr,
  encodeErrPacket,
  encodeOk,
  parseErr,
  parseOk,
} from '../../src/protocol/generic-response.js';
import { MalformedPacketError } from '../../src/protocol/payload-reader.js';
import {
  eofPayload,
  errPayload,
  lenencString,
  type OkParts,
  okPayload,
  packet,
  STATUS,
  stateEntry,
} from '../support/packets.js';
import { fc } from '../support/properties.js';

const u64 = fc.bigInt(0n, (1n << 64n) - 1n);
const count = fc.oneof(fc.constantFrom(0n, 250n, 251n, 0xffffn, 0x10000n, 0xffffffn, 0x1000000n), u64);
const okParts: fc.Arbitrary<OkParts> = fc.record({
  header: fc.constantFrom(0x00, 0xfe),
  affectedRows: count,
  lastInsertId: count,
  status: fc.nat(0xffff).map((status) => status & ~STATUS.stateChanged),
  warnings: fc.nat(0xffff),
  info: fc.uint8Array({ maxLength: 600 }),
  session: fc.option(
    fc.string({ unit: 'grapheme', maxLength: 300 }).map((schema) => stateEntry(1, lenencString(schema))),
  ),
});

t.test('an OK packet is read as it was written, from the middle of a buffer', async () => {
  fc.assert(
    fc.property(okParts, fc.nat(20), (parts, before) => {
      const payload = okPayload(parts);
      const buf = Buffer.concat([Buffer.alloc(before, 0xfe), payload, Buffer.alloc(12, 0xfe)]);
      const ok = parseOk(buf, before, before + payload.length);
      assert.equal(ok.affectedRows, parts.affectedRows);
      assert.equal(ok.lastInsertId, parts.lastInsertId);
      assert.equal(ok.warnings, parts.warnings);
      assert.deepEqual(ok.info, Buffer.from(parts.info));
      assert.equal(ok.status, parts.status | (parts.session === null ? 0 : STATUS.stateChanged));
      if (parts.session === null) assert.equal(ok.session, null);
      else assert.equal(typeof ok.session?.schema, 'string');
    }),
    { numRuns: 500 },
  );
});

t.test('the tracker flag without any state, as after COM_RESET_CONNECTION', async (t) => {
  const payload = Buffer.from([0, 0, 0, ...[0x02, 0x40], 0, 0]);
  t.equal(parseOk(payload, 0, payload.length).session, null);
  const empty = Buffer.concat([payload, Buffer.of(0)]);
  t.equal(parseOk(empty, 0, empty.length).session, null, 'with an empty info');
});

t.test('a client without SESSION_TRACK gets the same OK without state', async (t) => {
  fc.assert(
    fc.property(okParts, fc.nat(255), (parts, sequenceId) => {
      const payload = okPayload(parts);
      const ok = parseOk(payload, 0, payload.length);
      const expected = packet(sequenceId, okPayload({ ...parts, session: null }));
      assert.deepEqual(encodeOk(sequenceId, ok, parts.header), expected);
    }),
    { numRuns: 500 },
  );
  t.strictSame(
    encodeOk(1, { status: 2 }),
    Buffer.of(7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0),
    'what is left out is 0',
  );
});

t.test('EOF packets never carry the tracker flag', async (t) => {
  t.strictSame(encodeEof(5, 0x4022, 0x102), packet(5, eofPayload(0x22, 0x102)));
});

t.test('OK packets that are none', async (t) => {
  const parse = (...bytes: number[]) => parseOk(Buffer.from(bytes), 0, bytes.length);
  t.throws(() => parse(0xff, 0, 0, 2, 0, 0, 0), MalformedPacketError, 'another header');
  t.throws(() => parse(0, 0xfb, 0, 2, 0, 0, 0), MalformedPacketError, 'NULL as a count');
  t.throws(() => parse(0, 0, 0, 2, 0x40, 0, 0, 0, 9, 1), MalformedPacketError, 'state that is cut short');
  const whole = okPayload({
    header: 0,
    affectedRows: 300n,
    lastInsertId: 1n << 40n,
    status: 2,
    warnings: 1,
    info: Buffer.from('Rows matched: 1'),
    session: stateEntry(1, lenencString('shop')),
  });
  const complete = new Set([1 + 3 + 9 + 4, 1 + 3 + 9 + 4 + 16, whole.length]);
  for (let end = 0; end <= whole.length; end++) {
    if (complete.has(end)) t.doesNotThrow(() => parseOk(whole, 0, end), `${end}`);
    else t.throws(() => parseOk(whole, 0, end), MalformedPacketError, `cut at ${end}`);
  }
});

t.test('ERR packets are read as written, and cut at 511 bytes', async (t) => {
  fc.assert(
    fc.property(
      fc.nat(0xffff),
      fc.stringMatching(/^[0-9A-Z]{5}$/),
      fc.string({ unit: 'grapheme', maxLength: 120 }),
      fc.nat(255),
      (errno, sqlState, message, sequenceId) => {
        const built = encodeErrPacket(sequenceId, { errno, sqlState, message });
        assert.deepEqual(built, packet(sequenceId, errPayload(errno, message, sqlState)));
        assert.deepEqual(parseErr(built, 4, built.length), { errno, sqlState, message });
      },
    ),
    { numRuns: 200 },
  );
  const long = encodeErr(1, ServerError.UnknownError, 'x'.repeat(2_000));
  t.equal(parseErr(long, 4, long.length).message, 'x'.repeat(511));
  const wide = encodeErr(1, ServerError.UnknownError, '\u{1F600}'.repeat(200));
  t.equal(
    parseErr(wide, 4, wide.length).message,
    '\u{1F600}'.repeat(127),
    'never in the middle of a character',
  );
});

t.test('ERR packets from before the handshake have no SQLSTATE', async (t) => {
  const early = Buffer.concat([Buffer.of(0xff, 0x10, 0x04), Buffer.from('Too many connections')]);
  t.strictSame(parseErr(early, 0, early.length), {
    errno: 1040,
    sqlState: 'HY000',
    message: 'Too many connections',
  });
  const hash = Buffer.concat([Buffer.of(0xff, 1, 0), Buffer.from('#no')]);
  t.equal(parseErr(hash, 0, hash.length).message, '#no');
  t.throws(() => parseErr(Buffer.of(0xff, 1), 0, 2), MalformedPacketError);
  t.throws(() => parseErr(Buffer.of(0, 1, 0), 0, 3), MalformedPacketError);
});
