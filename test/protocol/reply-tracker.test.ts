import assert from 'node:assert/strict';
import t from 'tap';
import { ReplyShape, ReplyTracker } from '../../src/protocol/reply-tracker.js';
import {
  cutAt,
  errPayload,
  everySplit,
  MAX_PAYLOAD,
  okPayload,
  packet,
  plainOk,
  STATUS,
} from '../support/packets.js';
import { fc } from '../support/properties.js';
import {
  anyReply,
  type Event,
  endingWith,
  expectedEvents,
  mergeSpans,
  type Reply,
  replyOf,
  resultSet,
  SHAPES,
  serverBytes,
} from '../support/replies.js';
import { follow, Recorder } from './support/reply-recorder.js';

const splitPoints = fc.array(fc.nat(2_000), { maxLength: 12 });

for (const [name, shape] of SHAPES) {
  t.test(`replies of shape ${name}, at random splits`, async () => {
    fc.assert(
      fc.property(replyOf(shape), splitPoints, fc.boolean(), (reply, cuts, inserting) => {
        const bytes = serverBytes(reply);
        const { events, tracker } = follow(shape, cutAt(bytes, cuts), inserting);
        assert.deepEqual(events, expectedEvents(reply, inserting));
        assert.ok(tracker.done);
        assert.equal(tracker.serverSequence, lastSequence(bytes));
      }),
      { numRuns: 400 },
    );
  });

  t.test(`replies of shape ${name}, whole, byte by byte and cut at every position`, async (t) => {
    for (const reply of fc.sample(replyOf(shape), { numRuns: 25, seed: 7 })) {
      const bytes = serverBytes(reply);
      const expected = expectedEvents(reply, true);
      for (const pieces of everySplit(bytes)) {
        const { events, tracker } = follow(shape, pieces, true);
        if (!tracker.done || JSON.stringify(events) !== JSON.stringify(expected))
          t.strictSame(events, expected, `cut into ${pieces.map(({ length }) => length).join(', ')}`);
      }
      t.strictSame(follow(shape, [bytes], true).events, expected);
    }
  });
}

function lastSequence(bytes: Buffer): number {
  let last = 0;
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUIntLE(at, 3)) last = bytes[at + 3] as number;
  return last;
}

t.test('not done before the last byte, and never in need of more', async () => {
  fc.assert(
    fc.property(anyReply, (reply) => {
      const bytes = serverBytes(reply);
      const tracker = new ReplyTracker();
      tracker.begin(reply.shape);
      assert.ok(!tracker.started);
      for (let at = 0; at < bytes.length; at++) {
        assert.ok(!tracker.done, `after ${at} of ${bytes.length} bytes`);
        assert.equal(tracker.push(bytes, at, at + 1, new Recorder(true)), at + 1);
        assert.ok(tracker.started);
      }
      assert.ok(tracker.done);
    }),
    { numRuns: 100 },
  );
});

t.test('pipelined replies: push stops behind the one it follows', async () => {
  fc.assert(
    fc.property(
      fc.array(anyReply, { minLength: 2, maxLength: 5 }),
      splitPoints,
      fc.boolean(),
      (replies, cuts, inserting) => {
        const streams = replies.map(serverBytes);
        const tracker = new ReplyTracker();
        const recorders = replies.map(() => new Recorder(inserting));
        let current = 0;
        tracker.begin((replies[0] as Reply).shape);
        for (const piece of cutAt(Buffer.concat(streams), cuts)) {
          const buf = Buffer.from(piece);
          let at = 0;
          while (at < buf.length) {
            at = tracker.push(buf, at, buf.length, recorders[current] as Recorder);
            if (!tracker.done) assert.equal(at, buf.length);
            else if (++current < replies.length) tracker.begin((replies[current] as Reply).shape);
          }
        }
        assert.equal(current, replies.length);
        for (const [i, reply] of replies.entries())
          assert.deepEqual(mergeSpans(recorders[i]?.events ?? []), expectedEvents(reply, inserting));
      },
    ),
    { numRuns: 300 },
  );
});

t.test('bytes behind the reply are left alone', async (t) => {
  const reply = Buffer.concat([packet(1, okPayload(plainOk(0))), Buffer.from('next')]);
  const tracker = new ReplyTracker();
  tracker.begin(ReplyShape.Ok);
  t.equal(tracker.push(reply, 0, reply.length, new Recorder(false)), reply.length - 4);
  t.ok(tracker.done);
  t.equal(
    tracker.push(reply, reply.length - 4, reply.length, new Recorder(false)),
    reply.length - 4,
    'also when done',
  );
});

