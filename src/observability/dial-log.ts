/** While the reason stays the same, it is told again this often, in ms: attempts come up to twenty times a second. */
const REMIND_MS = 10_000;

/** A failure longer ago than this is no trouble any more, in ms: nobody has wanted a session since. */
const RECENT_MS = 30_000;

/** Pools whose trouble is remembered. */
const MAX_POOLS = 1_000;

export interface DialLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

interface Trouble {
  readonly since: number;
  attempts: number;
  error: string;
  toldAt: number;
  failedAt: number;
}

/** A pool whose sessions cannot be opened. */
export interface DialTroubleNow {
  readonly pool: string;
  readonly error: string;
  /** Since the first failure. */
  readonly seconds: number;
  readonly attempts: number;
}

/** Tells of pools whose sessions cannot be opened: at once, when the reason is another one, now and then, and when it is over. */
export class DialLog {
  readonly #log: DialLogger;
  readonly #now: () => number;
  readonly #troubles = new Map<string, Trouble>();

  /** @param now - in ms, monotonic */
  constructor(log: DialLogger, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  failed(pool: string, error: string, retryInMs: number): void {
    const now = this.#now();
    let trouble = this.#troubles.get(pool);
    if (trouble === undefined) {
      // Pools come and go with users, and some never open a session again.
      if (this.#troubles.size >= MAX_POOLS) this.#troubles.clear();
      trouble = { since: now, attempts: 0, error, toldAt: Number.NEGATIVE_INFINITY, failedAt: now };
      this.#troubles.set(pool, trouble);
    }
    trouble.attempts++;
    trouble.failedAt = now;
    if (error === trouble.error && now - trouble.toldAt < REMIND_MS) return;
    trouble.error = error;
    trouble.toldAt = now;
    const { attempts, since } = trouble;
    const fields = {
      pool,
      error,
      attempts,
      forMs: Math.round(now - since),
      retryInMs: Math.round(retryInMs),
    };
    this.#log.warn(fields, 'cannot open a server session');
  }

  /** The one that has lasted longest of those that go on; null when there is none. */
  get trouble(): DialTroubleNow | null {
    const now = this.#now();
    for (const [pool, { error, since, attempts, failedAt }] of this.#troubles) {
      if (now - failedAt <= RECENT_MS)
        return { pool, error, attempts, seconds: Math.floor((now - since) / 1_000) };
    }
    return null;
  }

  opened(pool: string): void {
    const trouble = this.#troubles.get(pool);
    if (trouble === undefined) return;
    this.#troubles.delete(pool);
    const { attempts, since } = trouble;
    const fields = { pool, failedAttempts: attempts, afterMs: Math.round(this.#now() - since) };
    this.#log.info(fields, 'server sessions can be opened again');
  }
}
