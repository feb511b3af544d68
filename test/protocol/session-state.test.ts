import assert from 'node:assert/strict';
import t from 'tap';
import { MalformedPacketError } from '../../src/protocol/payload-reader.js';
import { parseSessionState, type SessionStateReport } from '../../src/protocol/session-state.js';
import { lenencString, stateEntry } from '../support/packets.js';
import { fc } from '../support/properties.js';

const VARIABLES = 0;
const SCHEMA = 1;
const STATE_CHANGE = 2;
const GTIDS = 3;
const CHARACTERISTICS = 4;
const TRANSACTION_STATE = 5;

const NOTHING: SessionStateReport = {
  variables: [],
  schema: null,
  stateChanged: false,
  characteristics: null,
  transactionState: null,
  gtids: null,
};

/** What one entry says, and its bytes. */
interface Entry {
  readonly bytes: Buffer;
  readonly says: (report: SessionStateReport) => SessionStateReport;
}

const text = fc.string({ unit: 'grapheme', maxLength: 300 });
const pairs = fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 });

const entry = fc.oneof<fc.Arbitrary<Entry>[]>(
  pairs.map((list) => ({
    bytes: stateEntry(VARIABLES, Buffer.concat(list.flat().map(lenencString))),
    says: (report) => ({ ...report, variables: [...report.variables, ...list] }),
  })),
  text.map((schema) => ({
    bytes: stateEntry(SCHEMA, lenencString(schema)),
    says: (report) => ({ ...report, schema }),
  })),
  fc.tuple(fc.boolean(), fc.boolean()).map(([changed, mysql]) => {
    const flag = Buffer.from(changed ? '1' : '0');
    return {
      bytes: stateEntry(STATE_CHANGE, mysql ? lenencString(flag) : flag),
      says: (report) => ({ ...report, stateChanged: changed }),
    };
  }),
  text.map((characteristics) => ({
    bytes: stateEntry(CHARACTERISTICS, lenencString(characteristics)),
    says: (report) => ({ ...report, characteristics }),
  })),
  text.map((transactionState) => ({
    bytes: stateEntry(TRANSACTION_STATE, lenencString(transactionState)),
    says: (report) => ({ ...report, transactionState }),
  })),
  text.map((gtids) => ({
    bytes: stateEntry(GTIDS, Buffer.concat([Buffer.from([0]), lenencString(gtids)])),
    says: (report) => ({ ...report, gtids }),
  })),
  fc.tuple(fc.constantFrom(6, 7, 200), fc.uint8Array({ maxLength: 300 })).map(([type, data]) => ({
    bytes: stateEntry(type, data),
    says: (report) => report,
  })),
);

t.test('every entry is read, in any order and number; unknown ones are passed over', async () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 6 }), fc.nat(9), fc.nat(9), (entries, before, behind) => {
      const block = Buffer.concat(entries.map(({ bytes }) => bytes));
      const buf = Buffer.concat([Buffer.alloc(before, 1), block, Buffer.alloc(behind, 1)]);
      const expected = entries.reduce((report, { says }) => says(report), NOTHING);
      assert.deepEqual(parseSessionState(buf, before, before + block.length), expected);
    }),
    { numRuns: 300 },
  );
});

t.test('as MariaDB 10.11 and MySQL 9.7 write it', async (t) => {
  const parse = (hex: string): SessionStateReport => {
    const buf = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    return parseSessionState(buf, 0, buf.length);
  };
  // SET autocommit=0: MariaDB's bare character, MySQL's string.
  const autocommit = '00 0f 0a 6175746f636f6d6d6974 03 4f4646';
  const expected = { ...NOTHING, variables: [['autocommit', 'OFF']] as const, stateChanged: true };
  t.strictSame(parse(`${autocommit} 02 01 31`), expected);
  t.strictSame(parse(`${autocommit} 02 02 01 31`), expected);
  // USE app; BEGIN
  t.strictSame(parse('01 04 03 617070'), { ...NOTHING, schema: 'app' });
  t.strictSame(parse('01 01 00'), { ...NOTHING, schema: '' }, 'no schema any more');
  t.strictSame(parse('05 09 08 545f5f5f5f5f5f5f 04 01 00'), {
    ...NOTHING,
    transactionState: 'T_______',
    characteristics: '',
  });
});

t.test('every cut through a block of entries is refused, or falls between two of them', async (t) => {
  const entries = [
    stateEntry(VARIABLES, Buffer.concat(['a', '1', 'b', ''].map(lenencString))),
    stateEntry(SCHEMA, lenencString('shop')),
    stateEntry(STATE_CHANGE, Buffer.from('1')),
    stateEntry(GTIDS, Buffer.concat([Buffer.from([0]), lenencString('x')])),
    stateEntry(TRANSACTION_STATE, lenencString('T_______')),
  ];
  const block = Buffer.concat(entries);
  const borders = new Set([0]);
  let at = 0;
  for (const { length } of entries) {
    at += length;
    borders.add(at);
  }
  for (let end = 0; end <= block.length; end++) {
    if (borders.has(end)) t.doesNotThrow(() => parseSessionState(block, 0, end), `${end}`);
    else t.throws(() => parseSessionState(block, 0, end), MalformedPacketError, `${end}`);
  }
});

t.test('an entry whose inner length leaves it is malformed, though the block goes on', async (t) => {
  for (const type of [VARIABLES, SCHEMA, CHARACTERISTICS, TRANSACTION_STATE]) {
    const block = Buffer.concat([stateEntry(type, Buffer.of(3, 65)), Buffer.alloc(20, 65)]);
    t.throws(() => parseSessionState(block, 0, block.length), MalformedPacketError, `type ${type}`);
  }
});

t.test('random bytes are a report or malformed', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        parseSessionState(Buffer.from(bytes), 0, bytes.length);
      } catch (error) {
        return error instanceof MalformedPacketError;
      }
      return true;
    }),
    { numRuns: 2_000 },
  );
});
