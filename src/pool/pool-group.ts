import { DialBackoff } from './dial-backoff.js';
import type { Dialler } from './dialler.js';
import { RetireReason } from './observer.js';
import type { SessionPoolsOptions } from './options.js';
import { Pauses, type Pausing } from './pauses.js';
import { type Distance, SessionPool } from './session-pool.js';
import { type SessionSlot, SessionState } from './session-slot.js';

/** What whole pools have to do with the sessions in them. */
export interface GroupParts<S extends object, K> {
  /** Whom the pools belong to. */
  readonly owner: object;
  readonly options: SessionPoolsOptions<S, K>;
  readonly slots: ReadonlyMap<S, SessionSlot<S>>;
  readonly dialler: () => Dialler<S>;
  readonly retire: (slot: SessionSlot<S>, reason: string) => void;
  /** {@link SessionLife.retireWhere} */
  readonly retireWhere: (reason: string, unwanted: (slot: SessionSlot<S>) => boolean) => void;
  /** Nothing is to be kept open for a pool. */
  readonly forget: (pool: SessionPool<S>) => void;
  /** Something has changed for those who wait: to be called last. */
  readonly changed: () => void;
}

/** Which pools there are, by key and by target, and what is done to a pool as a whole. */
export class PoolGroup<S extends object, K> {
  /** Sessions that are lent, over all pools. */
  lent = 0;
  readonly #parts: GroupParts<S, K>;
  readonly #pools = new Map<string, SessionPool<S>>();
  readonly #targets = new WeakMap<SessionPool<S>, K>();
  readonly #pauses = new Pauses<S>((pool) => this.#isEmpty(pool));

  constructor(parts: GroupParts<S, K>) {
    this.#parts = parts;
  }

  get all(): ReadonlyMap<string, SessionPool<S>> {
    return this.#pools;
  }

  /** As {@link SessionPools.pool}. */
  pool(key: string, target: K): SessionPool<S> {
    const { owner, options } = this.#parts;
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      const open = (signal: AbortSignal): Promise<S> => options.dial(target, signal);
      pool = new SessionPool(key, owner, open, newBackoff(options), options.distance ?? noDistance, this);
      this.#pauses.opened(pool);
      this.#pools.set(key, pool);
      this.#targets.set(pool, target);
    }
    pool.dismissed = false;
    return pool;
  }

  /** As {@link SessionPools.target}. */
  target(key: string): K | null {
    const pool = this.#pools.get(key);
    return (pool && this.#targets.get(pool)) ?? null;
  }

  /** As {@link SessionPools.retryDials}. */
  retryDials(which: (target: K) => boolean): void {
    for (const pool of this.#of(which)) pool.backoff.succeeded();
    this.#parts.changed();
  }

  /** As {@link SessionPools.retireAll}. */
  retireAll(which: (target: K) => boolean, reason: string): void {
    const pools = new Set(this.#of(which));
    const dial = this.#parts.dialler().current;
    // It may have logged in by now to what its session is to be closed for.
    if (dial !== null && pools.has(dial.pool)) dial.doomed = reason;
    this.#parts.retireWhere(reason, ({ pool }) => pools.has(pool));
  }

  /** As {@link SessionPools.dismiss}. */
  dismiss(which: (target: K) => boolean, reason: string): boolean {
    const pools = this.#of(which);
    for (const pool of pools) {
      pool.dismissed = true;
      this.#parts.forget(pool);
      for (const slot of [...pool.store.idle])
        if (slot.state === SessionState.idle) this.#parts.retire(slot, reason);
    }
    this.#parts.changed();
    return this.#forgetEmpty(pools);
  }

  #forgetEmpty(pools: readonly SessionPool<S>[]): boolean {
    let isAll = true;
    for (const pool of pools) {
      // A pause is of the name: whoever comes next under it is to find it.
      if (!this.#isEmpty(pool) || pool.store.size > 0 || pool.waiting > 0 || pool.paused) {
        isAll = false;
        continue;
      }
      this.#pools.delete(pool.key);
    }
    return isAll;
  }

  /** As {@link SessionPools.pause}. */
  pause(key: string | null, over: Pausing<S>['over']): (() => void) | null {
    const pool = key === null ? null : this.#pools.get(key);
    if (pool === undefined) return null;
    const pausing = { pool, own: new Set<SessionPool<S>>(), over };
    this.#pauses.begin(pausing, this.#pools.values());
    for (const slot of [...this.#parts.slots.values()]) {
      // What is promised has not been lent: whoever it is promised to goes back to its place in line.
      const isLent = slot.state === SessionState.active && slot.delivery === null;
      if (slot.pool.paused && slot.state !== SessionState.retiring && !isLent)
        this.#parts.retire(slot, RetireReason.paused);
    }
    this.#parts.changed();
    this.#pauses.settle();
    return () => {
      this.#pauses.withdraw(pausing);
      this.#parts.changed();
    };
  }

  /** As {@link SessionPools.resume}. */
  resume(key: string | null): boolean {
    const pool = key === null ? null : this.#pools.get(key);
    if (pool === undefined) return key !== null && this.#pauses.forget(key);
    const pools = [...this.#pools.values()];
    this.#pauses.end(pool, pools);
    // What refused sessions before may have been the reason for the pause.
    for (const one of pool === null ? pools : [pool]) one.backoff.succeeded();
    this.#parts.changed();
    return true;
  }

  /** As {@link SessionPools.pauseComing}. */
  pauseComing(key: string): void {
    if (!this.#pools.has(key)) this.#pauses.expect(key);
  }

  get pausedComing(): readonly string[] {
    return this.#pauses.coming;
  }

  get allPaused(): boolean {
    return this.#pauses.all;
  }

  /** A session, or a dial, is over: perhaps the last one of a paused pool. Calls back, so to be called when all else is done. */
  settlePauses(): void {
    if (this.#pauses.pending > 0) this.#pauses.settle();
  }

  /** Without sessions, also without one that is being opened or closed. */
  #isEmpty(pool: SessionPool<S> | null): boolean {
    const { slots } = this.#parts;
    const dialing = this.#parts.dialler().current?.pool;
    if (pool === null) return dialing === undefined && slots.size === 0;
    return dialing !== pool && [...slots.values()].every((slot) => slot.pool !== pool);
  }

  #of(which: (target: K) => boolean): SessionPool<S>[] {
    return [...this.#pools.values()].filter((pool) => {
      const target = this.#targets.get(pool);
      return target !== undefined && which(target);
    });
  }
}

/** Pauses after dials that fail. */
export function newBackoff<S extends object, K>(options: SessionPoolsOptions<S, K>): DialBackoff {
  return new DialBackoff(() => options.dialRetryMs, options.random ?? Math.random);
}

const noDistance: Distance = () => 0;
