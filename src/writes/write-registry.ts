import { WRITES_COUNT_MS, Written } from './written.js';

/** Processes without clients that are remembered: PHP's connect for each request. */
const MAX_GONE = 10_000;

/** What each app process has written, also for a while after its last client has left: the next one may read it. */
export class WriteRegistry {
  readonly #present = new Map<string, Written>();
  /** In the order in which their last clients left. */
  readonly #gone = new Map<string, Written>();

  get size(): number {
    return this.#present.size + this.#gone.size;
  }

  /** A client of the process has come. Each call is to be followed by one of {@link leave}. */
  enter(label: string): Written {
    const gone = this.#gone.get(label);
    if (gone !== undefined) this.#gone.delete(label);
    const written = this.#present.get(label) ?? gone ?? new Written(label);
    if (written.clients++ === 0) this.#present.set(label, written);
    return written;
  }

  /** The client has gone. */
  leave(written: Written): void {
    if (--written.clients > 0) return;
    this.#present.delete(written.label);
    const now = performance.now();
    for (const [label, { at }] of this.#gone) {
      if (this.#gone.size < MAX_GONE && now - at < WRITES_COUNT_MS) break;
      this.#gone.delete(label);
    }
    if (written.at !== 0 && now - written.at < WRITES_COUNT_MS) this.#gone.set(written.label, written);
  }
}
