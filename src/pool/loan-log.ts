import type { PoolClock } from './clock.js';

/** One use of a session by one client; an object that is at hand anyway, so that recording allocates nothing. */
export interface Loan {
  /** Who has it: {@link LoanLog.newClient}; 0 while nobody has. */
  client: number;
  /** Clock time in ms at which it was asked for, and lent; 0 where no window was recorded at that moment. */
  askedAt: number;
  lentAt: number;
  /** A number for the state in which the client wants the session; 0 where that is not told. */
  readonly profile: number;
}

/** A request that waits. */
export interface WaitingLoan {
  readonly client: number;
  readonly askedAt: number;
}

/**
 * All loans of a stretch of time, one row each, those included that began before it or end after it. Times are ms from its
 * beginning: negative before it, infinite where they were not reached within it.
 */
export interface LoanWindow {
  /** Ms since the epoch. */
  readonly beganAt: number;
  readonly lengthMs: number;
  /** How many requests it stands for: those of the time that was not recorded as well. 0: it was kept because it was busy. */
  readonly weight: number;
  readonly client: Uint32Array;
  readonly asked: Float32Array;
  readonly lent: Float32Array;
  readonly ended: Float32Array;
  readonly profile: Int32Array;
}

export interface LoanLogOptions {
  readonly clock: PoolClock;
  /** What is lent now, and who waits. */
  readonly inFlight: () => Iterable<Loan>;
  readonly waiting: () => Iterable<WaitingLoan>;
  /** By when a window began: in [0, 1). */
  readonly random?: ((beganAt: number) => number) | undefined;
}

/** Loans that end within a window, at most; with those that began or end outside of it. */
const WINDOW_LOANS = 1_024;
const WINDOW_ROWS = 4 * WINDOW_LOANS;

/** How often a window begins, and how long it may last, in ms. */
export const LOAN_WINDOW_MS = 10_000;
const LONGEST_MS = 60_000;

/** Windows that are kept: the last ones, a fair sample of all before them, and the busiest of all. */
const LATEST = 4;
const SAMPLED = 8;
const BUSIEST = 2;

interface Kept extends LoanWindow {
  /** Sessions lent and requests waiting, on average. */
  readonly demand: number;
}

interface Past extends Kept {
  /** The lowest are kept as a sample. */
  readonly rank: number;
}

/**
 * How sessions are asked for, lent and given back: enough to see what another number of sessions would have done. The peak
 * is of all time; the rest are windows in which every loan is recorded, so that memory is bounded and a busy pool pays next to
 * nothing.
 */
export class LoanLog {
  /** Sessions lent and requests waiting at the same time, at most. */
  peak = 0;
  /** Loans since the start. */
  count = 0;
  readonly #options: LoanLogOptions;
  readonly #clock: PoolClock;
  #lent = 0;
  #clients = 0;
  #recorded: Recorded | null = null;
  #latest: Kept[] = [];
  #sampled: Past[] = [];
  #busiest: Past[] = [];
  /** Windows that have left {@link #latest}. */
  #past = 0;
  /** Clock time from which another window may begin. */
  #nextAt = Number.NEGATIVE_INFINITY;
  /** {@link count} when the last window began, which that window is yet to be told. */
  #countAt = 0;

