import { divide } from './shares.js';

/** What a worker needs now. */
export interface PermitWish {
  /** Sessions that are lent, and requests that wait: the most of the last moments. */
  readonly demand: number;
  /** The most of the last seconds. */
  readonly lately: number;
  /** It is to have no more, whatever is free; null for no such limit. */
  readonly most: number | null;
}

/** What a worker is told: it may have more sessions, or is to give some up, each as soon as it can. */
export interface PermitChange {
  readonly granted: number;
  readonly recalled: number;
  /** Of all workers together. */
  readonly total: number;
}

interface Member {
  /** Permits that it has, those that it has been asked to give back included. */
  granted: number;
  recalling: number;
  wish: PermitWish;
  /** When it was last given one, on the ledger's clock; before that, when it joined. */
  receivedAt: number;
}

/**
 * How long a permit that another worker waits for is left to whom it was given last, in ms: where there are fewer than
 * workers that want some, they take turns, each of which costs a session closed and one opened.
 */
const TURN_MS = 100;
/** Where each of them has one at least. */
const LONG_TURN_MS = 5_000;

/**
 * The permits of one budget of server sessions, and which worker has them: one for each session that it may have. A worker gives a
 * permit back when the session that used it is closed on the server, and only then is it given to another one. So all of them
 * together never have more than there are, but where the budget falls: then as soon as sessions come back.
 *
 * Whoever needs more gets what is free, then what others have beyond their need. Where all need more, each has an even part.
 * What nobody needs is divided evenly as well.
 */
export class PermitLedger<Who> {
  readonly #now: () => number;
  readonly #tell: (who: Who, change: PermitChange) => void;
  readonly #members = new Map<Who, Member>();
  #total = 0;
  /** Of workers that have died, while the server may still have their sessions. */
  #lost = 0;
  #isContended = false;

  /** @param now in ms, monotonic */
  constructor(tell: (who: Who, change: PermitChange) => void, now: () => number = () => performance.now()) {
    this.#tell = tell;
    this.#now = now;
  }

  get total(): number {
    return this.#total;
  }

  set total(total: number) {
    this.#total = Math.max(0, total);
    this.#settle(new Map([...this.#members.keys()].map((who) => [who, { granted: 0, recalled: 0 }])));
  }

  /** Somebody waits for his turn: {@link tick} is to be called now and then. */
  get isContended(): boolean {
    return this.#isContended;
  }

  /** Given away, or not known to be back. */
  get out(): number {
    return this.#sum(({ granted }) => granted) + this.#lost;
  }

  /** Permits that a worker has. */
  of(who: Who): number {
    return this.#members.get(who)?.granted ?? 0;
  }

