import type { LoanWindow } from '../pool/loan-log.js';
import { EventQueue } from './event-queue.js';

/** What another number of sessions would have made of a window. */
export interface Replayed {
  /** Ms that each request waited which came within the window, in no order. */
  readonly waits: Float64Array;
  /** Sessions lent and requests waiting at the same time, at most. */
  readonly peak: number;
  /** Requests that would have got a session in another client's state; those whose state is not known are none. */
  readonly restores: number;
}

/**
 * The loans of a window as a script: each client asks for its next session as long after it gave the last one back as it did
 * in truth. So whoever had to wait asks earlier where there are more sessions, as it would have; the service times are those that
 * were seen, and nothing is assumed about how they or the requests are distributed.
 */
export class LoanScript {
  /** Sessions that could be in use at the same time: with so many, nobody waits. */
  readonly mostUseful: number;
  readonly #window: LoanWindow;
  /** Ms that each loan lasts, as far as it lasted within the window. */
  readonly #service: Float64Array;
  /** The same client's next loan, and how long after this one it asks; -1 where there is none. */
  readonly #next: Int32Array;
  readonly #pause: Float64Array;
  /** Loans of which no earlier one is known, by when they were asked for. */
  readonly #first: readonly number[];

  constructor(window: LoanWindow) {
    const { client, asked, lent, ended, lengthMs } = window;
    const rows = client.length;
    this.#window = window;
    this.#service = serviceOf(window);
    this.#next = new Int32Array(rows).fill(-1);
    this.#pause = new Float64Array(rows);
    const order = [...client.keys()].sort(
      (a, b) =>
        (client[a] ?? 0) - (client[b] ?? 0) || compare(asked[a], asked[b]) || compare(lent[a], lent[b]),
    );
    const first: number[] = [];
    for (const [place, row] of order.entries()) {
      const before = order[place - 1];
      if (before === undefined || client[before] !== client[row]) {
        first.push(row);
        continue;
      }
      this.#next[before] = row;
      this.#pause[before] = Math.max(0, (asked[row] ?? 0) - Math.min(ended[before] ?? 0, lengthMs));
    }
    this.#first = first.sort((a, b) => compare(asked[a], asked[b]));
    this.mostUseful = Math.max(1, first.length);
  }

  /** Ms that the requests of the window waited in truth. */
  get waited(): Float64Array {
    const { asked, lent, lengthMs } = this.#window;
    const waits: number[] = [];
    for (const [row, time] of asked.entries())
      if (time >= 0) waits.push(Math.min(lent[row] ?? 0, lengthMs) - time);
    return Float64Array.from(waits);
  }

  /** The same requests over `sessions` sessions, first come first served. */
  replay(sessions: number): Replayed {
    return new Run(this.#window, this.#service, this.#next, this.#pause, this.#first, sessions).play();
  }
}

class Run {
  readonly #window: LoanWindow;
  readonly #service: Float64Array;
  readonly #next: Int32Array;
  readonly #pause: Float64Array;
  readonly #arrivals: EventQueue;
  readonly #ends: EventQueue;
  readonly #queue: number[] = [];
  #head = 0;
  readonly #idle: number[] = [];
  /** By session: whose it was last, and in which state. */
  readonly #lastClient: Uint32Array;
  readonly #lastProfile: Int32Array;
  /** By row: when it was asked for, and which session it has. */
  readonly #askedAt: Float64Array;
  readonly #session: Int32Array;
  readonly #waits: number[] = [];
  #peak = 0;
  #restores = 0;

  constructor(
    window: LoanWindow,
    service: Float64Array,
    next: Int32Array,
    pause: Float64Array,
    first: readonly number[],
    sessions: number,
  ) {
    this.#window = window;
    this.#service = service;
    this.#next = next;
    this.#pause = pause;
    this.#arrivals = new EventQueue(service.length);
    this.#ends = new EventQueue(service.length);
    this.#lastClient = new Uint32Array(sessions);
    this.#lastProfile = new Int32Array(sessions);
    this.#askedAt = new Float64Array(service.length);
    this.#session = new Int32Array(service.length);
    for (let session = sessions - 1; session >= 0; session--) this.#idle.push(session);
    for (const row of first) {
      // Those that had a session already come before all that wait for one.
      const asked = window.asked[row] ?? 0;
      if ((window.lent[row] ?? 0) < 0) this.#arrivals.push(Number.NEGATIVE_INFINITY, row);
      else this.#arrivals.push(asked, row);
    }
  }