  constructor(options: LoanLogOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /** A number for a client. */
  newClient(): number {
    this.#clients = (this.#clients + 1) >>> 0 || 1;
    return this.#clients;
  }

  /** Sessions lent now. */
  get lent(): number {
    return this.#lent;
  }

  /** A request has begun to wait; `waiting`: it and the others. */
  joined(waiting: number): void {
    const demand = this.#lent + waiting;
    if (demand > this.peak) this.peak = demand;
  }

  /** A session is lent; `askedAt`: since when the client has waited, 0 where it has not. `waiting`: others. */
  lend(loan: Loan, client: number, askedAt: number, waiting: number): void {
    loan.client = client;
    this.count++;
    const demand = ++this.#lent + waiting;
    if (demand > this.peak) this.peak = demand;
    if (this.#recorded === null) {
      loan.lentAt = 0;
      return;
    }
    const now = this.#clock.now();
    loan.lentAt = now;
    loan.askedAt = askedAt === 0 ? now : askedAt;
  }

  /** The session is not lent any more; does nothing where it was not. */
  returned(loan: Loan): void {
    if (loan.client === 0) return;
    this.#lent--;
    const recorded = this.#recorded;
    if (recorded !== null) {
      const now = this.#clock.now();
      recorded.add(loan, now);
      // It is no longer one of those in flight.
      loan.client = 0;
      if (recorded.rows >= WINDOW_LOANS) this.#close(recorded, now);
    }
    loan.client = 0;
  }

  /** To be called once a second or so: windows end, and begin unless that is left to {@link begin}. */
  tick(mayBegin = true): void {
    const now = this.#clock.now();
    if (this.#recorded !== null && now - this.#recorded.began >= LONGEST_MS) this.#close(this.#recorded, now);
    if (mayBegin && now >= this.#nextAt) this.begin();
  }

  /** A window begins, unless one is under way. */
  begin(): void {
    if (this.#recorded !== null) return;
    const now = this.#clock.now();
    this.#settleWeight();
    this.#recorded = new Recorded(now);
    this.#nextAt = now + LOAN_WINDOW_MS;
  }

  /** What was recorded, the window under way included. `idle`: with those in which nothing happened, as far as they are kept. */
  windows(idle = false): readonly LoanWindow[] {
    const now = this.#clock.now();
    const under = this.#recorded === null ? null : this.#finished(this.#recorded, now, this.#sinceWindow());
    const latest = this.#latest.map((window, i) =>
      this.#recorded === null && i === this.#latest.length - 1
        ? { ...window, weight: this.#sinceWindow() }
        : window,
    );
    const share = this.#past <= SAMPLED ? 1 : this.#past / SAMPLED;
    const sampled = this.#sampled.map((window) => ({ ...window, weight: window.weight * share }));
    const busiest = this.#busiest
      .filter((window) => !this.#sampled.includes(window))
      .map((window) => ({ ...window, weight: 0 }));
    return [...busiest, ...sampled, ...latest, ...(under === null ? [] : [under])].filter(
      ({ client }) => idle || client.length > 0,
    );
  }

  #sinceWindow(): number {
    return this.count - this.#countAt;
  }

  /** The last window stands for all loans until the next one begins. */
  #settleWeight(): void {
    const last = this.#recorded === null ? this.#latest.pop() : undefined;
    if (last !== undefined) this.#latest.push({ ...last, weight: this.#sinceWindow() });
    this.#countAt = this.count;
  }

  #close(recorded: Recorded, now: number): void {
    this.#latest.push(this.#finished(recorded, now, this.#sinceWindow()));
    this.#recorded = null;
    if (this.#latest.length <= LATEST) return;
    const oldest = this.#latest.shift();
    if (oldest === undefined || oldest.client.length === 0) return;
    this.#past++;
    const { random = ofMoment } = this.#options;
    const past = { ...oldest, rank: random(oldest.beganAt) };
    this.#sampled.push(past);
    // Each has the same chance; and processes that share a pool keep the windows of the same moments.
    if (this.#sampled.length > SAMPLED) {
      const highest = this.#sampled.reduce((a, b) => (b.rank > a.rank ? b : a));
      this.#sampled = this.#sampled.filter((window) => window !== highest);
    }
    this.#busiest = [...this.#busiest, past].sort((a, b) => b.demand - a.demand).slice(0, BUSIEST);
  }

  #finished(recorded: Recorded, now: number, weight: number): Kept {
    return recorded.finished(now, weight, this.#options.inFlight(), this.#options.waiting());
  }
}

/** The same for all windows that begin in the same {@link LOAN_WINDOW_MS}. */
function ofMoment(beganAt: number): number {
  let hash = Math.round(beganAt / LOAN_WINDOW_MS) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** The window under way. */
class Recorded {
  readonly began: number;
  rows = 0;
  readonly #beganAt = Date.now();
  readonly #client = new Uint32Array(WINDOW_LOANS);
  readonly #asked = new Float32Array(WINDOW_LOANS);
  readonly #lent = new Float32Array(WINDOW_LOANS);
  readonly #ended = new Float32Array(WINDOW_LOANS);
  readonly #profile = new Int32Array(WINDOW_LOANS);

  constructor(began: number) {
    this.began = began;
  }

  /** A loan has ended. */
  add(loan: Loan, now: number): void {
    const row = this.rows++;
    this.#client[row] = loan.client;
    this.#asked[row] = this.#since(loan.lentAt === 0 ? 0 : loan.askedAt);
    this.#lent[row] = this.#since(loan.lentAt);
    this.#ended[row] = now - this.began;
    this.#profile[row] = loan.profile;
  }

  /** What is so far, and what has not ended. */
  finished(now: number, weight: number, inFlight: Iterable<Loan>, waiting: Iterable<WaitingLoan>): Kept {
    const open: [number, number, number, number][] = [];
    const most = WINDOW_ROWS - this.rows;
    for (const { client, askedAt, lentAt, profile } of inFlight) {
      if (client === 0 || open.length >= most) continue;
      open.push([client, this.#since(lentAt === 0 ? 0 : askedAt), this.#since(lentAt), profile]);
    }
    for (const { client, askedAt } of waiting) {
      if (open.length >= most) break;
      open.push([client, askedAt - this.began, Number.POSITIVE_INFINITY, 0]);
    }
    const { rows } = this;
    const total = rows + open.length;
    const lengthMs = now - this.began;
    const window = {
      beganAt: this.#beganAt,
      lengthMs,
      weight,
      client: new Uint32Array(total),
      asked: new Float32Array(total),
      lent: new Float32Array(total),
      ended: new Float32Array(total).fill(Number.POSITIVE_INFINITY),
      profile: new Int32Array(total),
    };
    window.client.set(this.#client.subarray(0, rows));
    window.asked.set(this.#asked.subarray(0, rows));
    window.lent.set(this.#lent.subarray(0, rows));
    window.ended.set(this.#ended.subarray(0, rows));
    window.profile.set(this.#profile.subarray(0, rows));
    for (const [i, [client, asked, lent, profile]] of open.entries()) {
      window.client[rows + i] = client;
      window.asked[rows + i] = asked;
      window.lent[rows + i] = lent;
      window.profile[rows + i] = profile;
    }
    return { ...window, demand: demandOf(window) };
  }

  /** 0 is a time that nobody has noted: before the window began. */
  #since(time: number): number {
    return time === 0 ? Number.NEGATIVE_INFINITY : time - this.began;
  }
}

/** Sessions lent and requests waiting, on average over the window. */
function demandOf({ asked, ended, lengthMs }: LoanWindow): number {
  let sum = 0;
  for (const [row, end] of ended.entries()) sum += Math.min(end, lengthMs) - Math.max(0, asked[row] ?? 0);
  return lengthMs <= 0 ? 0 : sum / lengthMs;
}
