import type { Exchange, ServerSession, SessionLostError } from '../backend/server-session.js';
import { Capability, HEADER_SIZE, Reply, ServerError, Status } from '../protocol/constants.js';
import { type ErrPacket, encodeOk, type OkPacket, parseErr, parseOk } from '../protocol/generic-response.js';
import { MalformedPacketError } from '../protocol/payload-reader.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import { stateForClient, type ToldState } from '../protocol/session-state.js';
import { encodeForClient } from './client-errors.js';
import type { Conditions, ConditionsWanted } from './conditions.js';
import { ErrorSource } from './error-source.js';
import type { FirstRow } from './first-row.js';
import type { Lesson } from './lesson.js';
import type { ByteSink, OutputBuffer } from './output-buffer.js';

/** What a client's session learns from the reply to its command. */
export interface ReplyObserver {
  /** The client's id. */
  readonly connectionId: number;
  /** The session's status flags, as far as known. */
  readonly status: number;
  /**
   * Each OK of the reply. `rows`: how many the result set had that it ends; null when it ends none. `row`: the first of
   * them, where it was kept ({@link ClientReply.expect}); whole numbers only.
   */
  replyOk(ok: OkPacket, rows: number | null, row: readonly (bigint | null)[] | null): void;
  /** The client gets an error. */
  errTold(source: ErrorSource): void;
  /**
   * `notExecuted`: the server refused before it did anything. `untold`: the client has nothing of the reply yet. Whether
   * it is to be passed on: only what is untold can be kept back. Or what is told in its place.
   */
  replyErr(err: ErrPacket, notExecuted: boolean, untold: boolean): boolean | ErrPacket;
  /** Returns the id under which the client will know the statement. */
  statementPrepared(serverId: number, parameters: number): number;
  fileRequested(): void;
  replyComplete(): void;
  /** The client reads more slowly than the server sends. */
  clientCongested(): void;
  /** The server takes bytes again. */
  serverDrained(): void;
  /** What the client's OK packets tell of its session. */
  readonly told: ToldState;
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
  /** Of the reply under way, or of the last one, as the server sent it. */
  bytes = 0;
  /** Learns from the next command's reply. */
  lesson: Lesson | null = null;
  readonly #target: ReplyTarget;
  readonly #deprecateEof: boolean;
  readonly #sessionTrack: boolean;
  readonly #output: OutputBuffer;
  readonly #observer: ReplyObserver;
  #session: ServerSession | null = null;
  /** Something of the reply under way may be on its way to the client. */
  #flushed = false;
  /** The proxy has ended the statement under way: in place of the server's word that it was interrupted. */
  #interruption: ErrPacket | null = null;
  /** Nothing of the reply is passed on before it is known whether it says so. */
  #withheld = false;
  /** Keeps the first row, where somebody wants to know it. */
  #row: FirstRow | null = null;
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

  /** The client's session begins anew, with these status flags. */
  restart(status: number): void {
    this.#status = status & SESSION_FLAGS;
  }

  /** A reply that is made here. */
  conditions(conditions: Conditions, wanted: ConditionsWanted): void {
    if (this.discard) return;
    this.#output.insert(conditions.reply(wanted, this.#deprecateEof, this.#status), this.#target);
    this.#output.flush(this.#target);
  }

  /** A reply that is known without asking the server: the OK packets of an earlier one. */
  repeat(packets: readonly Buffer[]): void {
    for (const packet of packets) {
      const ok = parseOk(packet, HEADER_SIZE, packet.length);
      this.#status = ok.status & SESSION_FLAGS;
      this.#passOk(ok, packet, 0, packet.length);
    }
    this.#output.flush(this.#target);
  }

