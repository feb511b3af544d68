import { BouncerError } from '../errors.js';
import { Command, HEADER_SIZE } from '../protocol/constants.js';
import { type ErrPacket, type OkPacket, parseErr, parseOk } from '../protocol/generic-response.js';
import { PayloadReader } from '../protocol/payload-reader.js';
import { PayloadWriter } from '../protocol/payload-writer.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import { type Exchange, type ServerSession, SessionLostError } from './server-session.js';

/** A command that the proxy itself sends: state to restore, a value to read back, a reset. */
export interface InternalCommand {
  readonly packet: Buffer;
  readonly shape: ReplyShape;
}

/** The reply to an {@link InternalCommand}. */
export interface InternalReply {
  readonly ok: OkPacket | null;
  readonly err: ErrPacket | null;
  /** Rows of a text result set; null is SQL NULL. */
  readonly rows: (string | null)[][];
  /** The text result set as it came, without the OK that ends it. */
  readonly packets: Buffer;
  /** COM_STMT_PREPARE: the server's statement id. */
  readonly statementId: number;
}

/** The server refused a command of the proxy's own. */
export class InternalCommandError extends BouncerError {
  readonly code = 'INTERNAL_COMMAND_FAILED';
  readonly err: ErrPacket;

  constructor(err: ErrPacket) {
    super(`${err.errno} (${err.sqlState}): ${err.message}`);
    this.err = err;
  }
}

/** Of several commands, the refusal that came first. */
export function firstError(replies: readonly InternalReply[]): InternalCommandError | null {
  const err = replies.find((reply) => reply.err !== null)?.err;
  return err ? new InternalCommandError(err) : null;
}

export function queryCommand(sql: string | Buffer): InternalCommand {
  const text = typeof sql === 'string' ? Buffer.from(sql) : sql;
  return {
    packet: new PayloadWriter(1 + text.length).uint8(Command.Query).bytes(text).packet(0),
    shape: ReplyShape.ResultSet,
  };
}

export function initDbCommand(schema: Buffer): InternalCommand {
  const packet = new PayloadWriter(1 + schema.length).uint8(Command.InitDb).bytes(schema).packet(0);
  return { packet, shape: ReplyShape.Ok };
}

/** COM_SET_OPTION: 0 switches multi-statements on, 1 off. */
export function setOptionCommand(multiStatements: boolean): InternalCommand {
  const packet = new PayloadWriter(3)
    .uint8(Command.SetOption)
    .uint16(multiStatements ? 0 : 1)
    .packet(0);
  return { packet, shape: ReplyShape.Eof };
}

export function prepareCommand(sql: Buffer): InternalCommand {
  const packet = new PayloadWriter(1 + sql.length).uint8(Command.StmtPrepare).bytes(sql).packet(0);
  return { packet, shape: ReplyShape.Prepare };
}

const simpleCommand = (command: Command): InternalCommand => ({
  packet: new PayloadWriter(1).uint8(command).packet(0),
  shape: ReplyShape.Ok,
});

export const RESET_CONNECTION = simpleCommand(Command.ResetConnection);
export const PING = simpleCommand(Command.Ping);
/** A server that shuts down refuses it, while it still answers a PING. */
export const ANY_STATEMENT = queryCommand('DO 0');

/**
 * Sends commands in one write and gathers their replies, in order. Later commands run even when an earlier one fails.
 * `done` is called once: with a reply for each command, or with the error that ended the session.
 */
export function runInternal(
  session: ServerSession,
  commands: readonly InternalCommand[],
  done: (replies: readonly InternalReply[], lost: SessionLostError | null) => void,
): void {
  const replies: InternalReply[] = [];
  let finished = false;
  const finish = (lost: SessionLostError | null): void => {
    if (finished) return;
    finished = true;
    done(replies, lost);
  };
  if (session.closed) {
    // Not from within the call: no caller reckons with an answer before it has returned.
    process.nextTick(finish, new SessionLostError('the session was closed before'));
    return;
  }
  session.lastBorrower = null;
  for (const { shape } of commands) {
    session.begin(
      new CollectingExchange(
        shape,
        (reply) => {
          replies.push(reply);
          if (replies.length === commands.length) finish(null);
        },
        finish,
        (cause) => {
          session.fail(`the reply to an internal command cannot be read: ${cause.message}`);
          // Those behind it have heard by now, and the first of them has told; where there are none, this one does.
          finish(new SessionLostError('the reply to an internal command cannot be read', { cause }));
        },
      ),
    );
  }
  session.channel.write(
    commands.length === 1 && commands[0] ? commands[0].packet : Buffer.concat(commands.map((c) => c.packet)),
  );
}

/** {@link runInternal} for the paths that are not hot; rejects with the first ERR or the loss of the session. */
export function callInternal(
  session: ServerSession,
  commands: readonly InternalCommand[],
): Promise<readonly InternalReply[]> {
  return new Promise((resolve, reject) => {
    runInternal(session, commands, (replies, lost) => {
      const refused = replies.find((reply) => reply.err !== null)?.err;
      if (lost !== null) reject(lost);
      else if (refused) reject(new InternalCommandError(refused));
      else resolve(replies);
    });
  });
}

