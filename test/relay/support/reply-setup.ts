import type { ChannelHandler, ServerChannel } from '../../../src/backend/server-channel.js';
import { ServerSession } from '../../../src/backend/server-session.js';
import { Capability, Status } from '../../../src/protocol/constants.js';
import type { ErrPacket, OkPacket } from '../../../src/protocol/generic-response.js';
import type { ReplyShape } from '../../../src/protocol/reply-tracker.js';
import { ClientReply, type ReplyObserver, type ReplyTarget } from '../../../src/relay/client-reply.js';
import { OutputBuffer } from '../../../src/relay/output-buffer.js';
import { ProfileRegistry } from '../../../src/session/profile.js';

export const READ_SIZE = 64 * 1024;

/** Where a channel's reads come from and its fate; the socket's part of a ServerChannel, with its rule for read buffers. */
export class Wire {
  handler: ChannelHandler | null = null;
  destroyed = false;
  paused = false;
  #readBuffer = Buffer.alloc(READ_SIZE);
  #reading = false;

  retainReadBuffer(): void {
    if (!this.#reading) throw new Error('retained outside of a read');
    this.#readBuffer = Buffer.alloc(READ_SIZE);
  }

  /** One read of the server's socket. Its buffer is overwritten afterwards, unless it was retained. */
  read(bytes: Uint8Array): void {
    const buffer = this.#readBuffer;
    buffer.set(bytes);
    this.#reading = true;
    this.handler?.onBytes(buffer, 0, bytes.length);
    this.#reading = false;
    if (this.#readBuffer === buffer) buffer.fill(0xee);
  }

  write(): boolean {
    return true;
  }

  pause(): void {
    this.paused = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.handler = null;
  }
}

export function newSession(): { session: ServerSession; wire: Wire } {
  const wire = new Wire();
  const registry = new ProfileRegistry();
  const profile = registry.initial(registry.baseline(new Map()), null, false);
  const info = {
    flavor: 'mariadb',
    versionText: '10.11.0',
    versionNumber: 101100,
    collation: 45,
    capabilities: 0,
  } as const;
  return { session: new ServerSession(wire as unknown as ServerChannel, info, 1, profile, 10), wire };
}

/** A client's socket: takes writes at once, or, when told to hold, keeps them without copying until it is drained. */
export class Socket implements ReplyTarget {
  holds = false;
  readonly #taken: Buffer[] = [];
  readonly #held: Uint8Array[] = [];

  get writableLength(): number {
    return this.#held.reduce((sum, { length }) => sum + length, 0);
  }

  get writableNeedDrain(): boolean {
    return this.writableLength > 16 * 1024;
  }

  write(buf: Uint8Array): boolean {
    if (this.holds || this.#held.length > 0) this.#held.push(buf);
    else this.#taken.push(Buffer.from(buf));
    return !this.writableNeedDrain;
  }

  drain(): void {
    this.#taken.push(...this.#held.splice(0).map((held) => Buffer.from(held)));
  }

  get received(): Buffer {
    this.drain();
    return Buffer.concat(this.#taken);
  }
}

export type Note = readonly [what: string, ...details: unknown[]];

export class Notes implements ReplyObserver {
  readonly connectionId = 7;
  /** As both servers tell it when nobody has set anything. */
  readonly told = {
    schema: true,
    stateChange: false,
    transactionState: false,
    characteristics: false,
    gtids: false,
    variables: new Set([
      'autocommit',
      'character_set_client',
      'character_set_connection',
      'character_set_results',
      'time_zone',
    ]),
  };
  status: number = Status.Autocommit;
  readonly list: Note[] = [];
  nextStatementId = 1;
  onComplete: () => void = () => {};

  replyOk(ok: OkPacket, rows: number | null): void {
    this.status = ok.status;
    this.list.push([
      'ok',
      ok.affectedRows,
      ok.lastInsertId,
      ok.status,
      ok.warnings,
      ok.session !== null,
      rows,
    ]);
  }

  replyErr({ errno }: ErrPacket, notExecuted: boolean): boolean {
    this.list.push(['err', errno, notExecuted]);
    return !notExecuted;
  }

  /** Errors told, by whose they are. */
  readonly errors: string[] = [];

  errTold(source: string): void {
    this.errors.push(source);
  }

  statementPrepared(serverId: number, parameters: number): number {
    this.list.push(['prepared', serverId, parameters]);
    return this.nextStatementId;
  }

  fileRequested(): void {
    this.list.push(['file']);
  }

  replyComplete(): void {
    this.list.push(['complete']);
    this.onComplete();
  }

  clientCongested(): void {
    this.list.push(['congested']);
  }

  serverDrained(): void {
    this.list.push(['drained']);
  }

  get completed(): number {
    return this.list.filter(([what]) => what === 'complete').length;
  }
}

export interface Setup {
  readonly reply: ClientReply;
  readonly socket: Socket;
  readonly notes: Notes;
  readonly session: ServerSession;
  readonly wire: Wire;
}

export function connect(deprecateEof: boolean, output = new OutputBuffer()): Setup {
  const socket = new Socket();
  const notes = new Notes();
  return {
    reply: new ClientReply(socket, deprecateEof ? Capability.DeprecateEof : 0, output, notes),
    socket,
    notes,
    ...newSession(),
  };
}

/** Sends one command after the other, each when the reply before is complete, as clients do that do not pipeline. */
export function command({ reply, session, notes }: Setup, shape: ReplyShape, statementId: number): void {
  notes.nextStatementId = statementId;
  reply.expect(shape, session);
  session.begin(reply);
}
