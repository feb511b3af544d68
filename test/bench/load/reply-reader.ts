/**
 * Follows replies by packet headers only: rows are skipped, never parsed or copied.
 *
 * For text and binary result sets, OK and ERR of a client without DEPRECATE_EOF, one result each. A server that asks for a file
 * has not replied yet.
 */
const Expect = { First: 0, Columns: 1, Rows: 2 } as const;
type Expect = (typeof Expect)[keyof typeof Expect];

const OK = 0x00;
const ERR = 0xff;
const EOF = 0xfe;
const LOCAL_INFILE = 0xfb;
const HEADER = 4;
const FULL_PACKET = 0xff_ffff;

export class ReplyReader {
  #expect: Expect = Expect.First;
  /** Payload bytes of the current packet that have not arrived. */
  #skip = 0;
  /** True while the current packet is the reply's last: the reply is complete when nothing is left to skip. */
  #last = false;
  /** True when the next packet only continues one of 16 MiB - 1; such a packet may be empty. */
  #continues = false;
  /** A header, and the first payload byte, that were cut by the end of a read. */
  readonly #partial = Buffer.alloc(HEADER + 1);
  #partialLength = 0;
  #error: string | undefined;
  #wantsFile = false;

  /** The last reply's error, `1064 #42000You have ...` as far as it arrived in one read; undefined once taken. */
  takeError(): string | undefined {
    const error = this.#error;
    this.#error = undefined;
    return error;
  }

  /** Whether the server has asked for a file since this was called last. */
  takeFileRequest(): boolean {
    const wants = this.#wantsFile;
    this.#wantsFile = false;
    return wants;
  }

  /** Takes what was read, `chunk[0..end)`, and returns how many replies it completed. */
  feed(chunk: Buffer, end: number): number {
    let completed = 0;
    let at = 0;
    while (at < end) {
      if (this.#skip > 0) {
        const taken = Math.min(this.#skip, end - at);
        this.#skip -= taken;
        at += taken;
      } else {
        at = this.#look(chunk, at, end);
      }
      if (this.#last && this.#skip === 0) {
        this.#last = false;
        this.#expect = Expect.First;
        completed += 1;
      }
    }
    return completed;
  }

  /** Reads a packet's start, or the part of it that is here; returns the position behind it. */
  #look(chunk: Buffer, from: number, end: number): number {
    const wanted = this.#continues ? HEADER : HEADER + 1;
    if (this.#partialLength === 0 && end - from >= wanted) {
      this.#packet(chunk, from, end);
      return from + wanted;
    }
    let at = from;
    while (at < end && this.#partialLength < wanted) {
      this.#partial[this.#partialLength++] = chunk[at++] ?? 0;
    }
    if (this.#partialLength === wanted) {
      this.#partialLength = 0;
      this.#packet(this.#partial, 0, wanted);
    }
    return at;
  }

  #packet(bytes: Buffer, at: number, end: number): void {
    const length = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    const continuation = this.#continues;
    this.#continues = length === FULL_PACKET;
    if (continuation) {
      this.#skip = length;
      return;
    }
    this.#skip = length - 1;
    const first = bytes[at + HEADER] ?? 0;
    if (first === ERR && this.#expect !== Expect.Columns) {
      this.#error = describeError(bytes, at + HEADER + 1, Math.min(end, at + HEADER + length));
      this.#last = true;
      return;
    }
    this.#advance(first, first === EOF && length < 9);
  }

  #advance(first: number, eof: boolean): void {
    switch (this.#expect) {
      case Expect.First:
        if (first === OK) {
          this.#last = true;
        } else if (first === LOCAL_INFILE) {
          this.#wantsFile = true;
        } else {
          this.#expect = Expect.Columns;
        }
        return;
      case Expect.Columns:
        if (eof) {
          this.#expect = Expect.Rows;
        }
        return;
      case Expect.Rows:
        this.#last = eof;
        return;
    }
  }
}

/** The code and text behind an ERR's first byte. */
export function describeError(bytes: Buffer, from: number, end: number): string {
  const code = from + 2 <= end ? bytes.readUInt16LE(from) : 0;
  return `${code} ${bytes.toString('utf8', from + 2, end)}`;
}
