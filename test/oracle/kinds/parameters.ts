import type { Parameter } from '../model.js';
import type { Random } from '../random.js';

const VALUES: readonly Parameter[] = [
  1,
  2,
  3,
  -1,
  7n,
  'a',
  'b',
  '2',
  '',
  null,
  { double: 1.5 },
  { blob: 'bytes' },
];
export const NAMES = ['s1', 's2', 's3'];

export function values(random: Random): Parameter[] {
  return [random.pick(VALUES), random.pick(VALUES), random.pick(VALUES)];
}

function typeOf(value: Parameter): string {
  return value !== null && typeof value === 'object' ? (Object.keys(value)[0] ?? '') : typeof value;
}

/** Others of the same types: MySQL settles them with the first execute (`ps.types-change` is about that). */
export function alike(random: Random, first: readonly Parameter[]): Parameter[] {
  return first.map((value) => random.pick(VALUES.filter((other) => typeOf(other) === typeOf(value))));
}
