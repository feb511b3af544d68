import { InternalCommandError, type InternalReply } from '../backend/internal-commands.js';
import type { AimedKills, ServerSession } from '../backend/server-session.js';
import type { ControlConnection, ControlLostError } from './control-connection.js';
import type { RelayCounters } from './relay-counters.js';

/** What KILLs are aimed at. */
export interface KillTarget {
  readonly session: ServerSession;
  /**
   * Not at a client's command, but at what the proxy asks before or behind it. That is several commands at times, each of
   * which may wait for a lock; and it is short, so it gets a moment to end by itself: a KILL makes its answers useless.
   */
  readonly own: boolean;
}

/** How far a statement is pursued. */
export const Pursuit = {
  /** One KILL: what goes on after it may. */
  Once: 'once',
  /** KILL after KILL, in the end of the connection. */
  ToTheEnd: 'to_the_end',
  /** It is left at work, and killed where it waits for a lock. */
  WhileItWaits: 'while_it_waits',
} as const;
export type Pursuit = (typeof Pursuit)[keyof typeof Pursuit];

/** First pause before a statement that goes on is killed again, in ms; it doubles, up to the longest. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 100;
/** The proxy's own commands are killed when they take longer, in ms. */
const OWN_GRACE_MS = 20;
/** Looks at a statement that may be at work for hours. */
const LONGEST_LOOK_PAUSE_MS = 1_000;

/** A statement that goes on for this long after it was first killed is ended together with its session, in ms. */
const KILL_CONNECTION_AFTER_MS = 5_000;

/** ER_KILL_DENIED_ERROR. */
const NOT_OWNER = 1095;

/** Locks for which DDL waits before it has begun, as both servers call them. */
const WAITS_FOR_LOCK = /^(Waiting for (?!commit lock).*\b(lock|flush)\b|User lock)/i;

/**
 * The KILLs aimed at one command of one session. KILL QUERY names a session and hits whatever runs there: so none is sent
 * unless the command is still running, and until the server has answered all that were, the session gets nothing else to do.
 */
export class StatementKill implements AimedKills {
  readonly #session: ServerSession;
  readonly #control: ControlConnection;
  readonly #counters: RelayCounters;
  /** {@link Killer} */
  readonly #unseen: (why: string) => void;
  /** Numbers of the first command and of the last: {@link ServerSession.running}. */
  readonly #first: number;
  readonly #command: number;
  /** None is sent earlier. */
  readonly #notBefore: number;
  #pursuit: Pursuit;
  /** Sent, and not answered. */
  #unanswered = 0;
  /** Sent, waiting to be sent, or a look that is. */
  #underWay = 0;
  /** One may have been sent of which no answer will come: it can hit at any time. */
  #uncertain = false;
  #attempts = 0;
  #firstAnswerAt = 0;
  #nextAt = 0;
  #pause = FIRST_PAUSE_MS;
  #onHarmless: ((harmless: boolean) => void) | null = null;
  /** What is to be done once the command has begun. */
  #onBegun: (() => void)[] = [];

  /** Aimed at the command that was sent over the session last. `unseen`: it can't be looked what the command does. */
  constructor(
    { session, own }: KillTarget,
    control: ControlConnection,
    counters: RelayCounters,
    unseen: (why: string) => void,
    pursuit: Pursuit,
  ) {
    this.#session = session;
    this.#control = control;
    this.#counters = counters;
    this.#unseen = unseen;
    // What is running may be a question of the proxy's own that was asked before.
    this.#first = own ? session.running : session.begun;
    this.#command = session.begun;
    this.#notBefore = own ? performance.now() + OWN_GRACE_MS : 0;
    this.#pursuit = pursuit;
  }

  /** Whether the command is running or will be. */
  get isDue(): boolean {
    const { running, closed } = this.#session;
    return !closed && running !== 0 && running <= this.#command;
  }

