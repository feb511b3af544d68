import { fingerprintOf, isNullLiteral, PARSE_VARIABLES, type UserVariable } from './user-variables.js';
import {
  changesCharset,
  isKeyword,
  isNull,
  isText,
  NOT_FOR_CLIENTS,
  RESULTS_COLLATION,
} from './variables.js';

/**
 * The session variables of a server session as they were right after login, or after a reset: the ground a
 * {@link SessionProfile} stands on. Interned by content, so sessions opened under the same globals share one.
 */
export interface Baseline {
  /** Session-scoped variables that can be set, by name, in the server's own text. */
  readonly variables: ReadonlyMap<string, string>;
}

/** What must be sent to a session of one profile so that it has another. Null members need nothing. */
export interface ProfileDifference {
  /** One `SET SESSION a=…, SESSION b=…`. */
  readonly setStatement: string | null;
  readonly schema: string | null;
  readonly multiStatements: boolean | null;
  /** User variables to be set when all else is done, by name. */
  readonly userVariables: ReadonlyMap<string, UserVariable> | null;
  /** It has user variables that the other must never have had: only a reset of the session takes them away. */
  readonly needsReset: boolean;
}

interface ProfileFields {
  readonly baseline: Baseline;
  /** Name of the default schema, null for none. */
  readonly schema: string | null;
  /** `COM_SET_OPTION`: whether one COM_QUERY may hold several statements. */
  readonly multiStatements: boolean;
  /** Variables that differ from the baseline. */
  readonly overrides: ReadonlyMap<string, string>;
  /** User variables that can be set again, by name in lower case. */
  readonly userVariables: ReadonlyMap<string, UserVariable>;
}

const NO_USER_VARIABLES: ReadonlyMap<string, UserVariable> = new Map();

/** More transitions than this from one profile are not remembered: clients that set unique values must not fill memory. */
const MAX_REMEMBERED = 64;

/**
 * The part of a session's state that can be re-created elsewhere: an immutable value. Profiles are interned:
 * two sessions have the same state exactly when they refer to the same object, so the comparison at every
 * checkout is one pointer comparison.
 */
export class SessionProfile {
  readonly baseline: Baseline;
  readonly schema: string | null;
  readonly multiStatements: boolean;
  readonly overrides: ReadonlyMap<string, string>;
  readonly userVariables: ReadonlyMap<string, UserVariable>;
  /** Of the content, 32 bits: equal content has the same one even when it was forgotten in between. */
  readonly hash: number;
  readonly #registry: ProfileRegistry;
  #parseKey: string | null = null;
  /** Weak, as is {@link #differences}: else the root of all, which never goes, would keep every profile there ever was. */
  readonly #transitions = new Map<string, WeakRef<SessionProfile>>();
  #differences = new WeakMap<SessionProfile, ProfileDifference>();
  #differencesKept = 0;

  constructor(fields: ProfileFields, hash: number, registry: ProfileRegistry) {
    this.baseline = fields.baseline;
    this.schema = fields.schema;
    this.multiStatements = fields.multiStatements;
    this.overrides = fields.overrides;
    this.userVariables = fields.userVariables;
    this.hash = hash;
    this.#registry = registry;
  }

  /**
   * What the server binds into a statement when it is prepared: the default schema, how the text is parsed and the
   * collation of its literals. Statements prepared under equal keys mean the same.
   */
  get parseKey(): string {
    this.#parseKey ??= JSON.stringify([this.schema, ...PARSE_VARIABLES.map((name) => this.variable(name))]);
    return this.#parseKey;
  }

  /** Value of a variable, or undefined when the server did not show it. */
  variable(name: string): string | undefined {
    return this.overrides.get(name) ?? this.baseline.variables.get(name);
  }

