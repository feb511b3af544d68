import type { ServerSession } from '../backend/server-session.js';
import type { ClientSocket } from '../streams/client-socket.js';
import { CommandReader } from './command-reader.js';
import { FurtherReading } from './further-reading.js';
import { FileTarget, type PieceTarget, Progress, SKIP, StreamedInput } from './streamed-input.js';

/** What is being streamed. */
export const StreamKind = { Command: 0, File: 1, Skipped: 2 } as const;
export type StreamKind = (typeof StreamKind)[keyof typeof StreamKind];

/**
 * Null: more is to come. Too large, past server: more than the proxy, or the server, accepts, and whether there is more of it.
 * Out of order: the sequence id.
 */
export type StreamOutcome =
  | { readonly done: StreamKind }
  | { readonly tooLarge: StreamKind; readonly goesOn: boolean }
  | { readonly outOfOrder: number }
  | { readonly pastServer: StreamKind; readonly goesOn: boolean }
  | null;

/** Bytes that a client may send ahead before it is made to wait. */
const MAX_BACKLOG = 256 * 1024;

/**
 * Bytes of a command that cannot be run which are read, so that its client, which reads nothing before it has sent all, learns
 * why: as many as a server may be set up to take.
 */
const MAX_SKIPPED = 2 ** 30;

/**
 * What is read of a client that waits, so that its end is seen: bytes each second, and in all. Of one that has more than that
 * on the way (the kernels' buffers hold up to some MiB, too), the end is not seen before the server goes on.
 */
const FURTHER_STEP = 1 << 20;
const MAX_FURTHER = 8 << 20;
/** Of all clients of the process. */
const FURTHER = new FurtherReading(64 << 20);

/** A client's side of the stream: commands one by one, and what is passed on piece by piece; makes the socket wait. */
export class ClientInput {
  readonly reader = new CommandReader();
  readonly #socket: ClientSocket;
  /** Longest payload of a command. */
  readonly maxPacketSize: number;
  #streamed: StreamedInput | null = null;
  #kind: StreamKind = StreamKind.Command;
  /** The server does not take what is streamed. */
  #congested = false;
  /** Bytes that may be read although the client is to wait. */
  #further = 0;

  constructor(socket: ClientSocket, maxPacketSize: number) {
    this.#socket = socket;
    this.maxPacketSize = maxPacketSize;
  }

  /** The rest of a long command, to the session it was begun on. */
  streamCommand(target: PieceTarget): void {
    this.#begin(StreamKind.Command, new StreamedInput(this.reader, target, false, this.maxPacketSize));
  }

  /** The file that the server asked for. */
  streamFile(session: ServerSession): void {
    const target = new FileTarget(session);
    this.#begin(StreamKind.File, new StreamedInput(this.reader, target, true, Number.POSITIVE_INFINITY));
  }

  /** The rest of a long command that has failed. */
  skipCommand(): void {
    this.#begin(StreamKind.Skipped, new StreamedInput(this.reader, SKIP, false, MAX_SKIPPED));
  }

  /** Passes on what is there. */
  pump(): StreamOutcome {
    if (this.#congested) {
      this.#limit(0);
      return null;
    }
    const progress = this.#streamed?.pump() ?? Progress.Done;
    switch (progress) {
      case Progress.Starved:
        this.flow();
        return null;
      case Progress.Congested:
        this.#congested = true;
        this.#limit(0);
        return null;
      case Progress.Done:
        this.#streamed = null;
        return { done: this.#kind };
      case Progress.TooLarge:
        return { tooLarge: this.#kind, goesOn: !this.reader.last };
      case Progress.OutOfOrder:
        return { outOfOrder: this.reader.sequenceId };
      case Progress.PastServer:
        return { pastServer: this.#kind, goesOn: !this.reader.last };
    }
  }

  /** Whether what came is kept until the server takes more. */
  get congested(): boolean {
    return this.#congested;
  }

  /** The server takes more. */
  drained(): void {
    this.#congested = false;
    this.#further = 0;
  }

  /** Sequence id of the reply to the command that was streamed last. */
  get replySequence(): number {
    return (this.reader.sequenceId + 1) & 0xff;
  }

  /** While a command is under way: a client that sends far ahead waits. */
  limitBacklog(): void {
    this.#limit(MAX_BACKLOG);
  }

  flow(): void {
    this.#further = 0;
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  /**
   * A second has passed in which the client's command has not ended. While a socket is paused, neither a FIN nor an RST is seen:
   * a read shows an RST at once, and a FIN once all before it has been read.
   */
  readFurther(): void {
    if (!this.#socket.isPaused() || this.#further >= MAX_FURTHER) return;
    const kept = Math.max(0, this.reader.unread - MAX_BACKLOG);
    if (!FURTHER.allows(kept, FURTHER_STEP, performance.now())) return;
    this.#further += FURTHER_STEP;
    this.#socket.resume();
  }

  #limit(backlog: number): void {
    if (this.reader.unread >= backlog + this.#further) this.#socket.pause();
  }

  #begin(kind: StreamKind, input: StreamedInput): void {
    this.#kind = kind;
    this.#streamed = input;
    this.#congested = false;
  }
}
