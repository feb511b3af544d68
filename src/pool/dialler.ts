import type { PoolClock } from './clock.js';
import type { Ceiling } from './connection-budget.js';
import type { DialBackoff, DialTrouble } from './dial-backoff.js';
import type { SessionPool } from './session-pool.js';

/** A session being opened; it holds the place in the budget that its session will have. */
export class Dial<S extends object> {
  readonly pool: SessionPool<S>;
  readonly startedAt: number;
  /** Why its session is to serve nobody; empty where it may. */
  doomed = '';

  constructor(pool: SessionPool<S>, startedAt: number) {
    this.pool = pool;
    this.startedAt = startedAt;
  }
}

/** The part of the connection budget that dials have a say in. */
export interface DialBudget {
  readonly ceiling: Ceiling | null;
  refused(error: unknown): void;
  opened(): void;
}

export interface DialOutcome<S extends object> {
  opened(dial: Dial<S>, session: S): void;
  failed(dial: Dial<S>, error: unknown): void;
}

/**
 * Opens sessions one at a time, so that a server that has just come back, or refuses, is not hammered.
 *
 * A dial that failed for reasons of its key (`fatalToWaiters`) pauses that key only: one user's wrong password
 * must not stop the others. So does one that only its account has (`accountFull`: max_user_connections). Any other failure
 * may be the server's, and pauses all dialling; where the server has no connection left (`serverFull`), the budget falls to
 * what there is.
 */
export class Dialler<S extends object> {
  readonly #clock: PoolClock;
  readonly #outcome: DialOutcome<S>;
  readonly #backoff: DialBackoff;
  readonly #budget: DialBudget;
  readonly #abort = new AbortController();
  #current: Dial<S> | null = null;

  constructor(clock: PoolClock, outcome: DialOutcome<S>, backoff: DialBackoff, budget: DialBudget) {
    this.#clock = clock;
    this.#outcome = outcome;
    this.#backoff = backoff;
    this.#budget = budget;
  }

  /** The dial under way. */
  get current(): Dial<S> | null {
    return this.#current;
  }

  ready(now: number): boolean {
    return this.#current === null && this.#backoff.ready(now);
  }

  /** Only when `ready`. The outcome is never reported from inside this call. */
  start(dial: Dial<S>): void {
    this.#current = dial;
    // The executor turns an exception thrown by `open` itself into a rejection.
    new Promise<S>((resolve) => {
      resolve(dial.pool.open(this.#abort.signal));
    }).then(
      (session) => {
        this.#current = null;
        this.#outcome.opened(dial, session);
      },
      (error: unknown) => {
        this.#current = null;
        this.#outcome.failed(dial, error);
      },
    );
  }

  /** The session that was opened is good. */
  succeeded(pool: SessionPool<S>): void {
    this.#budget.opened();
    this.#backoff.succeeded();
    pool.backoff.succeeded();
  }

  /**
   * The dial has left its place in the budget.
   * @param someoneWaits {@link DialBackoff.failed}
   * @returns the pause in ms before the next try
   */
  failed(pool: SessionPool<S>, error: unknown, someoneWaits: boolean): number {
    const now = this.#clock.now();
    if (hasMark(error, 'serverFull')) this.#budget.refused(error);
    if (!isFatalToWaiters(error) && !hasMark(error, 'accountFull'))
      return this.#backoff.failed(now, error, someoneWaits);
    // The server answered, so the server as such is well.
    this.#backoff.succeeded();
    return pool.backoff.failed(now, error);
  }

  /** Why dials for this pool have been failing for someone waiting since `time`; null if they have not. */
  troubleSince(pool: SessionPool<S>, time: number): DialTrouble | null {
    const now = this.#clock.now();
    return (
      pool.backoff.troubleSince(time, now) ?? this.#backoff.troubleSince(time, now) ?? this.#fullness(now)
    );
  }

  /** Nobody is even asked while the budget is as low as the server has made it. */
  #fullness(now: number): DialTrouble | null {
    const { ceiling } = this.#budget;
    if (ceiling === null) return null;
    return { error: ceiling.error, attempts: ceiling.refusals, lastedMs: now - ceiling.since };
  }

  /** Asks the dial under way to give up. */
  abort(): void {
    this.#abort.abort();
  }
}

/** Whether waiting cannot help those who wait for this key: the error has `fatalToWaiters: true`. */
export function isFatalToWaiters(error: unknown): boolean {
  return hasMark(error, 'fatalToWaiters');
}

function hasMark(error: unknown, mark: 'fatalToWaiters' | 'serverFull' | 'accountFull'): boolean {
  return (
    typeof error === 'object' && error !== null && (error as Readonly<Record<string, unknown>>)[mark] === true
  );
}
