/** Large enough for any translated read: 64 KiB of it, inserted EOFs and a held-back packet. */
const SCRATCH_SIZE = 128 * 1024;

/** Up to so many bytes. */
const COPIED_BY_LOOP = 200;

/** Replies longer than that cost more than a view of them. */
const LONGEST_VIEW = 1_024;

/** Where a client's bytes go: the parts of net.Socket that are used. */
export interface ByteSink {
  write(buf: Uint8Array): boolean;
  readonly writableLength: number;
  /** TLS: what is written while nothing waits is encrypted, hence copied, at once. */
  readonly encrypted?: boolean;
}

/**
 * Gathers what one read of a server brought into one write to the client. Spans that follow each other in the read
 * buffer stay there and are written without a copy; as soon as something is inserted or replaced, everything goes
 * through one scratch buffer.
 *
 * Invariant: {@link flush} is called before the read buffer is used again, so a span never outlives its read.
 * One instance serves all clients of a process, since a chunk is handled from first byte to flush without a pause.
 */
export class OutputBuffer {
  #scratch = Buffer.allocUnsafeSlow(SCRATCH_SIZE);
  readonly #views = new Array<Buffer | null>(LONGEST_VIEW + 1).fill(null);
  #used = 0;
  #span: Buffer | null = null;
  #spanStart = 0;
  #spanEnd = 0;
  /** Whose bytes are gathered. */
  #sink: ByteSink | null = null;

  /** Bytes of the read buffer that go on as they are. */
  span(buf: Buffer, start: number, end: number, sink: ByteSink): void {
    if (this.#sink !== sink) this.#begin(sink);
    if (this.#span === buf && this.#spanEnd === start) {
      this.#spanEnd = end;
      return;
    }
    if (this.#span !== null) this.#copySpan(sink);
    this.#span = buf;
    this.#spanStart = start;
    this.#spanEnd = end;
  }

  /** Bytes made here, copied at once. */
  insert(bytes: Uint8Array, sink: ByteSink): void {
    if (this.#sink !== sink) this.#begin(sink);
    if (this.#span !== null) this.#copySpan(sink);
    if (this.#used + bytes.length > SCRATCH_SIZE) {
      this.#writeScratch(sink);
      if (bytes.length > SCRATCH_SIZE) {
        sink.write(Buffer.from(bytes));
        return;
      }
    }
    this.#copy(bytes, 0, bytes.length);
  }

  /**
   * Writes all. Returns true when the read buffer itself is now waiting in the sink's queue and must not be overwritten.
   */
  flush(sink: ByteSink): boolean {
    if (this.#sink !== sink) return false;
    const span = this.#span;
    if (span !== null && this.#used > 0 && this.#used + this.#spanEnd - this.#spanStart <= SCRATCH_SIZE) {
      this.#copySpan(sink);
    } else if (span !== null) {
      if (this.#used > 0) this.#writeScratch(sink);
      this.#span = null;
      return writeKeeps(sink, span.subarray(this.#spanStart, this.#spanEnd));
    }
    if (this.#used > 0) this.#writeScratch(sink);
    return false;
  }

  /** Forgets what was gathered for a sink: its reply broke off, or it has gone. */
  drop(sink: ByteSink): void {
    if (this.#sink === sink) this.#begin(null);
  }

  /** Whatever another sink left behind must never reach this one. */
  #begin(sink: ByteSink | null): void {
    this.#sink = sink;
    this.#span = null;
    this.#used = 0;
  }

  #copySpan(sink: ByteSink): void {
    const span = this.#span as Buffer;
    this.#span = null;
    if (this.#used + this.#spanEnd - this.#spanStart > SCRATCH_SIZE) this.#writeScratch(sink);
    if (this.#spanEnd - this.#spanStart > SCRATCH_SIZE) {
      sink.write(Buffer.from(span.subarray(this.#spanStart, this.#spanEnd)));
      return;
    }
    this.#copy(span, this.#spanStart, this.#spanEnd);
  }

  /** A loop is the faster way up to some two hundred bytes: a call out of compiled code costs as much. */
  #copy(bytes: Uint8Array, start: number, end: number): void {
    const scratch = this.#scratch;
    let used = this.#used;
    if (end - start > COPIED_BY_LOOP) {
      scratch.set(bytes.subarray(start, end), used);
      used += end - start;
    } else {
      for (let i = start; i < end; i++) scratch[used++] = bytes[i] as number;
    }
    this.#used = used;
  }

  /** The gathered bytes. Views of the scratch buffer are kept for the next reply of the same length: most are short and alike. */
  #gathered(): Buffer {
    const length = this.#used;
    if (length > LONGEST_VIEW) return this.#scratch.subarray(0, length);
    const known = this.#views[length];
    if (known !== undefined && known !== null) return known;
    const view = this.#scratch.subarray(0, length);
    this.#views[length] = view;
    return view;
  }

  #writeScratch(sink: ByteSink): void {
    if (this.#used === 0) return;
    // Otherwise the scratch can be used again.
    if (writeKeeps(sink, this.#gathered())) {
      this.#scratch = Buffer.allocUnsafeSlow(SCRATCH_SIZE);
      this.#views.fill(null);
    }
    this.#used = 0;
  }
}

/**
 * Writes. Whether the bytes belong to the write from now on, as they wait in the sink's queue: the kernel has not taken them
 * all. (A TLS socket calls a write complete only later, but by then it has long encrypted the bytes, unless others came first.)
 */
function writeKeeps(sink: ByteSink, bytes: Uint8Array): boolean {
  const waits = sink.encrypted === true && sink.writableLength === 0 ? false : null;
  sink.write(bytes);
  return waits ?? sink.writableLength > 0;
}
