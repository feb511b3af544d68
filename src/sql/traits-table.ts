import { StatementKind, type StatementTraits } from './traits.js';

/** Different traits of single statements kept for sharing; real workloads have a few dozen. */
const MAX_SHARED = 4096;

const NOTHING: readonly never[] = Object.freeze([]);

const shared = new Map<StatementKind, Map<number, StatementTraits>>();
let count = 0;

function freeze(traits: StatementTraits): StatementTraits {
  const { assignments, each, kill } = traits;
  return Object.freeze({
    ...traits,
    assignments:
      assignments.length === 0 ? NOTHING : Object.freeze(assignments.map((one) => Object.freeze({ ...one }))),
    each: each.length === 0 ? NOTHING : Object.freeze([...each]),
    kill: kill === null ? null : Object.freeze({ ...kill }),
  });
}

/** Freezes traits; equal ones of a statement without names in it become the same object. */
export function traitsOf(traits: StatementTraits): StatementTraits {
  const { statements, first, holds, flags, assignments, use, kill } = traits;
  if (statements !== 1 || assignments.length > 0 || use !== null || kill !== null) return freeze(traits);
  let ofKind = shared.get(first);
  if (ofKind === undefined) {
    ofKind = new Map();
    shared.set(first, ofKind);
  }
  // Flags have fewer than 26 bits, holds fewer than 27: together an exact number.
  const key = holds * 2 ** 26 + flags;
  const known = ofKind.get(key);
  if (known !== undefined) return known;
  const frozen = freeze(traits);
  if (count++ >= MAX_SHARED) {
    count = 0;
    shared.clear();
  } else {
    ofKind.set(key, frozen);
  }
  return frozen;
}

/** Of a text without a statement. */
export const EMPTY_TRAITS: StatementTraits = freeze({
  statements: 0,
  first: StatementKind.Empty,
  holds: 0,
  flags: 0,
  assignments: [],
  use: null,
  kill: null,
  each: [],
});
