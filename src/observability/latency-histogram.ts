/*
 * Buckets: up to 2^SUB_BITS µs each value has its own; above that each power of two is cut into 2^SUB_BITS parts of equal width.
 * Bounds that are exported cut the part that they lie in once more, so that what a scrape tells of them is exact.
 */
const SUB_BITS = 4;
const SUB = 1 << SUB_BITS;
/** Longer times count as this one: 35 minutes, in µs. */
const MAX_US = 2 ** 31 - 1;
const PARTS = (31 - SUB_BITS + 1) * SUB;

/** Upper bounds of buckets that {@link LatencyHistogram.upTo} knows exactly, in ms; none is less than twice the one before. */
export const EXACT_BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000,
];

function partOf(us: number): number {
  if (us < SUB) return us;
  const shift = 31 - SUB_BITS - Math.clz32(us);
  return ((shift + 1) << SUB_BITS) + (us >>> shift) - SUB;
}

/** The largest whole number of µs in a part. */
function lastOf(part: number): number {
  if (part < SUB) return part;
  const shift = (part >> SUB_BITS) - 1;
  return (SUB + (part & (SUB - 1)) + 1) * 2 ** shift - 1;
}

/** The bucket of each part's lower end. */
const FIRST_BUCKET = new Uint16Array(PARTS);
/** Values above it are in the bucket behind that. */
const CUT_AT = new Int32Array(PARTS).fill(MAX_US);
/** The largest value of each bucket, in µs. */
const LAST: readonly number[] = (() => {
  const bounds = EXACT_BOUNDS_MS.map((ms) => Math.round(ms * 1_000));
  const last: number[] = [];
  for (let part = 0; part < PARTS; part++) {
    FIRST_BUCKET[part] = last.length;
    const cut = bounds.find((us) => partOf(us) === part && us !== lastOf(part));
    if (cut !== undefined) {
      CUT_AT[part] = cut;
      last.push(cut);
    }
    last.push(lastOf(part));
  }
  return last;
})();
const BUCKETS = LAST.length;

/** A histogram as JSON. */
export interface HistogramParts {
  /** Of each bucket that is not empty: its number, and how many times it has. */
  readonly buckets: readonly (readonly [number, number])[];
  readonly sumMs: number;
  readonly maxMs: number;
}

/**
 * Times, counted in fixed memory (4 KiB): {@link record} is a few operations on whole numbers and allocates nothing. A
 * percentile is at most 1/32 off, or half a µs. Times up to 35 minutes are told apart.
 */
export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  /** Number and sum of the times, and the longest one. */
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  /** @param ms a clock that was set back, so a negative time, counts as 0 */
  record(ms: number): void {
    const rounded = Math.ceil(ms * 1_000);
    const us = rounded > 0 ? (rounded < MAX_US ? rounded : MAX_US) : 0;
    const part = partOf(us);
    const bucket = (FIRST_BUCKET[part] as number) + (us > (CUT_AT[part] as number) ? 1 : 0);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
    if (us === 0) return;
    this.#sumMs += ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  get count(): number {
    return this.#count;
  }

  get sumMs(): number {
    return this.#sumMs;
  }

  /** The longest time, exactly. Of a {@link since} it may be one of before. */
  get maxMs(): number {
    return this.#maxMs;
  }

  /** The time that this share (0 to 1) of all do not exceed, in ms; 0 where there are none. */
  percentile(share: number): number {
    const wanted = Math.max(1, Math.ceil(this.#count * share));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen < wanted) continue;
      const first = bucket === 0 ? 0 : (LAST[bucket - 1] as number) + 1;
      // Times are rounded up to whole µs.
      const middle = (first - 1 + (LAST[bucket] as number)) / 2;
      return Math.min(Math.max(middle, 0) / 1_000, this.#maxMs);
    }
    return 0;
  }

  /** How many times are `boundMs` at most. @param boundMs one of {@link EXACT_BOUNDS_MS} */
  upTo(boundMs: number): number {
    const us = Math.round(boundMs * 1_000);
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS && (LAST[bucket] as number) <= us; bucket++)
      seen += this.#counts[bucket] as number;
    return seen;
  }

  /** Adds what another one has counted. */
  merge(other: LatencyHistogram): void {
    for (const [bucket, count] of other.#counts.entries())
      this.#counts[bucket] = (this.#counts[bucket] as number) + count;
    this.#count += other.#count;
    this.#sumMs += other.#sumMs;
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  parts(): HistogramParts {
    const buckets: [number, number][] = [];
    for (const [bucket, count] of this.#counts.entries()) if (count > 0) buckets.push([bucket, count]);
    return { buckets, sumMs: this.#sumMs, maxMs: this.#maxMs };
  }

  /** Another process' histogram. Buckets that there are not are left out. */
  static of({ buckets, sumMs, maxMs }: HistogramParts): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (const [bucket, count] of buckets) {
      if (bucket >= BUCKETS) continue;
      histogram.#counts[bucket] = (histogram.#counts[bucket] as number) + count;
      histogram.#count += count;
    }
    histogram.#sumMs = sumMs;
    histogram.#maxMs = maxMs;
    return histogram;
  }

  /** A copy that stays as it is. */
  snapshot(): LatencyHistogram {
    const copy = new LatencyHistogram();
    copy.merge(this);
    return copy;
  }

  /** What was counted since an earlier {@link snapshot}. */
  since(earlier: LatencyHistogram): LatencyHistogram {
    const rest = this.snapshot();
    for (const [bucket, count] of earlier.#counts.entries())
      rest.#counts[bucket] = (rest.#counts[bucket] as number) - count;
    rest.#count -= earlier.#count;
    rest.#sumMs -= earlier.#sumMs;
    return rest;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sumMs = 0;
    this.#maxMs = 0;
  }
}
