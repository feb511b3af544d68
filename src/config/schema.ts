import type * as z from 'zod';
import { CLIENT_KEYS } from './keys/clients.js';
import type { KeyInfo, KeyTable } from './keys/key.js';
import { POOL_KEYS } from './keys/pool.js';
import { PROCESS_KEYS } from './keys/process.js';
import { SERVER_KEYS } from './keys/server.js';

/*
 * The one table of configuration keys. Types, defaults, validation, flags, environment variables, --help, the JSON schema and
 * the reference page all come from here. Every schema takes text, since flags, environment and file all deliver text (the file
 * is read without YAML's own guessing of types, so that `password: 0123` is four characters).
 */

/** Every key, in the order of the reference page. */
export const KEYS = {
  ...SERVER_KEYS,
  ...CLIENT_KEYS,
  ...POOL_KEYS,
  ...PROCESS_KEYS,
} as const satisfies KeyTable;

export type KeyName = keyof typeof KEYS;

export const KEY_NAMES = Object.keys(KEYS) as readonly KeyName[];

/** The row of a key, with the optional fields that the literal types of the table hide. */
export function keyInfo(name: KeyName): KeyInfo & { readonly schema: z.ZodType } {
  return KEYS[name];
}

type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

/** The value of every key, under its camel-case name. Durations are milliseconds, sizes bytes. */
export type KeyValues = { readonly [K in KeyName as CamelCase<K>]: z.output<(typeof KEYS)[K]['schema']> };

export type LogLevel = KeyValues['logLevel'];

export function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function flagName(name: string): string {
  return `--${name.replaceAll('_', '-')}`;
}

export const ENV_PREFIX = 'MYBOUNCER_';

/** The environment variables of a key, the strongest first. */
export function envNames(name: KeyName): readonly string[] {
  const { fileOnly, alsoEnv = [] } = keyInfo(name);
  return fileOnly === true ? [] : [`${ENV_PREFIX}${name.toUpperCase()}`, ...alsoEnv];
}
