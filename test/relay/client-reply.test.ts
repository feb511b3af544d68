import assert from 'node:assert/strict';
import t from 'tap';
import { encodeErrPacket } from '../../src/protocol/generic-response.js';
import { ReplyShape } from '../../src/protocol/reply-tracker.js';
import { OutputBuffer } from '../../src/relay/output-buffer.js';
import {
  cutAt,
  errPayload,
  everySplit,
  lenencString,
  okPayload,
  packet,
  plainOk,
  STATUS,
} from '../support/packets.js';
import { fc } from '../support/properties.js';
import {
  anyReply,
  type Client,
  clientBytes,
  endingWith,
  type Reply,
  replyOf,
  resultSet,
  SHAPES,
  serverBytes,
} from '../support/replies.js';
import { command, connect, type Note, newSession, READ_SIZE, type Setup } from './support/reply-setup.js';

function newClient(deprecateEof: boolean, statementId = 1): Client {
  return { deprecateEof, statementId, status: STATUS.autocommit };
}

/** What the observer must hear of a reply, but for congestion. */
function expectedNotes(reply: Reply): Note[] {
  const notes: Note[] = [];
  let rows = 0;
  for (const part of reply.parts) {
    if (part.kind === 'columnsEnd') rows = 0;
    if (part.kind === 'raw' && part.isRow) rows++;
    if (part.kind === 'ok') {
      const { affectedRows, lastInsertId, status, warnings, session } = part.ok;
      const told = status | (session === null ? 0 : STATUS.stateChanged);
      notes.push([
        'ok',
        affectedRows,
        lastInsertId,
        told,
        warnings,
        session !== null,
        part.closes ? rows : null,
      ]);
    }
    if (part.kind === 'err') notes.push(['err', part.payload.readUInt16LE(1), false]);
    if (part.kind === 'prepared') notes.push(['prepared', part.id, part.params]);
    if (part.kind === 'infile') notes.push(['file']);
  }
  return [...notes, ['complete']];
}

const cuts = fc.array(fc.nat(2_000), { maxLength: 8 });
/** Per read: whether the socket takes what is written, and whether it was drained before. */
const weather = fc.infiniteStream(fc.record({ holds: fc.boolean(), drain: fc.boolean() }));

for (const [name, shape] of SHAPES) {
  t.test(
    `replies of shape ${name}: each dialect's own bytes, at random splits, to a socket that may hold them`,
    async () => {
      fc.assert(
        fc.property(
          fc.array(replyOf(shape), { minLength: 1, maxLength: 3 }),
          cuts,
          weather,
          fc.boolean(),
          (replies, at, sky, deprecateEof) => {
            const setup = connect(deprecateEof);
            const client = newClient(deprecateEof);
            const expected: Buffer[] = [];
            const heard: Note[] = [];
            for (const [i, reply] of replies.entries()) {
              const statementId = 100 + i;
              command(setup, shape, statementId);
              for (const piece of cutAt(serverBytes(reply), at)) {
                const { holds, drain } = sky.next().value;
                if (drain) setup.socket.drain();
                setup.socket.holds = holds;
                setup.wire.read(piece);
              }
              expected.push(clientBytes(reply, Object.assign(client, { statementId })));
              heard.push(...expectedNotes(reply));
              assert.equal(setup.notes.completed, i + 1);
            }
            assert.deepEqual(setup.socket.received, Buffer.concat(expected));
            assert.deepEqual(
              setup.notes.list.filter(([what]) => what !== 'congested'),
              heard,
            );
            assert.ok(!setup.session.busy && !setup.session.closed);
          },
        ),
        { numRuns: 300 },
      );
    },
  );

  t.test(`replies of shape ${name}, whole, byte by byte and cut at every position`, async () => {
    for (const reply of fc.sample(replyOf(shape), { numRuns: 12, seed: 11 })) {
      const bytes = serverBytes(reply);
      for (const deprecateEof of [false, true]) {
        const expected = clientBytes(reply, newClient(deprecateEof));
        for (const holds of [false, true]) {
          for (const pieces of everySplit(bytes)) {
            const setup = connect(deprecateEof);
            setup.socket.holds = holds;
            command(setup, shape, 1);
            for (const piece of pieces) setup.wire.read(piece);
            assert.deepEqual(
              setup.socket.received,
              expected,
              `cut into ${pieces.map(({ length }) => length).join()}`,
            );
          }
        }
      }
    }
  });
}

