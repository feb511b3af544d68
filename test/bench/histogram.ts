/**
 * A histogram with logarithmic buckets for latencies, cheap enough to be fed by the load generator on every
 * reply: recording is one logarithm and one increment, and never allocates.
 *
 * Values are milliseconds. A bucket is 1 % wide, so a percentile is at most 1 % off; values below 1 µs and
 * above about 20 minutes fall into the first and the last bucket.
 */
const LOWEST = 0.001;
const GROWTH = 1.01;
const BUCKETS = 2100;
const SCALE = 1 / Math.log(GROWTH);

/** One bucket: the value that stands for it, in milliseconds, and how many were recorded. */
export type HistogramEntry = readonly [value: number, count: number];

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #total = 0;
  #max = 0;

  record(milliseconds: number): void {
    const index = milliseconds <= LOWEST ? 0 : (Math.log(milliseconds / LOWEST) * SCALE + 0.5) | 0;
    const bucket = index < BUCKETS ? index : BUCKETS - 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
    if (milliseconds > this.#max) {
      this.#max = milliseconds;
    }
  }

  get total(): number {
    return this.#total;
  }

  /** The largest value recorded, exact. */
  get max(): number {
    return this.#max;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#total = 0;
    this.#max = 0;
  }

  /** The buckets that are not empty, ascending. */
  entries(): HistogramEntry[] {
    const entries: HistogramEntry[] = [];
    for (const [index, count] of this.#counts.entries()) {
      if (count > 0) {
        entries.push([LOWEST * GROWTH ** index, count]);
      }
    }
    return entries;
  }
}

/**
 * The value that `percent` (0..100) of all recorded values do not exceed; NaN when nothing was recorded.
 * `entries` must be ascending.
 */
export function percentile(entries: readonly HistogramEntry[], percent: number): number {
  let total = 0;
  for (const [, count] of entries) {
    total += count;
  }
  const wanted = (total * percent) / 100;
  let seen = 0;
  for (const [value, count] of entries) {
    seen += count;
    if (seen >= wanted) {
      return value;
    }
  }
  return Number.NaN;
}
