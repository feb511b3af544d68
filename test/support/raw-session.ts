import { connectServer, type ServerConnectOptions } from '../../src/backend/connect.js';
import type { ServerChannel } from '../../src/backend/server-channel.js';
import { Command, HEADER_SIZE, MAX_PACKET_PAYLOAD, Reply, Status } from '../../src/protocol/constants.js';
import { type ErrPacket, parseErr } from '../../src/protocol/generic-response.js';
import { PayloadReader } from '../../src/protocol/payload-reader.js';
import { PayloadWriter } from '../../src/protocol/payload-writer.js';
import type { ServerInfo } from '../../src/session/server-info.js';
import { mergeTracked, type RawOk, readOk, type Tracked } from './raw-ok.js';

/** How the end of a reply is told; see the commands' pages in the protocol documentation. */
export const Shape = {
  /** One packet, whatever it is. */
  Packet: 'packet',
  /** OK, ERR, a LOCAL INFILE request, or result sets. */
  Results: 'results',
  /** COM_STMT_PREPARE's answer. */
  Prepare: 'prepare',
  /** Rows of a cursor, up to their OK. */
  Rows: 'rows',
} as const;
export type Shape = (typeof Shape)[keyof typeof Shape];

export interface RawPacket {
  readonly sequenceId: number;
  readonly payload: Buffer;
}

export interface RawResult {
  readonly columns: readonly string[];
  /** Text rows decoded; binary rows as their payloads in latin1. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** One whole reply, as packets and as what they mean. */
export class RawReply {
  readonly packets: RawPacket[] = [];
  readonly results: RawResult[] = [];
  /** Every OK in it: of each statement, or at the end of each result set. */
  readonly oks: RawOk[] = [];
  err: ErrPacket | null = null;
  /** Name of the file asked for; the reply goes on after the file. */
  infile: string | null = null;
  prepared: { id: number; params: number; columns: number } | null = null;

  /** The last OK; fails the test when there is none. */
  get ok(): RawOk {
    const ok = this.oks.at(-1);
    if (ok === undefined) throw new Error(`no OK in this reply: ${this.err?.message ?? 'no ERR either'}`);
    return ok;
  }

  get status(): number {
    return this.ok.status;
  }

  /** What the trackers reported in all OKs of this reply, merged. */
  get tracked(): Tracked {
    return mergeTracked(this.oks.map((ok) => ok.tracked));
  }

  get rows(): readonly (readonly (string | null)[])[] {
    return this.results.at(-1)?.rows ?? [];
  }

  /** First column of the first row of the last result set. */
  get value(): string | null | undefined {
    return this.rows[0]?.[0];
  }
}

interface Waiter {
  readonly shape: Shape;
  readonly binary: boolean;
  readonly reply: RawReply;
  readonly parser: Generator<void, void, RawPacket>;
  readonly resolve: (reply: RawReply) => void;
  readonly reject: (error: Error) => void;
}

/** How a session that nobody asked anything ended. */
export interface SessionEnd {
  /** Bytes that came after the last reply. */
  readonly bytes: Buffer;
  readonly error: Error | null;
}

/**
 * A client of raw packets for tests: speaks DEPRECATE_EOF and SESSION_TRACK, hides nothing, and reads replies by rules of
 * its own (not by the code under test).
 */
export class RawSession {
  readonly channel: ServerChannel;
  readonly info: ServerInfo;
  readonly connectionId: number;
  readonly #waiting: Waiter[] = [];
  readonly ended: Promise<SessionEnd>;
  #input: Buffer = Buffer.alloc(0);
  #isEnded = false;

