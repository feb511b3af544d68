import type { PoolFigures } from './errors.js';
import type { SessionPool } from './session-pool.js';
import { type SessionSlot, SessionState } from './session-slot.js';

/** Counts at one moment. Each is the size of a container, so they always add up. */
export interface PoolCounts {
  readonly idle: number;
  readonly active: number;
  readonly dialing: number;
  readonly retiring: number;
  readonly waiting: number;
  /** How long the longest waiter has waited, in ms; 0 when nobody waits. */
  readonly oldestWaitMs: number;
  /** Active sessions for which `heldReason` gave a reason. */
  readonly held: number;
}

export interface PoolSnapshot extends PoolCounts {
  readonly key: string;
  /** Lends nothing until it is resumed. */
  readonly paused: boolean;
}

export interface PoolsSnapshot extends PoolCounts {
  /** Cap on idle + active + dialing + retiring. */
  readonly limit: number;
  /** What the limit is this process's part of. */
  readonly whole?: number;
  /** Most frequent reason among held sessions; null when none is held. */
  readonly heldReason: string | null;
  readonly pools: readonly PoolSnapshot[];
}

/** What is known about one session, for listings. */
export interface SessionRecord<S extends object> {
  readonly session: S;
  readonly key: string;
  readonly state: SessionState;
}

export interface SnapshotSource<S extends object> {
  readonly now: number;
  readonly limit: number;
  readonly whole: number | null;
  readonly pools: Iterable<SessionPool<S>>;
  readonly slots: Iterable<SessionSlot<S>>;
  readonly dialing: SessionPool<S> | null;
  readonly heldReason: ((session: S) => string | null) | undefined;
}

export function takeSnapshot<S extends object>(source: SnapshotSource<S>): PoolsSnapshot {
  const retiring = new Map<SessionPool<S>, number>();
  const held = new Map<SessionPool<S>, number>();
  const reasons = new Map<string, number>();
  for (const slot of source.slots) {
    if (slot.state === SessionState.retiring) add(retiring, slot.pool);
    if (slot.state !== SessionState.active) continue;
    const reason = source.heldReason?.(slot.session) ?? null;
    if (reason === null) continue;
    add(held, slot.pool);
    add(reasons, reason);
  }
  const pools: PoolSnapshot[] = [];
  for (const pool of source.pools) {
    const { oldest } = pool.waiters;
    pools.push({
      key: pool.key,
      paused: pool.paused,
      idle: pool.idle,
      active: pool.active,
      dialing: source.dialing === pool ? 1 : 0,
      retiring: retiring.get(pool) ?? 0,
      waiting: pool.waiting,
      oldestWaitMs: oldest === null ? 0 : source.now - oldest.enqueuedAt,
      held: held.get(pool) ?? 0,
    });
  }
  const sum = (count: (pool: PoolSnapshot) => number): number =>
    pools.reduce((total, pool) => total + count(pool), 0);
  return {
    limit: source.limit,
    ...(source.whole === null ? {} : { whole: source.whole }),
    idle: sum((pool) => pool.idle),
    active: sum((pool) => pool.active),
    dialing: sum((pool) => pool.dialing),
    retiring: sum((pool) => pool.retiring),
    waiting: sum((pool) => pool.waiting),
    oldestWaitMs: Math.max(0, ...pools.map((pool) => pool.oldestWaitMs)),
    held: sum((pool) => pool.held),
    heldReason: mostFrequent(reasons),
    pools,
  };
}

/** The snapshot as seen by a request of one pool. */
export function figuresFor(snapshot: PoolsSnapshot, key: string): PoolFigures {
  const own = snapshot.pools.find((pool) => pool.key === key);
  return {
    key,
    limit: snapshot.limit,
    ...(snapshot.whole === undefined ? {} : { whole: snapshot.whole }),
    active: snapshot.active,
    poolActive: own?.active ?? 0,
    held: snapshot.held,
    heldReason: snapshot.heldReason,
    idle: snapshot.idle,
    dialing: snapshot.dialing,
    retiring: snapshot.retiring,
    waiting: own?.waiting ?? 0,
    paused: own?.paused ?? false,
  };
}

function add<T>(counts: Map<T, number>, key: T): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function mostFrequent(counts: ReadonlyMap<string, number>): string | null {
  let found: string | null = null;
  let most = 0;
  for (const [key, count] of counts) {
    if (count > most) {
      found = key;
      most = count;
    }
  }
  return found;
}
