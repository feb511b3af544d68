import * as z from 'zod';
import { type Address, formatAddress, parseListenAddress } from './address.js';
import { InvalidValue, quoteValue } from './problem.js';
import { Secret } from './secret.js';
import {
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from './units.js';

/* The kinds of values that keys have. Each is a schema from text to a value, with messages fit for a user. */

/** What is wrong with a value that is no text at all. Never shows the value. */
function notText(input: unknown): string {
  if (input === undefined) return 'is missing';
  if (input === null) return 'has no value';
  if (Array.isArray(input)) return 'must be a single value, not a list';
  if (typeof input === 'object') return 'must be a single value, not a map of keys';
  return 'must be text; put it in quotes';
}

export const text = () => z.string({ error: ({ input }) => notText(input) });

/** Text read by a function that throws InvalidValue. */
export function parsed<T>(parse: (text: string) => T, input: z.ZodType<string, unknown> = text()) {
  return input.transform((value, context): T => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

export function wholeNumber(least: number, most: number) {
  const complain = (input: unknown): string =>
    typeof input === 'string' || typeof input === 'number'
      ? `${quoteValue(String(input))} is not a whole number from ${least} to ${most}`
      : notText(input);
  const digits = text().meta({ pattern: '^[0-9]{1,15}$' });
  const input = z.union([z.int().min(least).max(most), digits], { error: (issue) => complain(issue.input) });
  return input.transform((value, context): number => {
    const number = typeof value === 'number' ? value : /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    context.addIssue({ code: 'custom', message: complain(value) });
    return z.NEVER;
  });
}

/** As {@link wholeNumber}, or the word. */
export function wholeNumberOr<const W extends string>(word: W, least: number, most: number) {
  const number = wholeNumber(least, most);
  const digits = text().meta({ pattern: `^([0-9]{1,15}|${word})$` });
  const input = z.union([z.int().min(least).max(most), digits], { error: (issue) => notText(issue.input) });
  return input.transform((value, context): number | W => {
    if (value === word) return word;
    const read = number.safeParse(value);
    if (read.success) return read.data;
    for (const { message } of read.error.issues)
      context.addIssue({ code: 'custom', message: `${message}, nor ${word}` });
    return z.NEVER;
  });
}

/** Octal digits; quoted or not, they are the same to whoever reads the file as YAML does. */
export function octal<T>(read: (value: string) => T) {
  const input = z.union([z.int().min(0).max(777), text().meta({ pattern: '^(0o?)?[0-7]{3}$' })], {
    error: (issue) => notText(issue.input),
  });
  return parsed(
    read,
    input.transform((value) => String(value)),
  );
}

export function duration(least: number) {
  const read = (value: string): number => {
    const milliseconds = parseDuration(value);
    if (milliseconds >= least) return milliseconds;
    throw new InvalidValue(`${quoteValue(value)} is too short: the least is ${formatDuration(least)}`);
  };
  return parsed(read, text().meta({ pattern: least === 0 ? `${DURATION_PATTERN}|^0$` : DURATION_PATTERN }));
}

/** Time limits are looked at once a second. */
const LEAST_TIME_LIMIT = 1_000;

/** A duration of at least a second, or 0 for no limit. */
export function timeLimit() {
  const read = (value: string): number => {
    const milliseconds = parseDuration(value);
    if (milliseconds === 0 || milliseconds >= LEAST_TIME_LIMIT) return milliseconds;
    const least = formatDuration(LEAST_TIME_LIMIT);
    throw new InvalidValue(`${quoteValue(value)} is too short: the least is ${least}, or 0 for no limit`);
  };
  return parsed(read, text().meta({ pattern: `${DURATION_PATTERN}|^0$` }));
}

export function size(least: number, most: number) {
  const read = (value: string): number => {
    const bytes = parseSize(value);
    if (bytes >= least && bytes <= most) return bytes;
    throw new InvalidValue(`${quoteValue(value)} is not from ${formatSize(least)} to ${formatSize(most)}`);
  };
  return parsed(read, text().meta({ pattern: SIZE_PATTERN }));
}

const SHARE = /^(?:(\d{1,3}(?:\.\d{1,6})?) *%|([01](?:\.\d{1,6})?))$/;

/** `80%` or `0.8`, from 0 to 1. */
export function share() {
  const read = (value: string): number => {
    const [, percent, ratio] = SHARE.exec(value) ?? [];
    const number = percent !== undefined ? Number(percent) / 100 : Number(ratio ?? Number.NaN);
    if (number >= 0 && number <= 1) return number;
    const hint = /^\d{1,2}$/.test(value) ? ` (did you mean ${value}%?)` : '';
    throw new InvalidValue(`${quoteValue(value)} is not a share from 0% to 100%, or from 0 to 1${hint}`);
  };
  const input = z.union(
    [
      z.number().min(0).max(1),
      text().meta({ pattern: '^(([0-9]{1,2}|100)(\\.[0-9]+)? *%|[01](\\.[0-9]+)?)$' }),
    ],
    { error: (issue) => notText(issue.input) },
  );
  return parsed(
    read,
    input.transform((value) => String(value)),
  );
}

/** A part of a whole that is known later, or so many of it. */
export type Portion = { readonly share: number } | { readonly count: number };

/** `10%` or `20`. */
export function portion(most: number) {
  const number = wholeNumber(0, most);
  const input = z.union(
    [z.int().min(0).max(most), text().meta({ pattern: '^([0-9]{1,15}|(([0-9]{1,2}|100)(\\.[0-9]+)? *%))$' })],
    { error: (issue) => notText(issue.input) },
  );
  return input.transform((value, context): Portion => {
    const [, percent] = typeof value === 'string' ? (SHARE.exec(value) ?? []) : [];
    if (percent !== undefined && Number(percent) <= 100) return { share: Number(percent) / 100 };
    const read = number.safeParse(value);
    if (read.success) return { count: read.data };
    for (const { message } of read.error.issues)
      context.addIssue({ code: 'custom', message: `${message}, nor a share such as 10%` });
    return z.NEVER;
  });
}

export function oneOf<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, {
    error: ({ input }) =>
      typeof input === 'string' ? `${quoteValue(input)} is not one of ${words.join(', ')}` : notText(input),
  });
}

/** One address or a list of them. Every element that cannot be read is its own issue, and so is one given twice. */
export function listenAddresses() {
  const input = z.union([text(), z.array(text()).min(1)], {
    error: (issue) =>
      issue.input === null
        ? 'has no value'
        : Array.isArray(issue.input) && issue.input.length === 0
          ? 'is an empty list; give at least one address'
          : 'must be an address such as 127.0.0.1:6033, or a list of such addresses',
  });
  return input.transform((value, context): readonly Address[] => {
    const seen = new Set<string>();
    const addresses: Address[] = [];
    for (const [index, one] of [value].flat().entries()) {
      const path = Array.isArray(value) ? [index] : [];
      try {
        const address = parseListenAddress(one);
        const canonical = formatAddress(address);
        const anyPort = address.kind === 'tcp' && address.port === 0;
        if (seen.has(canonical) && !anyPort) throw new InvalidValue(`${quoteValue(one)} is given twice`);
        seen.add(canonical);
        addresses.push(address);
      } catch (error) {
        if (!(error instanceof InvalidValue)) throw error;
        context.addIssue({ code: 'custom', message: error.message, path });
      }
    }
    return addresses;
  });
}

function noNul(value: string): string {
  if (value.includes('\0')) throw new InvalidValue('has a NUL byte, which the protocol cannot carry');
  return value;
}

export function notEmpty(value: string): string {
  if (value === '') throw new InvalidValue('is empty');
  return noNul(value);
}

export const secret = () => parsed((value) => new Secret(noNul(value)));

const ON = /^(on|true|yes)$/i;
const OFF = /^(off|false|no)$/i;

/** `on` or `off`; as YAML users write it, `true` or `false`, `yes` or `no`, too. */
export function flag() {
  const read = (value: string): boolean => {
    if (ON.test(value)) return true;
    if (OFF.test(value)) return false;
    throw new InvalidValue(`${quoteValue(value)} is neither on nor off`);
  };
  return parsed(read, switchInput('^(true|yes|on|false|no|off)$'));
}

/** As {@link flag}, or the word. */
export function flagOr<const W extends string>(word: W) {
  const read = (value: string): boolean | W => {
    if (value === word) return word;
    if (ON.test(value)) return true;
    if (OFF.test(value)) return false;
    throw new InvalidValue(`${quoteValue(value)} is not one of ${word}, on, off`);
  };
  return parsed(read, switchInput(`^(${word}|true|yes|on|false|no|off)$`));
}

function switchInput(pattern: string) {
  const input = z.union([z.boolean(), text().meta({ pattern })], { error: (issue) => notText(issue.input) });
  return input.transform((value) => String(value));
}

/** One text or a list of them, read one by one: each that cannot be read is its own issue. */
export function listOf<T>(read: (texts: string) => T) {
  const array = z.array(text()).min(1, 'is an empty list; leave the key out for no limit');
  const input = z.union([text(), array], { error: (issue) => notText(issue.input) });
  return input.transform((value, context): readonly T[] => {
    const values: T[] = [];
    for (const [index, one] of [value].flat().entries()) {
      try {
        values.push(read(one));
      } catch (error) {
        if (!(error instanceof InvalidValue)) throw error;
        const path = Array.isArray(value) ? [index] : [];
        context.addIssue({ code: 'custom', message: error.message, path });
      }
    }
    return values;
  });
}

/** Names, in the file a list; nothing, or an empty text, is none. */
export function names() {
  return z
    .union([text(), z.array(text())], { error: () => 'must be a name, or a list of names' })
    .nullable()
    .transform((value): readonly string[] => [
      ...new Set(
        [value ?? []]
          .flat()
          .map((name) => name.trim())
          .filter((name) => name !== ''),
      ),
    ])
    .prefault([]);
}
