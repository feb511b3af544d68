/**
 * Replies as a server means them: a list of logical packets. From it come, each in a straightforward way, the bytes of a
 * server that speaks DEPRECATE_EOF and SESSION_TRACK, the bytes that a client of either dialect must get, and the events
 * that a follower of the reply must see.
 */

import { ReplyShape } from '../../src/protocol/reply-tracker.js';
import {
  eofPayload,
  errPayload,
  lenenc,
  lenencString,
  type OkParts,
  okPayload,
  packetLengths,
  packets,
  plainOk,
  STATUS,
  stateEntry,
  u16,
  u32,
} from './packets.js';
import { fc } from './properties.js';

export type Part =
  /** A column count, definition, row or text: nobody looks into it. */
  | { readonly kind: 'raw'; readonly payload: Buffer; readonly isRow?: true }
  /** `closes`: ends rows or definitions, so it has the header 0xFE. */
  | { readonly kind: 'ok'; readonly ok: OkParts; readonly closes: boolean }
  | { readonly kind: 'err'; readonly payload: Buffer }
  | { readonly kind: 'columnsEnd'; readonly rowsFollow: boolean }
  | { readonly kind: 'definitionsEnd' }
  | { readonly kind: 'prepared'; readonly id: number; readonly columns: number; readonly params: number }
  /** `filePackets`: how many packets the client then sends. */
  | { readonly kind: 'infile'; readonly payload: Buffer; readonly filePackets: number };

export interface Reply {
  readonly shape: ReplyShape;
  readonly parts: readonly Part[];
}

/** A result set of one column. */
export function resultSet(rows: readonly Buffer[], status?: number): Reply {
  return {
    shape: ReplyShape.ResultSet,
    parts: [
      { kind: 'raw', payload: lenenc(1) },
      { kind: 'raw', payload: lenencString('def') },
      { kind: 'columnsEnd', rowsFollow: true },
      ...rows.map((payload) => ({ kind: 'raw', payload, isRow: true }) as const),
      { kind: 'ok', ok: { ...plainOk(0xfe, status), warnings: 3 }, closes: true },
    ],
  };
}

/** The same reply with another end. */
export function endingWith(reply: Reply, last: Part): Reply {
  return { shape: reply.shape, parts: [...reply.parts.slice(0, -1), last] };
}

/** COM_STMT_PREPARE's OK, all but the statement's id, which is `id`. */
export function preparedPayload(id: number, columns: number, params: number): Buffer {
  return Buffer.concat([Buffer.of(0), u32(id), u16(columns), u16(params), Buffer.of(0), u16(3)]);
}

/** Payload of a part as the server sends it; null where it sends nothing. */
function serverPayload(part: Part): Buffer | null {
  switch (part.kind) {
    case 'raw':
    case 'err':
    case 'infile':
      return part.payload;
    case 'ok':
      return okPayload(part.ok);
    case 'prepared':
      return preparedPayload(part.id, part.columns, part.params);
    case 'columnsEnd':
    case 'definitionsEnd':
      return null;
  }
}

/** Numbers payloads as one exchange does: each packet takes the next number, a client's own packets too. */
class Numbering {
  next = 1;
  readonly #parts: Buffer[] = [];

  add(payload: Buffer): Buffer {
    const bytes = packets(this.next, payload);
    this.next = (this.next + packetLengths(payload.length).length) & 0xff;
    this.#parts.push(bytes);
    return bytes;
  }

