import type { ServerSession } from '../backend/server-session.js';
import { HEADER_SIZE, MAX_PACKET_PAYLOAD } from '../protocol/constants.js';
import type { StatementReading } from '../sql/trait-cache.js';
import { giveBack } from '../streams/read-chunks.js';
import type { CommandReader } from './command-reader.js';

/** How far {@link StreamedInput.pump} came. */
export const Progress = {
  /** Everything there was has been passed on; more is to come from the client. */
  Starved: 0,
  /** The server does not take more at the moment. */
  Congested: 1,
  Done: 2,
  /** The command is larger than the proxy accepts; nothing more of it was passed on. */
  TooLarge: 3,
  /** A packet whose sequence id does not continue the one before: it is another sender's, or nobody's. */
  OutOfOrder: 4,
  /** The command, or a packet of the file, is larger than the server accepts; nothing more of it was passed on. */
  PastServer: 5,
} as const;
export type Progress = (typeof Progress)[keyof typeof Progress];

/** What becomes of the pieces of a command. */
export interface PieceTarget {
  /** {@link ServerSession.maxPayload} */
  readonly maxPayload: number;
  /** One piece as it came, beginning with a header when `header` is true. Answers false when congested. */
  piece(buf: Buffer, start: number, end: number, header: boolean): boolean;
  /** What it has taken is to go on now. Answers false when congested. */
  flush(): boolean;
  /** All that it has taken has been passed on, and nothing refers to it any more. */
  readonly isDone: boolean;
}

/** Chunks that are remembered until the server takes them; more may become garbage. */
const MOST_TAKEN = 8;

/**
 * Passes on what a client sends in more than a short packet: a command over the size that is assembled, or the file of
 * LOAD DATA LOCAL. Holds nothing back: memory stays flat whatever the size.
 */
export class StreamedInput {
  readonly #reader: CommandReader;
  readonly #target: PieceTarget;
  readonly #endsWithEmptyPacket: boolean;
  readonly #limit: number;
  /** Of the packet under way and those that it continues, as their headers say. */
  #payload = 0;
  /** The next packet continues this one: if it is empty, it ends that packet and not the file. */
  #continued = false;
  /** Of the next packet; -1 before the first. */
  #nextSequence = -1;
  /** Chunks of which all has been taken, but may not be passed on yet. */
  readonly #taken: Buffer[] = [];
  /** The chunk under way, if it has come to be streamed as a whole. */
  #chunk: Buffer | null = null;

  /** `limit`: a payload of more bytes is {@link Progress.TooLarge}, as soon as its header has come. */
  constructor(reader: CommandReader, target: PieceTarget, endsWithEmptyPacket: boolean, limit: number) {
    this.#reader = reader;
    this.#target = target;
    this.#endsWithEmptyPacket = endsWithEmptyPacket;
    this.#limit = limit;
  }

  pump(): Progress {
    const reader = this.#reader;
    this.#reuse();
    while (reader.nextPiece()) {
      const { buf, start, end, headerLength, last } = reader;
      if (headerLength >= 0) {
        const { sequenceId } = reader;
        if (this.#nextSequence >= 0 && sequenceId !== this.#nextSequence) return Progress.OutOfOrder;
        this.#nextSequence = (sequenceId + 1) & 0xff;
        this.#payload = this.#continued ? this.#payload + headerLength : headerLength;
        if (this.#payload > this.#limit) return Progress.TooLarge;
        if (this.#payload >= this.#target.maxPayload) return Progress.PastServer;
      }
      let flowing = this.#target.piece(buf, start, end, headerLength >= 0);
      // A command's beginning, which its digest is made of later, is longer than a chunk (LONG_COMMAND_HEAD): a copy, never lent.
      if (start === 0) this.#chunk = buf;
      if (end === buf.length) {
        flowing = this.#target.flush() && flowing;
        this.#chunkTaken(buf);
      }
      const over = this.#endsWithEmptyPacket ? headerLength === 0 && !this.#continued : last;
      if (headerLength >= 0) this.#continued = headerLength === MAX_PACKET_PAYLOAD;
      if (over) {
        this.#target.flush();
        return Progress.Done;
      }
      if (!flowing) return Progress.Congested;
    }
    return this.#target.flush() ? Progress.Starved : Progress.Congested;
  }

  /** It can be read into again, unless it is still being written. */
  #chunkTaken(chunk: Buffer): void {
    // Of what came before in the same chunk, somebody may know yet.
    if (chunk === this.#chunk && this.#taken.length < MOST_TAKEN) this.#taken.push(chunk);
    this.#chunk = null;
    this.#reuse();
  }

  #reuse(): void {
    if (this.#taken.length === 0 || !this.#target.isDone) return;
    for (const done of this.#taken) giveBack(done);
    this.#taken.length = 0;
  }
}

/**
 * A file's packets: their sequence ids go on from the request's, which the client may know by a higher number. Those of one chunk
 * are written together: clients make them of 16 KiB and less.
 */
export class FileTarget implements PieceTarget {
  readonly #session: ServerSession;
  #buf: Buffer = NOTHING;
  #start = 0;
  #end = 0;

  constructor(session: ServerSession) {
    this.#session = session;
  }

  get maxPayload(): number {
    return this.#session.maxPayload;
  }

  piece(buf: Buffer, start: number, end: number, header: boolean): boolean {
    if (header) buf[start + 3] = (buf[start + 3] as number) - this.#session.tracker.shift;
    if (buf === this.#buf && start === this.#end) {
      this.#end = end;
      return true;
    }
    const flowing = this.flush();
    this.#buf = buf;
    this.#start = start;
    this.#end = end;
    return flowing;
  }

  flush(): boolean {
    if (this.#start === this.#end) return true;
    const part = this.#buf.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return this.#session.channel.write(part);
  }

  get isDone(): boolean {
    return this.#start === this.#end && this.#session.channel.pendingBytes === 0;
  }
}

const NOTHING = Buffer.alloc(0);

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

  get maxPayload(): number {
    return this.#session.maxPayload;
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

  flush(): boolean {
    return true;
  }

  get isDone(): boolean {
    return this.#session.channel.pendingBytes === 0;
  }
}

/** Reads the rest of a command that failed before it was sent on. */
export const SKIP: PieceTarget = {
  maxPayload: Number.POSITIVE_INFINITY,
  piece: () => true,
  flush: () => true,
  isDone: true,
};
