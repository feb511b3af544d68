import { LogBurst } from '../frontend/log.js';
import type { BegunHold } from '../relay/hold-sampler.js';

/** A hold that has not begun for so long is news again, in ms. */
const NEWS_AGAIN_MS = 60 * 60_000;

/** Pairs of reason and statement that are remembered; of more, the one that is longest ago is forgotten. */
const REMEMBERED = 1_000;

/** News in a row that are all told; from then on it is one a second. */
const TOLD = 20;

export interface HoldLogger {
  info(fields: object, message: string): void;
}

/**
 * Tells of statements that tie their clients to sessions, when a reason is seen with a statement for the first time, or for
 * the first time in an hour: what is worth to be looked at before it becomes a shortage. Holds that end by themselves
 * (transactions and the like) are no news.
 */
export class HoldLog {
  readonly #log: HoldLogger;
  readonly #now: () => number;
  readonly #burst = new LogBurst(TOLD);
  /** When it began last; the one that is longest ago comes first. */
  readonly #seen = new Map<string, number>();

  /** @param now - in ms, monotonic */
  constructor(log: HoldLogger, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  begun({ reason, statement, client, user, serverUser }: BegunHold): void {
    const now = this.#now();
    const key = `${reason} ${statement}`;
    const before = this.#seen.get(key);
    this.#seen.delete(key);
    if (this.#seen.size >= REMEMBERED) {
      const [oldest] = this.#seen.keys();
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    this.#seen.set(key, now);
    if (before !== undefined && now - before < NEWS_AGAIN_MS) return;
    const more = this.#burst.pass();
    if (more === null) return;
    const fields = { reason, statement, client, user, serverUser };
    this.#log.info(more === 0 ? fields : { ...fields, more }, 'first hold of its kind');
  }
}
