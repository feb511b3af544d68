import { isServerSchema, RoutineCatalogue } from '../backend/routine-catalogue.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import { effectsOf } from '../session/effects-of.js';
import { HoldReason } from '../session/hold-reason.js';
import {
  changesObjects,
  hazardsOf,
  type OwnUse,
  routineKey,
  StoredKind,
  type StoredObject,
} from '../session/routine-hazards.js';
import type { StatementEffects } from '../session/statement-effects.js';
import { CHANGING_ROWS, type Hazards, NO_HAZARDS } from '../sql/statement-scanner.js';
import { Flag, Hold, StatementKind, type StatementTraits } from '../sql/traits.js';

export interface RoutineWatchLog {
  warn(fields: object, message: string): void;
}

export interface RoutineWatchOptions {
  /** A session of the account's that no client uses. */
  connect(account: ServerAccount): Promise<ServerSession>;
  /** Takes over what names of objects mean for the sessions of statements that use them. */
  publish(hazards: Hazards): void;
  /** Between two looks for what was changed past the proxy. */
  readonly intervalMs: number;
  readonly log: RoutineWatchLog;
}

/** How long statements wait until the catalogue has been read; then what they may run counts as unknown. */
const TIME_LIMIT_MS = 2000;

/** Between a statement that may change anything and the look at what it did. */
const SOON_MS = 500;

/** Before a reading that failed is tried again. */
const RETRY_MS = 1000;

/** Looks that take more than this share of the time come less often, to the given limit. */
const LOOKING_SHARE = 0.01;
const MAX_LENGTHENED = 10;

/** Names that no routine has are asked for at most this often. */
const LOOK_UP_MS = 1000;

/** Loadable functions that are remembered. */
const MAX_ABSENT = 10_000;

/** Statements that use no objects. */
const USES_NOTHING: ReadonlySet<StatementKind> = new Set([
  StatementKind.Empty,
  StatementKind.Use,
  StatementKind.Begin,
  StatementKind.Commit,
  StatementKind.Rollback,
  StatementKind.RollbackTo,
  StatementKind.Savepoint,
  StatementKind.ReleaseSavepoint,
  StatementKind.SetTransaction,
  StatementKind.ShowWarnings,
  StatementKind.ShowErrors,
]);

/** One account's view of the server. */
class Watched {
  readonly account: ServerAccount;
  readonly catalogue = new RoutineCatalogue();
  reading = false;
  /** Something may have changed since the reading under way began. */
  again = false;
  /** Statements wait for the reading. */
  awaited = false;
  /** What was read last is all that there was. */
  trusted = false;
  /** How long the last reading took. */
  tookMs = 0;
  retry: NodeJS.Timeout | null = null;
  error: string | null = null;

  constructor(account: ServerAccount) {
    this.account = account;
  }
}

/**
 * Keeps what is known of the server's routines, triggers and views up to date: what they do to a session that no tracker
 * shows. Read at an account's first client, again after each statement that changes any of it, and every so often for what
 * was changed past the proxy. While it is read anew for a known change, statements wait.
 */