  /** The next command's reply: its shape, the session it comes from, and what keeps its first row. */
  expect(shape: ReplyShape, session: ServerSession, row: FirstRow | null = null): void {
    this.shape = shape;
    this.#session = session;
    this.bytes = 0;
    this.#row = row;
    // An ERR has no status: what it has changed was asked for since.
    this.restart(this.#observer.status);
    this.#flushed = false;
    this.#interruption = null;
  }

  /**
   * The proxy ends the statement under way: `err` takes the place of error 1317. `isRead`: also of a result, if nothing of it
   * has been passed on: some reads that are interrupted end as if they had not been (SLEEP on MySQL).
   */
  interrupt(err: ErrPacket, isRead: boolean): void {
    if (this.discard) return;
    this.#interruption = err;
    if (!isRead || this.#flushed) return;
    this.#withheld = true;
    this.discard = true;
  }

  /** The command ends with an error. @returns why the proxy has ended it; null where it has not */
  takeInterruption(): ErrPacket | null {
    const interruption = this.#interruption;
    this.#interruption = null;
    return interruption;
  }

  /** The reply ends otherwise. @returns whether the client was to get one and has got nothing of it */
  takeBack(): boolean {
    const withheld = this.#withheld;
    if (withheld) this.#release();
    return withheld;
  }

  /** The client has gone. */
  abandon(): void {
    this.#withheld = false;
    this.discard = true;
  }

  span(buf: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    if (this.#row !== null) this.#row.push(buf, start, end);
    if (!this.discard) this.#output.span(buf, start, end, this.#target);
  }

  ok(buf: Buffer, start: number, end: number, closesResultSet: boolean): void {
    this.bytes += end - start;
    const ok = parseOk(buf, start + HEADER_SIZE, end);
    const tracker = (this.#session as ServerSession).tracker;
    this.#status = ok.status & SESSION_FLAGS;
    const row = this.#row?.read() ?? null;
    this.#row = null;
    this.#observer.replyOk(ok, closesResultSet ? tracker.rows : null, row);
    if (this.lesson !== null) this.lesson.ok(buf, start, end, ok, closesResultSet);
    if (this.#withheld) {
      this.#release();
      if (closesResultSet && this.#interruption !== null) {
        this.#observer.errTold(ErrorSource.Proxy);
        this.#insertErr(FIRST_SEQUENCE, this.#interruption);
        return;
      }
    }
    if (this.discard) return;
    if (closesResultSet && !this.#deprecateEof) {
      this.#output.insert(eofPacket(buf[start + 3] as number, ok.status, ok.warnings), this.#target);
    } else {
      this.#passOk(ok, buf, start, end);
    }
  }

  #passOk(ok: OkPacket, buf: Buffer, start: number, end: number): void {
    if ((ok.status & Status.SessionStateChanged) === 0) {
      this.#output.span(buf, start, end, this.#target);
    } else {
      const state = this.#sessionTrack
        ? stateForClient(buf, ok.stateStart, ok.stateEnd, this.#observer.told)
        : NO_STATE;
      const header = buf[start + HEADER_SIZE];
      this.#output.insert(encodeOk(buf[start + 3] as number, { ...ok, state }, header), this.#target);
    }
  }

  err(buf: Buffer, start: number, end: number): void {
    if (end - start < HEADER_SIZE + 3) throw new MalformedPacketError('ERR packet ends too early');
    this.bytes += end - start;
    const err = parseErr(buf, start + HEADER_SIZE, end);
    const { refused, isLone } = (this.#session as ServerSession).tracker;
    const told = this.#observer.replyErr(err, refused, isLone || !this.#flushed);
    if (this.#withheld) {
      this.#release();
      buf[start + 3] = FIRST_SEQUENCE;
    }
    if (told === false) this.#output.drop(this.#target);
    else if (this.discard) return;
    else if (told === true) this.#passErr(err.errno, buf, start, end);
    else {
      this.#observer.errTold(ErrorSource.Proxy);
      this.#insertErr(buf[start + 3] as number, told);
    }
  }

  #passErr(errno: number, buf: Buffer, start: number, end: number): void {
    if (this.#interruption !== null && errno === ServerError.QueryInterrupted.errno) {
      this.#observer.errTold(ErrorSource.Proxy);
      this.#insertErr(buf[start + 3] as number, this.#interruption);
      return;
    }
    this.#observer.errTold(ErrorSource.Server);
    this.#output.span(buf, start, end, this.#target);
  }

  #insertErr(sequenceId: number, err: ErrPacket): void {
    this.#output.insert(encodeForClient(sequenceId, err, this.#observer.connectionId), this.#target);
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
    this.#flushed = true;
    this.#flush();
    if (this.#target.writableNeedDrain && !this.discard) this.#observer.clientCongested();
  }

  replyEnd(): void {
    this.#flush();
    this.#interruption = null;
    this.#observer.replyComplete();
  }

  drained(): void {
    this.#observer.serverDrained();
  }

  #release(): void {
    this.#withheld = false;
    this.discard = false;
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

/** Of the reply to a command of one packet. */
const FIRST_SEQUENCE = 1;

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
