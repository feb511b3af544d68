import type { PoolClock, StopTicking } from './clock.js';

/** One coarse tick for all deadlines, running only while there is one: no timer per request. */
export class Ticker {
  readonly #clock: PoolClock;
  readonly #periodMs: number;
  readonly #tick: () => boolean;
  #stop: StopTicking | null = null;

  /** @param tick returns whether there is still something to look after */
  constructor(clock: PoolClock, periodMs: number, tick: () => boolean) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#tick = tick;
  }

  get running(): boolean {
    return this.#stop !== null;
  }

  /** There is something to look after. It is cheap to call, so that nobody needs to know who called before. */
  keep(): void {
    this.#stop ??= this.#clock.every(this.#periodMs, () => {
      // Ends here and not when the last deadline goes: a line of waiters is often empty for a moment only.
      if (!this.#tick()) this.stop();
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = null;
  }
}
