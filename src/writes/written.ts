import type { SessionStateReport } from '../protocol/session-state.js';
import type { AppliedWrites } from './applied-writes.js';
import { MariaDbPosition } from './mariadb-position.js';
import { MysqlPosition } from './mysql-position.js';

/**
 * How long a write counts after the last one, in ms. A position that no server will ever reach (a new primary has not all that
 * the old one had) must not slow its readers down for good.
 */
export const WRITES_COUNT_MS = 300_000;

/**
 * What the clients of one app process have written: the position that a replica must have reached before one of them reads
 * there. Fed with what the trackers report; its cost is that of writes, readers compare a few references.
 */
export class Written {
  /** Of the process. */
  readonly label: string;
  /** Clients of the process that are connected. */
  clients = 0;
  #mysql: MysqlPosition | null = null;
  #mariadb: MariaDbPosition | null = null;
  /** When the last write was told of, by the process's clock in ms; 0: nothing counts. */
  #at = 0;
  /** A report could not be read. */
  #isUnknown = false;
  /** Servers that are known to have all of it. */
  readonly #appliedOn: AppliedWrites[] = [];
  /** Until then no replica is waited for: one of them was, and in vain. */
  #behindUntil = 0;

  constructor(label: string) {
    this.label = label;
  }

  /** What a reply of a client of the process has reported. */
  note({ gtids, variables }: SessionStateReport): void {
    if (gtids !== null) {
      this.noteAll(gtids);
      return;
    }
    for (const [name, value] of variables) {
      if (name !== 'last_gtid' || value === '') continue;
      this.#mariadb ??= new MariaDbPosition();
      this.#wrote(this.#mariadb.add(value));
    }
  }

  /** What a server has, all of which may be the clients': MySQL has not told what. */
  noteAll(gtids: string): void {
    if (gtids === '') return;
    this.#mysql ??= new MysqlPosition();
    this.#wrote(this.#mysql.add(gtids));
  }

  /** Something was written of which nothing will tell. */
  lostSight(): void {
    this.#wrote(false);
  }

  /** When the last write was told of that may count yet; 0 without any. */
  get at(): number {
    return this.#at;
  }

  /** Whether a reader on this server must wait first. */
  isMissingOn(server: AppliedWrites): boolean {
    return this.#at !== 0 && !this.#appliedOn.includes(server) && !this.#isOver(performance.now());
  }

  /** Whether waiting is of no use at this moment, so that the primary is to be read. */
  isHopeless(): boolean {
    if (this.#at === 0 || (!this.#isUnknown && this.#behindUntil === 0)) return false;
    const now = performance.now();
    if (now >= this.#behindUntil) this.#behindUntil = 0;
    return !this.#isOver(now) && (this.#isUnknown || this.#behindUntil !== 0);
  }

  /** What to wait for on a server of this kind, in the server's own text; null where that is not known. */
  position(flavor: 'mysql' | 'mariadb'): string | null {
    if (this.#isUnknown) return null;
    return (flavor === 'mysql' ? this.#mysql : this.#mariadb)?.toString() ?? null;
  }

  /** The server has reached what {@link position} said when {@link at} was `at`. */
  wasReachedOn(server: AppliedWrites, at: number): void {
    this.#behindUntil = 0;
    if (at === this.#at && !this.#appliedOn.includes(server)) this.#appliedOn.push(server);
  }

  /** A replica was waited for in vain: until then the next reads do without. */
  wasNotReached(until: number): void {
    this.#behindUntil = until;
  }

  #wrote(isKnown: boolean): void {
    // Another number for each, so that a wait begun before a write is not taken for one that counts it in.
    this.#at = Math.max(performance.now(), this.#at + MIN_STEP_MS);
    this.#appliedOn.length = 0;
    if (!isKnown) this.#isUnknown = true;
  }

  /** Forgets what was written too long ago. */
  #isOver(now: number): boolean {
    if (now - this.#at < WRITES_COUNT_MS) return false;
    this.#at = 0;
    this.#mysql = null;
    this.#mariadb = null;
    this.#isUnknown = false;
    return true;
  }
}

/** Of the clock, whose steps are shorter than this nowhere. */
const MIN_STEP_MS = 0.001;