  skip(count: number): void {
    this.next = (this.next + count) & 0xff;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** The reply under DEPRECATE_EOF and SESSION_TRACK. */
export function serverBytes(reply: Reply): Buffer {
  const numbering = new Numbering();
  for (const part of reply.parts) {
    const payload = serverPayload(part);
    if (payload !== null) numbering.add(payload);
    if (part.kind === 'infile') numbering.skip(part.filePackets);
  }
  return numbering.bytes;
}

/** What a follower of a reply is told: `[name, ...]`; neighbouring spans are one. */
export type Event = readonly [name: string, ...details: unknown[]];

/** `inserting`: whether the follower puts an EOF packet in wherever one belongs without DEPRECATE_EOF. */
export function expectedEvents(reply: Reply, inserting: boolean): Event[] {
  const numbering = new Numbering();
  const events: Event[] = [];
  for (const part of reply.parts) {
    const payload = serverPayload(part);
    const bytes = payload === null ? null : numbering.add(payload);
    switch (part.kind) {
      case 'raw':
        events.push(['span', bytes]);
        break;
      case 'ok':
        events.push(['ok', bytes, part.closes]);
        break;
      case 'err':
        events.push(['err', bytes]);
        break;
      case 'prepared':
        events.push(['prepared', bytes, part.params, part.columns]);
        break;
      case 'infile':
        events.push(['localInfile', bytes]);
        numbering.skip(part.filePackets);
        break;
      case 'columnsEnd':
        events.push(['columnsEnd', numbering.next, part.rowsFollow]);
        numbering.skip(inserting && part.rowsFollow ? 1 : 0);
        break;
      case 'definitionsEnd':
        events.push(['definitionsEnd', numbering.next]);
        numbering.skip(inserting ? 1 : 0);
    }
  }
  return mergeSpans(events);
}

export function mergeSpans(events: readonly Event[]): Event[] {
  const merged: Event[] = [];
  let spans: Buffer[] = [];
  const endSpan = (): void => {
    if (spans.length > 0) merged.push(['span', Buffer.concat(spans)]);
    spans = [];
  };
  for (const event of events) {
    if (event[0] === 'span') {
      spans.push(event[1] as Buffer);
    } else {
      endSpan();
      merged.push(event);
    }
  }
  endSpan();
  return merged;
}

/** Flags that are a session's; all others are about one statement. */
const SESSION_FLAGS =
  STATUS.inTransaction |
  STATUS.autocommit |
  STATUS.noBackslashEscapes |
  STATUS.inTransactionReadonly |
  STATUS.ansiQuotes;

/** The client's end of things: what it negotiated, and what it was told last. */
export interface Client {
  readonly deprecateEof: boolean;
  /** The id under which it will know the next statement that it prepares. */
  readonly statementId: number;
  /** Of the last OK or EOF. */
  status: number;
}

/** What a client that does not speak SESSION_TRACK must get. */
export function clientBytes(reply: Reply, client: Client): Buffer {
  const numbering = new Numbering();
  const eof = (): void => {
    if (!client.deprecateEof) numbering.add(eofPayload(client.status & SESSION_FLAGS, 0));
  };
  for (const part of reply.parts) {
    switch (part.kind) {
      case 'raw':
      case 'err':
        numbering.add(part.payload);
        break;
      case 'ok': {
        const { ok } = part;
        client.status = ok.status;
        if (part.closes && !client.deprecateEof) numbering.add(eofPayload(ok.status, ok.warnings));
        else numbering.add(okPayload({ ...ok, session: null }));
        break;
      }
      case 'prepared':
        numbering.add(preparedPayload(client.statementId, part.columns, part.params));
        break;
      case 'infile':
        numbering.add(part.payload);
        numbering.skip(part.filePackets);
        break;
      case 'columnsEnd':
        // Where a cursor was opened, the EOF that ends the definitions ends the reply: the OK is that EOF.
        if (part.rowsFollow) eof();
        break;
      case 'definitionsEnd':
        eof();
    }
  }
  return numbering.bytes;
}

// ---------------------------------------------------------------------------------------------------------------------

const u64 = fc.bigInt(0n, (1n << 64n) - 1n);
const count = fc.oneof(
  { weight: 3, arbitrary: fc.bigInt(0n, 300n) },
  fc.constantFrom(0xffffn, 0x10000n, 0xffffffn, 0x1000000n),
  u64,
);
const FREE_STATUS_BITS = 0xffff & ~(STATUS.moreResults | STATUS.stateChanged | STATUS.cursorExists);

const trackerEntries = fc
  .array(
    fc.oneof(
      fc
        .tuple(fc.string({ maxLength: 20 }), fc.string({ maxLength: 60 }))
        .map((pair) => stateEntry(0, Buffer.concat(pair.map(lenencString)))),
      fc.string({ maxLength: 20 }).map((schema) => stateEntry(1, lenencString(schema))),
      fc.constant(stateEntry(2, Buffer.from('1'))),
      fc.constant(stateEntry(5, lenencString('T_______'))),
    ),
    { maxLength: 3 },
  )
  .map((entries) => Buffer.concat(entries));

function okParts(header: number, extraStatus = 0): fc.Arbitrary<OkParts> {
  return fc.record({
    header: fc.constant(header),
    affectedRows: count,
    lastInsertId: count,
    status: fc.nat(0xffff).map((status) => (status & FREE_STATUS_BITS) | extraStatus),
    warnings: fc.oneof(fc.constant(0), fc.nat(0xffff)),
    info: fc.oneof(fc.constant(Buffer.alloc(0)), fc.uint8Array({ maxLength: 40 })),
    session: fc.option(trackerEntries),
  });
}

function ok(closes: boolean, extraStatus = 0): fc.Arbitrary<Part> {
  return okParts(closes ? 0xfe : 0, extraStatus).map((parts) => ({ kind: 'ok', ok: parts, closes }));
}

/** Of a reply that has one result whatever its status says. */
function lone(closes: boolean, extraStatus = 0): fc.Arbitrary<Part> {
  return fc.oneof(ok(closes, extraStatus), ok(closes, extraStatus | STATUS.moreResults));
}

const err: fc.Arbitrary<Part> = fc
  .tuple(fc.integer({ min: 1, max: 0xffff }), fc.string({ maxLength: 50 }))
  .map(([errno, message]) => ({ kind: 'err', payload: errPayload(errno, message) }));

const bytes = (options: { minLength?: number; maxLength: number }): fc.Arbitrary<Buffer> =>
  fc.uint8Array(options).map((value) => Buffer.from(value));

/** Text rows (with NULLs, and strings whose length takes three bytes), binary rows, and rows of nothing but 0xFB. */
const rowPayload: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .array(fc.oneof(fc.constant(Buffer.of(0xfb)), bytes({ maxLength: 12 }).map(lenencString)), {
      minLength: 1,
      maxLength: 4,
    })
    .map((fields) => Buffer.concat(fields)),
  bytes({ maxLength: 20 }).map((body) => Buffer.concat([Buffer.of(0), body])),
  fc.integer({ min: 1, max: 5 }).map((columns) => Buffer.alloc(columns, 0xfb)),
  { weight: 1, arbitrary: fc.constant(lenencString(Buffer.alloc(260, 0xfe))) },
);
const row: fc.Arbitrary<Part> = rowPayload.map((payload) => ({ kind: 'raw', payload, isRow: true }));
const rows = fc.array(row, { maxLength: 5 });

const definition: fc.Arbitrary<Part> = bytes({ maxLength: 25 }).map((body) => ({
  kind: 'raw',
  payload: Buffer.concat([lenencString('def'), body]),
}));
const definitions = (min: number, max = 4): fc.Arbitrary<Part[]> =>
  fc.array(definition, { minLength: min, maxLength: max });

const columnCount = (columns: number): Part => ({ kind: 'raw', payload: lenenc(columns) });
const COLUMNS_END: Part = { kind: 'columnsEnd', rowsFollow: true };
const CURSOR_OPENED: Part = { kind: 'columnsEnd', rowsFollow: false };
const DEFINITIONS_END: Part = { kind: 'definitionsEnd' };

const infile: fc.Arbitrary<Part> = fc
  .tuple(bytes({ maxLength: 20 }), fc.integer({ min: 1, max: 300 }))
  .map(([name, filePackets]) => ({
    kind: 'infile',
    payload: Buffer.concat([Buffer.of(0xfb), name]),
    filePackets,
  }));

/** One result of a statement that succeeds, with `more` when others follow. */
function result(more: number): fc.Arbitrary<Part[]> {
  return fc.oneof(
    ok(false, more).map((last) => [last]),
    fc.tuple(infile, ok(false, more)),
    fc
      .tuple(definitions(1), rows, ok(true, more))
      .map(([columns, data, last]) => [columnCount(columns.length), ...columns, COLUMNS_END, ...data, last]),
  );
}

/** The last result: success, a cursor, or an error at any point. */
const lastResult: fc.Arbitrary<Part[]> = fc.oneof(
  { weight: 3, arbitrary: result(0) },
  err.map((last) => [last]),
  fc.tuple(infile, err),
  fc
    .tuple(definitions(1), ok(true, STATUS.cursorExists))
    .map(([columns, last]) => [columnCount(columns.length), ...columns, CURSOR_OPENED, last]),
  fc
    .tuple(definitions(0, 3), fc.integer({ min: 1, max: 3 }), err)
    .map(([columns, missing, last]) => [columnCount(columns.length + missing), ...columns, last]),
  fc
    .tuple(definitions(1), rows, err)
    .map(([columns, data, last]) => [columnCount(columns.length), ...columns, COLUMNS_END, ...data, last]),
);

const preparedReply: fc.Arbitrary<Part[]> = fc
  .tuple(fc.nat(0xffffffff), definitions(0, 3), definitions(0, 3))
  .map(([id, params, columns]) => [
    { kind: 'prepared', id, columns: columns.length, params: params.length },
    ...params,
    ...(params.length > 0 ? [DEFINITIONS_END] : []),
    ...columns,
    ...(columns.length > 0 ? [DEFINITIONS_END] : []),
  ]);

const PARTS: Record<ReplyShape, fc.Arbitrary<readonly Part[]>> = {
  [ReplyShape.Ok]: fc.oneof(lone(false), err).map((part) => [part]),
  [ReplyShape.ResultSet]: fc
    .tuple(fc.array(result(STATUS.moreResults), { maxLength: 2 }), lastResult)
    .map(([first, last]) => [...first.flat(), ...last]),
  [ReplyShape.Prepare]: fc.oneof(
    { weight: 4, arbitrary: preparedReply },
    err.map((part) => [part]),
  ),
  [ReplyShape.Rows]: fc
    .tuple(rows, fc.oneof(lone(true), lone(true, STATUS.cursorExists), err))
    .map(([data, last]) => [...data, last]),
  [ReplyShape.Fields]: fc
    .tuple(definitions(0), fc.oneof(lone(true), err))
    .map(([fields, last]) => [...fields, last]),
  [ReplyShape.Text]: fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .string({ minLength: 1, maxLength: 60 })
        .map((text) => [{ kind: 'raw', payload: Buffer.from(text) } as const]),
    },
    err.map((part) => [part]),
  ),
  [ReplyShape.Eof]: fc.oneof(lone(true), err).map((part) => [part]),
};

export const SHAPES = Object.entries(ReplyShape);

export function replyOf(shape: ReplyShape): fc.Arbitrary<Reply> {
  return PARTS[shape].map((parts) => ({ shape, parts }));
}

export const anyReply: fc.Arbitrary<Reply> = fc.oneof(...Object.values(ReplyShape).map(replyOf));
