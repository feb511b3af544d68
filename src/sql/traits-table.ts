import { StatementKind, type StatementTraits } from './traits.js';

/** Different traits of single statements kept for sharing; real workloads have a few dozen. */
const MAX_SHARED = 4096;

const NOTHING: readonly never[] = Object.freeze([]);

const shared = new Map<StatementKind, Map<number, StatementTraits>>();
let count = 0;

function listOf<T extends object>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NOTHING : Object.freeze(list.map((one) => Object.freeze({ ...one })));
}

function freeze(traits: StatementTraits): StatementTraits {
  const { assignments, changes, lockColumns, sessionValues, routines, each, kill } = traits;
  return Object.freeze({
    ...traits,
    assignments: listOf(assignments),
    changes: listOf(changes),
    lockColumns: lockColumns === null ? null : Object.freeze([...lockColumns]),
    sessionValues: listOf(sessionValues),
    routines: routines.length === 0 ? NOTHING : Object.freeze([...routines]),
    each: each.length === 0 ? NOTHING : Object.freeze([...each]),
    kill: kill === null ? null : Object.freeze({ ...kill }),
  });
}

function hasDetails(traits: StatementTraits): boolean {
  const { assignments, changes, lockColumns, sessionValues, routines, use, kill } = traits;
  const lists = assignments.length + changes.length + sessionValues.length + routines.length;
  return lists > 0 || lockColumns !== null || use !== null || kill !== null;
}

/** Freezes traits; equal ones of a statement without names in it become the same object. */
export function traitsOf(traits: StatementTraits): StatementTraits {
  const { statements, first, holds, flags } = traits;
  if (statements !== 1 || hasDetails(traits)) return freeze(traits);
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
  changes: [],
  lockColumns: null,
  sessionValues: [],
  routines: [],
  use: null,
  kill: null,
  each: [],
});