export class RoutineWatch {
  /** Statements are to wait: {@link whenKnown}. */
  pending = false;
  /** Changes with what is {@link RoutineWatchOptions.publish}ed. */
  generation = 0;
  readonly #options: RoutineWatchOptions;
  readonly #watched = new Map<ServerAccount, Watched>();
  readonly #waiting: (() => void)[] = [];
  /** Some account is not to be trusted. */
  #inDoubt = false;
  #hazards: Hazards = NO_HAZARDS;
  /** Names of routines in lower case, with and without their schema. */
  #names: ReadonlySet<string> = new Set();
  /** Names that no routine has: those of loadable functions, which run no SQL. */
  readonly #absent = new Set<string>();
  #lookedUpAt = Number.NEGATIVE_INFINITY;
  /** Names of routines that make, change or drop others. */
  #changers: ReadonlySet<string> = new Set();
  #soon: NodeJS.Timeout | null = null;
  #limit: NodeJS.Timeout | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: RoutineWatchOptions) {
    this.#options = options;
  }

  /** A client of the account's is here. */
  watch(account: ServerAccount): void {
    if (this.#watched.has(account) || this.#stopped) return;
    const watched = new Watched(account);
    this.#watched.set(account, watched);
    this.#await(watched);
    this.#timer ??= this.#later(() => this.#look(), this.#options.intervalMs);
  }

  /** A statement has run, or part of it. Statements wait for what is read anew when it changes routines or views. */
  hasRun(traits: StatementTraits): void {
    if (
      changesObjects(traits) ||
      (this.#changers.size > 0 && traits.routines.some((name) => this.#changes(name)))
    )
      this.#changed();
    else if ((traits.holds & Hold.Unknown) !== 0) this.#lookSoon();
  }

  #changes(routine: string): boolean {
    return this.#changers.has(routineKey(routine));
  }

  #changed(): void {
    for (const watched of this.#watched.values()) this.#await(watched);
  }

  /** It may have been changed, by a text that is not known: to wait for each of those would be too slow. */
  #lookSoon(): void {
    this.#soon ??= this.#later(() => {
      this.#soon = null;
      for (const watched of this.#watched.values()) this.#read(watched);
    }, SOON_MS);
  }

  /** Calls back when nothing is {@link pending} any more. */
  whenKnown(callback: () => void): void {
    this.#waiting.push(callback);
  }

  /** Whether a statement is to wait until {@link whenKnown}: what it uses may be other than what is known. */
  mustWaitFor(traits: StatementTraits): boolean {
    if (this.pending) return usesObjects(traits);
    return traits.routines.length > 0 && this.#looksFor(traits.routines);
  }

  /** Looks for routines that are not known: they may have been made past the proxy. @returns whether it does */
  #looksFor(routines: readonly string[]): boolean {
    if (routines.every((name) => this.#isKnown(name))) return false;
    const now = performance.now();
    if (now - this.#lookedUpAt < LOOK_UP_MS) return false;
    this.#lookedUpAt = now;
    this.whenKnown(() => {
      if (this.#inDoubt) return;
      if (this.#absent.size + routines.length > MAX_ABSENT) this.#absent.clear();
      for (const name of routines) if (!this.#names.has(name)) this.#absent.add(name);
    });
    this.#changed();
    return true;
  }

  /** What a statement of a client of this account may do to its session. */
  effectsOf(traits: StatementTraits, account: ServerAccount): StatementEffects {
    const effects = effectsOf(traits);
    if (!this.#inDoubt && traits.routines.length === 0 && (traits.flags & Flag.ChangesRoutines) === 0)
      return effects;
    return this.#isUnsure(traits, account) ? withUnknown(effects) : effects;
  }

  /** Of a text that cannot wait until it is known what it may use. */
  withDoubt(effects: StatementEffects): StatementEffects {
    return this.pending ? withUnknown(effects) : effects;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of [this.#timer, this.#limit, this.#soon]) if (timer !== null) clearTimeout(timer);
  }

  #isUnsure(traits: StatementTraits, account: ServerAccount): boolean {
    if (usesWhatItChanges(traits)) return true;
    if (traits.routines.some((name) => isServerRoutine(name) || !this.#isKnown(name))) return true;
    if (this.#watched.get(account)?.trusted === true) return false;
    return usesObjects(traits);
  }

  #isKnown(name: string): boolean {
    return this.#names.has(name) || this.#absent.has(name) || isServerRoutine(name);
  }

  #await(watched: Watched): void {
    watched.awaited = true;
    this.pending = true;
    this.#limit ??= this.#later(() => this.#giveUp(), TIME_LIMIT_MS);
    this.#read(watched);
  }

  #read(watched: Watched): void {
    if (watched.reading) {
      watched.again = true;
      return;
    }
    watched.reading = true;
    const begun = performance.now();
    const ended = (error: Error | null): void => {
      watched.tookMs = performance.now() - begun;
      this.#wasRead(watched, error);
    };
    this.#options
      .connect(watched.account)
      .then((session) => watched.catalogue.read(session))
      .then(
        () => ended(null),
        (error: Error) => ended(error),
      );
  }

  #wasRead(watched: Watched, error: Error | null): void {
    watched.reading = false;
    if (this.#stopped) return;
    if (watched.again) {
      watched.again = false;
      this.#read(watched);
      return;
    }
    watched.awaited = false;
    watched.trusted = error === null;
    if (error === null) this.#publish();
    else this.#retry(watched);
    if (error !== null && error.message !== watched.error) {
      this.#options.log.warn(
        { user: watched.account.user, error: error.message },
        'cannot read what routines, triggers and views do: clients keep their sessions after statements that may use any',
      );
    }
    watched.error = error?.message ?? null;
    this.#settle();
  }

  #retry(watched: Watched): void {
    watched.retry ??= this.#later(() => {
      watched.retry = null;
      this.#read(watched);
    }, RETRY_MS);
  }

  /** Lets go of those who wait, when there is nothing to wait for any more. */
  #settle(): void {
    let pending = false;
    this.#inDoubt = false;
    for (const { awaited, trusted } of this.#watched.values()) {
      if (awaited) pending = true;
      if (!trusted) this.#inDoubt = true;
    }
    if (pending) return;
    this.pending = false;
    if (this.#limit !== null) clearTimeout(this.#limit);
    this.#limit = null;
    for (const callback of this.#waiting.splice(0)) callback();
  }

  #giveUp(): void {
    for (const watched of this.#watched.values()) {
      if (!watched.awaited) continue;
      watched.awaited = false;
      watched.trusted = false;
    }
    this.#settle();
  }

  /** Every so often. */
  #look(): void {
    let longest = 0;
    for (const watched of this.#watched.values()) {
      longest = Math.max(longest, watched.tookMs);
      if (!watched.reading) this.#read(watched);
    }
    const { intervalMs } = this.#options;
    const pause = Math.max(intervalMs, Math.min(longest / LOOKING_SHARE, intervalMs * MAX_LENGTHENED));
    this.#timer = this.#later(() => this.#look(), pause);
  }

  #publish(): void {
    const uses = mergedUses([...this.#watched.values()].map(({ catalogue }) => catalogue));
    this.#names = routineNames(uses.keys());
    for (const name of this.#names) this.#absent.delete(name);
    const hazards = new Map<string, number>();
    const changers = new Set<string>();
    for (const [name, { always, changingRows, changesObjects }] of hazardsOf(uses)) {
      if ((always | changingRows) !== 0) hazards.set(name, always | (changingRows << CHANGING_ROWS));
      if (changesObjects) changers.add(name);
    }
    this.#changers = changers;
    if (isSame(hazards, this.#hazards)) return;
    this.#hazards = hazards;
    this.generation++;
    this.#options.publish(hazards);
  }

  #later(callback: () => void, ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      if (!this.#stopped) callback();
    }, ms);
    timer.unref();
    return timer;
  }
}

/** Statements of one text are known before any of them has run. */
function usesWhatItChanges(traits: StatementTraits): boolean {
  if ((traits.flags & Flag.ChangesRoutines) === 0 || traits.statements === 1) return false;
  return (
    traits.each.length === 0 ||
    traits.each.some(
      (one) =>
        (one.first !== StatementKind.Ddl || (one.flags & Flag.WritesLastInsertId) !== 0) && usesObjects(one),
    )
  );
}

function usesObjects({ statements, first }: StatementTraits): boolean {
  return statements > 1 || !USES_NOTHING.has(first);
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

function isServerRoutine(name: string): boolean {
  const dot = name.indexOf('.');
  return dot > 0 && isServerSchema(name.slice(0, dot));
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

const unknown = new WeakMap<StatementEffects, StatementEffects>();

function withUnknown(effects: StatementEffects): StatementEffects {
  let more = unknown.get(effects);
  if (more === undefined) {
    more = { ...effects, holds: effects.holds | HoldReason.Unknown };
    unknown.set(effects, more);
  }
  return more;
}