  withVariable(name: string, value: string): SessionProfile {
    if (this.variable(name) === value) return this;
    return this.#transition(`v${name}=${value}`, () => {
      const overrides = new Map(this.overrides);
      if (this.baseline.variables.get(name) === value) overrides.delete(name);
      else overrides.set(name, value);
      return { ...this.#fields(), overrides };
    });
  }

  withSchema(schema: string | null): SessionProfile {
    if (this.schema === schema) return this;
    return this.#transition(schema === null ? 'n' : `s${schema}`, () => ({ ...this.#fields(), schema }));
  }

  withMultiStatements(multiStatements: boolean): SessionProfile {
    if (this.multiStatements === multiStatements) return this;
    return this.#transition(multiStatements ? 'm1' : 'm0', () => ({ ...this.#fields(), multiStatements }));
  }

  /**
   * `variable`: null takes it out, which no session can be told but by a reset. The way there is not remembered: values of
   * user variables hardly ever come again.
   */
  withUserVariable(name: string, variable: UserVariable | null): SessionProfile {
    const before = this.userVariables.get(name);
    if (variable === null && before === undefined) return this;
    const userVariables = new Map(this.userVariables);
    if (variable === null) userVariables.delete(name);
    else userVariables.set(name, variable);
    return this.#registry.intern({ ...this.#fields(), userVariables });
  }

  /** What turns a session of this profile into one of `target`. Has a schema to have none cannot be restored. */
  differenceTo(target: SessionProfile): ProfileDifference {
    let difference = this.#differences.get(target);
    if (difference === undefined) {
      difference = computeDifference(this, target, this.#registry.takenAlong);
      if (this.#differencesKept >= MAX_REMEMBERED) {
        this.#differences = new WeakMap();
        this.#differencesKept = 0;
      }
      this.#differences.set(target, difference);
      this.#differencesKept++;
    }
    return difference;
  }

  #transition(key: string, fields: () => ProfileFields): SessionProfile {
    let next = this.#transitions.get(key)?.deref();
    if (next === undefined) {
      next = this.#registry.intern(fields());
      if (this.#transitions.size >= MAX_REMEMBERED) this.#transitions.clear();
      this.#transitions.set(key, new WeakRef(next));
    }
    return next;
  }

  #fields(): ProfileFields {
    const { baseline, schema, multiStatements, overrides, userVariables } = this;
    return { baseline, schema, multiStatements, overrides, userVariables };
  }
}

/** Interns profiles and baselines. Profiles that nobody uses any more are forgotten. */
export class ProfileRegistry {
  /**
   * Where there are several servers: variables that sessions on one of them get from the baseline of another one. Those that are not
   * among them stay as each server has them. Null where there is one server, all of whose baselines are of different times.
   */
  readonly takenAlong: ReadonlySet<string> | null;
  readonly #profiles = new Map<string, WeakRef<SessionProfile>>();
  readonly #baselineIds = new Map<Baseline, number>();
  readonly #baselines = new Map<string, Baseline>();
  readonly #collected = new FinalizationRegistry<string>((fingerprint) => {
    if (this.#profiles.get(fingerprint)?.deref() === undefined) this.#profiles.delete(fingerprint);
  });

  constructor(takenAlong: ReadonlySet<string> | null = null) {
    this.takenAlong = takenAlong;
  }

  get size(): number {
    return this.#profiles.size;
  }

  /** The baseline with exactly these variables. */
  baseline(variables: ReadonlyMap<string, string>): Baseline {
    const text = JSON.stringify([...variables].sort(([a], [b]) => (a < b ? -1 : 1)));
    let baseline = this.#baselines.get(text);
    if (baseline === undefined) {
      baseline = { variables };
      this.#baselines.set(text, baseline);
      this.#baselineIds.set(baseline, this.#baselineIds.size);
    }
    return baseline;
  }

  /** The profile of a session at its baseline. */
  initial(baseline: Baseline, schema: string | null, multiStatements: boolean): SessionProfile {
    return this.intern({
      baseline,
      schema,
      multiStatements,
      overrides: new Map(),
      userVariables: NO_USER_VARIABLES,
    });
  }

  intern(fields: ProfileFields): SessionProfile {
    const fingerprint = JSON.stringify([
      this.#baselineIds.get(fields.baseline),
      fields.schema,
      fields.multiStatements,
      [...fields.overrides].sort(([a], [b]) => (a < b ? -1 : 1)),
      [...fields.userVariables]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, variable]) => [name, fingerprintOf(variable)]),
    ]);
    let profile = this.#profiles.get(fingerprint)?.deref();
    if (profile === undefined) {
      profile = new SessionProfile(fields, hashOf(fingerprint), this);
      this.#profiles.set(fingerprint, new WeakRef(profile));
      this.#collected.register(profile, fingerprint);
    }
    return profile;
  }
}

