import { HEADER_SIZE, MAX_PACKET_PAYLOAD } from './constants.js';

/** Bytes a length-encoded integer takes. */
export function lenencSize(value: number | bigint): number {
  if (value < 0xfb) return 1;
  if (value <= 0xffff) return 3;
  return value <= 0xffffff ? 4 : 9;
}

/**
 * Builds one packet: a growing buffer that keeps the first four bytes free for the header.
 * For packets below 16 MiB (handshakes, OK, ERR, the proxy's own statements); larger payloads are relayed, not built.
 */
export class PayloadWriter {
  #buf: Buffer;
  #pos = HEADER_SIZE;

  constructor(capacity = 128) {
    this.#buf = Buffer.allocUnsafe(HEADER_SIZE + capacity);
  }

  uint8(value: number): this {
    this.#reserve(1);
    this.#buf[this.#pos++] = value;
    return this;
  }

  uint16(value: number): this {
    this.#reserve(2);
    this.#pos = this.#buf.writeUInt16LE(value, this.#pos);
    return this;
  }

  uint24(value: number): this {
    this.#reserve(3);
    this.#pos = this.#buf.writeUIntLE(value, this.#pos, 3);
    return this;
  }

  uint32(value: number): this {
    this.#reserve(4);
    this.#pos = this.#buf.writeUInt32LE(value >>> 0, this.#pos);
    return this;
  }

  lenencInt(value: number | bigint): this {
    switch (lenencSize(value)) {
      case 1:
        return this.uint8(Number(value));
      case 3:
        return this.uint8(0xfc).uint16(Number(value));
      case 4:
        return this.uint8(0xfd).uint24(Number(value));
      default:
        this.uint8(0xfe).#reserve(8);
        this.#pos = this.#buf.writeBigUInt64LE(BigInt(value), this.#pos);
        return this;
    }
  }

  bytes(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#buf.set(value, this.#pos);
    this.#pos += value.length;
    return this;
  }

  zeros(count: number): this {
    this.#reserve(count);
    this.#buf.fill(0, this.#pos, this.#pos + count);
    this.#pos += count;
    return this;
  }

  text(value: string, encoding: BufferEncoding = 'utf8'): this {
    return this.bytes(Buffer.from(value, encoding));
  }

  nulText(value: string): this {
    return this.text(value).uint8(0);
  }

  lenencBytes(value: Uint8Array): this {
    return this.lenencInt(value.length).bytes(value);
  }

  lenencText(value: string): this {
    return this.lenencBytes(Buffer.from(value, 'utf8'));
  }

  /** The finished packet with header. The writer must not be used again: the buffer is handed over. */
  packet(sequenceId: number): Buffer {
    const length = this.#pos - HEADER_SIZE;
    if (length >= MAX_PACKET_PAYLOAD)
      throw new RangeError('a payload of 16 MiB or more cannot be built as one packet');
    this.#buf.writeUIntLE(length, 0, 3);
    this.#buf[3] = sequenceId & 0xff;
    return this.#buf.subarray(0, this.#pos);
  }

  #reserve(count: number): void {
    const needed = this.#pos + count;
    if (needed <= this.#buf.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buf.length * 2));
    this.#buf.copy(grown, 0, 0, this.#pos);
    this.#buf = grown;
  }
}
