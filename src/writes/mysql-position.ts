/**
 * Intervals kept for each source: more only where the numbers have gaps, since others write as well. What is dropped
 * then is so many writes old; a replica that commits in the source's order (MySQL's default) has it before the rest.
 */
const MAX_INTERVALS = 16;
/** A group has one source; each server that was ever written to is one more, each tag too. */
const MAX_SOURCES = 64;

/** `source[:tag]` and the transactions of it: first and last of each interval, in order. */
type Intervals = number[];

/**
 * What was written on MySQL: a set of GTIDs, of which the text is `source[:tag]:first[-last][:first[-last]…],…`. Gaps are never
 * filled: the members of a replication group take numbers from blocks of their own, and many are never used.
 */
export class MysqlPosition {
  readonly #sources = new Map<string, Intervals>();

  /**
   * Takes in what `session_track_gtids` has reported.
   * @returns false when it cannot be read: then nothing is known of what was written
   */
  add(text: string): boolean {
    for (const item of text.split(',')) if (!this.#addItem(item.trim())) return false;
    return true;
  }

  toString(): string {
    const items: string[] = [];
    for (const [source, intervals] of this.#sources) {
      let item = source;
      for (let i = 0; i < intervals.length; i += 2) {
        const [first, last] = [intervals[i], intervals[i + 1]];
        item += first === last ? `:${first}` : `:${first}-${last}`;
      }
      items.push(item);
    }
    return items.join(',');
  }

  /** `uuid:1-5:7`, or with tags `uuid:1-5:tag:1:3` (8.3 and later). */
  #addItem(item: string): boolean {
    const words = item.split(':');
    const uuid = words[0] ?? '';
    if (uuid === '' || words.length < 2) return false;
    let source = uuid;
    for (let i = 1; i < words.length; i++) {
      const word = (words[i] ?? '').trim();
      if (TAG.test(word)) {
        source = `${uuid}:${word}`;
        continue;
      }
      const interval = INTERVAL.exec(word);
      if (interval === null) return false;
      const first = Number(interval[1]);
      const last = interval[2] === undefined ? first : Number(interval[2]);
      if (!Number.isSafeInteger(last) || last < first) return false;
      if (!this.#addInterval(source, first, last)) return false;
    }
    return true;
  }

  #addInterval(source: string, first: number, last: number): boolean {
    let intervals = this.#sources.get(source);
    if (intervals === undefined) {
      if (this.#sources.size === MAX_SOURCES) return false;
      intervals = [];
      this.#sources.set(source, intervals);
    }
    merge(intervals, first, last);
    if (intervals.length > 2 * MAX_INTERVALS) intervals.splice(0, intervals.length - 2 * MAX_INTERVALS);
    return true;
  }
}

const TAG = /^[a-z_][a-z0-9_]{0,31}$/i;
const INTERVAL = /^(\d+)(?:-(\d+))?$/;

/** Puts an interval into those that are there, in order, and joined with those that it touches. */
function merge(intervals: Intervals, first: number, last: number): void {
  // Mostly it is the newest of all.
  let from = intervals.length;
  while (from > 0 && (intervals[from - 1] as number) >= first - 1) from -= 2;
  let to = from;
  let [low, high] = [first, last];
  while (to < intervals.length && (intervals[to] as number) <= last + 1) {
    low = Math.min(low, intervals[to] as number);
    high = Math.max(high, intervals[to + 1] as number);
    to += 2;
  }
  intervals.splice(from, to - from, low, high);
}
