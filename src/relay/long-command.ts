import type { ErrPacket } from '../protocol/generic-response.js';
import { packetTooLarge } from './client-errors.js';
import { type ClientInput, StreamKind } from './client-input.js';
import { type CommandTarget, dispatchLong } from './command-dispatch.js';

/** The connection that long commands come on. */
export interface LongCommandHost extends CommandTarget {
  sendErr(err: ErrPacket, sequenceId?: number): void;
  /** The command is over, and it failed. */
  fail(err: ErrPacket, sequenceId: number): void;
}

/** What takes commands from the connection otherwise. */
export interface LongCommandLoop {
  /** Something is to be read piece by piece from here on. */
  stream(): void;
  /** That has been read to its end. */
  streamed(): void;
  /** A packet came that does not continue what is being read. */
  outOfOrder(sequenceId: number): void;
}

/** What is read piece by piece: commands that are too long to be assembled, whether they can be run or not, and files. */
export class LongCommand {
  readonly #host: LongCommandHost;
  readonly #loop: LongCommandLoop;
  readonly #input: ClientInput;
  #unread = false;
  /** What a command that has failed is answered with, once it was read to its end. */
  #failure: ErrPacket | null = null;

  constructor(host: LongCommandHost, loop: LongCommandLoop, input: ClientInput) {
    this.#host = host;
    this.#loop = loop;
    this.#input = input;
  }

  /** Of the command under way, some is still to be read. */
  get unread(): boolean {
    return this.#unread;
  }

  /** `[start, end)`: the command's beginning. */
  begin(buf: Buffer, start: number, end: number): void {
    this.#unread = true;
    const err = dispatchLong(this.#host, buf, start, end);
    if (err === null) return;
    this.#host.sendErr(err);
    this.#host.close('a command was too long');
  }

  /** The command under way has failed. Whether the rest of it is read first: the client hears of it then. */
  failsLater(err: ErrPacket): boolean {
    if (!this.#unread) return false;
    this.#failure = err;
    this.#input.skipCommand();
    this.#loop.stream();
    return true;
  }

  /** Passes on what is there. Whether that was all. */
  pump(): boolean {
    const outcome = this.#input.pump();
    if (outcome === null) return false;
    const host = this.#host;
    if ('tooLarge' in outcome) {
      host.sendErr(packetTooLarge(outcome.tooLarge), this.#input.replySequence);
      host.close('packet too large');
      return false;
    }
    if ('outOfOrder' in outcome) {
      this.#loop.outOfOrder(outcome.outOfOrder);
      return false;
    }
    if (outcome.done !== StreamKind.File) this.#unread = false;
    this.#loop.streamed();
    if (outcome.done === StreamKind.Command) this.#sent();
    if (outcome.done === StreamKind.Skipped && this.#failure !== null) {
      const err = this.#failure;
      this.#failure = null;
      host.fail(err, this.#input.replySequence);
    }
    return true;
  }

  /** All of the command is on its way: only now is it known what its text says. */
  #sent(): void {
    const { work, services, virtual, account } = this.#host;
    if (work.text !== null) {
      work.traits = work.text.finish();
      work.effects = services.routines.effectsOf(work.traits, account);
      virtual.state.effectsKnown(work.effects);
    }
    if (!work.hasReply) virtual.replyComplete();
  }
}
