import type { CheckoutRequest } from './checkout-request.js';
import { PoolOverloadedError } from './errors.js';
import { figuresFor, type PoolsSnapshot } from './snapshot.js';

/** Figures in errors are this old at most, in ms: whoever sheds load has no time to count for each request. */
const FIGURES_MS = 50;

/** Decides when too many wait, and says so. */
export class Overload {
  readonly #maxWaiting: () => number;
  readonly #snapshot: () => PoolsSnapshot;
  #counted: PoolsSnapshot | null = null;
  #countedAt = 0;

  /** @param maxWaiting 0 is no limit */
  constructor(maxWaiting: () => number, snapshot: () => PoolsSnapshot) {
    this.#maxWaiting = maxWaiting;
    this.#snapshot = snapshot;
  }

  /** Whether one more is too many. `unopened`: sessions that can still be opened, each of which one waiter will get. */
  isReached(waiting: number, unopened: number): boolean {
    const most = this.#maxWaiting();
    return most > 0 && waiting - Math.max(0, unopened) >= most;
  }

  error<S extends object>(request: CheckoutRequest<S>, waiting: number, now: number): PoolOverloadedError {
    if (this.#counted === null || now - this.#countedAt >= FIGURES_MS) {
      this.#counted = this.#snapshot();
      this.#countedAt = now;
    }
    return new PoolOverloadedError(figuresFor(this.#counted, request.pool.key), waiting, request.process);
  }
}