t.test('commands sent ahead of their replies, which come in one read', async () => {
  fc.assert(
    fc.property(
      fc.array(anyReply, { minLength: 2, maxLength: 4 }),
      cuts,
      weather,
      fc.boolean(),
      (replies, at, sky, deprecateEof) => {
        // A ClientReply is for one command at a time; those behind it belong to others of the same session.
        const first = connect(deprecateEof);
        const setups = replies.map((_, i) =>
          i === 0 ? first : { ...connect(deprecateEof), session: first.session },
        );
        for (const [i, reply] of replies.entries()) command(setups[i] as Setup, reply.shape, 7);
        for (const piece of cutAt(Buffer.concat(replies.map(serverBytes)), at)) {
          for (const { socket } of setups) socket.holds = sky.next().value.holds;
          first.wire.read(piece);
        }
        for (const [i, reply] of replies.entries()) {
          assert.deepEqual(setups[i]?.socket.received, clientBytes(reply, newClient(deprecateEof, 7)));
          assert.equal(setups[i]?.notes.completed, 1);
        }
      },
    ),
    { numRuns: 200 },
  );
});

t.test('a long result in full reads, to a socket that takes them late', async (t) => {
  for (const rowLength of [5_000, 70_000, 300_000]) {
    const rows = Array.from({ length: 1_500_000 / rowLength }, (_, i) =>
      lenencString(Buffer.alloc(rowLength, i)),
    );
    const reply = resultSet(rows);
    const bytes = serverBytes(reply);
    for (const deprecateEof of [false, true]) {
      for (const drainEvery of [1, 2, 5, 1_000]) {
        const setup = connect(deprecateEof);
        command(setup, reply.shape, 1);
        setup.socket.holds = true;
        for (let at = 0, reads = 1; at < bytes.length; at += READ_SIZE, reads++) {
          setup.wire.read(bytes.subarray(at, at + READ_SIZE));
          if (reads % drainEvery === 0) setup.socket.drain();
        }
        const expected = clientBytes(reply, newClient(deprecateEof));
        t.equal(
          setup.socket.received.compare(expected),
          0,
          `rows of ${rowLength}, drained every ${drainEvery} reads`,
        );
        t.ok(setup.notes.list.some(([what]) => what === 'congested'));
      }
    }
  }
});

t.test('congestion is told while the reply goes on, and only while the client is there', async (t) => {
  const bytes = serverBytes(resultSet([lenencString(Buffer.alloc(60_000))]));
  for (const discard of [false, true]) {
    const setup = connect(true);
    command(setup, ReplyShape.ResultSet, 1);
    setup.socket.holds = true;
    setup.reply.discard = discard;
    setup.wire.read(bytes.subarray(0, 50_000));
    t.equal(
      setup.notes.list.some(([what]) => what === 'congested'),
      !discard,
    );
  }
});

t.test('an ERR numbered 0 in place of a reply is a refusal, which is not passed on', async (t) => {
  const gone = errPayload(4031, 'The client was disconnected by the server because of inactivity.', '08S01');
  const setup = connect(false);
  command(setup, ReplyShape.ResultSet, 1);
  setup.wire.read(packet(0, gone));
  t.strictSame(setup.notes.list, [['err', 4031, true], ['complete']]);
  t.equal(setup.socket.received.length, 0);
});

t.test('an ERR behind 253 rows is numbered 0 as well, but no refusal', async (t) => {
  const rows = resultSet(new Array<Buffer>(253).fill(Buffer.of(0xfb)));
  const interrupted = errPayload(1317, 'Query execution was interrupted', '70100');
  const reply = endingWith(rows, { kind: 'err', payload: interrupted });
  const bytes = serverBytes(reply);
  t.equal(bytes[bytes.lastIndexOf(0xff) - 1], 0, 'the number');
  for (const deprecateEof of [false, true]) {
    const setup = connect(deprecateEof);
    command(setup, reply.shape, 1);
    setup.wire.read(bytes);
    t.strictSame(setup.notes.list, [['err', 1317, false], ['complete']]);
    t.strictSame(setup.socket.received, clientBytes(reply, newClient(deprecateEof)));
  }
});

const OURS = { errno: 1317, sqlState: '70100', message: 'mybouncer: it took too long' };

/** What the client gets of it. */
const told = (sequenceId: number): Buffer =>
  encodeErrPacket(sequenceId, { ...OURS, message: `${OURS.message} (client 7)` });