  private constructor(channel: ServerChannel, info: ServerInfo, connectionId: number) {
    this.channel = channel;
    this.info = info;
    this.connectionId = connectionId;
    this.ended = new Promise((resolve) => {
      channel.handler = {
        onBytes: (buf, start, end) => this.#onBytes(buf.subarray(start, end)),
        onDrain: () => {},
        onClosed: (error) => {
          this.#isEnded = true;
          resolve({ bytes: this.#input, error });
          for (const waiter of this.#waiting.splice(0))
            waiter.reject(new Error(`session ended, ${this.#input.toString('hex')}`, { cause: error }));
        },
      };
    });
  }

  static async open(options: ServerConnectOptions): Promise<RawSession> {
    const { channel, info, connectionId } = await connectServer(options);
    return new RawSession(channel, info, connectionId);
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  close(): void {
    this.channel.quit();
  }

  /** Sends a command and waits for its reply. */
  command(
    command: Command,
    payload: Uint8Array | string = '',
    shape: Shape = Shape.Results,
  ): Promise<RawReply> {
    const reply = this.expect(shape, command === Command.StmtExecute);
    this.channel.write(commandPacket(command, payload));
    return reply;
  }

  /** Waits for a reply to something written by {@link ServerChannel.write}, after those already waited for. */
  expect(shape: Shape, binary = false): Promise<RawReply> {
    return new Promise((resolve, reject) => {
      if (this.#isEnded) {
        reject(new Error('session ended'));
        return;
      }
      const reply = new RawReply();
      const parser = parse(reply, shape, binary);
      parser.next();
      this.#waiting.push({ shape, binary, reply, parser, resolve, reject });
      // An unasked packet, such as the OK behind "fast authentication", may be here already.
      this.#consume();
    });
  }

  query(sql: string): Promise<RawReply> {
    return this.command(Command.Query, sql);
  }

  /** As {@link query}; an ERR fails the test. */
  async must(sql: string): Promise<RawReply> {
    const reply = await this.query(sql);
    if (reply.err !== null) throw new Error(`${reply.err.errno} ${reply.err.message}: ${sql}`);
    return reply;
  }

  async value(sql: string): Promise<string | null | undefined> {
    return (await this.must(sql)).value;
  }

  /** Turns on all trackers that the proxy uses. */
  async arm(): Promise<void> {
    await this.must(ARM_TRACKERS);
  }

  async prepare(sql: string): Promise<RawReply> {
    return this.command(Command.StmtPrepare, sql, Shape.Prepare);
  }

  async prepareId(sql: string): Promise<number> {
    const { prepared, err } = await this.prepare(sql);
    if (prepared === null) throw new Error(`${err?.errno} ${err?.message}: ${sql}`);
    return prepared.id;
  }

  /** Executes with integer parameters (or none). */
  execute(id: number, params: readonly number[] = [], cursor = 0): Promise<RawReply> {
    return this.command(Command.StmtExecute, executePayload(id, params, cursor));
  }

  #onBytes(bytes: Buffer): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    this.#consume();
  }

  #consume(): void {
    while (this.#waiting.length > 0 && this.#input.length >= HEADER_SIZE) {
      const length = this.#input.readUIntLE(0, 3);
      if (length === MAX_PACKET_PAYLOAD) throw new Error('raw sessions are for packets below 16 MiB');
      if (this.#input.length < HEADER_SIZE + length) return;
      const packet = {
        sequenceId: this.#input[3] as number,
        payload: this.#input.subarray(HEADER_SIZE, HEADER_SIZE + length),
      };
      this.#input = this.#input.subarray(HEADER_SIZE + length);
      this.#onPacket(packet);
    }
  }

  #onPacket(packet: RawPacket): void {
    const [waiter] = this.#waiting;
    if (waiter === undefined) return;
    waiter.reply.packets.push(packet);
    try {
      if (waiter.parser.next(packet).done !== true) return;
    } catch (error) {
      waiter.reject(error as Error);
    }
    this.#waiting.shift();
    waiter.resolve(waiter.reply);
  }
}

export const ARM_TRACKERS =
  "SET SESSION session_track_system_variables='*', session_track_schema=ON, session_track_state_change=ON," +
  " session_track_transaction_info='CHARACTERISTICS'";

/** A whole command as one packet. */
export function commandPacket(command: Command, payload: Uint8Array | string = ''): Buffer {
  return new PayloadWriter(256).uint8(command).bytes(Buffer.from(payload)).packet(0);
}

export function executePayload(id: number, params: readonly number[], cursor: number): Buffer {
  const writer = new PayloadWriter(32).uint32(id).uint8(cursor).uint32(1);
  if (params.length > 0) {
    writer.zeros((params.length + 7) >> 3).uint8(1);
    for (const _ of params) writer.uint8(3).uint8(0);
    for (const param of params) writer.uint32(param);
  }
  return writer.packet(0).subarray(HEADER_SIZE);
}

/** Consumes the packets of one reply; finished when the reply is over. */
function* parse(reply: RawReply, shape: Shape, binary: boolean): Generator<void, void, RawPacket> {
  switch (shape) {
    case Shape.Packet:
      takeLone(reply, (yield).payload);
      return;
    case Shape.Results:
      yield* parseResults(reply, binary);
      return;
    case Shape.Prepare:
      yield* parsePrepare(reply);
      return;
    case Shape.Rows:
      yield* parseRows(reply, [], true);
      return;
  }
}

function takeLone(reply: RawReply, payload: Buffer): void {
  if (payload[0] === Reply.Ok) reply.oks.push(readOk(payload));
  if (payload[0] === Reply.Err) reply.err = parseErr(payload, 0, payload.length);
}

function* parseResults(reply: RawReply, binary: boolean): Generator<void, void, RawPacket> {
  for (;;) {
    const { payload } = yield;
    switch (payload[0]) {
      case Reply.Ok:
        reply.oks.push(readOk(payload));
        break;
      case Reply.Err:
        reply.err = parseErr(payload, 0, payload.length);
        return;
      case Reply.LocalInfile:
        reply.infile = payload.subarray(1).toString();
        return;
      default: {
        const count = new PayloadReader(payload).lenencInt();
        const columns = [];
        for (let i = 0; i < count; i++) columns.push(columnName((yield).payload));
        yield* parseRows(reply, columns, binary);
      }
    }
    if (reply.err !== null || (reply.status & Status.MoreResultsExist) === 0) return;
  }
}

function* parseRows(reply: RawReply, columns: string[], binary: boolean): Generator<void, void, RawPacket> {
  const rows: (string | null)[][] = [];
  reply.results.push({ columns, rows });
  for (;;) {
    const { payload } = yield;
    if (payload[0] === Reply.Err) {
      reply.err = parseErr(payload, 0, payload.length);
      return;
    }
    if (payload[0] === Reply.Eof) {
      reply.oks.push(readOk(payload));
      return;
    }
    rows.push(binary ? [payload.toString('latin1')] : textRow(payload));
  }
}

function* parsePrepare(reply: RawReply): Generator<void, void, RawPacket> {
  const { payload } = yield;
  if (payload[0] === Reply.Err) {
    reply.err = parseErr(payload, 0, payload.length);
    return;
  }
  const prepared = {
    id: payload.readUInt32LE(1),
    columns: payload.readUInt16LE(5),
    params: payload.readUInt16LE(7),
  };
  for (let i = 0; i < prepared.columns + prepared.params; i++) yield;
  reply.prepared = prepared;
}

function columnName(payload: Buffer): string {
  const reader = new PayloadReader(payload);
  for (let i = 0; i < 4; i++) reader.lenencBytes();
  return reader.lenencBytes().toString();
}

function textRow(payload: Buffer): (string | null)[] {
  const reader = new PayloadReader(payload);
  const row = [];
  while (reader.remaining > 0) row.push(reader.lenencBytesOrNull()?.toString() ?? null);
  return row;
}
