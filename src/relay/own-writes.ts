import { type InternalCommand, type InternalReply, queryCommand } from '../backend/internal-commands.js';
import { HoldReason } from '../session/hold-reason.js';
import type { AppliedWrites } from '../writes/applied-writes.js';
import { WriteRegistry } from '../writes/write-registry.js';
import type { Written } from '../writes/written.js';
import type { TimeRecorder } from './command-times.js';

/** How it went with reads that a replica might have answered with less than their client had written. */
export const ReadOutcome = {
  /** The replica has what was written. */
  Reached: 'reached',
  /** It had not, within the limit. */
  TimedOut: 'timed_out',
  /** Nobody waited: it was to no avail shortly before. */
  NotTried: 'not_tried',
} as const;
export type ReadOutcome = (typeof ReadOutcome)[keyof typeof ReadOutcome];

/**
 * What a client sees there stands still, so that there is nothing to wait for, or what it holds keeps the replica from
 * applying anything.
 */
const STANDS_STILL =
  HoldReason.Transaction | HoldReason.TableLock | HoldReason.Handler | HoldReason.Xa | HoldReason.Cursor;

/** After a wait in vain the process's next reads go to the primary at once, for so many times the limit. */
const PAUSE_FACTOR = 5;

/** A step to be run before a client's command. */
export interface ReadWait {
  readonly command: InternalCommand;
  /** @returns whether the command may be run */
  answered(reply: InternalReply): boolean;
}

/** `read_your_writes`: what the clients of one proxy have written, and how long their reads wait for it. */
export class OwnWrites {
  readonly registry = new WriteRegistry();
  /** Since the start. */
  readonly outcomes: Record<ReadOutcome, number> = {
    [ReadOutcome.Reached]: 0,
    [ReadOutcome.TimedOut]: 0,
    [ReadOutcome.NotTried]: 0,
  };
  readonly #timeoutMs: () => number;
  readonly #waited: TimeRecorder;

  /** @param waited - how long reads have waited */
  constructor(timeoutMs: () => number, waited: TimeRecorder) {
    this.#timeoutMs = timeoutMs;
    this.#waited = waited;
  }

  /** Processes of which it is kept what they have written. */
  get processes(): number {
    return this.registry.size;
  }

  get timeoutMs(): number {
    return this.#timeoutMs();
  }

  ended(outcome: ReadOutcome, ms: number): void {
    this.outcomes[outcome]++;
    this.#waited.record(ms);
  }
}

/** The reads of one client that shall see what its process has written. */
export class OwnReads {
  readonly #own: OwnWrites;
  readonly #written: Written;
  readonly #isWanted: () => boolean;

  /** @param isWanted - of the pool of the session that is lent, or asked for */
  constructor(own: OwnWrites, written: Written, isWanted: () => boolean) {
    this.#own = own;
    this.#written = written;
    this.#isWanted = isWanted;
  }

  /** Whether the server must be waited for before a client with these holds reads there. */
  mustWait(server: AppliedWrites, holds: number): boolean {
    if (!server.isReplica || (holds & STANDS_STILL) !== 0) return false;
    return this.#isWanted() && this.#written.isMissingOn(server);
  }

  /** Whether to read from the primary without waiting for any replica. */
  get isHopeless(): boolean {
    const isHopeless = this.#isWanted() && this.#written.isHopeless();
    if (isHopeless) this.#own.outcomes[ReadOutcome.NotTried]++;
    return isHopeless;
  }

  /** Has a session of the server wait; null where nobody knows for what: then it cannot be read there. */
  waitOn(server: AppliedWrites, flavor: 'mysql' | 'mariadb'): ReadWait | null {
    const written = this.#written;
    const position = written.position(flavor);
    if (position === null) return null;
    const { at } = written;
    const { timeoutMs } = this.#own;
    const began = performance.now();
    return {
      command: waitCommand(flavor, position, timeoutMs),
      answered: ({ rows }) => {
        const now = performance.now();
        // An error is no answer: a limit of the session's own may have ended it.
        const isReached = rows[0]?.[0] === '0';
        this.#own.ended(isReached ? ReadOutcome.Reached : ReadOutcome.TimedOut, now - began);
        if (isReached) written.wasReachedOn(server, at);
        else written.wasNotReached(now + PAUSE_FACTOR * timeoutMs);
        return isReached;
      },
    };
  }
}

/** Both are anybody's to call, and answer 0 when they have what they were asked for. */
const WAITS = { mysql: 'WAIT_FOR_EXECUTED_GTID_SET', mariadb: 'MASTER_GTID_WAIT' } as const;

function waitCommand(flavor: 'mysql' | 'mariadb', position: string, timeoutMs: number): InternalCommand {
  // Of a timeout of 0, MySQL makes none at all.
  const seconds = Math.max(timeoutMs, 1) / 1000;
  return queryCommand(`SELECT ${WAITS[flavor]}('${position}',${seconds}) LIMIT 1`);
}
