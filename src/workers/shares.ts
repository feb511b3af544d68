/** Somebody who wants a part of a whole. */
export interface Wish {
  /** Whole, from 0. */
  readonly wanted: number;
  /** Who comes first, of those who want more than can be divided evenly: the least number. */
  readonly turn: number;
}

/**
 * Divides a whole among wishes: nobody gets more than he wants, and nobody less than another one who does not get all that he
 * wants, but for what cannot be divided evenly, which goes by turns.
 * @returns parts in the order of the wishes
 */
export function divide(whole: number, wishes: readonly Wish[]): readonly number[] {
  const parts = new Array<number>(wishes.length).fill(0);
  const rising = [...wishes.entries()].sort(([, a], [, b]) => a.wanted - b.wanted);
  let left = whole;
  for (const [served, [index, { wanted }]] of rising.entries()) {
    const even = Math.floor(left / (rising.length - served));
    if (wanted > even) {
      divideEvenly(left, rising.slice(served), parts);
      return parts;
    }
    parts[index] = wanted;
    left -= wanted;
  }
  return parts;
}

/** All of them want more than the even part. */
function divideEvenly(left: number, rest: readonly [number, Wish][], parts: number[]): void {
  const even = Math.floor(left / rest.length);
  const extra = left % rest.length;
  const byTurn = [...rest].sort(([, a], [, b]) => a.turn - b.turn);
  for (const [i, [index]] of byTurn.entries()) parts[index] = even + (i < extra ? 1 : 0);
}
