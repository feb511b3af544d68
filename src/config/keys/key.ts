import type * as z from 'zod';
import { notEmpty, parsed } from '../value-schemas.js';

/* What a key of the configuration is: its row in the table. */

export const GROUPS = {
  server: 'The server',
  clients: 'Clients',
  pool: 'The pool',
  process: 'The process',
} as const;

export type Group = keyof typeof GROUPS;

export interface KeyInfo {
  readonly group: Group;
  /** What stands for the value in `--help`: `--pool-size N`. */
  readonly placeholder: string;
  /** The default as text, as it would be written; null for none. */
  readonly defaultText: string | null;
  /** One line for `--help`, without a full stop. */
  readonly summary: string;
  /** More for the reference page; may be empty. Markdown. */
  readonly detail: string;
  /** What to show in the example file in place of the default. */
  readonly example?: string;
  /** May be given more than once: repeated as a flag, separated by commas in the environment, a list in the file. */
  readonly list?: true;
  /** Only in the file: neither flag nor environment variable. */
  readonly fileOnly?: true;
  /** Environment variables besides MYBOUNCER_*; those come second. */
  readonly alsoEnv?: readonly string[];
  /** A file: a relative path in the configuration file starts at its directory. */
  readonly isPath?: true;
  /** Whether a running process can take a new value. */
  readonly reloadable: boolean;
}

/** A key with a default: the text of the table goes through the same schema as any other value. */
export function key<T>(schema: z.ZodType<T, unknown>, info: KeyInfo & { readonly defaultText: string }) {
  return { ...info, schema: schema.prefault(info.defaultText) };
}

/** A key whose schema itself says what its absence means. */
export function keyWithoutDefault<T>(
  schema: z.ZodType<T, unknown>,
  info: KeyInfo & { readonly defaultText: null },
) {
  return { ...info, schema };
}

/** The path of a file that may be left out; an empty one is none. */
export const path = () =>
  parsed<string | null>((value) => (value === '' ? null : notEmpty(value))).default(null);

/** Rows of the table by name, in the order of the reference page. */
export type KeyTable = Readonly<Record<string, KeyInfo & { readonly schema: z.ZodType }>>;
