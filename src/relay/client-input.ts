import type { Socket } from 'node:net';
import type { ServerSession } from '../backend/server-session.js';
import { CommandReader } from './command-reader.js';
import { FileTarget, type PieceTarget, Progress, SKIP, StreamedInput } from './streamed-input.js';

/** What is being streamed. */
export const StreamKind = { Command: 0, File: 1, Skipped: 2 } as const;
export type StreamKind = (typeof StreamKind)[keyof typeof StreamKind];

/** Null: more is to come. Too large: the number of bytes allowed. Out of order: the sequence id. */
export type StreamOutcome =
  | { readonly done: StreamKind }
  | { readonly tooLarge: number }
  | { readonly outOfOrder: number }
  | null;

/** Bytes that a client may send ahead before it is made to wait. */
const MAX_BACKLOG = 256 * 1024;

/** A client's side of the stream: commands one by one, and what is passed on piece by piece; makes the socket wait. */
export class ClientInput {
  readonly reader = new CommandReader();
  readonly #socket: Socket;
  readonly #maxPacketSize: number;
  #streamed: StreamedInput | null = null;
  #kind: StreamKind = StreamKind.Command;

  constructor(socket: Socket, maxPacketSize: number) {
    this.#socket = socket;
    this.#maxPacketSize = maxPacketSize;
  }

  /** The rest of a long command, to the session it was begun on. */
  streamCommand(target: PieceTarget): void {
    this.#begin(StreamKind.Command, new StreamedInput(this.reader, target, false, this.#maxPacketSize));
  }

  /** The file that the server asked for. */
  streamFile(session: ServerSession): void {
    const target = new FileTarget(session);
    this.#begin(StreamKind.File, new StreamedInput(this.reader, target, true, Number.POSITIVE_INFINITY));
  }

  /** The rest of a long command that has failed. */
  skipCommand(): void {
    this.#begin(StreamKind.Skipped, new StreamedInput(this.reader, SKIP, false, this.#maxPacketSize));
  }

  /** Passes on what is there. */
  pump(): StreamOutcome {
    const progress = this.#streamed?.pump() ?? Progress.Done;
    switch (progress) {
      case Progress.Starved:
        this.flow();
        return null;
      case Progress.Congested:
        this.#socket.pause();
        return null;
      case Progress.Done:
        this.#streamed = null;
        return { done: this.#kind };
      case Progress.TooLarge:
        return { tooLarge: this.#maxPacketSize };
      case Progress.OutOfOrder:
        return { outOfOrder: this.reader.sequenceId };
    }
  }

  /** Sequence id of the reply to the command that was streamed last. */
  get replySequence(): number {
    return (this.reader.sequenceId + 1) & 0xff;
  }

  /** While a command is under way: a client that sends far ahead waits. */
  limitBacklog(): void {
    if (this.reader.unread > MAX_BACKLOG) this.#socket.pause();
  }

  flow(): void {
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  #begin(kind: StreamKind, input: StreamedInput): void {
    this.#kind = kind;
    this.#streamed = input;
  }
}