t.test('a statement that the proxy ends: its own words in place of 1317', async (t) => {
  const interrupted = errPayload(1317, 'Query execution was interrupted', '70100');
  const other = errPayload(1146, "Table 'a.b' doesn't exist", '42S02');
  const rows = resultSet(new Array<Buffer>(3).fill(Buffer.of(0xfb)));
  for (const deprecateEof of [false, true]) {
    for (const isRead of [false, true]) {
      for (const payload of [interrupted, other]) {
        const lone = connect(deprecateEof);
        command(lone, ReplyShape.ResultSet, 1);
        lone.reply.interrupt(OURS, isRead);
        lone.wire.read(packet(1, payload));
        const expected = payload === interrupted ? told(1) : packet(1, payload);
        t.strictSame(lone.socket.received, Buffer.from(expected));

        // The columns have come by the time; whether the client has them makes the difference.
        const reply = endingWith(rows, { kind: 'err', payload });
        const bytes = serverBytes(reply);
        const all = clientBytes(reply, newClient(deprecateEof));
        for (const before of [0, 40]) {
          const setup = connect(deprecateEof);
          command(setup, reply.shape, 1);
          setup.wire.read(bytes.subarray(0, before));
          setup.reply.interrupt(OURS, isRead);
          setup.wire.read(bytes.subarray(before));
          t.same(setup.notes.list.at(-1), ['complete']);
          const own = payload === interrupted;
          if (isRead && before === 0) {
            t.strictSame(setup.socket.received, Buffer.from(own ? told(1) : packet(1, payload)));
          } else {
            const place = all.length - packet(0, payload).length;
            const last = own ? told(all[place + 3] as number) : all.subarray(place);
            t.strictSame(setup.socket.received, Buffer.concat([all.subarray(0, place), last]));
          }
          command(setup, rows.shape, 1);
          const sent = setup.socket.received.length;
          setup.wire.read(serverBytes(rows));
          t.ok(setup.socket.received.length > sent, 'the next reply is passed on');
        }
      }
    }
  }
});

t.test('a read that ends as if it had not been ended', async (t) => {
  const rows = resultSet(new Array<Buffer>(3).fill(Buffer.of(0xfb)));
  const bytes = serverBytes(rows);
  for (const deprecateEof of [false, true]) {
    for (const [isRead, before, isError] of [
      [true, 0, true],
      [true, bytes.length >> 1, false],
      [false, 0, false],
    ] as const) {
      const setup = connect(deprecateEof);
      command(setup, rows.shape, 1);
      setup.wire.read(bytes.subarray(0, before));
      setup.reply.interrupt(OURS, isRead);
      setup.wire.read(bytes.subarray(before));
      const whole = clientBytes(rows, newClient(deprecateEof));
      t.strictSame(setup.socket.received, isError ? told(1) : whole);
      t.equal(setup.reply.takeBack(), false);
    }
    const gone = connect(deprecateEof);
    command(gone, rows.shape, 1);
    gone.reply.interrupt(OURS, true);
    gone.reply.abandon();
    gone.wire.read(bytes);
    t.equal(gone.socket.received.length, 0, 'nobody is there');
    const lost = connect(deprecateEof);
    command(lost, rows.shape, 1);
    lost.reply.interrupt(OURS, true);
    lost.wire.read(bytes.subarray(0, bytes.length >> 1));
    t.equal(lost.reply.takeBack(), true, 'the client has nothing of it');
  }
});

t.test('an EOF that is put in carries the session flags as they were told last', async (t) => {
  const setup = connect(false);
  const flags = STATUS.inTransaction | STATUS.ansiQuotes;
  const select = resultSet([], flags | STATUS.lastRowSent | 0x20);
  const eofs: number[] = [];
  for (let i = 0; i < 2; i++) {
    command(setup, ReplyShape.ResultSet, 1);
    setup.wire.read(serverBytes(select));
  }
  const received = setup.socket.received;
  for (let at = 0; at < received.length; at += 4 + received.readUIntLE(at, 3))
    if (received[at + 4] === 0xfe) eofs.push(received.readUInt16LE(at + 7));
  const last = flags | STATUS.lastRowSent | 0x20;
  t.strictSame(eofs, [STATUS.autocommit, last, flags, last]);
});

