import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import { effectsOf } from '../session/effects-of.js';
import { changesObjects } from '../session/routine-hazards.js';
import type { StatementEffects } from '../session/statement-effects.js';
import type { Hazards } from '../sql/statement-scanner.js';
import { Flag, Hold, StatementKind, type StatementTraits } from '../sql/traits.js';
import { isServerRoutine, KnownRoutines } from './known-routines.js';
import { doubtful, usesObjects, usesWhatItChanges, withUnknown } from './routine-doubt.js';
import { Watched } from './watched-account.js';

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
  /** How long a reading may take before its session is closed: half a minute by default. */
  readonly readingLimitMs?: number;
  readonly log: RoutineWatchLog;
}

/** How long statements wait until the catalogue has been read; then what they may run counts as unknown. */
const TIME_LIMIT_MS = 2000;

/** Between a statement that may change anything and the look at what it did. */
const SOON_MS = 500;

/** {@link RoutineWatchOptions.readingLimitMs} */
const READING_LIMIT_MS = 30_000;

/** Before a reading that failed is tried again. */
const RETRY_MS = 1000;

/** Looks that take more than this share of the time come less often, to the given limit. */
const LOOKING_SHARE = 0.01;
const MAX_LENGTHENED = 10;

/**
 * Accounts that came with their clients (pass-through) and are watched: each is read anew with every change. What statements
 * of further ones may run counts as unknown.
 */
const MAX_GUESTS = 64;

/** Names that no routine has are asked for at most this often. */
const LOOK_UP_MS = 1000;

