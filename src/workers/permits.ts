import type { PermitChange, PermitWish } from './permit-ledger.js';

/** The pools of server sessions of one worker. */
export interface PermitPool {
  /** Sessions that it may have from now on; what it has beyond that is closed as soon as nobody uses it. */
  set limit(limit: number);
  /** Sessions that it has, those being opened and closed included. */
  readonly used: number;
  /** At this moment. */
  demand(): {
    readonly lent: number;
    readonly waiting: number /** Since the start. */;
    readonly checkouts: number;
  };
}

/** What a worker says to its parent about the permits of one server. */
export type PermitMessage =
  | { readonly kind: 'wish'; readonly wish: PermitWish }
  | { readonly kind: 'release'; readonly count: number }
  /** A session that the server has: its id there (an unsigned number of 64 bits), and whose it is. */
  | { readonly kind: 'session_opened'; readonly id: string; readonly user: string }
  | { readonly kind: 'session_gone'; readonly id: string }
  /** Of all workers together; `shared`: other proxies on the server have their part, and this is ours. */
  | { readonly kind: 'total'; readonly size: number; readonly shared: boolean }
  /** It has no session there, and opens none any more: all that it had is to be given to others. The last word. */
  | { readonly kind: 'leave' };

/** Topic: which of some sessions of a user a server is rid of; asked by the parent when the worker that had them has died. */
export const GONE_SESSIONS = 'sessions.gone';

export interface PermitClock {
  /** In ms, monotonic. */
  now(): number;
  /** @returns what ends it */
  every(ms: number, look: () => void): () => void;
}

const systemClock: PermitClock = {
  now: () => performance.now(),
  every: (ms, look) => {
    const timer = setInterval(look, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** How often it is looked what is needed, in ms. */
const SAMPLE_MS = 20;
/**
 * A need counts for so many looks: what has just been needed is not given away. With half as many, two workers that need three
 * of eight sessions each on average closed 4.6 in a second for each other, and with these 1.7 (simulated).
 */
const RECENT_SAMPLES = 10;
/** And for so many ms where nobody else is in need; for as long, one who has had a session keeps one. */
const LATELY_MS = 1_000;

/**
 * The permits of this worker for one server: it has a session there for each of them at most. What it needs is told as it changes;
 * who has them is the parent's decision: see `PermitLedger`.
 */
export class Permits {
  readonly #pool: PermitPool;
  readonly #send: (message: PermitMessage) => void;
  readonly #now: () => number;
  readonly #stop: () => void;
  #permits = 0;
  #total: number | null = null;
  /** Of them, those that it has not been asked to give back. */
  #kept = 0;
  #most: number | null = null;
  #told: PermitWish = { demand: 0, lately: 0, most: null };
  #isShort = false;
  readonly #recent = new Array<number>(RECENT_SAMPLES).fill(0);
  #next = 0;
  #checkouts = 0;
  #checkoutAt = Number.NEGATIVE_INFINITY;
  /** The most of this period of {@link LATELY_MS}, and of the one before. */
  #peak = 0;
  #lastPeak = 0;
  #peakSince = 0;

  constructor(pool: PermitPool, send: (message: PermitMessage) => void, clock: PermitClock = systemClock) {
    this.#pool = pool;
    this.#send = send;
    this.#now = clock.now;
    this.#stop = clock.every(SAMPLE_MS, () => this.look());
  }

  /** Of all workers together; null while that is not known. */
  get total(): number | null {
    return this.#total;
  }

  /** From the parent. */
  changed({ granted, recalled, total }: PermitChange): void {
    this.#total = total;
    this.#permits += granted;
    this.#kept += granted - recalled;
    this.#pool.limit = this.#kept;
    this.#giveBack();
  }

  /** Should this process die, its sessions can be looked for. @param id - the server's */
  sessionOpened(id: bigint | number, user: string): void {
    this.#send({ kind: 'session_opened', id: String(id), user });
  }

  /** The server is rid of it. */
  sessionGone(id: bigint | number): void {
    this.#send({ kind: 'session_gone', id: String(id) });
  }

  /** A session of the pool is closed for good, or could not be opened. */
  placeFreed(): void {
    if (this.#permits > this.#kept) this.#giveBack();
  }

  /** A request waits. Called for each: it costs nothing while that is known. */
  shortage(): void {
    if (this.#isShort) return;
    this.#isShort = true;
    this.look();
  }

  /** Others are to have what the clients that are left do not need. */
  leaveTo(clients: number): void {
    this.#most = Math.max(1, clients);
    this.look();
  }

  /** {@link PermitMessage}; also what the configuration says from now on. */
  foundTotal(size: number, shared: boolean): void {
    this.#send({ kind: 'total', size, shared });
  }

  /** All sessions are closed. */
  stop(): void {
    this.#stop();
    this.#send({ kind: 'leave' });
  }

  #giveBack(): void {
    const count = this.#permits - Math.max(this.#kept, this.#pool.used);
    if (count <= 0) return;
    this.#permits -= count;
    this.#send({ kind: 'release', count });
  }

  /** What is needed now; told where it has changed. */
  look(): void {
    const now = this.#now();
    const { lent, waiting, checkouts } = this.#pool.demand();
    if (checkouts !== this.#checkouts) this.#checkoutAt = now;
    this.#checkouts = checkouts;
    this.#isShort = waiting > 0;
    // As many as wait may be thousands, and change all the time: beyond twice what there is, it makes no difference.
    const needed = Math.min(lent + waiting, 2 * this.#permits + ENOUGH);
    this.#recent[this.#next++ % RECENT_SAMPLES] = needed;
    if (now - this.#peakSince > LATELY_MS) {
      this.#lastPeak = this.#peak;
      this.#peak = 0;
      this.#peakSince = now;
    }
    this.#peak = Math.max(this.#peak, needed);
    const least = now - this.#checkoutAt < LATELY_MS ? 1 : 0;
    const wish = {
      demand: Math.max(least, ...this.#recent),
      lately: Math.max(least, this.#peak, this.#lastPeak),
      most: this.#most,
    };
    const told = this.#told;
    if (wish.demand === told.demand && wish.lately === told.lately && wish.most === told.most) return;
    this.#told = wish;
    this.#send({ kind: 'wish', wish });
  }
}

const ENOUGH = 8;
