import { dirname, isAbsolute, join } from 'node:path';
import type * as z from 'zod';
import { mistakesBetween, serverTlsMistakes, upstreamOf } from './between-keys.js';
import { CONFIG_VARIABLE, type ConfigInput, type Given, givenFor, type LoadedFile, pathOf } from './given.js';
import { type PasswordSource, readPasswordFile, readTextFile } from './password-file.js';
import { POOL_ENTRY_KEYS } from './pools.js';
import { ConfigError, InvalidValue, type Problem } from './problem.js';
import {
  camelCase,
  ENV_PREFIX,
  envNames,
  KEY_NAMES,
  type KeyName,
  type KeyValues,
  keyInfo,
} from './schema.js';
import { withUpstreamTls } from './server-tls.js';
import { SERVER_ENTRY_KEYS, type ServerEntry } from './servers.js';
import { suggest } from './suggest.js';
import { parseUpstream, type UpstreamTarget } from './upstream.js';
import { USER_KEYS, userSchema } from './user-schema.js';
import { type ClientUser, resolveUser, userMistakes, withUpstreamUser } from './users.js';
import { labelOf, readYaml } from './yaml-file.js';

/** The configuration before it is known which server there is. Durations are milliseconds, sizes bytes. */
export type Settings = Omit<KeyValues, 'users' | 'upstreamPasswordFile' | 'servers'> & {
  /** Empty where there is one server alone, which is the upstream: else that is the first of them. */
  readonly servers: readonly ServerEntry[];
  /** Those of the file; the upstream's own joins them in `completeConfig`. */
  readonly users: readonly ClientUser[];
  /** Absolute path of the file that the upstream's password was read from; null where the URL has it. */
  readonly upstreamPasswordFile: string | null;
};

/** The whole configuration of a running proxy. Durations are milliseconds, sizes bytes. */
export type Config = Settings & {
  readonly upstream: UpstreamTarget;
};

/** Settings, and where the value of each key stands that was given at all. */
export interface Loaded {
  readonly settings: Settings;
  readonly sources: ReadonlyMap<KeyName, string>;
}

function unknownKeyMessage(name: string, known: readonly string[]): string {
  const near = suggest(name, known);
  return near === null ? 'is not a known key' : `is not a known key (did you mean ${near}?)`;
}

function entryKeys(key: KeyName): readonly string[] {
  if (key === 'servers') return SERVER_ENTRY_KEYS;
  return key === 'pools' ? POOL_ENTRY_KEYS : USER_KEYS;
}

/** The problems of one value. Only messages of our own schemas get here, and those quote no secrets. */
function* problemsOf(key: KeyName, given: Given, error: z.ZodError): Generator<Problem> {
  for (const issue of error.issues) {
    if (issue.code === 'unrecognized_keys') {
      for (const name of issue.keys) {
        const label = labelOf([key, ...pathOf(issue.path), name]);
        yield {
          source: given.locate(issue.path, name),
          key: label,
          message: unknownKeyMessage(name, entryKeys(key)),
        };
      }
    } else {
      yield {
        source: given.locate(issue.path),
        key: labelOf([key, ...pathOf(issue.path)]),
        message: issue.message,
      };
    }
  }
}

/**
 * Parses every value given for a key, those that a stronger one covers included. The strongest counts; undefined when that
 * one is wrong.
 */
function parseKey(input: ConfigInput, key: KeyName, file: LoadedFile | null, problems: Problem[]): unknown {
  const { schema } = keyInfo(key);
  const found = givenFor(input, key, file);
  if (found.length === 0) return schema.parse(undefined);
  const results = found.map((given) => {
    const result = schema.safeParse(given.value);
    if (!result.success) problems.push(...problemsOf(key, given, result.error));
    return result.data;
  });
  const [result] = results;
  const directory = found[0]?.directory;
  // As given where it need not be another: it is what messages show.
  if (keyInfo(key).isPath !== true || typeof result !== 'string' || directory === undefined) return result;
  return isAbsolute(result) ? result : join(directory, result);
}

/** Reads the users of the file one by one: a mistake in one does not hide that another's password file is missing. */
function loadUsers(
  input: ConfigInput,
  file: LoadedFile | null,
  { tlsMode }: Partial<KeyValues>,
  problems: Problem[],
): ClientUser[] {
  const users: ClientUser[] = [];
  const seen = new Map<string, string>();
  const [given] = givenFor(input, 'users', file);
  for (const [index, raw] of (Array.isArray(given?.value) ? given.value : []).entries()) {
    const complain = (path: readonly string[], message: string): void => {
      const source = given?.locate([index, ...path]) ?? 'users';
      problems.push({ source, key: labelOf(['users', index, ...path]), message });
    };
    const mistakes = userMistakes(raw);
    for (const { path, message } of mistakes) complain(path, message);
    const { data: entry } = userSchema.safeParse(raw);
    if (entry === undefined) continue;
    if (entry.certificate !== undefined && tlsMode !== undefined && tlsMode !== 'verify')
      complain(['certificate'], 'needs tls_mode: verify, or nobody can log in as this user');
    const first = seen.get(entry.name);
    if (first !== undefined) complain(['name'], `is the same name as at ${first}`);
    else seen.set(entry.name, given?.locate([index, 'name']) ?? 'users');
    if (mistakes.length > 0) continue;
    const user = resolveUser(entry, file?.directory ?? '.');
    if ('name' in user) users.push(user);
    else for (const { path, message } of user) complain(path, message);
  }
  return users;
}

