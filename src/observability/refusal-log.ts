/** Of the same kind of refusal in the same pool, one is told in this time, in ms: an overload refuses thousands a second. */
const TELL_MS = 1_000;

/** Kinds that are remembered. */
const MAX_KINDS = 1_000;

export interface RefusalLogger {
  warn(fields: object, message: string): void;
}

/** Whose it was, of which pool, and what it was told. */
export interface RefusedRequest {
  readonly client: number;
  readonly user: string;
  readonly pool: string;
  readonly code: string;
  readonly error: string;
}

/** Tells of requests that got no session: the first of its kind at once, further ones as a number with the next that is told. */
export class RefusalLog {
  readonly #log: RefusalLogger;
  readonly #now: () => number;
  readonly #kinds = new Map<string, { toldAt: number; untold: number }>();

  /** @param now - in ms, monotonic */
  constructor(log: RefusalLogger, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  refused(request: RefusedRequest): void {
    const { pool, code } = request;
    const now = this.#now();
    const name = `${code} ${pool}`;
    const kind = this.#kinds.get(name);
    if (kind === undefined) {
      // Pools come and go with users.
      if (this.#kinds.size >= MAX_KINDS) this.#kinds.clear();
      this.#kinds.set(name, { toldAt: now, untold: 0 });
    } else if (now - kind.toldAt < TELL_MS) {
      kind.untold++;
      return;
    }
    const untold = kind?.untold ?? 0;
    this.#log.warn(untold === 0 ? request : { ...request, untold }, 'request refused');
    if (kind === undefined) return;
    kind.toldAt = now;
    kind.untold = 0;
  }
}
