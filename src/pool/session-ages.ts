import type { SessionPool } from './session-pool.js';
import { type SessionSlot, SessionState } from './session-slot.js';

/** How much of its lifetime a session may be short of, at most: those that were opened together must not end together. */
const JITTER = 0.2;

export interface AgeLimits {
  /** How long a session lives at most, in ms, until it is next given back; 0 is no limit. */
  readonly lifetimeMs?: number;
  /** How long a session may be idle, in ms; 0 is no limit. */
  readonly idleTimeoutMs?: number;
  /** Sessions that are kept open even if idle for longer, and opened anew when they have ended; never more than the limit. */
  readonly minSize?: number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** Which sessions have become too old, and how many are to be kept. */
export class SessionAges<S extends object> {
  readonly #limits: AgeLimits;
  readonly #random: () => number;

  /** @param limits read whenever they are needed: they may change */
  constructor(limits: AgeLimits) {
    this.#limits = limits;
    this.#random = limits.random ?? Math.random;
  }

  get minSize(): number {
    return this.#limits.minSize ?? 0;
  }

  /** The session has just been opened. */
  opened(slot: SessionSlot<S>, now: number): void {
    slot.openedAt = now;
    slot.jitter = JITTER * this.#random();
  }

  /** Marks sessions that have lived for long enough: they are retired where they are idle, or when they come back. */
  outlived(slots: Iterable<SessionSlot<S>>, now: number): readonly SessionSlot<S>[] {
    const found: SessionSlot<S>[] = [];
    const lifetimeMs = endless(this.#limits.lifetimeMs);
    for (const slot of slots) {
      if (now < slot.openedAt + lifetimeMs * (1 - slot.jitter) || slot.state === SessionState.retiring)
        continue;
      slot.outlived = true;
      found.push(slot);
    }
    return found;
  }

  /** Sessions that have been idle for too long, the least recently used first: `spare` of them at most. */
  unused(pools: Iterable<SessionPool<S>>, now: number, spare: number): readonly SessionSlot<S>[] {
    const found: SessionSlot<S>[] = [];
    const idleTimeoutMs = endless(this.#limits.idleTimeoutMs);
    for (const pool of pools) {
      for (let slot = pool.store.idle.oldest; slot !== null; slot = slot.newer) {
        if (now - slot.since < idleTimeoutMs) break;
        found.push(slot);
      }
    }
    return found.sort((a, b) => a.since - b.since).slice(0, Math.max(0, spare));
  }
}

/** 0 is no limit. */
function endless(ms = 0): number {
  return ms === 0 ? Number.POSITIVE_INFINITY : ms;
}
