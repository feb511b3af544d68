import { performance } from 'node:perf_hooks';
import type { ServerSession } from '../backend/server-session.js';
import { holdWords } from '../session/hold-reason.js';
import type { StatementDigest } from './digest-table.js';
import type { RelayServices } from './relay-services.js';
import { digestOf } from './statement-digests.js';
import type { TimeLimit } from './time-limits.js';
import type { Work } from './work.js';

/** Where times go, each in ms. */
export interface TimeRecorder {
  record(ms: number): void;
}

export interface CommandTimers {
  /** Of requests that waited for a session. */
  readonly wait: TimeRecorder;
  /** From when a session is lent until it is given back. */
  readonly hold: TimeRecorder;
  /** From the last byte of a command that was sent until its reply is complete. */
  readonly server: TimeRecorder;
  /** Of bringing a session into a client's state. */
  readonly restore: TimeRecorder;
}

/** For the log: a statement that took longer on the server than `slow_query_threshold`. */
export interface SlowQuery {
  readonly client: number;
  readonly user: string;
  /** `HOST:PORT` of the client, or `unix`. */
  readonly address: string;
  /** The server's own id of the session. */
  readonly serverSession: number;
  /** The statement without its literals. */
  readonly statement: string;
  readonly serverMs: number;
  readonly waitMs: number;
  readonly rows: number;
  readonly bytes: number;
  readonly failed: boolean;
  /** For what reasons its client keeps the session. */
  readonly holds: readonly string[];
  /** Which time limit has ended it. */
  readonly limit: TimeLimit | null;
}

/** What is done about statements that take long on the server. */
export interface SlowQueries {
  /** In ms; Infinity where none is long. */
  readonly thresholdMs: number;
  /** There is one more. @returns null where nothing is to be told of it; else how many were not told before it */
  pass(): number | null;
  tell(query: SlowQuery, more: number): void;
}

/** Whose times they are. */
export interface TimedOwner {
  readonly connectionId: number;
  readonly address: string;
}

/** No session is lent; and when it was is not known yet: not long ago. */
const NOT_LENT = -1;
const JUST_LENT = 0;

/**
 * The times of one client's commands, and of the sessions lent to it. The clock is read when a command has been sent and when its
 * reply is complete, and otherwise only where a client had to wait: a moment that comes right before or behind one of these is
 * taken to be the same.
 */
export class CommandTimes {
  readonly #services: RelayServices;
  readonly #owner: TimedOwner;
  readonly #userName: string;
  #sentAt = 0;
  #lentAt = NOT_LENT;
  /** Since when the session is being prepared; 0 while it is not. */
  #preparingSince = 0;
  /** When the reply was complete whose end is being dealt with in this turn; 0 in any other turn. */
  #now = 0;
  #waitMs = 0;
  #rows = 0;
  #failed = false;
  #limit: TimeLimit | null = null;
  #digest: StatementDigest | null = null;

  constructor(services: RelayServices, owner: TimedOwner, userName: string) {
    this.#services = services;
    this.#owner = owner;
    this.#userName = userName;
  }

  /** A command has come. */
  begin(): void {
    this.#sentAt = 0;
    this.#waitMs = 0;
    this.#rows = 0;
    this.#failed = false;
    this.#limit = null;
    this.#preparingSince = 0;
    this.#digest = null;
  }

  lent(): void {
    this.#preparingSince = 0;
    this.#lentAt = JUST_LENT;
  }

  /** It goes back to where it has waited: {@link lentAfter} follows, with all of that. */
  waitsOn(): void {
    this.#waitMs = 0;
  }

  /** It has waited for the session, which was lent to it at `until`. */
  lentAfter(since: number, until: number): void {
    this.#preparingSince = 0;
    this.#waitMs += until - since;
    this.#lentAt = until;
  }

  /** The server is asked something before the command. */
  preparing(): void {
    if (this.#preparingSince !== 0) return;
    this.#preparingSince = performance.now();
    if (this.#lentAt === JUST_LENT) this.#lentAt = this.#preparingSince;
  }

  prepared(): void {
    if (this.#preparingSince === 0) return;
    this.#services.times.restore.record(performance.now() - this.#preparingSince);
    this.#preparingSince = 0;
  }

  /** The last byte of the command, or its first ones while there are more, has been sent. */
  sent(): void {
    const now = performance.now();
    this.#sentAt = now;
    if (this.#lentAt === JUST_LENT) this.#lentAt = now;
  }

  /** A part of the reply that is no error. */
  ok(rows: number): void {
    this.#rows += rows;
  }

  failed(): void {
    this.#failed = true;
  }

  /** A time limit ends the statement. */
  struck(limit: TimeLimit): void {
    this.#limit = limit;
  }

  /** The reply is complete, or the session was lost before it was. */
  replied(session: ServerSession, work: Work, holds: number): void {
    const now = performance.now();
    this.#now = now;
    const serverMs = this.#sentAt === 0 ? 0 : now - this.#sentAt;
    const { times, digests, slow } = this.#services;
    times.server.record(serverMs);
    const digest = digests === null ? null : digests.of(work.asked, session.info, now);
    this.#digest = digest;
    if (digest !== null) digest.add(serverMs, this.#waitMs, this.#rows, work.replyBytes, this.#failed);
    if (serverMs >= slow.thresholdMs && !work.asked.isNone) this.#tellSlow(session, work, holds, serverMs);
  }

  /** The statement that was replied to has begun to hold its session, for so many reasons. */
  holdsBegun(count: number): void {
    if (this.#digest !== null) this.#digest.holds += count;
  }

  /** The session is the client's no more. */
  returned(): void {
    if (this.#lentAt === NOT_LENT) return;
    const since = this.#lentAt;
    this.#lentAt = NOT_LENT;
    const now = this.#now === 0 ? performance.now() : this.#now;
    this.#services.times.hold.record(since === JUST_LENT ? 0 : now - since);
  }

  /** Whatever comes next comes later. */
  turnOver(): void {
    this.#now = 0;
  }

  #tellSlow(session: ServerSession, work: Work, holds: number, serverMs: number): void {
    const { slow } = this.#services;
    const more = slow.pass();
    if (more === null) return;
    const { connectionId: client, address } = this.#owner;
    const query: SlowQuery = {
      client,
      user: this.#userName,
      address,
      serverSession: session.connectionId,
      statement: digestOf(work.asked, session.info),
      serverMs,
      waitMs: this.#waitMs,
      rows: this.#rows,
      bytes: work.replyBytes,
      failed: this.#failed,
      holds: holdWords(holds),
      limit: this.#limit,
    };
    slow.tell(query, more);
  }
}
