import { BouncerError } from '../errors.js';

/** Bytes that don't have the form the protocol prescribes. Ends the peer that sent them, and nobody else. */
export class MalformedPacketError extends BouncerError {
  readonly code = 'MALFORMED_PACKET';
}

/** Length-encoded integers over 2^53 are counts or lengths nobody can send; ids are read with {@link PayloadReader.lenencBigInt}. */
const NULL_LENENC = 0xfb;

/** Numbers of one byte: to make a bigint of each takes longer than to read it. */
export const SMALL_BIGINTS: readonly bigint[] = Array.from({ length: NULL_LENENC }, (_, value) =>
  BigInt(value),
);

/**
 * Reads one payload (without its header), bounds-checked: a read past the end throws {@link MalformedPacketError}
 * and never returns made-up bytes. Integers are little endian
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html).
 */
export class PayloadReader {
  readonly #buf: Buffer;
  readonly #end: number;
  #pos: number;

  constructor(buf: Buffer, start = 0, end = buf.length) {
    this.#buf = buf;
    this.#pos = start;
    this.#end = end;
  }

  get position(): number {
    return this.#pos;
  }

  get remaining(): number {
    return this.#end - this.#pos;
  }

  skip(count: number): void {
    this.#take(count);
  }

  peek(): number {
    if (this.#pos >= this.#end) throw new MalformedPacketError('packet ends too early');
    return this.#buf[this.#pos] as number;
  }

  uint8(): number {
    return this.#buf[this.#take(1)] as number;
  }

  uint16(): number {
    return this.#buf.readUInt16LE(this.#take(2));
  }

  uint32(): number {
    return this.#buf.readUInt32LE(this.#take(4));
  }

  /** A length-encoded integer that is a count or a length: up to 2^53 - 1, never NULL. */
  lenencInt(): number {
    const first = this.uint8();
    if (first < NULL_LENENC) return first;
    if (first === 0xfc) return this.uint16();
    if (first === 0xfd) return this.#buf.readUIntLE(this.#take(3), 3);
    if (first !== 0xfe)
      throw new MalformedPacketError(`0x${first.toString(16)} does not begin a length-encoded integer`);
    const value = this.#buf.readBigUInt64LE(this.#take(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new MalformedPacketError('length-encoded integer out of range');
    return Number(value);
  }

  /** A length-encoded integer up to 2^64 - 1, such as an insert id. */
  lenencBigInt(): bigint {
    if (this.peek() !== 0xfe) {
      const value = this.lenencInt();
      return SMALL_BIGINTS[value] ?? BigInt(value);
    }
    this.skip(1);
    return this.#buf.readBigUInt64LE(this.#take(8));
  }

  /** The next `length` bytes, as a view into the underlying buffer. */
  bytes(length: number): Buffer {
    const start = this.#take(length);
    return this.#buf.subarray(start, start + length);
  }

  lenencBytes(): Buffer {
    return this.bytes(this.lenencInt());
  }

  /** As UTF-8; without a view, which takes as long to make as the text itself. */
  lenencText(): string {
    const length = this.lenencInt();
    const start = this.#take(length);
    return length === 0 ? '' : this.#buf.toString('utf8', start, start + length);
  }

  /** A text-protocol value: its bytes, or null for 0xFB. */
  lenencBytesOrNull(): Buffer | null {
    if (this.peek() !== NULL_LENENC) return this.lenencBytes();
    this.skip(1);
    return null;
  }

  /** Up to a NUL byte, which is consumed. */
  nulBytes(): Buffer {
    const end = this.#buf.indexOf(0, this.#pos);
    if (end < 0 || end >= this.#end) throw new MalformedPacketError('string without its terminating NUL');
    const value = this.#buf.subarray(this.#pos, end);
    this.#pos = end + 1;
    return value;
  }

  /** All that is left. */
  rest(): Buffer {
    return this.bytes(this.remaining);
  }

  #take(count: number): number {
    const start = this.#pos;
    if (count > this.#end - start) throw new MalformedPacketError('packet ends too early');
    this.#pos = start + count;
    return start;
  }
}
