import { type Config, completeConfig, type Loaded, type Settings } from './load.js';
import { ConfigError, type Problem } from './problem.js';
import { camelCase, KEY_NAMES, type KeyName, keyInfo } from './schema.js';
import { serverTlsProblems } from './server-tls.js';
import { tlsMistakes } from './tls-files.js';
import type { UpstreamTarget } from './upstream.js';
import { keptUsers, userChanges } from './user-changes.js';
import { valueText } from './value-text.js';

/** What became of a value that is another one now than in the running process. */
export interface Change {
  /** A key, or `users[NAME]`. */
  readonly key: string;
  /** As they would be written, without secrets. */
  readonly old: string;
  readonly new: string;
  readonly effect: 'applied' | 'needs restart';
}

/** How SHOW CONFIG says that a value was set at the console. */
export const SET_SOURCE = 'SET';

type Apply = () => void;

/**
 * The configuration of the running process. {@link values} is one object for as long as it lives, in which the values of
 * reloadable keys change: whoever reads a key at the moment when it is needed has its present value. What has to be done
 * about a change besides is registered with {@link on}.
 */
export class LiveConfig {
  readonly values: Config;
  #sources: ReadonlyMap<KeyName, string>;
  readonly #set = new Set<KeyName>();
  readonly #listeners: { readonly keys: readonly KeyName[]; readonly apply: Apply }[] = [];

  /** @param sources where values were given, for those that were */
  constructor(config: Config, sources: ReadonlyMap<KeyName, string> = new Map()) {
    this.values = { ...config };
    this.#sources = sources;
  }

  /** Calls back after one of the keys has changed, once for all that change together. It must not fail. */
  on(keys: readonly KeyName[], apply: Apply): void {
    this.#listeners.push({ keys, apply });
  }

  /** Where the value comes from: `default`, `mybouncer.yaml:3:12`, `--pool-size`, `env MYBOUNCER_POOL_SIZE`, `SET`. */
  sourceOf(key: KeyName): string {
    return this.#set.has(key) ? SET_SOURCE : (this.#sources.get(key) ?? 'default');
  }

  /**
   * Takes what has been read anew, and is right, as far as a running process can: all of it at once. Values of {@link set} are
   * gone. @returns what differs, of keys that need a restart as well, each time
   */
  reload({ settings, sources }: Loaded): readonly Change[] {
    const upstream = upstreamAfter(this.values, settings);
    // As at the start, but for what stays: the rest is derived from that.
    const kept = Object.fromEntries(
      KEY_NAMES.filter((key) => !isReloadable(key)).map((key) => [camelCase(key), valueIn(this.values, key)]),
    );
    const asked = completeConfig(settings, settings.upstream ?? this.values.upstream);
    const derived = completeConfig({ ...settings, ...kept } as Settings, upstream);
    const next = { ...derived, ...kept, upstream, users: keptUsers(this.values.users, derived.users) };
    const changes = this.#changes(asked, next);
    this.#sources = sources;
    this.#set.clear();
    this.#take(next);
    return changes;
  }

  /**
   * Gives a key the value that a text means, until the next {@link reload}.
   * @throws ConfigError, RangeError for a key that cannot be set
   */
  set(key: KeyName, text: string): Change {
    if (!isSettable(key)) throw new RangeError(`${key} cannot be set`);
    const { schema, list } = keyInfo(key);
    const result = schema.safeParse(list === true ? text.split(',') : text);
    if (!result.success)
      throw new ConfigError(result.error.issues.map(({ message }) => ({ source: SET_SOURCE, key, message })));
    const next: Config = { ...this.values, [camelCase(key)]: result.data };
    const problems = [...problemsTogether(next)];
    if (problems.length > 0) throw new ConfigError(problems);
    const change = {
      key,
      old: valueText(key, this.values),
      new: valueText(key, next),
      effect: 'applied',
    } as const;
    this.#set.add(key);
    this.#take(next);
    return change;
  }

  #changes(asked: Config, next: Config): readonly Change[] {
    const changes: Change[] = [];
    for (const key of KEY_NAMES) {
      if (key === 'users') {
        changes.push(...userChanges(this.values.users, next.users));
        continue;
      }
      const [old, wanted] = [valueText(key, this.values), valueText(key, isReloadable(key) ? next : asked)];
      const isAnother = key === 'upstream' && !samePassword(this.values, asked);
      if (old === wanted && !isAnother) continue;
      const effect = isReloadable(key) || (key === 'upstream' && !samePassword(this.values, next));
      changes.push({
        key,
        old,
        new: isAnother && old === wanted ? `${wanted} (another password)` : wanted,
        effect: effect ? 'applied' : 'needs restart',
      });
    }
    return changes;
  }

  #take(next: Config): void {
    const changed = new Set(KEY_NAMES.filter((key) => valueIn(this.values, key) !== valueIn(next, key)));
    Object.assign(this.values, next);
    for (const { keys, apply } of this.#listeners) if (keys.some((key) => changed.has(key))) apply();
  }
}

/** Whether SET takes it: what stands on one line, and may change. */
export function isSettable(key: KeyName): boolean {
  return isReloadable(key) && keyInfo(key).fileOnly !== true;
}

function isReloadable(key: KeyName): boolean {
  return keyInfo(key).reloadable;
}

function valueIn(config: Config, key: KeyName): unknown {
  return (config as unknown as Readonly<Record<string, unknown>>)[camelCase(key)];
}

/** The one there is, with the password that is given now: server and user stay. A file's contents are looked after anyway. */
function upstreamAfter({ upstream, upstreamPasswordFile }: Config, settings: Settings): UpstreamTarget {
  const given = settings.upstream;
  if (given === null || upstreamPasswordFile !== null || settings.upstreamPasswordFile !== null)
    return upstream;
  const isSame = JSON.stringify({ ...given, tls: null }) === JSON.stringify({ ...upstream, tls: null });
  return isSame ? given : upstream;
}

function samePassword(one: Config, other: Config): boolean {
  if (one.upstreamPasswordFile !== null || other.upstreamPasswordFile !== null) return true;
  return one.upstream.password.reveal() === other.upstream.password.reveal();
}

/** What the values of several keys demand of each other. */
function* problemsTogether(config: Config): Generator<Problem> {
  const { tlsMode: mode, tlsCert: cert, tlsKey: key, tlsClientCa: clientCa } = config;
  for (const mistake of tlsMistakes({ mode, cert, key, clientCa })) yield { source: SET_SOURCE, ...mistake };
  yield* serverTlsProblems(config, () => SET_SOURCE);
}
