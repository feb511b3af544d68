import { isMissing, type ProcessStat, readStat } from './process-stat.js';
import { isShortage } from './shortage.js';

/** An id that has had no process for so long, in ms, has none any more. */
export const UNBORN_MS = 40;
/** So many are looked at on the spot, some 20 µs each. */
const AT_ONCE = 6;

/**
 * Ids that the kernel had given and that had no process when they were looked at: of what has ended already, or is only just being
 * made (see `Inspector.lookAgain`). The next command may be the first one of such a process, which has given no further id: so they
 * are looked at again before each.
 */
export class UnbornIds {
  /** And since when they are known, as `performance.now()`. */
  #since = new Map<number, number>();

  get size(): number {
    return this.#since.size;
  }

  add(ids: readonly number[], now: number): void {
    for (const id of ids) if (!this.#since.has(id)) this.#since.set(id, now);
  }

  /** A survey has looked at them: these are left. */
  surveyed(ids: readonly number[], now: number): void {
    this.#since = new Map(ids.map((id) => [id, this.#since.get(id) ?? now]));
  }

  /** Whether one of them may be a process by now that has inherited something: that is for a survey to tell. */
  areBorn(now: number): boolean {
    if (this.#since.size > AT_ONCE) return true;
    let born = false;
    for (const [id, since] of this.#since) {
      const stat = statIfReadable(id);
      if (stat !== null || !isMissing(id)) {
        this.#since.delete(id);
        born ||= stat === null || mayHaveInherited(stat);
      } else if (now - since > UNBORN_MS) this.#since.delete(id);
    }
    return born;
  }
}

/** Threads have nothing of their own, and who runs a program of its own uses no connection of another one. */
export function mayHaveInherited({ forkedOnly, isThread }: ProcessStat): boolean {
  return forkedOnly && !isThread;
}

/** Null also where there was no descriptor left to read it. */
export function statIfReadable(id: number): ProcessStat | null {
  try {
    return readStat(id);
  } catch (error) {
    if (isShortage(error)) return null;
    throw error;
  }
}
