import { PoolPauseError } from './errors.js';
import type { SessionPool } from './session-pool.js';

/** A PAUSE that waits until the last session of its pools is closed. */
export interface Pausing<S extends object> {
  /** The pool; null: all there are, and will be. */
  readonly pool: SessionPool<S> | null;
  /** Those of its pools that lend nothing because of it alone. */
  readonly own: Set<SessionPool<S>>;
  /**
   * Called once, with null when all sessions are closed; with an error where the pause has been taken back before. In the
   * middle of the pool's work: it must not throw, and must not call the pool.
   */
  readonly over: (error: PoolPauseError | null) => void;
}

/** Which pools lend nothing for now, and who waits until they have no session left. */
export class Pauses<S extends object> {
  readonly #isEmpty: (pool: SessionPool<S> | null) => boolean;
  readonly #pending = new Set<Pausing<S>>();
  /** Pools that are opened from now on are paused, too. */
  #all = false;
  /** Names of pools that are paused from when they are opened. */
  readonly #coming = new Set<string>();

  /** @param isEmpty whether a pool, or all of them (null), have no session, none being opened and none being closed */
  constructor(isEmpty: (pool: SessionPool<S> | null) => boolean) {
    this.#isEmpty = isEmpty;
  }

  get all(): boolean {
    return this.#all;
  }

  /** @throws PoolPauseError where they are paused already */
  begin(pausing: Pausing<S>, pools: Iterable<SessionPool<S>>): void {
    const { pool } = pausing;
    if (this.#all) throw new PoolPauseError('all pools are paused already');
    if (pool?.paused === true) throw new PoolPauseError(`pool ${pool.key} is paused already`);
    if (pool === null) this.#all = true;
    for (const one of pool === null ? pools : [pool]) {
      if (!one.paused) pausing.own.add(one);
      one.paused = true;
    }
    this.#pending.add(pausing);
  }

  /** Something of a paused pool has gone: perhaps the last. Calls back, so to be called when all else is done. */
  settle(): void {
    for (const pausing of this.#pending) {
      if (!this.#pending.has(pausing) || !this.#isEmpty(pausing.pool)) continue;
      this.#pending.delete(pausing);
      pausing.over(null);
    }
  }

  /**
   * The pool lends again, or all of them do; whoever waits for its pause is told.
   * @throws PoolPauseError where it is not paused, or not alone
   */
  end(pool: SessionPool<S> | null, pools: Iterable<SessionPool<S>>): void {
    if (pool !== null && this.#all)
      throw new PoolPauseError('all pools are paused: RESUME ends that for all of them');
    const paused = [...(pool === null ? pools : [pool])].filter((one) => one.paused);
    const none = paused.length === 0 && !this.#all && (pool !== null || this.#coming.size === 0);
    if (none)
      throw new PoolPauseError(pool === null ? 'no pool is paused' : `pool ${pool.key} is not paused`);
    if (pool === null) {
      this.#all = false;
      this.#coming.clear();
    }
    for (const one of paused) one.paused = false;
    for (const pausing of [...this.#pending]) {
      if (pool !== null && pausing.pool !== pool) continue;
      this.#pending.delete(pausing);
      pausing.over(new PoolPauseError('RESUME has ended the pause before all sessions were given back'));
    }
  }

  /** Whoever waits for this gives up: a pause that is not over is none. */
  withdraw(pausing: Pausing<S>): void {
    if (!this.#pending.delete(pausing)) return;
    if (pausing.pool === null) this.#all = false;
    if (!this.#all) for (const one of pausing.own) one.paused = false;
  }

  /** A pool is opened. */
  opened(pool: SessionPool<S>): void {
    if (this.#coming.delete(pool.key)) pool.paused = true;
    if (!this.#all) return;
    pool.paused = true;
    for (const pausing of this.#pending) if (pausing.pool === null) pausing.own.add(pool);
  }

  /** A pool of this name is paused from when it is opened. */
  expect(key: string): void {
    this.#coming.add(key);
  }

  /** @returns false where no pool of this name was expected */
  forget(key: string): boolean {
    return this.#coming.delete(key);
  }

  get coming(): readonly string[] {
    return [...this.#coming];
  }

  get pending(): number {
    return this.#pending.size;
  }
}
