import type { ReportReason, ServerEngine, ServerReport } from './server-report.js';
import { ServerRole } from './server-report.js';

export const ServerStatus = {
  /** Nobody has asked it yet, or it has not answered since the proxy started. */
  Unknown: 'unknown',
  Up: 'up',
  /** Is up, and gets less than its share: it was down a moment ago. */
  SlowStart: 'slow_start',
  /** Was up, and something is wrong: nothing new is sent there while there is another one. */
  Suspect: 'suspect',
  Down: 'down',
} as const;
export type ServerStatus = (typeof ServerStatus)[keyof typeof ServerStatus];

/** Why a server is suspect or down, besides what it says itself. */
export const FailureReason = {
  /** It did not answer in time; it may stand still, or the network drops packets. */
  NoAnswer: 'no_answer',
  /** Nobody listens, or the connection was ended. */
  Unreachable: 'unreachable',
  /** It does not let the proxy's account in. */
  LoginRefused: 'login_refused',
  /** It is MySQL beside MariaDB, or the other way round. */
  OtherFlavor: 'other_flavor',
  /** It has no connection left: those that there are go on. */
  ServerFull: 'server_full',
  /** As {@link ServerFull}, for the proxy's account alone. */
  AccountFull: 'account_full',
  /** A client's reply said so: see `statement-outcome`. */
  ClientReply: 'client_reply',
} as const;
export type FailureReason = (typeof FailureReason)[keyof typeof FailureReason];

export type StateReason = ReportReason | FailureReason;

/** Reasons why nobody can ask a server what it is that say nothing against it. */
export type FullReason = typeof FailureReason.ServerFull | typeof FailureReason.AccountFull;

const FULL: ReadonlySet<StateReason> = new Set([FailureReason.ServerFull, FailureReason.AccountFull]);

/** Why it is full; null for one that is not, as far as is known. */
export function fullBy(reasons: readonly StateReason[]): StateReason | null {
  return reasons.find((reason) => FULL.has(reason)) ?? null;
}

export interface ServerStateOptions {
  /** So many probes in a row without an answer make a server that was up a down one; the first makes it suspect. */
  readonly missesToDown: number;
  /** So many good answers in a row bring a server back that was down. One is enough for a server that is not known yet. */
  readonly answersToUp: number;
  /** From the first loan to a full share after it was down, in ms; 0 for a full share at once. */
  readonly slowStartMs: number;
  /** It is new among others, which are at work: its first share is that of one that comes back. */
  readonly startsSlowly?: boolean;
}

export interface StateChange {
  readonly from: ServerStatus;
  readonly to: ServerStatus;
  readonly fromRole: ServerRole | null;
  /** Null until it is known. */
  readonly role: ServerRole | null;
  readonly reasons: readonly StateReason[];
  /** How long it has been what it was, in ms. */
  readonly lastedMs: number;
}

export interface ServerSnapshot {
  readonly status: ServerStatus;
  /** The last it has told; null until then. */
  readonly role: ServerRole | null;
  readonly lagSeconds: number | null;
  readonly reasons: readonly StateReason[];
  /** In this status and role, in ms. */
  readonly forMs: number;
}

/** The share that a server which comes back begins with: else nobody would find out how it does. */
const FIRST_SHARE = 0.1;

/**
 * What is known of one server, from what it answers and what it does not. It asks nothing itself and has no clock: all times are given,
 * in ms of one that only goes on.
 *
 * unknown -> up (or slow start) by one answer; up -> suspect by one miss, back by one answer; suspect -> down by more misses; down -> slow start by
 * several answers; slow start -> up by time. By what it says itself, or when nobody listens, it is down at once: that is no guess.
 * So is a change of role: whoever is the primary now must get the writes, and who no longer is must not. One that is full is what it was:
 * it lives, and sessions that there are go on.
 */
export class ServerState {
  readonly #options: ServerStateOptions;
  readonly #changed: (change: StateChange) => void;
  #status: ServerStatus = ServerStatus.Unknown;
  #report: ServerReport | null = null;
  /** When it was asked last with an answer, and how old its data were then. */
  #told: { readonly at: number; readonly lagSeconds: number | null } = { at: 0, lagSeconds: null };
  #reasons: readonly StateReason[] = [];
  #since: number;
  /** Of the slow start that it is in, or was in when it became suspect; null for none. */
  #startedAt: number | null = null;
  #misses = 0;
  #answers = 0;

  /** @param changed - hears of each change of status or role, and whether it is full, after it was made */
  constructor(options: ServerStateOptions, now: number, changed: (change: StateChange) => void) {
    this.#options = options;
    this.#changed = changed;
    this.#since = now;
  }

  get status(): ServerStatus {
    return this.#status;
  }

  /** The last it has told; null until then. */
  get role(): ServerRole | null {
    return this.#report?.role ?? null;
  }

  /** As {@link role}. */
  get engine(): ServerEngine | null {
    return this.#report?.engine ?? null;
  }

  /** How old its data were when it was asked last; null where that is not known. */
  get lagSeconds(): number | null {
    return this.#report?.lagSeconds ?? null;
  }

  /** Whether it is to be used at all. */
  get isUp(): boolean {
    return this.#status === ServerStatus.Up || this.#status === ServerStatus.SlowStart;
  }

  /** It has answered a probe. */
  reported(report: ServerReport, now: number): void {
    this.#misses = 0;
    this.#told = { at: now, lagSeconds: report.lagSeconds };
    if (report.role === ServerRole.Unusable) {
      this.#answers = 0;
      this.#startedAt = null;
      this.#move(ServerStatus.Down, report, report.reasons, now);
      return;
    }
    this.#answers++;
    this.#move(this.#statusAfterAnswer(now), report, report.reasons, now);
  }