  join(newcomers: readonly Who[]): void {
    for (const who of newcomers) {
      this.#members.set(who, {
        granted: 0,
        recalling: 0,
        wish: { demand: 0, lately: 0, most: null },
        receivedAt: this.#now(),
      });
    }
    this.#settle();
  }

  wishes(who: Who, wish: PermitWish): void {
    const member = this.#members.get(who);
    if (member === undefined) return;
    member.wish = wish;
    this.#settle();
  }

  /** Sessions are closed, and their permits are back. */
  released(who: Who, count: number): void {
    const member = this.#members.get(who);
    if (member === undefined) return;
    const back = Math.min(count, member.granted);
    member.granted -= back;
    member.recalling = Math.max(0, member.recalling - back);
    this.#settle();
  }

  /** A worker has ended. @returns how many permits it had: {@link found} is to be called for them when its sessions are gone */
  left(who: Who): number {
    const granted = this.of(who);
    if (!this.#members.delete(who)) return 0;
    this.#lost += granted;
    this.#settle();
    return granted;
  }

  /** Permits of one that has {@link left} are back. */
  found(count: number): void {
    this.#lost -= Math.min(count, this.#lost);
    this.#settle();
  }

  tick(): void {
    this.#settle();
  }

  #sum(of: (member: Member) => number): number {
    let sum = 0;
    for (const member of this.#members.values()) sum += of(member);
    return sum;
  }

  #settle(changes: Changes<Who> = new Map()): void {
    const there = Math.max(0, this.#total - this.#lost);
    const short = this.#meetNeeds(there, changes);
    if (short === 0) this.#rest(there, changes);
    for (const [who, change] of changes) this.#tell(who, { ...change, total: this.#total });
  }

  /** @returns how many permits are missing */
  #meetNeeds(there: number, changes: Changes<Who>): number {
    const parts = this.#parts(there, ({ demand }) => demand);
    this.#isContended = parts.some(
      ([, { wish }, part]) => part < Math.min(wish.demand, wish.most ?? part + 1),
    );
    let short = 0;
    for (const [who, member, part] of parts) {
      const missing = part - kept(member);
      if (missing <= 0) continue;
      const given = this.#give(who, member, Math.min(missing, this.#free(there)), changes);
      short += missing - given;
    }
    const excess = Math.max(0, this.out - this.#total);
    let wanted = short + excess - this.#sum(({ recalling }) => recalling);
    // Those that drain give back what they do not need, whether somebody waits for it or not.
    for (const [who, member] of this.#members) {
      const beyond = member.wish.most === null ? 0 : kept(member) - member.wish.most;
      if (beyond > 0) wanted -= this.#recall(who, member, beyond, changes);
    }
    for (const [who, member, part] of this.#richest(parts)) {
      if (wanted <= 0) break;
      wanted -= this.#recall(who, member, Math.min(wanted, kept(member) - part), changes);
    }
    return short;
  }

  /** What is free, and what somebody has not needed for a while, is divided evenly. */
  #rest(there: number, changes: Changes<Who>): void {
    const free = this.#free(there);
    const isMoving = this.#sum(({ recalling }) => recalling) > 0;
    if (isMoving || (free === 0 && this.#members.size < 2)) return;
    const needed = this.#parts(there, ({ lately }) => lately);
    const left = there - needed.reduce((sum, [, , part]) => sum + part, 0);
    const spare = levelled(needed, left);
    let unmet = 0;
    for (const [i, [who, member]] of needed.entries()) {
      const missing = (spare[i] ?? 0) - kept(member);
      if (missing <= 0) continue;
      unmet += missing - this.#give(who, member, Math.min(missing, this.#free(there)), changes);
    }
    for (const [i, [who, member]] of needed.entries()) {
      if (unmet <= 0) break;
      // What it has needed is left to it: to have it back would cost two more sessions closed and opened.
      const own = Math.max(
        spare[i] ?? 0,
        Math.min(member.wish.lately, member.wish.most ?? member.wish.lately),
      );
      const beyond = Math.min(unmet, kept(member) - own);
      if (beyond > 0) unmet -= this.#recall(who, member, beyond, changes);
    }
  }

  #free(there: number): number {
    return Math.max(0, there - this.#sum(({ granted }) => granted));
  }

  #give(who: Who, member: Member, count: number, changes: Changes<Who>): number {
    if (count <= 0) return 0;
    member.granted += count;
    member.receivedAt = this.#now();
    changeOf(changes, who).granted += count;
    return count;
  }

  #recall(who: Who, member: Member, count: number, changes: Changes<Who>): number {
    const recalled = Math.min(count, kept(member));
    if (recalled <= 0) return 0;
    member.recalling += recalled;
    changeOf(changes, who).recalled += recalled;
    return recalled;
  }

  /** Each worker's part, as its need is. */
  #parts(there: number, need: (wish: PermitWish) => number): Parts<Who> {
    const now = this.#now();
    const members = [...this.#members];
    const wanted = members.map(([, { wish }]) => Math.min(need(wish), wish.most ?? Number.POSITIVE_INFINITY));
    const even = evenPart(there, wanted);
    const wishes = members.map(([, member], i) => ({
      wanted: wanted[i] ?? 0,
      turn: turnOf(member, even, now),
    }));
    const parts = divide(there, wishes);
    return members.map(([who, member], i) => [who, member, parts[i] ?? 0]);
  }

  /** Those first that have most beyond their part. */
  #richest(parts: Parts<Who>): Parts<Who> {
    return parts
      .filter(([, member, part]) => kept(member) > part)
      .sort(([, a, partOfA], [, b, partOfB]) => kept(b) - partOfB - (kept(a) - partOfA));
  }
}

type Parts<Who> = readonly (readonly [who: Who, member: Member, part: number])[];
type Changes<Who> = Map<Who, { granted: number; recalled: number }>;

function changeOf<Who>(changes: Changes<Who>, who: Who): { granted: number; recalled: number } {
  let change = changes.get(who);
  if (change === undefined) {
    change = { granted: 0, recalled: 0 };
    changes.set(who, change);
  }
  return change;
}

/** What it will have when it has given back all that it was asked for. */
function kept({ granted, recalling }: Member): number {
  return granted - recalling;
}

/** What each of those has at least who do not get all that they want. */
function evenPart(there: number, wanted: readonly number[]): number {
  const parts = divide(
    there,
    wanted.map((one) => ({ wanted: one, turn: 0 })),
  );
  return Math.min(...parts.filter((part, i) => part < (wanted[i] ?? 0)));
}

/** First those that have had theirs for a moment only, then whoever has waited longest for one, then those that have had one. */
function turnOf(member: Member, even: number, now: number): number {
  if (kept(member) <= even) return member.receivedAt;
  const isFresh = now - member.receivedAt < (even === 0 ? TURN_MS : LONG_TURN_MS);
  return isFresh ? member.receivedAt - FAR : member.receivedAt + FAR;
}

/** Ms, more than any process lives. */
const FAR = 1e15;

/** Parts with `left` more in all, such that the least ones grow first. */
function levelled<Who>(parts: Parts<Who>, left: number): readonly number[] {
  const sizes = parts.map(([, , part]) => part);
  const most = parts.map(([, { wish }]) => wish.most ?? Number.POSITIVE_INFINITY);
  for (let i = 0; i < left; i++) {
    let least = -1;
    for (const [j, size] of sizes.entries()) {
      if (size >= (most[j] ?? 0)) continue;
      if (least < 0 || size < (sizes[least] ?? 0)) least = j;
    }
    if (least < 0) break;
    sizes[least] = (sizes[least] ?? 0) + 1;
  }
  return sizes;
}