t.test('sequence ids wrap', async (t) => {
  for (const rows of [250, 251, 252, 253, 254, 600]) {
    const reply = resultSet(new Array<Buffer>(rows).fill(Buffer.of(1, 65)));
    const bytes = serverBytes(reply);
    for (const inserting of [false, true]) {
      const { events, tracker } = follow(reply.shape, cutAt(bytes, [500, 501, 1003, 1507]), inserting);
      t.strictSame(events, expectedEvents(reply, inserting), `${rows} rows`);
      t.equal(tracker.rows, rows);
      t.equal(tracker.shift, inserting ? 1 : 0);
    }
  }
});

t.test('rows are counted per result set', async (t) => {
  const first = resultSet([Buffer.of(0xfb), Buffer.of(0xfb), Buffer.of(0xfb)]);
  const more = endingWith(first, { kind: 'ok', ok: plainOk(0xfe, STATUS.moreResults), closes: true });
  const counts: number[] = [];
  const tracker = new ReplyTracker();
  const recorder = new Recorder(true);
  recorder.ok = () => counts.push(tracker.rows);
  tracker.begin(ReplyShape.ResultSet);
  const bytes = serverBytes({
    shape: more.shape,
    parts: [...more.parts, ...resultSet([Buffer.of(0)]).parts],
  });
  tracker.push(bytes, 0, bytes.length, recorder);
  t.strictSame(counts, [3, 1]);
});

t.test('an ERR right behind the definitions comes after their EOF', async (t) => {
  const reply = endingWith(resultSet([]), { kind: 'err', payload: errPayload(1317, 'interrupted') });
  for (const pieces of everySplit(serverBytes(reply)))
    t.strictSame(follow(reply.shape, pieces, true).events, expectedEvents(reply, true));
});

t.test('where an ERR of the proxy could take the place of the next packet', async (t) => {
  const bytes = serverBytes(resultSet([Buffer.of(1, 65), Buffer.of(2, 65, 66)]));
  const rowsAt = bytes.length - 11 - 7 - 6;
  const places = [rowsAt + 6, rowsAt + 6 + 7];
  for (let at = 0; at < bytes.length; at++) {
    const { tracker } = follow(ReplyShape.ResultSet, at === 0 ? [] : [bytes.subarray(0, at)], true);
    t.equal(tracker.atPacketBoundary, at === 0 || places.includes(at), `after ${at} bytes`);
    // Column count, definition, the EOF put in, then rows.
    if (tracker.atPacketBoundary) t.equal(tracker.nextSequence, at === 0 ? 1 : 5 + places.indexOf(at));
  }
});

t.test('a refusal is an ERR numbered 0 that is the first packet, and nothing else', async (t) => {
  const refusal = (bytes: Buffer, shape: ReplyShape): boolean => {
    const tracker = new ReplyTracker();
    const recorder = new Recorder(true);
    let refused = false;
    recorder.err = () => {
      refused = tracker.refused;
    };
    tracker.begin(shape);
    for (let at = 0; at < bytes.length; at++) tracker.push(bytes, at, at + 1, recorder);
    t.ok(tracker.done);
    return refused;
  };
  const gone = errPayload(4031, 'The client was disconnected by the server because of inactivity.');
  for (const [name, shape] of SHAPES) {
    t.equal(refusal(packet(0, gone), shape), true, name);
    t.equal(refusal(packet(1, gone), shape), false, name);
  }
  const wrapped = (rows: number): Buffer => {
    const reply = resultSet(new Array<Buffer>(rows).fill(Buffer.of(0xfb)));
    return serverBytes(endingWith(reply, { kind: 'err', payload: gone }));
  };
  t.equal(lastSequence(wrapped(253)), 0);
  t.equal(refusal(wrapped(253), ReplyShape.ResultSet), false, 'the numbers have only wrapped');
  const file = Buffer.concat([packet(1, Buffer.of(0xfb, 65)), packet(0, gone)]);
  t.equal(refusal(file, ReplyShape.ResultSet), false, 'the client has sent 254 packets of a file');
  const more = okPayload(plainOk(0, STATUS.moreResults));
  t.equal(refusal(Buffer.concat([packet(255, more), packet(0, gone)]), ReplyShape.ResultSet), false);
});

