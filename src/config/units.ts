import { InvalidValue, quoteValue } from './problem.js';

interface Unit {
  readonly name: string;
  readonly factor: number;
}

const DURATION_UNITS: readonly Unit[] = [
  { name: 'd', factor: 86_400_000 },
  { name: 'h', factor: 3_600_000 },
  { name: 'm', factor: 60_000 },
  { name: 's', factor: 1_000 },
  { name: 'ms', factor: 1 },
];

/** The binary units are the ones written back. K, M and G alone mean what they mean to MySQL: powers of 1024. */
const SIZE_UNITS: readonly Unit[] = [
  { name: 'GiB', factor: 1024 ** 3 },
  { name: 'MiB', factor: 1024 ** 2 },
  { name: 'KiB', factor: 1024 },
  { name: 'B', factor: 1 },
  { name: 'G', factor: 1024 ** 3 },
  { name: 'M', factor: 1024 ** 2 },
  { name: 'K', factor: 1024 },
  { name: 'GB', factor: 1000 ** 3 },
  { name: 'MB', factor: 1000 ** 2 },
  { name: 'KB', factor: 1000 },
];

/** One or more numbers with units, the larger unit first: `5s`, `1.5s`, `1m30s`. */
export const DURATION_PATTERN = '^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$';
export const SIZE_PATTERN = '^\\d+(\\.\\d+)?\\s?([KkMmGg]([Ii]?[Bb])?|[Bb])$';

/** The longest duration that a timer of the runtime can hold, in milliseconds: just under 25 days. */
export const LONGEST_DURATION = 2 ** 31 - 1;

/** Digits times factor, or null when that is no whole number. In integers throughout: 1.001 × 1000 is not 1001 in binary. */
function scale(digits: string, factor: number): number | null {
  const [whole = '', decimals = ''] = digits.split('.');
  const unscaled = BigInt(whole + decimals) * BigInt(factor);
  const divisor = 10n ** BigInt(decimals.length);
  return unscaled % divisor === 0n ? Number(unscaled / divisor) : null;
}

/**
 * A duration in whole milliseconds. A bare number is refused (seconds to one reader, milliseconds to another), except `0`.
 * @throws InvalidValue
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  if (!new RegExp(DURATION_PATTERN).test(text)) {
    const hint = /^\d+(\.\d+)?$/.test(text) ? ` (did you mean ${text}s?)` : '';
    throw new InvalidValue(
      `${quoteValue(text)} is not a duration with a unit such as 250ms, 5s or 1m30s${hint}`,
    );
  }
  let total = 0;
  let last = -1;
  for (const [, digits = '', name = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    const rank = DURATION_UNITS.findIndex((unit) => unit.name === name);
    if (rank <= last)
      throw new InvalidValue(`${quoteValue(text)} must name each unit once, the largest first`);
    last = rank;
    const amount = scale(digits, DURATION_UNITS[rank]?.factor ?? Number.NaN);
    if (amount === null) throw new InvalidValue(`${quoteValue(text)} is not a whole number of milliseconds`);
    total += amount;
  }
  if (total > LONGEST_DURATION) throw new InvalidValue(`${quoteValue(text)} is too long: the most is 24d`);
  return total;
}

/**
 * A size in whole bytes. Letter case does not matter; `16M` is 16 MiB, as in MySQL's own options, and `16MB` is 16,000,000.
 * @throws InvalidValue
 */
export function parseSize(text: string): number {
  if (text === '0') return 0;
  const [, digits = '', name = ''] = /^(\d+(?:\.\d+)?)\s?([a-z]+)$/i.exec(text) ?? [];
  const unit = SIZE_UNITS.find((one) => one.name.toLowerCase() === name.toLowerCase());
  if (unit === undefined) {
    const hint = /^\d+$/.test(text) ? ` (did you mean ${text}B?)` : '';
    throw new InvalidValue(
      `${quoteValue(text)} is not a size with a unit such as 64KiB, 16MiB or 1GiB${hint}`,
    );
  }
  const bytes = scale(digits, unit.factor);
  if (bytes === null) throw new InvalidValue(`${quoteValue(text)} is not a whole number of bytes`);
  if (!Number.isSafeInteger(bytes)) throw new InvalidValue(`${quoteValue(text)} is too large`);
  return bytes;
}

/** The shortest text that parses back to the same number of milliseconds. */
export function formatDuration(milliseconds: number): string {
  let rest = milliseconds;
  let text = '';
  for (const { name, factor } of DURATION_UNITS) {
    const amount = Math.floor(rest / factor);
    if (amount > 0) text += `${amount}${name}`;
    rest -= amount * factor;
  }
  return text === '' ? '0' : text;
}

/** The size in the largest binary unit that divides it. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0';
  const unit = SIZE_UNITS.find(({ factor }) => bytes % factor === 0);
  return unit === undefined ? `${bytes}B` : `${bytes / unit.factor}${unit.name}`;
}