t.test('the reply for a client that has gone is read to its end, for nobody', async () => {
  fc.assert(
    fc.property(anyReply, cuts, fc.nat(8), fc.boolean(), (reply, at, goesAfter, deprecateEof) => {
      const output = new OutputBuffer();
      const setup = connect(deprecateEof, output);
      command(setup, reply.shape, 1);
      let sent = 0;
      for (const [i, piece] of cutAt(serverBytes(reply), at).entries()) {
        if (i === goesAfter) {
          sent = setup.socket.received.length;
          setup.reply.discard = true;
        }
        setup.wire.read(piece);
      }
      if (setup.reply.discard) assert.equal(setup.socket.received.length, sent);
      assert.deepEqual(
        setup.notes.list.filter(([what]) => what !== 'congested'),
        expectedNotes(reply),
      );
      const other = connect(deprecateEof, output);
      command(other, reply.shape, 1);
      other.wire.read(serverBytes(reply));
      assert.deepEqual(other.socket.received, clientBytes(reply, newClient(deprecateEof)));
    }),
    { numRuns: 200 },
  );
});

t.test('a reply that breaks off, or turns into nonsense, leaves nothing to whoever comes next', async () => {
  const nonsense = fc.oneof(
    fc.constant(packet(9, Buffer.alloc(0))),
    fc.constant(packet(9, Buffer.of(0xfe, 0))),
    fc.constant(packet(9, Buffer.of(0xff, 1))),
    fc.constant(packet(9, okPayload({ ...plainOk(0xfe), session: Buffer.of(0, 9) }))),
  );
  fc.assert(
    fc.property(
      replyOf(ReplyShape.ResultSet),
      fc.nat(30),
      nonsense,
      anyReply,
      cuts,
      fc.boolean(),
      fc.boolean(),
      (broken, keep, garbage, next, at, deprecateEof, otherBetween) => {
        const output = new OutputBuffer();
        const first = connect(deprecateEof, output);
        command(first, broken.shape, 1);
        const whole = { ...broken, parts: broken.parts.slice(0, keep % broken.parts.length) };
        for (const piece of cutAt(Buffer.concat([serverBytes(whole), garbage]), at))
          if (!first.session.closed) first.wire.read(piece);
        if (otherBetween) {
          const second = connect(deprecateEof, output);
          command(second, next.shape, 1);
          second.wire.read(serverBytes(next));
          assert.deepEqual(second.socket.received, clientBytes(next, newClient(deprecateEof)));
        }
        const before = first.socket.received;
        const again = Object.assign(first, newSession());
        command(again, next.shape, 1);
        again.wire.read(serverBytes(next));
        const tail = again.socket.received.subarray(before.length);
        assert.equal(tail.length, clientBytes(next, newClient(deprecateEof)).length);
      },
    ),
    { numRuns: 300 },
  );
});

t.test('nonsense ends the session, and its borrower hears of it once', async (t) => {
  const rows = serverBytes(resultSet([Buffer.of(0xfb)])).subarray(0, -11);
  for (const garbage of [
    packet(1, Buffer.alloc(0)),
    Buffer.concat([rows, packet(5, Buffer.alloc(0))]),
    packet(1, Buffer.of(0xff, 1)),
    packet(1, Buffer.of(0, 0, 0, 0, 0x40, 0, 0, 0, 5)),
  ]) {
    const setup = connect(false);
    let lost = 0;
    setup.session.borrower = {
      holds: 0,
      sessionLost: () => lost++,
      sessionOutlived: () => 0,
      drained: () => {},
    };
    command(setup, ReplyShape.ResultSet, 1);
    setup.wire.read(garbage);
    t.equal(lost, 1, garbage.toString('hex'));
    t.ok(setup.wire.destroyed && setup.session.closed);
    t.equal(setup.session.tracker.atPacketBoundary, false);
  }
});

t.test('from within the end of a reply the session may be given other work', async (t) => {
  const setup = connect(true);
  const ping = packet(1, okPayload({ ...plainOk(0), info: Buffer.from('done') }));
  setup.notes.onComplete = () => {
    if (setup.notes.completed < 3) command(setup, ReplyShape.Ok, 1);
  };
  command(setup, ReplyShape.Ok, 1);
  for (let i = 0; i < 3; i++) setup.wire.read(ping);
  t.equal(setup.notes.completed, 3);
  t.strictSame(setup.socket.received, Buffer.concat([ping, ping, ping]));
});
