import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import type { IdRange, Origin } from './messages.js';
import { processIds } from './open-sockets.js';
import { isOfKernel, type LastProcessId } from './process-ids.js';
import { readStat, TICK_MS } from './process-stat.js';
import { isShortage } from './shortage.js';

/** No system gives more ids than this in a millisecond. */
const IDS_PER_MS = 160;
/** Ids that were given while the count was being read, at most. */
const SLACK = 4_096;
/** From so many new ids on, a look at the list of all processes costs less. */
const MANY = 2_048;
const FALLBACK_LIMIT = 32_768;

/**
 * Which processes and threads are new since the last time. The kernel gives ids in ascending order and begins again at the
 * end (idr_alloc_cyclic), so they are those between the last id then and the last id now: however they were forked, whoever
 * is their parent now. Only where the numbers may have gone round meanwhile, the times of birth decide.
 */
export class Newcomers {
  readonly #ids: LastProcessId;
  readonly #clock: BootClock;
  #last: number;
  #at = Number.NEGATIVE_INFINITY;
  #atTicks: number;
  /** Forks since the system started, at a time not after the last call; null where it does not tell. */
  #forks: number | null;

  constructor(ids: LastProcessId, clock: BootClock, { id, ticks, forks }: Origin) {
    this.#ids = ids;
    this.#clock = clock;
    this.#last = id;
    this.#atTicks = ticks;
    this.#forks = forks;
  }

  /**
   * The ids to look at, of which most will be threads, or gone.
   * @throws what {@link isShortage} knows; then they are still to come
   */
  next(): { readonly range: IdRange; readonly ids: number[] } {
    const limit = idLimit();
    const now = performance.now();
    let forks = this.#forks;
    let lapped = false;
    if ((now - this.#at) * IDS_PER_MS >= limit - SLACK) {
      // The count is read before the id: what is forked in between counts twice, never not at all.
      forks = forksSinceBoot();
      lapped = forks === null || this.#forks === null || forks - this.#forks >= limit - SLACK;
    }
    const from = this.#last;
    const upTo = this.#ids.read();
    const ticks = this.#clock.now();
    const fresh = upTo >= from ? upTo - from : limit - from + upTo;
    const ids = lapped || fresh > MANY ? bornSince(this.#atTicks) : idsBetween(from, upTo, limit);
    this.#forks = forks;
    this.#last = upTo;
    this.#at = now;
    this.#atTicks = ticks;
    return { range: { from, upTo, ordered: !lapped, limit }, ids };
  }
}

/** The present, for a {@link Newcomers} of another thread to begin at. */
export function originOf(ids: LastProcessId): Origin {
  const ticks = new BootClock().now();
  const forks = forksSinceBoot();
  return { id: ids.read(), ticks, forks };
}

/** The present in ticks since the system started: rather too early than too late. */
export class BootClock {
  readonly #madeAt = performance.now();
  readonly #start = ticksSinceBoot() ?? threadStart();
  #ahead = 0;

  now(): number {
    return this.#start + Math.floor((performance.now() - this.#madeAt) / TICK_MS) + this.#ahead;
  }

  /** The age of what was born then. Our own clock stands still while the machine sleeps, so births correct it. */
  ageMs(startTicks: number): number {
    const now = this.now();
    if (startTicks > now) {
      this.#ahead += startTicks - now;
      return 0;
    }
    return (now - startTicks) * TICK_MS;
  }
}

/** Null where a container's runtime has put its own time in the place of the kernel's. */
function ticksSinceBoot(): number | null {
  return isOfKernel('/proc/uptime') ? Math.floor((uptime() * 1_000) / TICK_MS) : null;
}

/** When this thread was born, a little before it can make a clock; 0 where it is not told. */
function threadStart(): number {
  try {
    const text = readFileSync('/proc/thread-self/stat', 'latin1');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return 0;
  }
}

function idLimit(): number {
  try {
    return Number(readFileSync('/proc/sys/kernel/pid_max', 'latin1'));
  } catch (error) {
    if (isShortage(error)) throw error;
    return FALLBACK_LIMIT;
  }
}

function forksSinceBoot(): number | null {
  try {
    const count = /^processes (\d+)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1];
    return count === undefined ? null : Number(count);
  } catch (error) {
    if (isShortage(error)) throw error;
    return null;
  }
}

function idsBetween(from: number, upTo: number, limit: number): number[] {
  const ids: number[] = [];
  if (upTo >= from) {
    for (let id = from + 1; id <= upTo; id++) ids.push(id);
    return ids;
  }
  for (let id = from + 1; id < limit; id++) ids.push(id);
  for (let id = 1; id <= upTo; id++) ids.push(id);
  return ids;
}

function bornSince(ticks: number): number[] {
  return processIds().filter((id) => {
    const stat = readStat(id);
    return stat !== null && stat.startTicks >= ticks - 1;
  });
}
