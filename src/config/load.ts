import { dirname, isAbsolute, join } from 'node:path';
import type * as z from 'zod';
import { formatAddress } from './address.js';
import { type PasswordSource, readPasswordFile, readTextFile } from './password-file.js';
import { POOL_ENTRY_KEYS, poolsMistakes } from './pools.js';
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
import { serverTlsProblems, urlTlsProblems, withUpstreamTls } from './server-tls.js';
import { SERVER_ENTRY_KEYS, type ServerEntry, serversMistakes } from './servers.js';
import { suggest } from './suggest.js';
import { tlsMistakes } from './tls-files.js';
import { parseUpstream, type UpstreamTarget } from './upstream.js';
import { USER_KEYS, userSchema } from './user-schema.js';
import { type ClientUser, resolveUser, userMistakes, withUpstreamUser } from './users.js';
import { labelOf, readYaml, type YamlFile } from './yaml-file.js';

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

/** A value from the command line, as text; several for a repeated list. */
export interface FlagValue {
  /** How the user gave it: `--pool-size`, or `argument`. */
  readonly source: string;
  readonly values: readonly string[];
}

export interface ConfigInput {
  readonly flags: ReadonlyMap<KeyName, FlagValue>;
  /** `--config`; null when not given. */
  readonly configFile: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A sandbox brings its own server: what environment and file say about another is left aside, unread. */
  readonly ignoreUpstream?: boolean;
  /** Mistakes already found on the command line, to be told together with the others. */
  readonly problems?: readonly Problem[];
}

const CONFIG_VARIABLE = `${ENV_PREFIX}CONFIG`;

/** One value of a key, and how to say where it (or a part of it) stands. */
interface Given {
  readonly value: unknown;
  readonly locate: (path: readonly PropertyKey[], unknownKey?: string) => string;
  /** Where relative paths in it start; the working directory unless given. */
  readonly directory?: string;
}

interface LoadedFile {
  readonly yaml: YamlFile;
  readonly directory: string;
}

const pathOf = (path: readonly PropertyKey[]): (string | number)[] =>
  path.map((part) => (typeof part === 'symbol' ? String(part) : part));

/** Variables that the environment gives for a key; an empty one counts as not set, as a shell or compose file leaves it. */
function fromEnvironment(input: ConfigInput, key: KeyName, name: string): Given | null {
  const text = input.env[name];
  if (text === undefined || text === '') return null;
  const value = keyInfo(key).list === true ? text.split(',').map((one) => one.trim()) : text;
  return { value, locate: () => `env ${name}` };
}

/** Every value given for a key, the strongest first: flag, environment, file. */
function givenFor(input: ConfigInput, key: KeyName, file: LoadedFile | null): Given[] {
  const found: Given[] = [];
  const flag = input.flags.get(key);
  if (flag !== undefined) {
    const value = keyInfo(key).list === true ? flag.values : flag.values.at(-1);
    found.push({ value, locate: () => flag.source });
  }
  if (
    input.ignoreUpstream === true &&
    (key === 'upstream' || key === 'servers' || key.startsWith('server_tls_'))
  )
    return found;
  const [ours = '', ...shared] = envNames(key);
  const own = fromEnvironment(input, key, ours);
  if (own !== null) found.push(own);
  // A variable that other programs read as well (DATABASE_URL) is only ours to judge where it takes effect.
  for (const name of found.length === 0 ? shared : []) {
    const given = fromEnvironment(input, key, name);
    if (given !== null) found.push(given);
  }
  if (file?.yaml.values.has(key) === true) {
    const locate: Given['locate'] = (path, unknownKey) =>
      unknownKey === undefined
        ? file.yaml.locate([key, ...pathOf(path)])
        : file.yaml.locateKey([key, ...pathOf(path), unknownKey]);
    found.push({ value: file.yaml.values.get(key), locate, directory: file.directory });
  }
  return found;
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

/** The one server, or the first of several; undefined where what is said of it is wrong. */
function upstreamOf({ upstream, servers }: Partial<KeyValues>): UpstreamTarget | null | undefined {
  return upstream === null ? servers?.upstream : upstream;
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

/** The addresses must not collide with each other; told at the one that was set. */
function clash(values: Partial<KeyValues>, input: ConfigInput, file: LoadedFile | null): Problem[] {
  const { http, listen = [] } = values;
  if (http === undefined || http === null || http.port === 0) return [];
  const text = formatAddress(http);
  if (!listen.some((address) => formatAddress(address) === text)) return [];
  const [given] = [...givenFor(input, 'http', file), ...givenFor(input, 'listen', file)];
  return [
    {
      source: given?.locate([]) ?? 'default',
      key: 'http',
      message: `is the same address as one of listen: ${text}`,
    },
  ];
}

/** A dry run is of the other mode; told at the key that asks for it. */
function dryRunMistakes(
  { dryRun, poolMode }: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
): Problem[] {
  if (dryRun !== true || poolMode !== 'transaction') return [];
  const [given] = givenFor(input, 'dry_run', file);
  const message =
    'finds out what pool_mode transaction would do, while clients have sessions of their own: it needs pool_mode session';
  return [{ source: given?.locate([]) ?? 'default', key: 'dry_run', message }];
}

/** {@link poolsMistakes} */
function* poolsProblems(
  values: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
): Generator<Problem> {
  const { pools, servers, listen, workers } = values;
  if (pools === undefined || servers === undefined || listen === undefined || workers === undefined) return;
  const schema = upstreamOf(values)?.schema ?? null;
  const [given] = givenFor(input, 'pools', file);
  for (const { path, message } of poolsMistakes({ pools, servers: servers.entries, schema, listen, workers }))
    yield { source: given?.locate(path) ?? 'default', key: labelOf(['pools', ...path]), message };
}

/** {@link serversMistakes}, told at the key that was set. */
function* serversProblems(
  { servers, upstream, workers, poolSize, fleet }: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
): Generator<Problem> {
  // What is wrong in itself has been told.
  if (servers === undefined || upstream === undefined) return;
  if (workers === undefined || poolSize === undefined || fleet === undefined) return;
  for (const { key, message } of serversMistakes({ servers, upstream, workers, poolSize, fleet })) {
    const [given] = givenFor(input, key, file);
    yield { source: given?.locate([]) ?? 'default', key, message };
  }
}

/** What is wrong with the files for TLS, told at the key that was set. */
function* tlsProblems(
  values: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
): Generator<Problem> {
  const { tlsMode: mode, tlsCert: cert, tlsKey: key, tlsClientCa: clientCa } = values;
  // What is wrong in itself has been told.
  if (mode === undefined || cert === undefined || key === undefined || clientCa === undefined) return;
  for (const mistake of tlsMistakes({ mode, cert, key, clientCa })) {
    const [given] = givenFor(input, mistake.key, file);
    yield { source: given?.locate([]) ?? 'default', key: mistake.key, message: mistake.message };
  }
}

function* serverTlsMistakes(
  values: KeyValues,
  sourceOf: (key: KeyName) => string | null,
): Generator<Problem> {
  const upstream = upstreamOf(values) ?? null;
  yield* urlTlsProblems(values, upstream, sourceOf);
  yield* serverTlsProblems(withUpstreamTls(values, upstream), sourceOf);
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
  problems.push(
    ...clash(values, input, file),
    ...dryRunMistakes(values, input, file),
    ...serversProblems(values, input, file),
    ...poolsProblems(values, input, file),
    ...tlsProblems(values, input, file),
  );
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