/** FNV-1a of the UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash | 0;
}

function computeDifference(
  from: SessionProfile,
  to: SessionProfile,
  takenAlong: ReadonlySet<string> | null,
): ProfileDifference {
  const names = new Set([...from.overrides.keys(), ...to.overrides.keys()]);
  if (from.baseline !== to.baseline) {
    for (const [name, value] of to.baseline.variables) {
      if (from.baseline.variables.get(name) !== value && takenAlong?.has(name) !== false) names.add(name);
    }
  }
  let isOverridden = false;
  if (takenAlong !== null) {
    for (const name of from.overrides.keys()) {
      if (takenAlong.has(name) || to.overrides.has(name)) continue;
      // Which value the session's own server has is not known here: the baseline may be another one's.
      names.delete(name);
      isOverridden = true;
    }
  }
  const differs = (name: string): boolean => to.variable(name) !== from.variable(name);
  const setNames = RESULTS.some(differs) ? setNamesFor(to) : null;
  const first: string[] = [];
  const then: string[] = setNames === null ? [] : [setNames.clause];
  for (const name of inRestoreOrder(new Set([...names, ...(setNames?.values.keys() ?? [])]))) {
    const value = to.variable(name);
    const now = setNames?.values.get(name) ?? from.variable(name);
    if (name === RESULTS_COLLATION || value === undefined || value === now) continue;
    (changesCharset(name) ? then : first).push(`SESSION ${name}=${expression(name, value)}`);
  }
  const assignments = [...first, ...then];
  const { userVariables, needsReset } = userVariableDifference(from.userVariables, to.userVariables);
  return {
    setStatement: assignments.length > 0 ? `SET ${assignments.join(', ')}` : null,
    schema: to.schema !== from.schema ? to.schema : null,
    multiStatements: to.multiStatements !== from.multiStatements ? to.multiStatements : null,
    userVariables,
    needsReset: needsReset || isOverridden,
  };
}

/**
 * A variable that was set once can be told from one that never was, even when it is NULL (its type in results, both servers);
 * so it is only taken away by a reset.
 */
function userVariableDifference(
  from: ReadonlyMap<string, UserVariable>,
  to: ReadonlyMap<string, UserVariable>,
): Pick<ProfileDifference, 'userVariables' | 'needsReset'> {
  let needsReset = false;
  for (const name of from.keys()) if (!to.has(name)) needsReset = true;
  const changed = new Map<string, UserVariable>();
  for (const [name, variable] of to) {
    const before = from.get(name);
    if (before !== undefined && fingerprintOf(before) === fingerprintOf(variable)) continue;
    if (before !== undefined && isNullLiteral(variable.literal) && variable.over === null) needsReset = true;
    changed.set(name, variable);
  }
  return { userVariables: changed.size > 0 ? changed : null, needsReset };
}

/** A session has another character set of results, or another collation of it, when one of these differs. */
const RESULTS = ['character_set_results', RESULTS_COLLATION] as const;

interface SetNames {
  readonly clause: string;
  /** What it leaves in the variables, by name. */
  readonly values: ReadonlyMap<string, string>;
}

/**
 * The only way to set the collation of results; null where SET character_set_results does: it leaves the default collation,
 * which is all that a character set not for clients can have.
 */
function setNamesFor(profile: SessionProfile): SetNames | null {
  const charset = profile.variable('character_set_results');
  const collation = profile.variable(RESULTS_COLLATION);
  if (!charset || !collation || NOT_FOR_CLIENTS.has(charset)) return null;
  return {
    clause: `NAMES ${quoted(charset)} COLLATE ${quoted(collation)}`,
    values: new Map([
      ['character_set_client', charset],
      ['character_set_results', charset],
      ['collation_connection', collation],
    ]),
  };
}

/** Character sets come last, and the connection's collation after them, since they overwrite it. */
function inRestoreOrder(names: Iterable<string>): string[] {
  const rank = (name: string): number => (name === 'collation_connection' ? 2 : changesCharset(name) ? 1 : 0);
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** A variable's value as SET takes it. */
function expression(name: string, value: string): string {
  if (isNull(name, value)) return 'NULL';
  if (isKeyword(name, value)) return value;
  return isText(name) ? quoted(value) : literal(value);
}

const NUMBER = /^-?[0-9]+(\.[0-9]+)?$/;
const NEEDS_ESCAPING = /[^\x20-\x7e]|['\\]/;

/**
 * A value as the tracker reports it, written so that SET takes it: numbers bare, all else quoted. A text with a quote
 * or backslash or beyond ASCII goes as hex, which reads the same under every sql_mode and character set.
 */
export function literal(value: string): string {
  return NUMBER.test(value) ? value : quoted(value);
}

function quoted(value: string): string {
  if (!NEEDS_ESCAPING.test(value)) return `'${value}'`;
  return `CONVERT(0x${Buffer.from(value).toString('hex')} USING utf8mb4)`;
}
