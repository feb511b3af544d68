export interface Expiring {
  /** Called once, from the tick; the entry is out of the list by then. */
  onDeadline(): void;
}

/**
 * Deadlines that are all equally far away when they are set: the oldest entry is always the next to expire, so that one
 * coarse tick looks at the head of the list and needs no timer per entry. An entry expires up to one tick late, never early.
 */
export class DeadlineList<T extends Expiring> {
  readonly #timeoutMs: () => number;
  /** When each was added (milliseconds of `performance.now()`), in this order: hence by deadline, also when the timeout changes. */
  readonly #added = new Map<T, number>();
  #timer: NodeJS.Timeout | null = null;

  /** @param timeoutMs above 0; counts for those who are in the list, too */
  constructor(timeoutMs: () => number) {
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#added.size;
  }

  /** Must not be in the list yet. */
  add(entry: T): void {
    this.#added.set(entry, performance.now());
    // Left running until a tick finds the list empty: a client at a time would else start and stop a timer each.
    // It keeps no process alive: what waits here has a socket that does.
    this.#timer ??= setInterval(() => this.#tick(), tickOf(this.#timeoutMs())).unref();
  }

  delete(entry: T): boolean {
    return this.#added.delete(entry);
  }

  /** The entries now in the list; safe against deletion while it is walked. */
  entries(): T[] {
    return [...this.#added.keys()];
  }

  /** Entries that have been in the list for at least so long (ms), the oldest first; safe against deletion while it is walked. */
  *olderThan(ms: number): Generator<T, undefined> {
    const latest = performance.now() - ms;
    for (const [entry, added] of this.#added) {
      if (added > latest) return;
      yield entry;
    }
  }

  #tick(): void {
    const latest = performance.now() - this.#timeoutMs();
    for (const [entry, added] of this.#added) {
      if (added > latest) break;
      this.#added.delete(entry);
      entry.onDeadline();
    }
    if (this.#added.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}

function tickOf(timeoutMs: number): number {
  return Math.min(1_000, Math.max(10, timeoutMs / 10));
}