  /** A probe was not answered in time. */
  missed(now: number): void {
    this.#answers = 0;
    this.#misses++;
    const isOver = this.#misses >= this.#options.missesToDown;
    const wasUp = this.#status === ServerStatus.Up || this.#status === ServerStatus.SlowStart;
    if (!isOver && !wasUp) return;
    if (isOver) this.#startedAt = null;
    this.#move(
      isOver ? ServerStatus.Down : ServerStatus.Suspect,
      this.#report,
      [FailureReason.NoAnswer],
      now,
    );
  }

  /** There is no connection to be had: nobody listens, or it does not let us in. */
  unreachable(reason: FailureReason, now: number): void {
    this.#answers = 0;
    this.#startedAt = null;
    this.#move(ServerStatus.Down, this.#report, [reason], now);
  }

  /**
   * It lives, and lets nobody else in. One that was up is, with what it has said last; one that was not is of no use to those who
   * have no session there.
   */
  full(reason: FullReason, now: number): void {
    this.#misses = 0;
    this.#answers = 0;
    switch (this.#status) {
      case ServerStatus.Up:
      case ServerStatus.SlowStart:
        this.#fill(this.#status, reason, now);
        return;
      case ServerStatus.Suspect:
        // It has answered, so that it stood not still. A client's reply has spoken of what it is, which cannot be asked.
        if (this.#reasons.includes(FailureReason.ClientReply)) return;
        this.#fill(this.#statusAfterAnswer(now), reason, now);
        return;
      case ServerStatus.Unknown:
      case ServerStatus.Down:
        this.#startedAt = null;
        this.#move(ServerStatus.Down, this.#report, [reason], now);
        return;
    }
  }

  /** Something else than a probe speaks against it, such as a client's reply: it is to be asked before it is trusted again. */
  doubted(now: number): void {
    this.#answers = 0;
    if (this.#status !== ServerStatus.Up && this.#status !== ServerStatus.SlowStart) return;
    this.#move(ServerStatus.Suspect, this.#report, [FailureReason.ClientReply], now);
  }

  /** Ends a slow start; to be called about every second. */
  timePassed(now: number): void {
    if (this.#status !== ServerStatus.SlowStart || this.#share(now) < 1) return;
    this.#startedAt = null;
    this.#move(ServerStatus.Up, this.#report, this.#reasons, now);
  }

  /** Of its full weight, 0 to 1. */
  share(now: number): number {
    switch (this.#status) {
      case ServerStatus.Up:
        return 1;
      case ServerStatus.SlowStart:
        return this.#share(now);
      case ServerStatus.Unknown:
      case ServerStatus.Suspect:
      case ServerStatus.Down:
        return 0;
    }
  }

  snapshot(now: number): ServerSnapshot {
    return {
      status: this.#status,
      role: this.#report?.role ?? null,
      lagSeconds: this.#report?.lagSeconds ?? null,
      reasons: this.#reasons,
      forMs: now - this.#since,
    };
  }

  #statusAfterAnswer(now: number): ServerStatus {
    const { answersToUp, startsSlowly = false } = this.#options;
    switch (this.#status) {
      case ServerStatus.Unknown:
        return startsSlowly ? this.#slowStart(now) : ServerStatus.Up;
      case ServerStatus.Up:
      case ServerStatus.SlowStart:
        return this.#status;
      case ServerStatus.Suspect:
        return this.#startedAt === null || this.#share(now) >= 1 ? ServerStatus.Up : ServerStatus.SlowStart;
      case ServerStatus.Down:
        if (this.#answers < answersToUp) return ServerStatus.Down;
        return this.#slowStart(now);
    }
  }

  #slowStart(now: number): ServerStatus {
    if (this.#options.slowStartMs === 0) return ServerStatus.Up;
    this.#startedAt = now;
    return ServerStatus.SlowStart;
  }

  #fill(status: ServerStatus, reason: FullReason, now: number): void {
    const report = this.#report;
    const reasons = [...(report?.reasons ?? []), reason];
    this.#move(
      status,
      report === null ? null : { ...report, lagSeconds: this.#mostLag(report, now) },
      reasons,
      now,
    );
  }

  /** At most so old are the data of one that was not asked since: it has what it had then. */
  #mostLag({ role }: ServerReport, now: number): number | null {
    const { at, lagSeconds } = this.#told;
    if (lagSeconds === null || role === ServerRole.Primary) return lagSeconds;
    return Math.ceil(lagSeconds + (now - at) / 1000);
  }

  #share(now: number): number {
    const { slowStartMs } = this.#options;
    if (this.#startedAt === null || slowStartMs === 0) return 1;
    return Math.min(1, FIRST_SHARE + ((1 - FIRST_SHARE) * (now - this.#startedAt)) / slowStartMs);
  }

  #move(to: ServerStatus, report: ServerReport | null, reasons: readonly StateReason[], now: number): void {
    const from = this.#status;
    const fromRole = this.#report?.role ?? null;
    const role = report?.role ?? null;
    const before = this.#reasons;
    this.#status = to;
    this.#report = report;
    // While it has to answer more often before it is up again, what has brought it down still holds.
    if (from !== ServerStatus.Down || to !== ServerStatus.Down || reasons.length > 0) this.#reasons = reasons;
    const isSame = from === to && fromRole === role;
    if (isSame && fullBy(before) === fullBy(this.#reasons)) return;
    const lastedMs = now - this.#since;
    if (!isSame) this.#since = now;
    this.#changed({ from, to, fromRole, role, reasons: this.#reasons, lastedMs });
  }
}