/** A statement that waits for what had changed when it came. */
interface Waiting {
  readonly since: number;
  readonly callback: () => void;
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
  /** Counts what makes effects that were found before worthless: changes that are known, and what is read. */
  version = 0;
  /** Counts the moments at which something is known to have changed. */
  #moment = 0;
  /** Oldest first. */
  #waiting: Waiting[] = [];
  /** Those who have waited are called back: they wait no more, whatever has changed meanwhile. */
  #releasing = false;
  /** Some account is not to be trusted. */
  #inDoubt = false;
  /** There were more users that came with their clients than are watched. */
  #hasUnwatched = false;
  readonly #known = new KnownRoutines();
  #lookedUpAt = Number.NEGATIVE_INFINITY;
  #soon: NodeJS.Timeout | null = null;
  #limit: NodeJS.Timeout | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: RoutineWatchOptions) {
    this.#options = options;
  }

  /** A client of the account's is here. */
  watch(account: ServerAccount): void {
    if (this.#watched.has(account) || this.#stopped || !this.#hasRoomFor(account)) return;
    const watched = new Watched(account);
    this.#watched.set(account, watched);
    this.#await(watched);
    this.#timer ??= this.#later(() => this.#look(), this.#options.intervalMs);
  }

  #hasRoomFor({ isGuest }: ServerAccount): boolean {
    if (!isGuest) return true;
    let guests = 0;
    for (const { account } of this.#watched.values()) if (account.isGuest) guests++;
    if (guests < MAX_GUESTS) return true;
    // Its statements are in doubt.
    this.#hasUnwatched = true;
    this.#settle();
    return false;
  }

  /** The account has no clients any more. */
  forget(account: ServerAccount): void {
    const watched = this.#watched.get(account);
    if (watched === undefined) return;
    this.#watched.delete(account);
    if (watched.retry !== null) clearTimeout(watched.retry);
    this.#publish();
    this.#settle();
  }

  /** A statement has run, or part of it. Statements wait for what is read anew when it changes routines or views. */
  hasRun(traits: StatementTraits): void {
    if (changesObjects(traits) || this.#known.anyChanges(traits.routines)) this.#hasChanged();
    else if ((traits.holds & Hold.Unknown) !== 0) this.#lookSoon();
  }

  #hasChanged(): void {
    this.version++;
    this.#readAll();
  }

  /** Statements wait for it. */
  #readAll(): void {
    for (const watched of this.#watched.values()) this.#await(watched);
  }

  /** It may have been changed, by a text that is not known: to wait for each of those would be too slow. */
  #lookSoon(): void {
    this.#soon ??= this.#later(() => {
      this.#soon = null;
      for (const watched of this.#watched.values()) {
        watched.mayHaveChanged = true;
        this.#read(watched);
      }
    }, SOON_MS);
  }

  /** Calls back when it is known what has changed until now, or given up: then {@link effectsOf} tells of the doubt. */
  whenKnown(callback: () => void): void {
    this.#waiting.push({ since: this.#moment, callback });
  }

  /** Whether a statement is to wait until {@link whenKnown}: what it uses may be other than what is known. */
  mustWaitFor(traits: StatementTraits): boolean {
    if (this.#releasing) return false;
    if (this.pending) return usesObjects(traits);
    return traits.routines.length > 0 && this.#looksFor(traits.routines);
  }

  /** Looks for routines that are not known: they may have been made past the proxy. @returns whether it does */
  #looksFor(routines: readonly string[]): boolean {
    if (routines.every((name) => this.#known.has(name))) return false;
    const now = performance.now();
    if (now - this.#lookedUpAt < LOOK_UP_MS) return false;
    this.#lookedUpAt = now;
    this.#readAll();
    this.whenKnown(() => {
      if (!this.#inDoubt) this.#known.lookedFor(routines);
    });
    return true;
  }

  /** What a statement of a client of this account may do to its session. */
  effectsOf(traits: StatementTraits, account: ServerAccount): StatementEffects {
    const effects = effectsOf(traits);
    if (!this.#inDoubt && traits.routines.length === 0 && (traits.flags & Flag.ChangesRoutines) === 0)
      return effects;
    if (this.#mayKeepMore(traits)) return withUnknown(effects);
    if (this.#watched.get(account)?.trusted === true || !usesObjects(traits)) return effects;
    return doubtful(effects, traits);
  }

  /** Whether a statement that was under way since {@link version} was `since` may have done what was not known then. */
  mayHaveUsedOther(traits: StatementTraits, since: number): boolean {
    if (since === this.version || !usesObjects(traits)) return false;
    return traits.statements !== 1 || traits.first !== StatementKind.Ddl;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of [this.#timer, this.#limit, this.#soon]) if (timer !== null) clearTimeout(timer);
  }

  /** By what it says itself: the client may count on what it makes. */
  #mayKeepMore(traits: StatementTraits): boolean {
    if (usesWhatItChanges(traits)) return true;
    return traits.routines.some((name) => isServerRoutine(name) || !this.#known.has(name));
  }

  #await(watched: Watched): void {
    watched.changedAt = ++this.#moment;
    // Guests come at any time, and many at once: nobody waits for what they may see. Their own statements are in doubt until then.
    if (watched.account.isGuest) watched.givenUpAt = this.#moment;
    this.#settle();
    this.#read(watched);
  }

  #read(watched: Watched): void {
    if (watched.reading) {
      watched.again = true;
      return;
    }
    watched.reading = true;
    const begun = performance.now();
    const moment = this.#moment;
    const ended = (error: Error | null): void => {
      watched.tookMs = performance.now() - begun;
      this.#wasRead(watched, moment, error);
    };
    this.#options
      .connect(watched.account)
      .then((session) => this.#readOver(session, watched))
      .then(
        () => ended(null),
        (error: Error) => ended(error),
      );
  }

  async #readOver(session: ServerSession, { catalogue }: Watched): Promise<void> {
    const { readingLimitMs = READING_LIMIT_MS } = this.#options;
    const limit = this.#later(() => session.close(), readingLimitMs);
    try {
      await catalogue.read(session);
    } finally {
      clearTimeout(limit);
    }
  }

  /** `moment`: at which the reading began. */
  #wasRead(watched: Watched, moment: number, error: Error | null): void {
    const { again } = watched;
    watched.reading = false;
    watched.again = false;
    if (this.#stopped || this.#watched.get(watched.account) !== watched) return;
    if (error === null) {
      watched.knownAt = moment;
      if (!again) watched.mayHaveChanged = false;
      this.#publish();
    } else {
      // What was good before stays good while nothing is known to have changed.
      if (watched.mayHaveChanged) watched.changedAt = ++this.#moment;
      watched.givenUpAt = watched.mayHaveChanged ? this.#moment : moment;
      this.#retry(watched);
    }
    this.#tell(watched, error);
    if (again) this.#read(watched);
    this.#settle();
  }

  /** Of a failure that is new. */
  #tell(watched: Watched, error: Error | null): void {
    if (error !== null && error.message !== watched.error) {
      this.#options.log.warn(
        { user: watched.account.user, error: error.message },
        watched.trusted
          ? 'cannot look whether routines, triggers and views have changed: it is tried again'
          : 'cannot read what routines, triggers and views do: sessions are reset after statements that may use any, and kept by clients that call one',
      );
    }
    watched.error = error?.message ?? null;
  }

  #retry(watched: Watched): void {
    watched.retry ??= this.#later(() => {
      watched.retry = null;
      this.#read(watched);
    }, RETRY_MS);
  }

  /** Lets go of those who have nothing to wait for any more. */
  #settle(): void {
    const all = [...this.#watched.values()];
    this.pending = all.some((watched) => !watched.isOver(this.#moment));
    this.#inDoubt = this.#hasUnwatched || all.some(({ trusted }) => !trusted);
    const waiting = this.#waiting.findIndex(({ since }) => all.some((watched) => !watched.isOver(since)));
    const released = this.#waiting.splice(0, waiting < 0 ? this.#waiting.length : waiting);
    // Who waits on has come while the reading that has ended was under way.
    if (this.#limit !== null && (released.length > 0 || !this.pending)) {
      clearTimeout(this.#limit);
      this.#limit = null;
    }
    if (this.pending) this.#limit ??= this.#later(() => this.#giveUp(), TIME_LIMIT_MS);
    this.#releasing = true;
    try {
      for (const { callback } of released) callback();
    } finally {
      this.#releasing = false;
    }
  }

  #giveUp(): void {
    this.#limit = null;
    for (const watched of this.#watched.values()) watched.givenUpAt = this.#moment;
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
    if (!this.#known.update([...this.#watched.values()].map(({ catalogue }) => catalogue))) return;
    this.generation++;
    this.version++;
    this.#options.publish(this.#known.hazards);
  }

  #later(callback: () => void, ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      if (!this.#stopped) callback();
    }, ms);
    timer.unref();
    return timer;
  }
}
