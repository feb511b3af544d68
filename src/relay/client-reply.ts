import type { Exchange, ServerSession, SessionLostError } from '../backend/server-session.js';
import { Capability, HEADER_SIZE, Reply, Status } from '../protocol/constants.js';
import { encodeOk, type OkPacket, parseOk } from '../protocol/generic-response.js';
import { MalformedPacketError } from '../protocol/payload-reader.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import { stateForClient } from '../protocol/session-state.js';
import type { ByteSink, OutputBuffer } from './output-buffer.js';

/** What a client's session learns from the reply to its command. */
export interface ReplyObserver {
  /** Each OK of the reply, also those that end a result set of `rows` rows. */
  replyOk(ok: OkPacket, rows: number | null): void;
  /** `notExecuted`: the server refused before it did anything, and the packet was not passed on. */
  replyErr(errno: number, notExecuted: boolean): void;
  /** Returns the id under which the client will know the statement. */
  statementPrepared(serverId: number, parameters: number): number;
  fileRequested(): void;
  replyComplete(): void;
  /** The client reads more slowly than the server sends. */
  clientCongested(): void;
  /** The server takes bytes again. */
  serverDrained(): void;
}

/** A client's socket, as far as replies are concerned. */
export interface ReplyTarget extends ByteSink {
  readonly writableNeedDrain: boolean;
}

/**
 * Passes a server's reply on to a client, in the client's dialect: server sessions always speak DEPRECATE_EOF and
 * SESSION_TRACK, most clients do not. For them the EOF after the column definitions is put in, later sequence ids move
 * up, the closing OK shrinks to an EOF, and tracker data is taken out. One object per client, used for every command.
 */
export class ClientReply implements Exchange {
  shape: ReplyShape = ReplyShape.Ok;
  /** The client has gone: the reply is read to its end, for nobody. */
  discard = false;
  readonly #target: ReplyTarget;
  readonly #deprecateEof: boolean;
  readonly #sessionTrack: boolean;
  readonly #output: OutputBuffer;
  readonly #observer: ReplyObserver;
  #session: ServerSession | null = null;
  /** Status flags of the last OK: an EOF put in carries them. */
  #status: number = Status.Autocommit;

  /** `capabilities`: what the client negotiated. */
  constructor(target: ReplyTarget, capabilities: number, output: OutputBuffer, observer: ReplyObserver) {
    this.#target = target;
    this.#deprecateEof = (capabilities & Capability.DeprecateEof) !== 0;
    this.#sessionTrack = (capabilities & Capability.SessionTrack) !== 0;
    this.#output = output;
    this.#observer = observer;
  }

  /** The next command's reply: its shape, and the session it comes from. */
  expect(shape: ReplyShape, session: ServerSession): void {
    this.shape = shape;
    this.#session = session;
  }

  span(buf: Buffer, start: number, end: number): void {
    if (!this.discard) this.#output.span(buf, start, end, this.#target);
  }

  ok(buf: Buffer, start: number, end: number, closesResultSet: boolean): void {
    const payload = start + HEADER_SIZE;
    const ok = parseOk(buf, payload, end);
    const tracker = (this.#session as ServerSession).tracker;
    this.#status = ok.status & SESSION_FLAGS;
    this.#observer.replyOk(ok, closesResultSet ? tracker.rows : null);
    if (this.discard) return;
    const sequenceId = buf[start + 3] as number;
    if (closesResultSet && !this.#deprecateEof) {
      this.#output.insert(eofPacket(sequenceId, ok.status, ok.warnings), this.#target);
    } else if ((ok.status & Status.SessionStateChanged) === 0) {
      this.#output.span(buf, start, end, this.#target);
    } else {
      const state = this.#sessionTrack ? stateForClient(buf, ok.stateStart, ok.stateEnd) : NO_STATE;
      this.#output.insert(encodeOk(sequenceId, { ...ok, state }, buf[payload]), this.#target);
    }
  }

  err(buf: Buffer, start: number, end: number): void {
    if (end - start < HEADER_SIZE + 3) throw new MalformedPacketError('ERR packet ends too early');
    const errno = buf.readUInt16LE(start + HEADER_SIZE + 1);
    const notExecuted = (this.#session as ServerSession).tracker.refused;
    this.#observer.replyErr(errno, notExecuted);
    if (!this.discard && !notExecuted) this.#output.span(buf, start, end, this.#target);
  }

  columnsEnd(sequenceId: number, rowsFollow: boolean): number {
    // A cursor's OK takes the place of this EOF; ok() turns it into one.
    if (this.#deprecateEof || !rowsFollow) return 0;
    if (!this.discard) this.#output.insert(eofPacket(sequenceId, this.#status, 0), this.#target);
    return 1;
  }

  definitionsEnd(sequenceId: number): number {
    if (this.#deprecateEof) return 0;
    if (!this.discard) this.#output.insert(eofPacket(sequenceId, this.#status, 0), this.#target);
    return 1;
  }

  prepared(buf: Buffer, start: number, end: number, parameters: number): void {
    const id = start + HEADER_SIZE + 1;
    const clientId = this.#observer.statementPrepared(buf.readUInt32LE(id), parameters);
    buf.writeUInt32LE(clientId, id);
    this.span(buf, start, end);
  }

  localInfile(buf: Buffer, start: number, end: number): void {
    this.span(buf, start, end);
    this.#observer.fileRequested();
  }

  chunkEnd(): void {
    this.#flush();
    if (this.#target.writableNeedDrain && !this.discard) this.#observer.clientCongested();
  }

  replyEnd(): void {
    this.#flush();
    this.#observer.replyComplete();
  }

  drained(): void {
    this.#observer.serverDrained();
  }

  lost(_error: SessionLostError): void {
    // The borrower hears of it from the session itself, whatever it was doing.
    this.#output.drop(this.#target);
  }

  #flush(): void {
    if (this.discard) this.#output.drop(this.#target);
    else if (this.#output.flush(this.#target)) this.#session?.channel.retainReadBuffer();
  }
}

/** Flags that are the session's and last; all others are about one statement, and servers begin each without them. */
const SESSION_FLAGS =
  Status.Autocommit |
  Status.InTransaction |
  Status.InTransactionReadonly |
  Status.NoBackslashEscapes |
  Status.AnsiQuotes;

const NO_STATE = Buffer.alloc(0);

/** One packet for all: it is copied before the next one is made. */
const EOF_PACKET = Buffer.from([5, 0, 0, 0, Reply.Eof, 0, 0, 0, 0]);

function eofPacket(sequenceId: number, status: number, warnings: number): Buffer {
  EOF_PACKET[3] = sequenceId;
  EOF_PACKET[5] = warnings;
  EOF_PACKET[6] = warnings >> 8;
  EOF_PACKET[7] = status;
  EOF_PACKET[8] = (status & ~Status.SessionStateChanged) >> 8;
  return EOF_PACKET;
}
