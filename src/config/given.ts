import type { Problem } from './problem.js';
import { ENV_PREFIX, envNames, type KeyName, keyInfo } from './schema.js';
import type { YamlFile } from './yaml-file.js';

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

/** Names the file. */
export const CONFIG_VARIABLE = `${ENV_PREFIX}CONFIG`;

/** One value of a key, and how to say where it (or a part of it) stands. */
export interface Given {
  readonly value: unknown;
  readonly locate: (path: readonly PropertyKey[], unknownKey?: string) => string;
  /** Where relative paths in it start; the working directory unless given. */
  readonly directory?: string;
}

export interface LoadedFile {
  readonly yaml: YamlFile;
  readonly directory: string;
}

export const pathOf = (path: readonly PropertyKey[]): (string | number)[] =>
  path.map((part) => (typeof part === 'symbol' ? String(part) : part));

/** Variables that the environment gives for a key; an empty one counts as not set, as a shell or compose file leaves it. */
function fromEnvironment(input: ConfigInput, key: KeyName, name: string): Given | null {
  const text = input.env[name];
  if (text === undefined || text === '') return null;
  const value = keyInfo(key).list === true ? text.split(',').map((one) => one.trim()) : text;
  return { value, locate: () => `env ${name}` };
}

/** Every value given for a key, the strongest first: flag, environment, file. */
export function givenFor(input: ConfigInput, key: KeyName, file: LoadedFile | null): Given[] {
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
