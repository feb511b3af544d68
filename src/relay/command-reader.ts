import { HEADER_SIZE, MAX_PACKET_PAYLOAD } from '../protocol/constants.js';

/** Commands up to this size are assembled before they are looked at; longer ones are streamed piece by piece. */
export const MAX_ASSEMBLED_COMMAND = 1 << 20;

/** What {@link CommandReader.next} found. */
export const CommandEvent = {
  /** Nothing whole yet. */
  None: 0,
  /** One whole command: `[start, end)` of `buf`, header included. */
  Command: 1,
  /** The beginning of a command too long to assemble: take its pieces with {@link CommandReader.nextPiece}. */
  LongCommand: 2,
} as const;
export type CommandEvent = (typeof CommandEvent)[keyof typeof CommandEvent];

/**
 * Splits what a client sends into commands, at any split of the stream. Pulled, not pushed: the relay takes the next
 * command when it is done with the one before, so commands that a driver pipelines wait here.
 *
 * The chunks given are kept, never copied unless a command is spread over several of them.
 */
export class CommandReader {
  readonly #chunks: Buffer[] = [];
  /** Position of the first unread byte in the first chunk. */
  #pos = 0;
  #unread = 0;
  /** Long command or LOCAL INFILE: payload bytes of the packet under way, or -1 at a packet boundary. */
  #pieceLeft = -1;
  #pieceContinued = false;

  /** The found command or piece; valid until the next call of {@link push}, {@link next} or {@link nextPiece}. */
  buf: Buffer = EMPTY;
  start = 0;
  end = 0;
  /** Whether the piece found by {@link nextPiece} is the last of its command. */
  last = false;
  /** Length of the payload of the packet found by {@link nextPiece} when the piece begins with a header, else -1. */
  headerLength = -1;
  /** Sequence id of the last packet of which {@link nextPiece} has found the beginning. */
  sequenceId = 0;

  /** Bytes received and not yet taken. */
  get unread(): number {
    return this.#unread;
  }

  /**
   * How many bytes of the packet under way have not come yet; 0 at the end of one, and while not even its length is known.
   * For the moments when everything whole was taken.
   */
  get lacking(): number {
    if (this.#pieceLeft >= 0) return Math.max(0, this.#pieceLeft - this.#unread);
    if (this.#unread < HEADER_SIZE) return 0;
    return Math.max(0, HEADER_SIZE + this.#peekLength() - this.#unread);
  }

  /** The unread byte at `offset`; -1 while it is not there. */
  peek(offset: number): number {
    let at = this.#pos + offset;
    for (const chunk of this.#chunks) {
      if (at < chunk.length) return chunk[at] as number;
      at -= chunk.length;
    }
    return -1;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#unread += chunk.length;
  }

  /** Lets go of {@link buf}: a few bytes, which may keep a slab of 8 KiB. */
  forget(): void {
    this.buf = EMPTY;
  }

  /** Finds the next command. A long one is found when {@link MAX_ASSEMBLED_COMMAND} bytes of it are there. */
  next(): CommandEvent {
    if (this.#unread < HEADER_SIZE) return CommandEvent.None;
    const length = this.#peekLength();
    const size = HEADER_SIZE + length;
    if (size > MAX_ASSEMBLED_COMMAND) {
      if (this.#unread < HEADER_SIZE + LONG_COMMAND_HEAD) return CommandEvent.None;
      this.#gather(HEADER_SIZE + LONG_COMMAND_HEAD);
      this.#pieceLeft = -1;
      this.#pieceContinued = false;
      return CommandEvent.LongCommand;
    }
    if (this.#unread < size) return CommandEvent.None;
    this.#gather(size);
    this.#take(size);
    return CommandEvent.Command;
  }

  /**
   * Takes the next bytes of a long command or of a file, as far as they are there and within one packet. Begins with
   * the packet's header, which is never cut, when {@link headerLength} is not -1. False: nothing there.
   */
  nextPiece(): boolean {
    this.headerLength = -1;
    let wanted = this.#pieceLeft;
    if (wanted < 0) {
      if (this.#unread < HEADER_SIZE) return false;
      const length = this.#peekLength();
      this.#gather(HEADER_SIZE);
      this.headerLength = length;
      this.sequenceId = this.buf[this.start + 3] as number;
      this.#pieceContinued = length === MAX_PACKET_PAYLOAD;
      wanted = HEADER_SIZE + length;
    } else if (this.#unread === 0) {
      return false;
    }
    const chunk = this.#chunks[0] as Buffer;
    const available = Math.min(wanted, chunk.length - this.#pos);
    this.buf = chunk;
    this.start = this.#pos;
    this.end = this.#pos + available;
    this.#take(available);
    this.#pieceLeft = wanted - available === 0 ? -1 : wanted - available;
    this.last = this.#pieceLeft < 0 && !this.#pieceContinued;
    return true;
  }

  /** Sets {@link buf}, {@link start}, {@link end} to the next `size` bytes, which are there; joins chunks as needed. */
  #gather(size: number): void {
    let chunk = this.#chunks[0] as Buffer;
    if (chunk.length - this.#pos < size) {
      let joined = chunk.length - this.#pos;
      let count = 1;
      while (joined < size) joined += (this.#chunks[count++] as Buffer).length;
      const parts = this.#chunks.splice(0, count);
      parts[0] = chunk.subarray(this.#pos);
      chunk = Buffer.concat(parts, joined);
      this.#chunks.unshift(chunk);
      this.#pos = 0;
    }
    this.buf = chunk;
    this.start = this.#pos;
    this.end = this.#pos + size;
  }

  #take(size: number): void {
    this.#pos += size;
    this.#unread -= size;
    if (this.#pos === (this.#chunks[0] as Buffer).length) {
      this.#chunks.shift();
      this.#pos = 0;
    }
  }

  #peekLength(): number {
    const chunk = this.#chunks[0] as Buffer;
    if (chunk.length - this.#pos >= HEADER_SIZE) return chunk.readUIntLE(this.#pos, 3);
    this.#gather(HEADER_SIZE);
    return this.buf.readUIntLE(this.start, 3);
  }
}

/** Bytes of a long command that are looked at before it is streamed: all of an execute's before its values (139 KiB at most). */
const LONG_COMMAND_HEAD = 144 * 1024;

const EMPTY = Buffer.alloc(0);