/** Replies to the proxy's own commands are short; one that is not is a mistake that must not fill the memory. */
const MAX_COLLECTED = 4 << 20;
/** Rows take more memory than bytes do. The longest lists asked for have at most so many. */
const MAX_ROWS = 100_000;

class CollectingExchange implements Exchange {
  readonly shape: ReplyShape;
  readonly #deliver: (reply: InternalReply) => void;
  readonly #fail: (error: SessionLostError) => void;
  readonly #unreadable: (cause: Error) => void;
  /** All packets but OK and ERR, in the first #size bytes: it grows in doubling steps, however small the pieces that come. */
  #collected: Buffer = NO_PACKETS;
  #size = 0;
  /** Of OK packets: with "more results" there may be any number of them. */
  #okSize = 0;
  #ok: OkPacket | null = null;
  #err: ErrPacket | null = null;
  #statementId = 0;

  constructor(
    shape: ReplyShape,
    deliver: (reply: InternalReply) => void,
    fail: (error: SessionLostError) => void,
    unreadable: (cause: Error) => void,
  ) {
    this.shape = shape;
    this.#deliver = deliver;
    this.#fail = fail;
    this.#unreadable = unreadable;
  }

  span(buf: Buffer, start: number, end: number): void {
    const size = this.#size + end - start;
    if (size > MAX_COLLECTED) throw tooLong();
    if (size > this.#collected.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, 2 * this.#collected.length));
      this.#collected.copy(grown, 0, 0, this.#size);
      this.#collected = grown;
    }
    buf.copy(this.#collected, this.#size, start, end);
    this.#size = size;
  }

  ok(buf: Buffer, start: number, end: number): void {
    this.#okSize += end - start;
    if (this.#okSize > MAX_COLLECTED) throw tooLong();
    // COM_SET_OPTION's 0xFE packet is an OK under DEPRECATE_EOF.
    this.#ok = parseOk(Buffer.from(buf.subarray(start + HEADER_SIZE, end)), 0, end - start - HEADER_SIZE);
  }

  err(buf: Buffer, start: number, end: number): void {
    this.#err = parseErr(buf, start + HEADER_SIZE, end);
  }

  columnsEnd(): number {
    return 0;
  }

  prepared(buf: Buffer, start: number): void {
    this.#statementId = buf.readUInt32LE(start + HEADER_SIZE + 1);
  }

  definitionsEnd(): number {
    return 0;
  }

  localInfile(): void {
    throw new RangeError('an internal command was answered with a LOCAL INFILE request');
  }

  chunkEnd(): void {}

  drained(): void {}

  replyEnd(): void {
    let reply: InternalReply;
    try {
      reply = this.#reply();
    } catch (error) {
      if (!(error instanceof BouncerError || error instanceof RangeError)) throw error;
      this.#unreadable(error);
      return;
    }
    this.#deliver(reply);
  }

  /** @throws MalformedPacketError | RangeError for what no server sends: nobody who gets a reply has to reckon with it */
  #reply(): InternalReply {
    const isResultSet = this.shape === ReplyShape.ResultSet && this.#err === null;
    const packets = isResultSet ? this.#collected.subarray(0, this.#size) : NO_PACKETS;
    resultsCollation({ packets });
    return {
      ok: this.#ok,
      err: this.#err,
      rows: textRows(packets),
      packets,
      statementId: this.#statementId,
    };
  }

  lost(error: SessionLostError): void {
    this.#fail(error);
  }
}

function tooLong(): RangeError {
  return new RangeError('the reply to an internal command is too long');
}

const NO_PACKETS = Buffer.alloc(0);

/**
 * Collation id in the first column definition of a text result set: that of the session's character_set_results, where the
 * column is a text and character_set_results not NULL. 0 where there is none.
 */
export function resultsCollation({ packets }: Pick<InternalReply, 'packets'>): number {
  if (packets.length < HEADER_SIZE) return 0;
  const definition = HEADER_SIZE + packets.readUIntLE(0, 3);
  if (definition + HEADER_SIZE > packets.length) return 0;
  const start = definition + HEADER_SIZE;
  const reader = new PayloadReader(packets, start, start + packets.readUIntLE(definition, 3));
  // Catalog, schema, table, its own name, column, its own name.
  for (let i = 0; i < 6; i++) reader.lenencBytes();
  reader.lenencInt();
  return reader.uint16();
}

/** Reads a text result set without its closing OK: column count, definitions, rows. */
function textRows(buf: Buffer): (string | null)[][] {
  const rows: (string | null)[][] = [];
  let columns = 0;
  let packet = 0;
  for (let pos = 0; pos < buf.length; packet++) {
    const payload = pos + HEADER_SIZE;
    pos = payload + buf.readUIntLE(pos, 3);
    const reader = new PayloadReader(buf, payload, pos);
    if (packet === 0) columns = reader.lenencInt();
    if (packet <= columns) continue;
    if (rows.length >= MAX_ROWS) throw tooLong();
    const row: (string | null)[] = [];
    for (let i = 0; i < columns; i++) row.push(reader.lenencBytesOrNull()?.toString() ?? null);
    rows.push(row);
  }
  return rows;
}
