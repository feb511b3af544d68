import { TurnoverMap } from '../turnover-map.js';

export interface Expiring {
  /** Of the list that it is in. */
  deadlineTicket: number;
  /** Called once, from the tick; the entry is out of the list by then. */
  onDeadline(): void;
}

/**
 * Deadlines that are all equally far away when they are set: the oldest entry is always the next to expire, so that one
 * coarse tick looks at the head of the list and needs no timer per entry. An entry expires up to one tick late, never early.
 */
export class DeadlineList<T extends Expiring> {
  readonly #timeoutMs: () => number;
  /** By ticket, in the order in which they were added: hence by deadline, also when the timeout changes. */
  readonly #places = new TurnoverMap<number, Place<T>>();
  #lastTicket = 0;
  #timer: NodeJS.Timeout | null = null;

  /** @param timeoutMs above 0; counts for those who are in the list, too */
  constructor(timeoutMs: () => number) {
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Must not be in the list yet. */
  add(entry: T): void {
    entry.deadlineTicket = ++this.#lastTicket;
    this.#places.set(entry.deadlineTicket, { entry, added: performance.now() });
    // Left running until a tick finds the list empty: a client at a time would else start and stop a timer each.
    // It keeps no process alive: what waits here has a socket that does.
    this.#timer ??= setInterval(() => this.#tick(), tickOf(this.#timeoutMs())).unref();
  }

  delete(entry: T): boolean {
    return this.#places.delete(entry.deadlineTicket);
  }

  /** The entries now in the list; safe against deletion while it is walked. */
  entries(): T[] {
    return Array.from(this.#places.values(), ({ entry }) => entry);
  }

  /** Entries that have been in the list for at least so long (ms), the oldest first; safe against deletion while it is walked. */
  *olderThan(ms: number): Generator<T, undefined> {
    const latest = performance.now() - ms;
    for (const { entry, added } of this.#places.values()) {
      if (added > latest) return;
      yield entry;
    }
  }

  #tick(): void {
    const latest = performance.now() - this.#timeoutMs();
    for (const { entry, added } of this.#places.values()) {
      if (added > latest) break;
      this.delete(entry);
      entry.onDeadline();
    }
    if (this.#places.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}

interface Place<T> {
  readonly entry: T;
  /** Milliseconds of `performance.now()`. */
  readonly added: number;
}

function tickOf(timeoutMs: number): number {
  return Math.min(1_000, Math.max(10, timeoutMs / 10));
}
