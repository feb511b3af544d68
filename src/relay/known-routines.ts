import { isServerSchema, type RoutineCatalogue } from '../backend/routine-catalogue.js';
import {
  hazardsOf,
  type OwnUse,
  routineKey,
  StoredKind,
  type StoredObject,
} from '../session/routine-hazards.js';
import { CHANGING_ROWS, type Hazards, NO_HAZARDS } from '../sql/statement-scanner.js';

/** Loadable functions that are remembered. */
const MAX_ABSENT = 10_000;

/** What all accounts together can see of the server's routines, triggers and views: which there are, and what they do to a session. */
export class KnownRoutines {
  /** What names of objects mean for the sessions of statements that use them. */
  hazards: Hazards = NO_HAZARDS;
  /** In lower case, with and without their schema. */
  #names: ReadonlySet<string> = new Set();
  /** Names that no routine has: those of loadable functions, which run no SQL. */
  readonly #absent = new Set<string>();
  /** Names of routines that make, change or drop others. */
  #changers: ReadonlySet<string> = new Set();

  /** Takes in what was read. @returns whether {@link hazards} are others now */
  update(catalogues: readonly RoutineCatalogue[]): boolean {
    const uses = mergedUses(catalogues);
    this.#names = routineNames(uses.keys());
    for (const name of this.#names) this.#absent.delete(name);
    const hazards = new Map<string, number>();
    const changers = new Set<string>();
    for (const [name, { always, changingRows, changesObjects }] of hazardsOf(uses)) {
      if ((always | changingRows) !== 0) hazards.set(name, always | (changingRows << CHANGING_ROWS));
      if (changesObjects) changers.add(name);
    }
    this.#changers = changers;
    if (isSame(hazards, this.hazards)) return false;
    this.hazards = hazards;
    return true;
  }

  /** These were looked for: those that have not been found are no routines. */
  lookedFor(routines: readonly string[]): void {
    if (this.#absent.size + routines.length > MAX_ABSENT) this.#absent.clear();
    for (const name of routines) if (!this.#names.has(name)) this.#absent.add(name);
  }

  has(name: string): boolean {
    return this.#names.has(name) || this.#absent.has(name) || isServerRoutine(name);
  }

  /** Whether one of these makes, changes or drops others. */
  anyChanges(routines: readonly string[]): boolean {
    return this.#changers.size > 0 && routines.some((name) => this.#changers.has(routineKey(name)));
  }
}

export function isServerRoutine(name: string): boolean {
  const dot = name.indexOf('.');
  return dot > 0 && isServerSchema(name.slice(0, dot));
}

function routineNames(objects: Iterable<StoredObject>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { kind, schema, name } of objects) {
    if (kind === StoredKind.Trigger || kind === StoredKind.View) continue;
    names.add(name.toLowerCase());
    names.add(`${schema}.${name}`.toLowerCase());
  }
  return names;
}

/** Each object once for each text that an account could read; without a text only where no account could. */
function mergedUses(catalogues: readonly RoutineCatalogue[]): ReadonlyMap<StoredObject, OwnUse> {
  const byKey = new Map<string, { isReadable: boolean; object: StoredObject; use: OwnUse }>();
  for (const catalogue of catalogues) {
    for (const known of catalogue.uses) {
      const { kind, schema, name } = known.object;
      const key = JSON.stringify([kind, schema, name]);
      const before = byKey.get(key);
      if (before === undefined || !before.isReadable) byKey.set(key, known);
      else if (known.isReadable) byKey.set(`${key}${known.version}`, known);
    }
  }
  return new Map([...byKey.values()].map(({ object, use }) => [object, use]));
}

function isSame(a: Hazards, b: Hazards): boolean {
  return a.size === b.size && [...a].every(([name, bits]) => b.get(name) === bits);
}