  get #isRunning(): boolean {
    const { running, closed } = this.#session;
    return !closed && running >= this.#first && running <= this.#command;
  }

  /** Whether the command is running, and has had its time. */
  get #mayBeHit(): boolean {
    return this.#isRunning && (this.#notBefore === 0 || performance.now() >= this.#notBefore);
  }

  begin(): void {
    if (this.#pursuit !== Pursuit.WhileItWaits) this.kill(true, () => {});
    else if (this.#isRunning) this.#look();
  }

  /** From now on it is pursued further than before. */
  pursue(pursuit: Pursuit): void {
    // What an earlier pursuit has tried is no reason to end the session at once.
    if (pursuit !== this.#pursuit) this.#firstAnswerAt = 0;
    this.#pursuit = pursuit;
    if (this.#underWay === 0) this.begin();
  }

  /** Also for one KILL more than the pursuit has. `patient`: it waits for a control connection. */
  kill(patient: boolean, done: (error: Error | null) => void): void {
    const counters = this.#counters;
    if (!this.isDue) {
      done(null);
      return;
    }
    if (!this.#mayBeHit) {
      this.#onBegun.push(() => this.kill(patient, done));
      return;
    }
    this.#send(`KILL QUERY ${this.#session.connectionId}`, patient, {
      isKill: true,
      sent: () => {
        counters.killsSent++;
        if (this.#attempts++ > 0) counters.killsRepeated++;
      },
      done: (reply, error) => {
        const err = reply?.err ?? null;
        // It is our own session: MySQL has nobody own it for a moment, while it is reset.
        if (err?.errno === NOT_OWNER && this.isDue) this.#onBegun.push(() => this.kill(patient, done));
        else done(error ?? (err === null ? null : new InternalCommandError(err)));
      },
    });
  }

  /** {@link AimedKills} */
  commandOver(done: (harmless: boolean) => void): void {
    this.#onHarmless = done;
    this.#settle();
  }

  /** To be called every few milliseconds. @returns whether there may be more to do */
  tick(now: number): boolean {
    if (this.#onBegun.length > 0 && (this.#mayBeHit || !this.isDue))
      for (const begun of this.#onBegun.splice(0)) begun();
    if (!this.isDue) return false;
    if (this.#onBegun.length > 0) return true;
    if (this.#pursuit === Pursuit.Once && this.#underWay === 0) return false;
    if (this.#underWay > 0 || now < this.#nextAt) return true;
    if (this.#pursuit === Pursuit.WhileItWaits) this.#look();
    else if (this.#firstAnswerAt === 0 || now - this.#firstAnswerAt < KILL_CONNECTION_AFTER_MS)
      this.kill(true, () => {});
    else this.#killConnection();
    return true;
  }

  #killConnection(): void {
    this.#send(`KILL ${this.#session.connectionId}`, true, {
      isKill: true,
      sent: () => {
        this.#session.cutOff = true;
      },
      done: () => {
        if (this.#isRunning) this.#session.fail('its statement went on when it was killed');
      },
    });
  }

  /** Between the look and the KILL the lock may be granted: the statement is killed at its beginning then. */
  #look(): void {
    const { connectionId, info } = this.#session;
    // The one in MySQL's information_schema fails while anybody runs a statement whose bytes are no text.
    const list =
      info.flavor === 'mysql' ? 'performance_schema.processlist' : 'information_schema.PROCESSLIST';
    this.#send(`SELECT STATE FROM ${list} WHERE ID = ${connectionId}`, true, {
      isKill: false,
      sent: () => {},
      done: (reply) => {
        const state = reply?.rows[0]?.[0];
        if (state !== undefined) {
          if (WAITS_FOR_LOCK.test(state ?? '')) this.kill(true, () => {});
        } else if (reply !== null && this.#isRunning) {
          this.#unseen(reply.err?.message ?? 'it does not list the session');
        }
      },
    });
  }

  #send(
    statement: string,
    patient: boolean,
    {
      isKill,
      sent,
      done,
    }: {
      readonly isKill: boolean;
      sent(): void;
      done(reply: InternalReply | null, error: ControlLostError | null): void;
    },
  ): void {
    this.#underWay++;
    this.#control.send({
      statement,
      patient,
      wanted: () => {
        const isElsewhere = isKill && this.#isRunning && !this.#control.reaches(this.#session);
        if (this.#isRunning && !isElsewhere) return true;
        this.#underWay--;
        done(null, null);
        // The id may be a stranger's there.
        if (isElsewhere) this.#session.fail('it is on another server than the connection for KILLs');
        return false;
      },
      sent: () => {
        if (isKill) this.#unanswered++;
        sent();
      },
      done: (reply, error) => {
        this.#underWay--;
        if (isKill && (error === null || error.wasSent)) this.#unanswered--;
        if (isKill && error?.wasSent === true) this.#uncertain = true;
        this.#scheduleNext();
        done(reply, error);
        this.#settle();
      },
    });
  }

  #scheduleNext(): void {
    const now = performance.now();
    if (this.#firstAnswerAt === 0) this.#firstAnswerAt = now;
    this.#nextAt = now + this.#pause;
    const longest = this.#pursuit === Pursuit.WhileItWaits ? LONGEST_LOOK_PAUSE_MS : LONGEST_PAUSE_MS;
    this.#pause = Math.min(this.#pause * 2, longest);
  }

  /** A KILL that waits for the control connection does not count: it will find that the command is over. */
  #settle(): void {
    const done = this.#onHarmless;
    if (done === null || this.#unanswered > 0) return;
    this.#onHarmless = null;
    if (this.#session.kills === this) this.#session.kills = null;
    done(!this.#uncertain);
  }
}
