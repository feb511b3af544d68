/** Packets as the protocol's pages describe them, written without the code under test; and ways to cut a stream. */

/** A packet with this payload length is continued by the next one. */
export const MAX_PAYLOAD = 0xffffff;

export const STATUS = {
  inTransaction: 0x1,
  autocommit: 0x2,
  moreResults: 0x8,
  cursorExists: 0x40,
  lastRowSent: 0x80,
  noBackslashEscapes: 0x200,
  inTransactionReadonly: 0x2000,
  stateChanged: 0x4000,
  ansiQuotes: 0x8000,
} as const;

export function u16(value: number): Buffer {
  return Buffer.of(value & 0xff, (value >> 8) & 0xff);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

export function lenenc(value: bigint | number): Buffer {
  const n = BigInt(value);
  const width = n < 251n ? 0 : n < 1n << 16n ? 2 : n < 1n << 24n ? 3 : 8;
  const bytes = Buffer.alloc(Math.max(1, width));
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number((n >> BigInt(8 * i)) & 0xffn);
  const lead = { 0: [], 2: [0xfc], 3: [0xfd], 8: [0xfe] }[width] ?? [];
  return Buffer.concat([Buffer.from(lead), bytes]);
}

export function lenencString(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([lenenc(bytes.length), bytes]);
}

/** Header and payload of one packet, which may be of up to 16 MiB - 1. */
export function packet(sequenceId: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  return Buffer.concat([Buffer.of(length, length >> 8, length >> 16, sequenceId), payload]);
}

/** Payload lengths of the packets that a payload is sent in: the last one is shorter than 16 MiB - 1, if need be empty. */
export function packetLengths(length: number): number[] {
  const lengths = new Array<number>(Math.floor(length / MAX_PAYLOAD)).fill(MAX_PAYLOAD);
  return [...lengths, length % MAX_PAYLOAD];
}

/** A payload of any length as the packets it is sent in. */
export function packets(sequenceId: number, payload: Uint8Array): Buffer {
  let at = 0;
  const parts = packetLengths(payload.length).map((length, i) => {
    const part = packet(sequenceId + i, payload.subarray(at, at + length));
    at += length;
    return part;
  });
  return Buffer.concat(parts);
}

export interface OkParts {
  readonly header: number;
  readonly affectedRows: bigint;
  readonly lastInsertId: bigint;
  readonly status: number;
  readonly warnings: number;
  readonly info: Uint8Array;
  /** Entries of the session state information; null: none is sent. */
  readonly session: Uint8Array | null;
}

/** An OK that says nothing but a status. */
export function plainOk(header: number, status: number = STATUS.autocommit): OkParts {
  const nothing = { affectedRows: 0n, lastInsertId: 0n, warnings: 0, info: Buffer.alloc(0), session: null };
  return { header, status, ...nothing };
}

/** An OK packet's payload. With state, the info has its length before it even when it is empty. */
export function okPayload(ok: OkParts): Buffer {
  const changed = ok.session === null ? 0 : STATUS.stateChanged;
  const tail =
    ok.session !== null
      ? [lenencString(ok.info), lenencString(ok.session)]
      : ok.info.length > 0
        ? [lenencString(ok.info)]
        : [];
  return Buffer.concat([
    Buffer.of(ok.header),
    lenenc(ok.affectedRows),
    lenenc(ok.lastInsertId),
    u16(ok.status | changed),
    u16(ok.warnings),
    ...tail,
  ]);
}

export function eofPayload(status: number, warnings: number): Buffer {
  return Buffer.concat([Buffer.of(0xfe), u16(warnings), u16(status)]);
}

export function errPayload(errno: number, message: string, sqlState = 'HY000'): Buffer {
  return Buffer.concat([Buffer.of(0xff), u16(errno), Buffer.from(`#${sqlState}${message}`)]);
}

/** One entry of the session state information. */
export function stateEntry(type: number, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(type), lenencString(data)]);
}

/** The stream in pieces that end at the given positions (any order, any number). */
export function cutAt(stream: Buffer, positions: readonly number[]): Buffer[] {
  const ends = [...new Set(positions.filter((at) => at > 0 && at < stream.length))].sort((a, b) => a - b);
  return [0, ...ends].map((start, i) => stream.subarray(start, ends[i] ?? stream.length));
}

/** Every way to see a stream that a parser must not notice: whole, byte by byte, and cut in two at every position. */
export function* everySplit(stream: Buffer): Generator<Buffer[]> {
  yield [stream];
  yield Array.from(stream, (_, i) => stream.subarray(i, i + 1));
  for (let at = 1; at < stream.length; at++) yield cutAt(stream, [at]);
}
