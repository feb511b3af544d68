import { LockCall } from '../sql/traits.js';

/**
 * How many user locks a session holds, counted from what GET_LOCK and RELEASE_LOCK returned: a lock that was got twice must
 * be released twice (both servers).
 */
export class UserLocks {
  #count = 0;
  /** There may be more than were counted. */
  #uncounted = false;

  get any(): boolean {
    return this.#uncounted || this.#count > 0;
  }

  /** A SELECT of calls has returned `values`, one for each column; null when they were not seen. */
  returned(columns: readonly LockCall[], values: readonly (bigint | null)[] | null): void {
    for (const [i, call] of columns.entries()) {
      const one = values !== null && values[i] === 1n;
      switch (call) {
        case LockCall.Get:
          if (values === null) this.#uncounted = true;
          else if (one) this.#count++;
          break;
        case LockCall.Release:
          if (one && this.#count > 0) this.#count--;
          break;
        case LockCall.ReleaseAll:
          this.clear();
          break;
        case LockCall.None:
      }
    }
  }

  /** Locks may have been got, nobody knows how many. */
  lost(): void {
    this.#uncounted = true;
  }

  clear(): void {
    this.#count = 0;
    this.#uncounted = false;
  }
}
