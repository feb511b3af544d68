/**
 * A `Map` for what comes and goes by thousands a second, such as clients; in order of entry, and safe against changes while it
 * is walked, as a `Map` is.
 *
 * A `Map` of V8's keeps what has left it: a table that is full is replaced, and points to its successor (for iterators). Once
 * one table has lived long enough to be taken for old, which needs only a quiet moment, each table after it is reachable from
 * one that only a collection of old objects frees, and so is each client that stood in it when it was replaced: all of them
 * survive the collections of young objects, which are many and have to copy them. With a login for each query that was 11 % of
 * the proxy's CPU. Here the tables point to cells, and an entry that leaves empties its cell.
 */
export class TurnoverMap<K extends string | number, V> {
  readonly #cells = new Map<K, Cell<V>>();

  get size(): number {
    return this.#cells.size;
  }

  has(key: K): boolean {
    return this.#cells.has(key);
  }

  get(key: K): V | undefined {
    return this.#cells.get(key)?.value;
  }

  /** One that is there keeps its place. */
  set(key: K, value: V): void {
    const cell = this.#cells.get(key);
    if (cell === undefined) this.#cells.set(key, { value });
    else cell.value = value;
  }

  /** @returns whether it was there */
  delete(key: K): boolean {
    const cell = this.#cells.get(key);
    if (cell === undefined) return false;
    cell.value = undefined;
    return this.#cells.delete(key);
  }

  *values(): Generator<V, undefined> {
    for (const { value } of this.#cells.values()) yield value as V;
  }
}

interface Cell<V> {
  /** Undefined: the entry has left. */
  value: V | undefined;
}