  play(): Replayed {
    for (;;) {
      const arrivesAt = this.#arrivals.nextTime;
      const endsAt = this.#ends.nextTime;
      if (endsAt <= arrivesAt && this.#ends.size > 0) {
        if (endsAt === Number.POSITIVE_INFINITY) break;
        this.#end(this.#ends.pop(), endsAt);
      } else if (this.#arrivals.size > 0) this.#arrive(this.#arrivals.pop(), arrivesAt);
      else break;
    }
    // Every session is held for all of the window: who is in the line now never gets one.
    for (const row of this.#queue.slice(this.#head)) this.#waited(row, Number.POSITIVE_INFINITY);
    return { waits: Float64Array.from(this.#waits), peak: this.#peak, restores: this.#restores };
  }

  #arrive(row: number, time: number): void {
    this.#askedAt[row] = time;
    const demand = this.#lastClient.length - this.#idle.length + this.#queue.length - this.#head + 1;
    if (demand > this.#peak) this.#peak = demand;
    if (this.#idle.length === 0) this.#queue.push(row);
    else this.#begin(row, time, this.#sessionFor(row));
  }

  #begin(row: number, time: number, session: number): void {
    const { client, profile } = this.#window;
    const wanted = profile[row] ?? 0;
    if (wanted !== 0 && this.#lastProfile[session] !== 0 && this.#lastProfile[session] !== wanted)
      this.#restores++;
    this.#lastClient[session] = client[row] ?? 0;
    this.#lastProfile[session] = wanted;
    this.#session[row] = session;
    this.#waited(row, time);
    this.#ends.push(Math.max(0, time) + (this.#service[row] ?? 0), row);
  }

  /** Only of those that came within the window: of the others it is not known how long they had waited before. */
  #waited(row: number, until: number): void {
    if ((this.#window.asked[row] ?? 0) >= 0) this.#waits.push(Math.max(0, until - (this.#askedAt[row] ?? 0)));
  }

  #end(row: number, time: number): void {
    const next = this.#next[row] ?? -1;
    if (next >= 0) this.#arrivals.push(time + (this.#pause[row] ?? 0), next);
    const session = this.#session[row] ?? 0;
    const waiting = this.#queue[this.#head];
    if (waiting === undefined) this.#idle.push(session);
    else {
      this.#head++;
      this.#begin(waiting, time, session);
    }
  }

  /** The client's own last one, else one in its state, else the one used last. */
  #sessionFor(row: number): number {
    const idle = this.#idle;
    const profile = this.#window.profile[row] ?? 0;
    let found = idle.length - 1;
    if (profile !== 0) {
      const client = this.#window.client[row] ?? 0;
      let fits = false;
      for (let at = idle.length - 1; at >= 0; at--) {
        const session = idle[at] ?? 0;
        if (this.#lastProfile[session] !== profile) continue;
        if (!fits) found = at;
        fits = true;
        if (this.#lastClient[session] !== client) continue;
        found = at;
        break;
      }
    }
    const session = idle[found] ?? 0;
    const last = idle.pop() ?? 0;
    if (found < idle.length) idle[found] = last;
    return session;
  }
}

/** Of a loan that did not end within the window, what it lasted there; all of it where it began before. */
function serviceOf({ lent, ended, lengthMs }: LoanWindow): Float64Array {
  const service = new Float64Array(lent.length);
  let sum = 0;
  let count = 0;
  for (const [row, from] of lent.entries()) {
    const end = ended[row] ?? 0;
    if (from < 0) service[row] = end;
    else if (end <= lengthMs) service[row] = end - from;
    else service[row] = Math.max(0, lengthMs - from);
    if (end > lengthMs) continue;
    sum += service[row] ?? 0;
    count++;
  }
  // Those that were never served would have taken as long as others did.
  for (const [row, from] of lent.entries())
    if (from === Number.POSITIVE_INFINITY) service[row] = count === 0 ? lengthMs : sum / count;
  return service;
}

function compare(a = 0, b = 0): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