/** Null where no file is named, or where it cannot be read, which is noted. */
function loadUpstreamPassword(
  values: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
  problems: Problem[],
): PasswordSource | null {
  const { upstreamPasswordFile: path } = values;
  const upstream = upstreamOf(values);
  const [given] = givenFor(input, 'upstream_password_file', file);
  if (path === undefined || path === null || given === undefined || input.ignoreUpstream === true)
    return null;
  const complain = (message: string): void =>
    void problems.push({ source: given.locate([]), key: 'upstream_password_file', message });
  const read = readPasswordFile(path, given.directory ?? '.');
  if ('failure' in read) complain(read.failure);
  else if (upstream === null) complain('is the password of an upstream, and none is set');
  else if (upstream !== undefined && upstream.password.reveal() !== '')
    complain('and a password in the URL of upstream are one too many');
  return 'failure' in read ? null : read;
}

function readConfigFile(input: ConfigInput, problems: Problem[]): LoadedFile | null {
  const fromEnv = input.env[CONFIG_VARIABLE];
  const path = input.configFile ?? (fromEnv === '' ? undefined : fromEnv);
  if (path === undefined) return null;
  const { text, failure } = readTextFile(path);
  if (text === null) {
    const source = input.configFile === null ? `env ${CONFIG_VARIABLE}` : '--config';
    problems.push({ source, key: null, message: failure });
    return null;
  }
  const { file: yaml, problems: found } = readYaml(text, path);
  problems.push(...found);
  for (const name of yaml.values.keys()) {
    if (KEY_NAMES.some((key) => key === name)) continue;
    problems.push({ source: yaml.locateKey([name]), key: name, message: unknownKeyMessage(name, KEY_NAMES) });
  }
  return { yaml, directory: dirname(path) };
}

/**
 * Kubernetes puts variables for every service of the namespace into each container; those of a service that is called
 * `mybouncer` or `mybouncer-…` begin with our prefix and are none of our business.
 */
function isServiceLink(name: string, value: string): boolean {
  if (/_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(name)) return true;
  if (/_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value);
}

function* unknownVariables(env: ConfigInput['env']): Generator<Problem> {
  const known = [CONFIG_VARIABLE, ...KEY_NAMES.flatMap((key) => envNames(key))];
  for (const [name, value = ''] of Object.entries(env)) {
    if (!name.startsWith(ENV_PREFIX) || known.includes(name) || isServiceLink(name, value)) continue;
    const key = name.slice(ENV_PREFIX.length).toLowerCase();
    if (KEY_NAMES.some((one) => one === key)) {
      yield { source: `env ${name}`, key, message: 'can only be set in the configuration file' };
      continue;
    }
    const near = suggest(key, ['config', ...KEY_NAMES.filter((one) => envNames(one).length > 0)]);
    const hint = near === null ? '' : ` (did you mean ${ENV_PREFIX}${near.toUpperCase()}?)`;
    yield { source: `env ${name}`, key: null, message: `is not a known variable${hint}` };
  }
}

/**
 * Merges flags over environment over file over defaults, and checks every value in each of them, also where a stronger one
 * covers it: a mistake that only waits for its turn is told now.
 * @throws ConfigError with every mistake
 */
export function loadSettings(input: ConfigInput): Settings {
  return load(input).settings;
}

/** As {@link loadSettings}. @throws ConfigError with every mistake */
export function load(input: ConfigInput): Loaded {
  const problems: Problem[] = [...(input.problems ?? [])];
  const file = readConfigFile(input, problems);
  // Each entry is the output of its key's schema, or undefined with a problem noted.
  const values = Object.fromEntries(
    KEY_NAMES.map((key) => [camelCase(key), parseKey(input, key, file, problems)]),
  ) as Partial<KeyValues>;
  const users = loadUsers(input, file, values, problems);
  problems.push(...mistakesBetween(values, input, file));
  const password = loadUpstreamPassword(values, input, file, problems);
  problems.push(...unknownVariables(input.env));
  const sourceOf = (key: KeyName): string | null => givenFor(input, key, file)[0]?.locate([]) ?? null;
  // What files hold is only looked at where all else is right: a value that is none would be taken for its default.
  if (problems.length === 0) problems.push(...serverTlsMistakes(values as KeyValues, sourceOf));
  if (problems.length > 0) throw new ConfigError(problems);
  const settings = {
    ...(values as KeyValues),
    upstream: upstreamOf(values) ?? null,
    servers: values.servers?.entries ?? [],
    users,
    upstreamPasswordFile: password?.file ?? null,
  };
  const sources = new Map(
    KEY_NAMES.flatMap((key): [KeyName, string][] => {
      const source = sourceOf(key);
      return source === null ? [] : [[key, source]];
    }),
  );
  if (settings.upstream === null || password === null) return { settings, sources };
  const upstream = { ...settings.upstream, password: password.password };
  return { settings: { ...settings, upstream }, sources };
}

/** The configuration for a server: the settings' own upstream, or the one of a sandbox. */
export function completeConfig(settings: Settings, upstream: UpstreamTarget): Config {
  return {
    ...withUpstreamTls(settings, upstream),
    upstream,
    users: withUpstreamUser(settings.users, upstream, settings.upstreamPasswordFile),
  };
}

/** As `completeConfig`, for a URL. @throws ConfigError */
export function completeConfigWithUrl(settings: Settings, url: string): Config {
  try {
    return completeConfig(settings, parseUpstream(url));
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    throw new ConfigError([{ source: 'argument', key: 'upstream', message: error.message }]);
  }
}
