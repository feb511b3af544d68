import { HEADER_SIZE } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { ClientSocket } from '../streams/client-socket.js';
import { emptyCommand, packetTooLarge } from './client-errors.js';
import type { ClientInput } from './client-input.js';
import { dispatch } from './command-dispatch.js';
import { CommandEvent } from './command-reader.js';
import { LongCommand, type LongCommandHost, type LongCommandLoop } from './long-command.js';
import { SharedSocketWatch, type WatchedClient } from './shared-socket-watch.js';

/** What a client has under way. */
export const Stage = {
  /** The next command may come. */
  Ready: 0,
  /** A command is waiting for a session or for its reply. */
  Busy: 1,
  /** A long command, or a file, is on its way to the server. */
  Streaming: 2,
  ChangingUser: 3,
  /** It is being looked whether several processes use the connection. */
  Looking: 4,
  Closed: 5,
} as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

/** The connection that commands come on. */
export interface CommandLoopHost extends LongCommandHost, WatchedClient {
  /** The login, or a change of user, is not answered yet. */
  readonly loginPending: boolean;
  sendErr(err: ErrPacket): void;
  /** A packet of a change of user. */
  receive(buf: Buffer, start: number, end: number): void;
  /** Everything that there was to do at once has been done. */
  paused(): void;
}

/** Takes a client's commands one at a time; what a driver pipelines waits in the reader. */
export class CommandLoop implements LongCommandLoop {
  /** Moved on by whoever begins or ends something; {@link pump} follows what makes it ready. */
  stage: Stage = Stage.Busy;
  readonly sharing: SharedSocketWatch;
  readonly long: LongCommand;
  readonly #host: CommandLoopHost;
  readonly #socket: ClientSocket;
  readonly #input: ClientInput;
  #pumping = false;

  constructor(host: CommandLoopHost, socket: ClientSocket, input: ClientInput) {
    this.#host = host;
    this.#socket = socket;
    this.#input = input;
    this.long = new LongCommand(host, this, input);
    this.sharing = new SharedSocketWatch(host, this, socket, input.reader);
  }

  ready(): void {
    this.stage = Stage.Ready;
    this.pump();
  }

  /** {@link LongCommandLoop} */
  stream(): void {
    this.stage = Stage.Streaming;
    this.pump();
  }

  /** {@link LongCommandLoop} */
  streamed(): void {
    this.stage = Stage.Busy;
  }

  /** {@link LongCommandLoop} */
  outOfOrder(sequenceId: number): void {
    this.sharing.outOfOrder(sequenceId);
  }

  /** The client has sent something. */
  received(chunk: Buffer): void {
    const { reader } = this.#input;
    if ((reader.unread > 0 || this.stage === Stage.Streaming) && this.#isForeign(chunk)) return;
    reader.push(chunk);
    this.pump();
    if (this.stage === Stage.Busy || this.stage === Stage.Looking) this.#input.limitBacklog();
  }

  /** Takes commands, or pieces of one, for as long as there are any and nothing is under way. Not re-entrant. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      let goOn = true;
      while (goOn) goOn = this.#pumpOnce();
    } finally {
      this.#pumping = false;
    }
    this.#host.paused();
    if (this.stage === Stage.Busy && this.#input.reader.unread > 0) this.sharing.sentAhead();
    if (this.stage !== Stage.Ready) return;
    this.#input.reader.forget();
    // Of whoever holds a session it may be asked later which statement it was.
    if (this.#host.virtual.session === null) this.#host.work.forget();
    if (this.#socket.writableNeedDrain) this.#input.limitBacklog();
    else this.#input.flow();
  }

  /** The client has not got the reply yet to the command under way, and all that is unread came behind that command. */
  get replyDue(): boolean {
    const { work, loginPending } = this.#host;
    const due = this.stage === Stage.Busy && work.hasReply && !work.answered;
    return due && !this.long.unread && !loginPending;
  }

  /** Takes no command until {@link goOn} or {@link take}. */
  wait(): void {
    this.stage = Stage.Looking;
  }

  goOn(): void {
    if (this.stage === Stage.Looking) this.ready();
  }

  /** Carries out a command that was kept waiting. */
  carryOut(event: CommandEvent, buf: Buffer, start: number, end: number): void {
    this.stage = Stage.Ready;
    this.#take(event, buf, start, end);
    this.pump();
  }

  /** Sequence id of an ERR in place of what the client waits for, or of the rest of it; null where none can be put. */
  get errSequence(): number | null {
    const { virtual, work } = this.#host;
    const { session, running } = virtual;
    const busy = this.stage === Stage.Busy;
    if (busy && running && session?.tracker.started === true) {
      const { tracker } = session;
      return tracker.atPacketBoundary && !work.isLong ? tracker.nextSequence : null;
    }
    const inPieces = this.stage === Stage.Streaming || (busy && work.isLong);
    return inPieces ? this.#input.replySequence : 1;
  }

  /** Whether it came in the midst of another process's packet; the connection is closed then. */
  #isForeign(chunk: Buffer): boolean {
    // What waits behind a command under way is looked at when its turn comes.
    if ((this.stage === Stage.Busy && !this.long.unread) || this.#input.congested) return false;
    return this.sharing.arrivedInside(chunk);
  }

  /** Whether there may be more to do at once. */
  #pumpOnce(): boolean {
    switch (this.stage) {
      case Stage.Closed:
      case Stage.Busy:
      case Stage.Looking:
        return false;
      case Stage.Streaming:
        return this.long.pump();
      case Stage.ChangingUser:
        break;
      case Stage.Ready:
        // Who does not read its replies is given no more of them: also those made here would fill the memory.
        if (this.#socket.writableNeedDrain) return false;
        if (this.sharing.looking) {
          this.wait();
          return false;
        }
        break;
    }
    const { reader } = this.#input;
    const event = reader.next();
    if (event === CommandEvent.None) return false;
    const { buf, start, end } = reader;
    if (this.stage === Stage.ChangingUser) {
      this.#host.receive(buf, start, end);
      return this.stage !== Stage.ChangingUser;
    }
    if (buf[start + 3] !== 0) {
      this.outOfOrder(buf[start + 3] as number);
      return false;
    }
    if (this.sharing.guarded && !this.sharing.mayAnswer(event, buf, start, end)) return false;
    this.#take(event, buf, start, end);
    return true;
  }

  #take(event: CommandEvent, buf: Buffer, start: number, end: number): void {
    if (event === CommandEvent.LongCommand) this.long.begin(buf, start, end);
    else if (end - start === HEADER_SIZE) this.#host.sendErr(emptyCommand());
    else if (end - start - HEADER_SIZE > this.#input.maxPacketSize)
      this.#host.fail(packetTooLarge(this.#input.maxPacketSize), 1);
    else dispatch(this.#host, buf, start, end);
  }
}
