import { HEADER_SIZE, ServerError } from '../protocol/constants.js';
import { badHandshake, HandshakeError } from './errors.js';

/** Most bytes that a client may send before it is logged in, headers included, over all its packets. */
export const MAX_LOGIN_BYTES = 65_536;

const EMPTY = Buffer.alloc(0);

/**
 * Cuts a stranger's bytes into packets, however they arrive. A header is judged as soon as it is there: a length that cannot be
 * is refused without waiting for the bytes, and room is only made for bytes that have come.
 */
export class LoginPacketReader {
  /** Bytes not yet taken are #buffer[#start, #end). A chunk that came alone is used in place, not copied. */
  #buffer: Buffer = EMPTY;
  #start = 0;
  #end = 0;
  /** Whether #buffer is ours, with room to grow into, or the socket's own chunk. */
  #owned = false;
  #taken = 0;

  push(chunk: Buffer): void {
    if (this.#start === this.#end) {
      this.#buffer = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#owned = false;
      return;
    }
    this.#reserve(chunk.length);
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next packet's payload, or null while it is not complete. It is a view; later bytes never overwrite it.
   * @throws HandshakeError for a wrong sequence id (1156) or too many bytes (1043)
   */
  next(sequenceId: number): Buffer | null {
    const available = this.#end - this.#start;
    if (available < HEADER_SIZE) return null;
    const length = this.#buffer.readUIntLE(this.#start, 3);
    if (this.#buffer[this.#start + 3] !== (sequenceId & 0xff)) {
      throw new HandshakeError({ ...ServerError.NetPacketsOutOfOrder, message: 'Got packets out of order' });
    }
    if (this.#taken + HEADER_SIZE + length > MAX_LOGIN_BYTES) {
      throw new HandshakeError(badHandshake(`more than ${MAX_LOGIN_BYTES} bytes before login`));
    }
    if (available < HEADER_SIZE + length) return null;
    const start = this.#start + HEADER_SIZE;
    this.#start = start + length;
    this.#taken += HEADER_SIZE + length;
    return this.#buffer.subarray(start, start + length);
  }

  /** Bytes that came and were not taken. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** Those bytes; the reader is empty afterwards. */
  takeRest(): Buffer {
    const rest = this.#start === this.#end ? EMPTY : this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return rest;
  }

  /** Grows in doubling steps, so that a client who sends byte by byte costs no more than its bytes do. */
  #reserve(count: number): void {
    if (this.#owned && this.#end + count <= this.#buffer.length) return;
    const pending = this.pending;
    const grown = Buffer.allocUnsafe(Math.max(512, 2 * (pending + count)));
    this.#buffer.copy(grown, 0, this.#start, this.#end);
    this.#buffer = grown;
    this.#start = 0;
    this.#end = pending;
    this.#owned = true;
  }
}
