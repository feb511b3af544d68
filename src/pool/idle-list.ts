import type { PooledResource, SessionSlot } from './session-slot.js';

/**
 * A pool's idle sessions, most recently used first, and at the same time the `Deque` that generic-pool takes
 * them from. generic-pool always shifts; this deque shifts the session that was chosen beforehand, which is
 * what turns `acquire()` into "lend this one".
 *
 * generic-pool calls `length`, `shift`, `unshift` and, in its constructor, `iterator` (its evictor, which is
 * switched off): the contract test keeps it so.
 */
export class IdleList<S extends object> {
  #newest: SessionSlot<S> | null = null;
  #oldest: SessionSlot<S> | null = null;
  #size = 0;

  /** The session the next `shift()` must give. */
  #chosen: SessionSlot<S> | null = null;
  /** The session being adopted: until it arrives, the deque pretends to be empty so that it is asked for. */
  #expected: SessionSlot<S> | null = null;

  get size(): number {
    return this.#size;
  }

  /** Most recently used. Follow `older` to walk the list. */
  get newest(): SessionSlot<S> | null {
    return this.#newest;
  }

  /** Least recently used. */
  get oldest(): SessionSlot<S> | null {
    return this.#oldest;
  }

  /** The next `shift()` gives this idle session. */
  choose(slot: SessionSlot<S>): void {
    this.#chosen = slot;
  }

  /**
   * While a session is expected, generic-pool sees no session but that one: with others in sight it would lend
   * one of them instead of creating. Ends with `expect(null)`.
   */
  expect(slot: SessionSlot<S> | null): void {
    this.#expected = slot;
  }

  get length(): number {
    if (this.#expected === null) return this.#size;
    return this.#chosen === null ? 0 : 1;
  }

  shift(): PooledResource<S> | undefined {
    const slot = this.#chosen ?? this.#newest;
    this.#chosen = null;
    const record = slot?.record ?? null;
    if (slot === null || record === null) return undefined;
    this.#unlink(slot);
    slot.record = null;
    return record;
  }

  unshift(record: PooledResource<S>): void {
    const slot = record.obj;
    slot.record = record;
    slot.older = this.#newest;
    if (this.#newest === null) this.#oldest = slot;
    else this.#newest.newer = slot;
    this.#newest = slot;
    this.#size++;
    if (slot === this.#expected) this.#chosen = slot;
  }

  *[Symbol.iterator](): IterableIterator<SessionSlot<S>> {
    for (let slot = this.#newest; slot !== null; slot = slot.older) yield slot;
  }

  iterator(): IterableIterator<SessionSlot<S>> {
    return this[Symbol.iterator]();
  }

  #unlink(slot: SessionSlot<S>): void {
    const { newer, older } = slot;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    slot.newer = null;
    slot.older = null;
    this.#size--;
  }
}
