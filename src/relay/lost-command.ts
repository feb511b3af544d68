import type { ErrPacket } from '../protocol/generic-response.js';
import { HoldReason, holdWords } from '../session/hold-reason.js';
import { Flag, StatementKind } from '../sql/traits.js';
import {
  beginAgain,
  lostBeforeQuery,
  lostDuringQuery,
  lostDuringTransaction,
  lostWhileHeld,
} from './client-errors.js';
import type { Expiry } from './time-limits.js';
import type { Work } from './work.js';

/** What a command's fate depends on. */
export type LosableWork = Pick<
  Work,
  'canRepeat' | 'isBound' | 'effects' | 'traits' | 'isPrepare' | 'choosesSchema'
>;

/** How far a command was when its session was lost. */
export const Progress = {
  NotSent: 'not_sent',
  /** It was sent, and the server has said that it did not run it. */
  Refused: 'refused',
  /** All of it was sent, and nothing came back: it may have been executed or not. */
  Sent: 'sent',
  /** The client has part of the reply. */
  Replying: 'replying',
} as const;
export type Progress = (typeof Progress)[keyof typeof Progress];

/** How often a command that was not run is tried in all; between two tries it waits for a session, as at first. */
export const MAX_ATTEMPTS = 10;

/** How often one may lose its session while it is at work: a statement that ends its server must not end it again and again. */
const MAX_LOST = 2;

/**
 * A read that was at work for longer than this, in s, may have lost its session because of that: somebody has killed it.
 * It is sent again only where the server has gone. (A session that was dead before is found to be so at once.)
 */
const MAYBE_KILLED_AFTER_SECONDS = 1;

/** Holds that stand for something that is lost with the session. */
const LOSABLE = ~(HoldReason.SessionMode | HoldReason.Diagnostics);

/** What a client has lost together with its session, or because a time limit was reached, and has not been told yet. */
export class LostState {
  readonly #holds: number;
  readonly #why: string | Expiry;

  private constructor(holds: number, why: string | Expiry) {
    this.#holds = holds;
    this.#why = why;
  }

  /** Null where nothing was lost that `work`, the command under way or the next one, would not have ended itself. */
  static of(holds: number, why: string | Expiry, work: LosableWork | null): LostState | null {
    const lost = holds & LOSABLE & ~endedBy(work);
    return lost === 0 ? null : new LostState(lost, why);
  }

  /** What is lost for a client whose next command is this. */
  before(work: LosableWork): LostState | null {
    return LostState.of(this.#holds, this.#why, work);
  }

  /** To be told in place of a command that was not run. `elsewhere`: {@link lossError}. */
  err(elsewhere = false): ErrPacket {
    const what = holdWords(this.#holds);
    if (typeof this.#why !== 'string') return this.#why.err(what);
    const err = lostWhileHeld(this.#why, what);
    return elsewhere && this.isTransactionAlone ? beginAgain(err) : err;
  }

  get isTransactionAlone(): boolean {
    return this.#holds === HoldReason.Transaction;
  }

  get hasTransaction(): boolean {
    return (this.#holds & HoldReason.Transaction) !== 0;
  }
}

/** Reasons for a hold whose end is all that a command asks for: with the session they have ended. */
function endedBy(work: LosableWork | null): number {
  const traits = work?.traits ?? null;
  if (traits === null || traits.statements !== 1) return 0;
  switch (traits.first) {
    case StatementKind.Rollback:
      return HoldReason.Transaction;
    case StatementKind.UnlockTables:
      return HoldReason.TableLock;
    default:
      return 0;
  }
}

/** How often a command was tried, and what that has cost. */
export class Attempts {
  #made = 0;
  #lost = 0;
  #lostAt = Number.NEGATIVE_INFINITY;

  get made(): number {
    return this.#made;
  }

  /** Sessions that it may have ended, of those that were lost while it was at work. */
  get lost(): number {
    return this.#lost;
  }

  begin(): void {
    this.#made++;
  }

  /** For the next command: one object serves all of a client's. */
  reset(): void {
    this.#made = 0;
    this.#lost = 0;
    this.#lostAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * A session was lost while the command was at work on it. With a server all its sessions end, and one after another is
   * found dead: those that were there when the first of them was lost do not count. `openedAt`, `now`: of the process's clock.
   */
  lostAtWork(openedAt: number, now: number): void {
    if (openedAt <= this.#lostAt) return;
    this.#lost++;
    this.#lostAt = now;
  }
}

/** Whether a command whose session is lost is run on another one. */
export function mayRunAgain(
  work: LosableWork,
  progress: Progress,
  lost: LostState | null,
  attempts: Pick<Attempts, 'made' | 'lost'>,
): boolean {
  if (lost !== null || work.isBound || attempts.made >= MAX_ATTEMPTS) return false;
  switch (progress) {
    case Progress.NotSent:
      return true;
    case Progress.Refused:
      return work.canRepeat;
    case Progress.Sent:
      return attempts.lost < MAX_LOST && isRepeatable(work);
    case Progress.Replying:
      return false;
  }
}

/** Whether a command that {@link mayRunAgain} must not if the server is still there; `secondsAtWork`: within one. */
export function mayBeKilled(progress: Progress, secondsAtWork: number): boolean {
  return progress === Progress.Sent && secondsAtWork > MAYBE_KILLED_AFTER_SECONDS;
}

/** Whether nobody can tell that a command was executed once, or twice, or begun on a session that is gone. */
export function isRepeatable({ canRepeat, effects, traits, isPrepare, choosesSchema }: LosableWork): boolean {
  if (!canRepeat) return false;
  if (effects.repeatable || isPrepare || choosesSchema) return true;
  if (traits === null || traits.statements !== 1) return false;
  switch (traits.first) {
    // Where there was no transaction: none has begun, or nothing has happened in it, or there was nothing to end.
    case StatementKind.Begin:
    case StatementKind.Commit:
    case StatementKind.Rollback:
    case StatementKind.UnlockTables:
      return true;
    default:
      return false;
  }
}

/**
 * What a client is told in place of the reply to a command that is not run again.
 * @param elsewhere - there are other servers: a transaction that is gone, and nothing else with it, may be begun again at once, and
 *   is told so by the number that applications know for it
 */
export function lossError(
  work: LosableWork,
  progress: Progress,
  why: string,
  lost: LostState | null,
  elsewhere = false,
): ErrPacket {
  if (progress === Progress.NotSent || progress === Progress.Refused)
    return lost?.err(elsewhere) ?? lostBeforeQuery(why);
  const ends = work.traits === null || (work.traits.flags & (Flag.EndsTransaction | Flag.Undecidable)) !== 0;
  if (lost?.hasTransaction !== true || ends) return lostDuringQuery(why);
  const err = lostDuringTransaction(why);
  return elsewhere && lost.isTransactionAlone ? beginAgain(err) : err;
}
