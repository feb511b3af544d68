import type { ErrPacket } from '../protocol/generic-response.js';
import { PACKET_TOO_LARGE, packetTooLarge } from './client-errors.js';
import { type ClientInput, StreamKind } from './client-input.js';
import { dispatchLong } from './command-dispatch.js';
import type { CommandTarget } from './command-target.js';
import { Departure } from './departure.js';

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
    const { maxPacketSize } = this.#input;
    if (buf.readUIntLE(start, 3) > maxPacketSize) {
      this.#skip(packetTooLarge(maxPacketSize));
      this.#loop.stream();
      return;
    }
    const err = dispatchLong(this.#host, buf, start, end);
    if (err === null) return;
    this.#host.sendErr(err);
    this.#host.close(Departure.LongCommand);
  }

  /** The command under way has failed. Whether the rest of it is read first: the client hears of it then. */
  failsLater(err: ErrPacket): boolean {
    if (!this.#unread) return false;
    this.#skip(err);
    this.#loop.stream();
    return true;
  }

  #skip(err: ErrPacket): void {
    this.#failure = err;
    this.#input.skipCommand();
  }

  /** Passes on what is there. Whether that was all. */
  pump(): boolean {
    const outcome = this.#input.pump();
    if (outcome === null) return false;
    const host = this.#host;
    if ('tooLarge' in outcome) {
      const err = packetTooLarge(this.#input.maxPacketSize);
      if (outcome.tooLarge !== StreamKind.Skipped)
        return this.#tooLarge(err, outcome.tooLarge, outcome.goesOn);
      host.sendErr(err, this.#input.replySequence);
      host.close(Departure.PacketTooLarge);
      return false;
    }
    if ('outOfOrder' in outcome) {
      this.#loop.outOfOrder(outcome.outOfOrder);
      return false;
    }
    if ('pastServer' in outcome) return this.#tooLarge(PACKET_TOO_LARGE, outcome.pastServer, outcome.goesOn);
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

  /** The server has a part of it, and must not have the rest. The client reads why when it has sent all of its command. */
  #tooLarge(err: ErrPacket, kind: StreamKind, goesOn: boolean): boolean {
    const host = this.#host;
    if (kind === StreamKind.Command && goesOn) {
      host.virtual.abandonInside();
      this.#skip(err);
      return true;
    }
    host.fail(err, this.#input.replySequence);
    return false;
  }

  /** All of the command is on its way: only now is it known what its text says. */
  #sent(): void {
    const { work, services, virtual, account } = this.#host;
    virtual.times.sent();
    if (work.text !== null) {
      work.traits = work.text.finish();
      work.effects = services.routines.effectsOf(work.traits, account);
      virtual.state.effectsKnown(work.effects);
    }
    if (!work.hasReply) virtual.replyComplete();
  }
}
