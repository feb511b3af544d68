/** The middle value; the mean of the two middle ones for an even number; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) {
    return Number.NaN;
  }
  if (sorted.length % 2 === 1) {
    return upper;
  }
  return ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** How far apart the values are: (largest - smallest) / median; 0 for a single value. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** A ratio between two targets, made of one ratio per round, so that a slow phase of the machine hits both. */
export interface Comparison {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  /** True when the rounds disagree so much that the ratio says nothing. */
  readonly meaningless: boolean;
}

/** The rounds of a ratio may be this far apart, relative to their median, before the ratio is called meaningless. */
export const MEANINGLESS_SPREAD = 0.3;

/** Round by round; undefined for a round that either side lacks (undefined), or whose divisor is not above zero. */
export function ratios(
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): (number | undefined)[] {
  return ours.map((mine, round) => {
    const other = theirs[round];
    return mine !== undefined && other !== undefined && other > 0 ? mine / other : undefined;
  });
}

/** Compares round by round; a round that either side lacks (undefined) does not count. */
export function compare(
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): Comparison | undefined {
  const known = ratios(ours, theirs).filter((ratio) => ratio !== undefined);
  if (known.length === 0) {
    return undefined;
  }
  return {
    ratio: median(known),
    low: Math.min(...known),
    high: Math.max(...known),
    meaningless: known.length > 1 && spread(known) > MEANINGLESS_SPREAD,
  };
}