t.test('a reply that was given up can take no ERR in place of the next packet', async (t) => {
  const bytes = serverBytes(resultSet([Buffer.of(1, 65)]));
  const { tracker } = follow(ReplyShape.ResultSet, [bytes.subarray(0, bytes.length - 11)], true);
  t.equal(tracker.atPacketBoundary, true);
  tracker.abandon();
  t.equal(tracker.atPacketBoundary, false);
});

/** Without the bytes: too many to keep or compare twice. */
function outline(events: readonly Event[]): unknown[] {
  return events.map(([name, ...details]) => [
    name,
    ...details.map((d) => (Buffer.isBuffer(d) ? d.length : d)),
  ]);
}

t.test('rows of 16 MiB and more', async (t) => {
  const long = Buffer.alloc(MAX_PAYLOAD + 20, 0xff);
  const cases: readonly (readonly [name: string, row: Buffer])[] = [
    ['begins with 0xFE, so the length tells it from an OK', withLead(long.subarray(0, MAX_PAYLOAD), 0xfe)],
    ['its continuation begins with 0xFF, as an ERR does', withLead(long, 0xfe)],
    ['its continuation is as short as an OK is', withLead(long.subarray(0, MAX_PAYLOAD + 9), 0xfe)],
    ['its continuation is empty', withLead(long.subarray(0, MAX_PAYLOAD), 0x20)],
  ];
  for (const [name, row] of cases) {
    const reply = resultSet([Buffer.of(0xfb), row, Buffer.of(0xfb)]);
    const bytes = serverBytes(reply);
    const expected = expectedEvents(reply, true);
    const behind = bytes.length - 11 - 5;
    const header = 4 + 1 + 4 + 4 + 5;
    const cuts = [
      header,
      header + 3,
      header + 4,
      header + 5,
      1 << 20,
      MAX_PAYLOAD + header + 3,
      MAX_PAYLOAD + header + 4,
    ];
    for (const at of [[], [header + 4], [behind - 2], [behind, behind + 3], cuts]) {
      const { events, tracker } = follow(reply.shape, cutAt(bytes, at), true);
      t.strictSame(outline(events), outline(expected), `${name}, cut at ${at}`);
      t.ok(lastRows(events).equals(lastRows(expected)), 'the same bytes');
      t.equal(tracker.rows, 3);
      t.ok(tracker.done);
    }
  }
});

function lastRows(events: readonly Event[]): Buffer {
  return events.findLast(([kind]) => kind === 'span')?.[1] as Buffer;
}

function withLead(payload: Buffer, lead: number): Buffer {
  const row = Buffer.from(payload);
  row[0] = lead;
  return row;
}

t.test('a row too long to be assembled, cut anywhere in its first bytes', async (t) => {
  const reply = resultSet([Buffer.alloc((1 << 20) + 10, 65)]);
  const bytes = serverBytes(reply);
  const start = 4 + 1 + 4 + 4;
  for (let at = start - 1; at < start + 8; at++)
    t.strictSame(
      outline(follow(reply.shape, cutAt(bytes, [at]), true).events),
      outline(expectedEvents(reply, true)),
    );
  const bytewise = [
    ...cutAt(bytes.subarray(0, start + 9), [...new Array(start + 9).keys()]),
    bytes.subarray(start + 9),
  ];
  t.strictSame(outline(follow(reply.shape, bytewise, true).events), outline(expectedEvents(reply, true)));
});

t.test('texts and definitions of exactly 16 MiB - 1 end with an empty packet', async (t) => {
  const text: Reply = {
    shape: ReplyShape.Text,
    parts: [{ kind: 'raw', payload: Buffer.alloc(MAX_PAYLOAD, 65) }],
  };
  const wide: Reply = {
    shape: ReplyShape.ResultSet,
    parts: resultSet([Buffer.of(0xfb)]).parts.map((part, i) => (i === 1 ? (text.parts[0] as never) : part)),
  };
  for (const reply of [text, wide]) {
    const bytes = serverBytes(reply);
    const behind = bytes.indexOf(Buffer.of(0, 0, 0), MAX_PAYLOAD);
    for (const at of [[], [behind], [behind + 1], [behind + 3], [behind + 4]]) {
      const { events, tracker } = follow(reply.shape, cutAt(bytes, at), true);
      t.strictSame(outline(events), outline(expectedEvents(reply, true)), `cut at ${at}`);
      t.ok(tracker.done);
    }
  }
});
