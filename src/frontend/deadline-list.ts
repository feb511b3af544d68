export interface Expiring {
  /** Called once, from the tick; the entry is out of the list by then. */
  onDeadline(): void;
}

/**
 * Deadlines that are all equally far away when they are set: the oldest entry is always the next to expire, so that one
 * coarse tick looks at the head of the list and needs no timer per entry. An entry expires up to one tick late, never early.
 */
export class DeadlineList<T extends Expiring> {
  readonly #timeoutMs: number;
  readonly #tickMs: number;
  /** By insertion, hence by deadline (milliseconds of `performance.now()`). */
  readonly #deadlines = new Map<T, number>();
  #timer: NodeJS.Timeout | null = null;

  /** @param timeoutMs above 0 */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#tickMs = Math.min(1_000, Math.max(10, timeoutMs / 10));
  }

  get size(): number {
    return this.#deadlines.size;
  }

  /** Must not be in the list yet. */
  add(entry: T): void {
    this.#deadlines.set(entry, performance.now() + this.#timeoutMs);
    // Left running until a tick finds the list empty: a client at a time would else start and stop a timer each.
    // It keeps no process alive: what waits here has a socket that does.
    this.#timer ??= setInterval(() => this.#tick(), this.#tickMs).unref();
  }

  delete(entry: T): boolean {
    return this.#deadlines.delete(entry);
  }

  /** The entries now in the list; safe against deletion while it is walked. */
  entries(): T[] {
    return [...this.#deadlines.keys()];
  }

  /** Entries that have been in the list for at least so long (ms), the oldest first; safe against deletion while it is walked. */
  *olderThan(ms: number): Generator<T, undefined> {
    const latest = performance.now() + this.#timeoutMs - ms;
    for (const [entry, deadline] of this.#deadlines) {
      if (deadline > latest) return;
      yield entry;
    }
  }

  #tick(): void {
    const now = performance.now();
    for (const [entry, deadline] of this.#deadlines) {
      if (deadline > now) break;
      this.#deadlines.delete(entry);
      entry.onDeadline();
    }
    if (this.#deadlines.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
