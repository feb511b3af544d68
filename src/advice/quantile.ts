/** Values of which each stands for as many as its weight. */
export interface Weighted {
  readonly values: Float64Array;
  /** Of all of them together. */
  readonly weight: number;
}

/** Share of the weight that exceeds a value; 0 where there is none. */
export function shareAbove(sets: readonly Weighted[], limit: number): number {
  let total = 0;
  let above = 0;
  for (const { values, weight } of sets) {
    if (values.length === 0) continue;
    let count = 0;
    for (const value of values) if (value > limit) count++;
    total += weight;
    above += (weight * count) / values.length;
  }
  return total === 0 ? 0 : above / total;
}

/** The smallest value that `share` of the weight does not exceed; 0 where there is none. */
export function quantile(sets: readonly Weighted[], share: number): number {
  const values = Float64Array.from(sets.flatMap(({ values: some, weight }) => (weight > 0 ? [...some] : [])));
  values.sort();
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    // Sums of shares are not quite what they should be.
    if (shareAbove(sets, values[middle] as number) <= 1 - share + 1e-9) high = middle;
    else low = middle + 1;
  }
  return values[low] ?? 0;
}
