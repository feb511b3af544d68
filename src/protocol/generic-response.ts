import { Reply, type ServerErrorKind, Status } from './constants.js';
import { MalformedPacketError, PayloadReader, SMALL_BIGINTS } from './payload-reader.js';
import { PayloadWriter } from './payload-writer.js';
import { parseSessionState, type SessionStateReport } from './session-state.js';

/** An OK packet as a server session sends it (SESSION_TRACK negotiated, header 0x00 or 0xFE). */
export interface OkPacket {
  readonly affectedRows: bigint;
  readonly lastInsertId: bigint;
  readonly status: number;
  readonly warnings: number;
  /** Human readable info ("Rows matched: 1 …"); empty when there is none. */
  readonly info: Buffer;
  readonly session: SessionStateReport | null;
  /** The session state information as it stands in the packet: `[stateStart, stateEnd)` of the buffer that was parsed. */
  readonly stateStart: number;
  readonly stateEnd: number;
}

/** Parses an OK packet's payload, with SESSION_TRACK negotiated. */
export function parseOk(buf: Buffer, start: number, end: number): OkPacket {
  // Most have two small numbers, and nothing behind the warnings.
  if (end - start === 7) {
    const affectedRows = SMALL_BIGINTS[buf[start + 1] as number];
    const lastInsertId = SMALL_BIGINTS[buf[start + 2] as number];
    const status = (buf[start + 3] as number) | ((buf[start + 4] as number) << 8);
    const header = buf[start] as number;
    if (
      affectedRows !== undefined &&
      lastInsertId !== undefined &&
      (header === Reply.Ok || header === Reply.Eof)
    ) {
      const warnings = (buf[start + 5] as number) | ((buf[start + 6] as number) << 8);
      return {
        affectedRows,
        lastInsertId,
        status,
        warnings,
        info: EMPTY,
        session: null,
        stateStart: 0,
        stateEnd: 0,
      };
    }
  }
  return parseAnyOk(buf, start, end);
}

function parseAnyOk(buf: Buffer, start: number, end: number): OkPacket {
  const reader = new PayloadReader(buf, start, end);
  const header = reader.uint8();
  if (header !== Reply.Ok && header !== Reply.Eof) throw new MalformedPacketError('not an OK packet');
  const affectedRows = reader.lenencBigInt();
  const lastInsertId = reader.lenencBigInt();
  const status = reader.uint16();
  const warnings = reader.uint16();
  // The server leaves the info out altogether when it is empty and no state follows.
  const infoLength = reader.remaining > 0 ? reader.lenencInt() : 0;
  const info = infoLength > 0 ? reader.bytes(infoLength) : EMPTY;
  let session: SessionStateReport | null = null;
  let stateStart = 0;
  let stateEnd = 0;
  if ((status & Status.SessionStateChanged) !== 0 && reader.remaining > 0) {
    const length = reader.lenencInt();
    if (length > reader.remaining) throw new MalformedPacketError('session state information is cut short');
    stateStart = reader.position;
    stateEnd = stateStart + length;
    session = parseSessionState(buf, stateStart, stateEnd);
  }
  return { affectedRows, lastInsertId, status, warnings, info, session, stateStart, stateEnd };
}

const EMPTY = Buffer.alloc(0);

export interface OkFields {
  affectedRows?: bigint | number;
  lastInsertId?: bigint | number;
  status: number;
  warnings?: number;
  info?: Uint8Array;
  /** Session state information for a client that negotiated SESSION_TRACK; empty for none. */
  state?: Uint8Array;
}

/**
 * An OK packet for a client. `header`: 0xFE where it ends a result set. The info has its length before it whether or not
 * SESSION_TRACK was negotiated: so both servers write it, whatever the documentation says.
 */
export function encodeOk(sequenceId: number, fields: OkFields, header: number = Reply.Ok): Buffer {
  const info = fields.info ?? EMPTY;
  const state = fields.state ?? EMPTY;
  const stateFlag = state.length > 0 ? Status.SessionStateChanged : 0;
  const writer = new PayloadWriter(33 + info.length + state.length)
    .uint8(header)
    .lenencInt(fields.affectedRows ?? 0)
    .lenencInt(fields.lastInsertId ?? 0)
    .uint16((fields.status & ~Status.SessionStateChanged) | stateFlag)
    .uint16(fields.warnings ?? 0);
  if (info.length > 0 || state.length > 0) writer.lenencBytes(info);
  if (state.length > 0) writer.lenencBytes(state);
  return writer.packet(sequenceId);
}

/** An EOF packet (9 bytes with header), for a client that did not negotiate DEPRECATE_EOF. */
export function encodeEof(sequenceId: number, status: number, warnings: number): Buffer {
  return new PayloadWriter(5)
    .uint8(Reply.Eof)
    .uint16(warnings)
    .uint16(status & ~Status.SessionStateChanged)
    .packet(sequenceId);
}

export interface ErrPacket {
  readonly errno: number;
  readonly sqlState: string;
  readonly message: string;
}

/** Parses an ERR packet's payload. Before the handshake is over it has no SQLSTATE; both forms are read. */
export function parseErr(buf: Buffer, start: number, end: number): ErrPacket {
  const reader = new PayloadReader(buf, start, end);
  if (reader.uint8() !== Reply.Err) throw new MalformedPacketError('not an ERR packet');
  const errno = reader.uint16();
  let sqlState = 'HY000';
  if (reader.remaining >= 6 && reader.peek() === 0x23) {
    reader.skip(1);
    sqlState = reader.bytes(5).toString('latin1');
  }
  return { errno, sqlState, message: reader.rest().toString() };
}

/** Longest message text of an ERR packet in bytes (`MYSQL_ERRMSG_SIZE`). */
export const MAX_ERROR_MESSAGE = 511;

export function encodeErr(sequenceId: number, kind: ServerErrorKind, message: string): Buffer {
  return encodeErrPacket(sequenceId, { errno: kind.errno, sqlState: kind.sqlState, message });
}

export function encodeErrPacket(sequenceId: number, err: ErrPacket): Buffer {
  const text = messageBytes(err.message, MAX_ERROR_MESSAGE);
  return new PayloadWriter(9 + text.length)
    .uint8(Reply.Err)
    .uint16(err.errno)
    .text(`#${err.sqlState}`, 'latin1')
    .bytes(text)
    .packet(sequenceId);
}

/** A text as UTF-8, cut between two characters where it has more than `max` bytes. */
export function messageBytes(message: string, max: number): Buffer {
  const text = Buffer.from(message);
  return text.length > max ? text.subarray(0, characterStart(text, max)) : text;
}

/** Start of the UTF-8 character that the byte at `pos` belongs to. */
function characterStart(text: Buffer, pos: number): number {
  let start = pos;
  while (start > 0 && ((text[start] as number) & 0xc0) === 0x80) start--;
  return start;
}
