/**
 * What MySQL has resolved the parameters of a prepared statement to: the types of the first execute, until one comes with a
 * value that does not fit (tested on 9.7; MariaDB takes each execute's own). One character for each parameter that stands for
 * a value on its own; those that take their type from a column go the same way and are none the worse for it.
 */
export type ResolvedTypes = string;

/** Nothing was executed yet: to the server, all are texts. */
export const UNRESOLVED: ResolvedTypes = '';

const NULL = '0';
const TEXT = 's';
const BLOB = 'b';
const TIME = 't';
const NUMBERS = 'iudn';
/** Refused by the server. */
const OTHER = '?';

/** `enum_field_types` that clients send; unsigned integers are told by a flag. */
const CLASSES: ReadonlyMap<number, string> = new Map([
  ...[1, 2, 3, 8, 9].map((type) => [type, 'i'] as const),
  ...[4, 5].map((type) => [type, 'd'] as const),
  ...[0, 246].map((type) => [type, 'n'] as const),
  ...[7, 12].map((type) => [type, 'm'] as const),
  [10, 'y'],
  [11, TIME],
  [6, NULL],
  ...[15, 245, 253, 254].map((type) => [type, TEXT] as const),
  ...[249, 250, 251, 252].map((type) => [type, BLOB] as const),
]);

const UNSIGNED = 0x80;

/** What a parameter resolved to one type takes without being resolved anew, beside NULL, texts and blobs. */
const TAKES: ReadonlyMap<string, string> = new Map([
  ['i', 'i'],
  ['u', 'u'],
  ['d', 'iudn'],
  ['n', 'iun'],
  ['y', 'yiudn'],
  [TIME, 'tmiudn'],
  ['m', 'ytmiudn'],
  [TEXT, ''],
  [BLOB, ''],
]);

function takes(resolved: string, given: string): boolean {
  if (given === NULL || given === TEXT || given === BLOB || given === OTHER) return true;
  return (TAKES.get(resolved) ?? '').includes(given);
}

/** Classes of a block of types, `types[at]` on; a value that the bitmap `nulls` has as NULL counts as such. */
export function classesOf(types: Buffer, at: number, count: number, nulls: Buffer | null): ResolvedTypes {
  let classes = '';
  for (let i = 0; i < count; i++) {
    const isNull = nulls !== null && ((nulls[i >> 3] ?? 0) & (1 << (i & 7))) !== 0;
    const own = CLASSES.get(types[at + 2 * i] ?? 0) ?? OTHER;
    const isUnsigned = own === 'i' && ((types[at + 2 * i + 1] ?? 0) & UNSIGNED) !== 0;
    classes += isNull ? NULL : isUnsigned ? 'u' : own;
  }
  return classes;
}

/**
 * What the parameters are resolved to after an execute with values of the classes `given`. One that does not fit has all
 * resolved anew. (Then texts that are numbers, and numbers that are dates, may count as what they met before: that depends
 * on the value, and is taken for the usual case here.)
 */
export function resolve(resolved: ResolvedTypes, given: ResolvedTypes): ResolvedTypes {
  const before = resolved === UNRESOLVED ? TEXT.repeat(given.length) : resolved;
  if (fits(before, given)) return before;
  let anew = '';
  for (const [i, one] of [...given].entries()) {
    if (one === NULL || one === OTHER) anew += TEXT;
    else anew += before[i] === TIME && NUMBERS.includes(one) ? TIME : one;
  }
  return anew;
}

/** Whether values of these classes leave the parameters as they are resolved. */
export function fits(resolved: ResolvedTypes, given: ResolvedTypes): boolean {
  for (let i = 0; i < given.length; i++) if (!takes(resolved[i] ?? '', given[i] ?? '')) return false;
  return true;
}
