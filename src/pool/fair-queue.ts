import type { AppProcess, ProcessLane } from './app-process.js';
import type { CheckoutRequest } from './checkout-request.js';
import { RequestQueue } from './request-queue.js';

/** How many waiters are looked at when a session has come back: the next one, and those right behind it. */
export const AFFINITY_REACH = 8;

/** The waiters of one process in one pool: first in, first out. */
export class Lane<S extends object> implements ProcessLane {
  readonly process: AppProcess;
  readonly owner: FairQueue<S>;
  readonly requests = new RequestQueue<S>();
  /** Its place among all lanes of a server: a new one, behind all others, each time it is served. */
  turn = 0;
  /** Clock time in ms at which it got that place. */
  since = 0;
  ahead: Lane<S> | null = null;
  behind: Lane<S> | null = null;

  constructor(process: AppProcess, owner: FairQueue<S>) {
    this.process = process;
    this.owner = owner;
  }

  get waits(): boolean {
    return this.requests.size > 0;
  }

  /** {@link ProcessLane} */
  enterRing(): void {
    this.#ring.insert(this);
  }

  /** {@link ProcessLane} */
  leaveRing(): void {
    this.#ring.remove(this);
  }

  /** Where it is while it waits. */
  get #ring(): LaneRing<S> {
    return this.process.urgent ? this.owner.urgent : this.owner.regular;
  }
}

/** Lanes with waiters in the order of their turns. */
export class LaneRing<S extends object> {
  #first: Lane<S> | null = null;
  #last: Lane<S> | null = null;
  #size = 0;

  get first(): Lane<S> | null {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  /** O(1) for a lane that has just got its turn, which is behind all others. */
  insert(lane: Lane<S>): void {
    let place = this.#last;
    while (place !== null && place.turn > lane.turn) place = place.ahead;
    const behind = place === null ? this.#first : place.behind;
    lane.ahead = place;
    lane.behind = behind;
    if (place === null) this.#first = lane;
    else place.behind = lane;
    if (behind === null) this.#last = lane;
    else behind.ahead = lane;
    this.#size++;
  }

  remove(lane: Lane<S>): void {
    const { ahead, behind } = lane;
    if (ahead === null) this.#first = behind;
    else ahead.behind = behind;
    if (behind === null) this.#last = ahead;
    else behind.ahead = ahead;
    lane.ahead = null;
    lane.behind = null;
    this.#size--;
  }
}

/** One pool's waiters: the lanes of urgent processes before those of others, in turn; entering and leaving is O(1). */
export class FairQueue<S extends object> {
  /** @internal */
  readonly urgent = new LaneRing<S>();
  /** @internal */
  readonly regular = new LaneRing<S>();
  readonly #lanes = new WeakMap<AppProcess, Lane<S>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whose turn it is. */
  get first(): Lane<S> | null {
    return this.urgent.first ?? this.regular.first;
  }

  /** Who is served next. */
  get head(): CheckoutRequest<S> | null {
    return this.first?.requests.head ?? null;
  }

  /** Who has waited longest. O(lanes). */
  get oldest(): CheckoutRequest<S> | null {
    let oldest: CheckoutRequest<S> | null = null;
    for (const { requests } of this.lanes()) {
      const { head } = requests;
      if (head !== null && (oldest === null || head.ticket < oldest.ticket)) oldest = head;
    }
    return oldest;
  }

  *lanes(): Generator<Lane<S>> {
    for (let lane = this.urgent.first; lane !== null; lane = lane.behind) yield lane;
    for (let lane = this.regular.first; lane !== null; lane = lane.behind) yield lane;
  }

  /** A request begins to wait. `turn`: behind all others, if its lane was empty. */
  push(request: CheckoutRequest<S>, turn: number, now: number): void {
    const lane = this.#laneOf(request);
    if (!lane.waits) this.#enter(lane, turn, now);
    lane.requests.push(request);
    this.#size++;
  }

  /** A request that was taken goes back to where it was. */
  restore(request: CheckoutRequest<S>): void {
    const lane = this.#laneOf(request);
    if (!lane.waits) {
      this.#enter(lane, request.turn, request.turnSince);
    } else if (request.turn < lane.turn) {
      lane.leaveRing();
      this.#enter(lane, request.turn, request.turnSince);
    }
    lane.requests.restore(request);
    this.#size++;
  }

  /** A request gives up: its lane keeps its turn. */
  remove(request: CheckoutRequest<S>): void {
    const lane = this.#laneOf(request);
    lane.requests.remove(request);
    this.#size--;
    if (!lane.waits) lane.leaveRing();
  }

  /** A request is served: its lane has had its turn, and gets the next one, `turn`. */
  take(request: CheckoutRequest<S>, turn: number, now: number): void {
    const lane = this.#laneOf(request);
    request.turn = lane.turn;
    request.turnSince = lane.since;
    lane.requests.remove(request);
    this.#size--;
    lane.leaveRing();
    if (lane.waits) this.#enter(lane, turn, now);
  }

  /**
   * The first of those near the head whom a session of this fingerprint suits as it is, unless it would overtake somebody
   * who has waited since `longAgo`; else the head. Looks at the first few of the first lanes; nobody is served before
   * an urgent one. `isOneComing`: {@link WaitingLines.next}; null where all wait for such a one.
   */
  choose(fingerprint: unknown, longAgo: number, isOneComing = false): CheckoutRequest<S> | null {
    let first: CheckoutRequest<S> | null = null;
    const ring = this.urgent.size > 0 ? this.urgent : this.regular;
    const perLane = Math.max(1, Math.floor(AFFINITY_REACH / ring.size));
    let left = AFFINITY_REACH;
    let seen = 0;
    for (let lane = ring.first; lane !== null; lane = lane.behind) {
      let request = lane.requests.head;
      for (let place = 0; place < perLane && request !== null; place++) {
        if (request.fingerprint === fingerprint) return request;
        const waitsForNew = isOneComing && request.wantsNew;
        if (!waitsForNew) first ??= request;
        if (--left === 0 || (!waitsForNew && request.enqueuedAt <= longAgo)) return first ?? this.head;
        request = request.behind;
        seen++;
      }
    }
    return first ?? (seen === this.#size ? null : this.head);
  }

  #enter(lane: Lane<S>, turn: number, now: number): void {
    lane.turn = turn;
    lane.since = now;
    lane.enterRing();
  }

  #laneOf(request: CheckoutRequest<S>): Lane<S> {
    if (request.lane?.owner === this) return request.lane;
    const { process } = request;
    let lane = this.#lanes.get(process);
    if (lane === undefined) {
      lane = new Lane(process, this);
      this.#lanes.set(process, lane);
      process.lanes.push(lane);
    }
    request.lane = lane;
    return lane;
  }
}
