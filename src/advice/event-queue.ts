/** Numbered events, the earliest first; of those at the same time, the one with the lowest number. A binary heap. */
export class EventQueue {
  readonly #times: Float64Array;
  readonly #ids: Int32Array;
  #size = 0;

  /** @param capacity events that are there at the same time, at most */
  constructor(capacity: number) {
    this.#times = new Float64Array(capacity);
    this.#ids = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** Infinite where there is none. */
  get nextTime(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  push(time: number, id: number): void {
    const times = this.#times;
    const ids = this.#ids;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentTime = times[parent] as number;
      if (parentTime < time || (parentTime === time && (ids[parent] as number) < id)) break;
      times[at] = parentTime;
      ids[at] = ids[parent] as number;
      at = parent;
    }
    times[at] = time;
    ids[at] = id;
  }

  /** The number of the first event, which is taken out; -1 where there is none. */
  pop(): number {
    if (this.#size === 0) return -1;
    const times = this.#times;
    const ids = this.#ids;
    const first = ids[0] as number;
    const size = --this.#size;
    const time = times[size] as number;
    const id = ids[size] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      const right = child + 1;
      if (right < size && precedes(times, ids, right, child)) child = right;
      const childTime = times[child] as number;
      if (time < childTime || (time === childTime && id < (ids[child] as number))) break;
      times[at] = childTime;
      ids[at] = ids[child] as number;
      at = child;
    }
    times[at] = time;
    ids[at] = id;
    return first;
  }
}

function precedes(times: Float64Array, ids: Int32Array, a: number, b: number): boolean {
  const timeA = times[a] as number;
  const timeB = times[b] as number;
  return timeA < timeB || (timeA === timeB && (ids[a] as number) < (ids[b] as number));
}
