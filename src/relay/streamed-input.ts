import type { ServerSession } from '../backend/server-session.js';
import { HEADER_SIZE, MAX_PACKET_PAYLOAD } from '../protocol/constants.js';
import type { StatementReading } from '../sql/trait-cache.js';
import type { CommandReader } from './command-reader.js';

/** How far {@link StreamedInput.pump} came. */
export const Progress = {
  /** Everything there was has been passed on; more is to come from the client. */
  Starved: 0,
  /** The server does not take more at the moment. */
  Congested: 1,
  Done: 2,
  /** The command is larger than the proxy accepts. */
  TooLarge: 3,
  /** A packet whose sequence id does not continue the one before: it is another sender's, or nobody's. */
  OutOfOrder: 4,
} as const;
export type Progress = (typeof Progress)[keyof typeof Progress];

/** What becomes of the pieces of a command. */
export interface PieceTarget {
  /** One piece as it came, beginning with a header when `header` is true. Answers false when congested. */
  piece(buf: Buffer, start: number, end: number, header: boolean): boolean;
}

/**
 * Passes on what a client sends in more than a short packet: a command over the size that is assembled, or the file of
 * LOAD DATA LOCAL. Holds nothing back: memory stays flat whatever the size.
 */
export class StreamedInput {
  readonly #reader: CommandReader;
  readonly #target: PieceTarget;
  readonly #endsWithEmptyPacket: boolean;
  readonly #limit: number;
  #size = 0;
  /** The next packet continues this one: if it is empty, it ends that packet and not the file. */
  #continued = false;
  /** Of the next packet; -1 before the first. */
  #nextSequence = -1;

  /** `limit`: bytes after which it is {@link Progress.TooLarge}. */
  constructor(reader: CommandReader, target: PieceTarget, endsWithEmptyPacket: boolean, limit: number) {
    this.#reader = reader;
    this.#target = target;
    this.#endsWithEmptyPacket = endsWithEmptyPacket;
    this.#limit = limit;
  }

  pump(): Progress {
    const reader = this.#reader;
    while (reader.nextPiece()) {
      const { buf, start, end, headerLength, last } = reader;
      this.#size += end - start;
      if (this.#size > this.#limit) return Progress.TooLarge;
      if (headerLength >= 0) {
        const { sequenceId } = reader;
        if (this.#nextSequence >= 0 && sequenceId !== this.#nextSequence) return Progress.OutOfOrder;
        this.#nextSequence = (sequenceId + 1) & 0xff;
      }
      const flowing = this.#target.piece(buf, start, end, headerLength >= 0);
      const over = this.#endsWithEmptyPacket ? headerLength === 0 && !this.#continued : last;
      if (headerLength >= 0) this.#continued = headerLength === MAX_PACKET_PAYLOAD;
      if (over) return Progress.Done;
      if (!flowing) return Progress.Congested;
    }
    return Progress.Starved;
  }
}

/** A file's packets: their sequence ids go on from the request's, which the client may know by a higher number. */
export class FileTarget implements PieceTarget {
  readonly #session: ServerSession;

  constructor(session: ServerSession) {
    this.#session = session;
  }

  piece(buf: Buffer, start: number, end: number, header: boolean): boolean {
    if (header) buf[start + 3] = (buf[start + 3] as number) - this.#session.tracker.shift;
    return this.#session.channel.write(buf.subarray(start, end));
  }
}

/** A long command's packets. Its beginning may have been made anew for the session. */
export class LongCommandTarget implements PieceTarget {
  readonly #session: ServerSession;
  readonly #text: StatementReading | null;
  readonly #headLength: number;
  #newHead: Buffer | null;
  #first = true;

  /** `newHead` takes the place of the first `headLength` bytes, which are in the first piece. */
  constructor(
    session: ServerSession,
    text: StatementReading | null,
    headLength: number,
    newHead: Buffer | null,
  ) {
    this.#session = session;
    this.#text = text;
    this.#headLength = headLength;
    this.#newHead = newHead;
  }

  piece(buf: Buffer, start: number, end: number, header: boolean): boolean {
    // The command byte is not text.
    this.#text?.push(buf, start + (header ? HEADER_SIZE : 0) + (this.#first ? 1 : 0), end);
    this.#first = false;
    const head = this.#newHead;
    if (head === null) return this.#session.channel.write(buf.subarray(start, end));
    this.#newHead = null;
    return this.#session.channel.write(Buffer.concat([head, buf.subarray(start + this.#headLength, end)]));
  }
}

/** Reads the rest of a command that failed before it was sent on. */
export const SKIP: PieceTarget = { piece: () => true };
