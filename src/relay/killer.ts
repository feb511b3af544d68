import { InternalCommandError, type InternalReply } from '../backend/internal-commands.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import { systemClock } from '../pool/clock.js';
import { Ticker } from '../pool/ticker.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { ControlConnection } from './control-connection.js';
import type { RelayCounters } from './relay-counters.js';
import { SessionEnding } from './session-ending.js';
import { type KillTarget, Pursuit, StatementKill } from './statement-kill.js';

/** Period in ms of the tick that looks after statements which were killed; it runs only while there are any. */
const TICK_MS = 10;

export interface KillerLog {
  warn(fields: object, message: string): void;
}

/** Something that is looked after until it is over. @returns whether there may be more to do */
type Pursued = { tick(now: number): boolean };

/**
 * Sends KILLs over a connection of its own, one per server user, which no full pool can starve
 * (a user may kill its own sessions, another's only with CONNECTION_ADMIN).
 */
export class Killer {
  readonly #upstream: Upstream;
  readonly #counters: RelayCounters;
  readonly #retryMs: () => number;
  readonly #log: KillerLog;
  readonly #controls = new Map<ServerAccount, ControlConnection>();
  readonly #pursued = new Set<Pursued>();
  #toldElsewhere = false;
  readonly #ticker = new Ticker(systemClock, TICK_MS, () => this.#tick());
  #complainedUnseen = false;

  /** `retryMs`: the longest pause between attempts to open a control connection. */
  constructor(upstream: Upstream, counters: RelayCounters, retryMs: () => number, log: KillerLog) {
    this.#upstream = upstream;
    this.#counters = counters;
    this.#retryMs = retryMs;
    this.#log = log;
  }

  /** Opens the control connection of an account, or finds it open. @throws what kept it from being opened */
  connect(account: ServerAccount): Promise<ServerSession> {
    return this.#control(account).connect();
  }

  /**
   * A client of the account's is here: the control connection is to be there before it is needed. To be called every
   * second while that is so.
   */
  watch(account: ServerAccount): void {
    // One for each of thousands would take more connections than their clients: it is opened when there is something to kill.
    if (account.isGuest) return;
    const control = this.#controls.get(account);
    if (control === undefined) this.connect(account).catch(() => {});
    else control.watch();
  }

  /**
   * Something happened to a session that its server's end would explain: whether the server is still there. Calls back at
   * once or later.
   */
  checkServer(session: ServerSession, done: (lives: boolean) => void): void {
    const control = session.account === null ? undefined : this.#controlToAsk(session.account);
    if (control === undefined) done(false);
    else control.checkServer(done);
  }

  /** Any one tells whether the server is there. */
  #controlToAsk(account: ServerAccount): ControlConnection | undefined {
    const own = this.#controls.get(account);
    if (own?.isOpen === true || !account.isGuest) return own;
    return [...this.#controls.values()].find(({ isOpen }) => isOpen);
  }

  /** The server lets the account in again: what waits for that is not to wait for the next attempt. */
  retry(account: ServerAccount): void {
    if (this.#controls.get(account)?.isOpen === false) this.forget(account);
  }

  /** The account is used no more. */
  forget(account: ServerAccount): void {
    const control = this.#controls.get(account);
    if (control === undefined) return;
    this.#controls.delete(account);
    void control.close();
  }

  /** Ends the statement a session is running, if it can be ended by one KILL. */
  killQuery(target: KillTarget, account: ServerAccount, done: (error: Error | null) => void): void {
    const { session } = target;
    if (session.running === 0 || session.closed) done(null);
    else this.#aim(target, account, Pursuit.Once).kill(false, done);
  }

  /** Nobody waits any more for the command that a session is running: it is ended, whatever that takes. */
  end(target: KillTarget, account: ServerAccount): void {
    this.#pursue(target, account, Pursuit.ToTheEnd);
  }

  /** As {@link end}, but only while the command waits for a lock. */
  endWaiting(target: KillTarget, account: ServerAccount): void {
    this.#pursue(target, account, Pursuit.WhileItWaits);
  }

  /**
   * Ends a session on the server that was cut off here in the midst of a command: the server would not notice before it
   * writes. Resolves when the server is rid of it, or won't tell.
   */
  untilGone(session: ServerSession, account: ServerAccount): Promise<void> {
    return new Promise((resolve) => {
      const control = this.#control(account);
      if (!control.isOpen || !control.reaches(session)) {
        resolve();
        return;
      }
      this.#counters.connectionsKilled++;
      const ending = new SessionEnding(session.connectionId, control, resolve);
      ending.begin();
      this.#add(ending);
    });
  }

  /** KILL of an id that isn't one of the proxy's clients: the server's own business. */
  forward(statement: string, account: ServerAccount, done: (err: ErrPacket | null) => void): void {
    this.#control(account).send({
      statement,
      patient: false,
      wanted: () => true,
      sent: () => {},
      done: (reply, error) => {
        if (error === null) done(reply?.err ?? null);
        else done({ ...ServerError.UnknownError, message: `mybouncer: ${error.message}` });
      },
    });
  }

  /** Who logs in as this user and has a control connection; null where there is none. */
  accountOf(user: string): ServerAccount | null {
    for (const [account, control] of this.#controls)
      if (account.user === user && control.connection !== null) return account;
    return null;
  }

  /** Rows of a statement of the proxy's own, over the account's control connection. @throws ControlLostError | InternalCommandError */
  ask(statement: string, account: ServerAccount): Promise<InternalReply['rows']> {
    return new Promise((resolve, reject) => {
      this.#control(account).send({
        statement,
        patient: false,
        wanted: () => true,
        sent: () => {},
        done: (reply, error) => {
          if (error !== null) reject(error);
          else if (reply?.err) reject(new InternalCommandError(reply.err));
          else resolve(reply?.rows ?? []);
        },
      });
    });
  }

  /** Sees to it that the control connections that are needed are alive. */
  secondPassed(): void {
    this.#upstream.secondPassed();
    for (const control of this.#controls.values()) control.secondPassed(this.#pursued.size > 0);
  }

  /** As {@link ControlConnection.leave}. */
  leave(servers: ReadonlySet<string | null>): void {
    for (const control of this.#controls.values()) control.leave(servers);
  }

  /** The server is taken for dead, though its connections may be open. */
  desert(why: string): void {
    for (const control of this.#controls.values()) control.desert(why);
  }

  async close(): Promise<void> {
    this.#ticker.stop();
    await Promise.all([...this.#controls.values()].map((control) => control.close()));
  }

  #pursue(target: KillTarget, account: ServerAccount, pursuit: Pursuit): void {
    const { session } = target;
    if (session.running === 0 || session.closed) return;
    const kill = this.#aim(target, account, pursuit);
    kill.pursue(pursuit);
    this.#add(kill);
  }

  /** The KILLs aimed at what the session is running, none of which is sent yet where there were none. */
  #aim(target: KillTarget, account: ServerAccount, pursuit: Pursuit): StatementKill {
    const { session } = target;
    const { kills } = session;
    if (kills instanceof StatementKill && kills.isDue) return kills;
    const unseen = (why: string): void => this.#unseen(account, why);
    const kill = new StatementKill(target, this.#control(account), this.#counters, unseen, pursuit);
    session.kills = kill;
    this.#add(kill);
    return kill;
  }

  #unseen({ user }: ServerAccount, error: string): void {
    if (this.#complainedUnseen) return;
    this.#complainedUnseen = true;
    this.#log.warn(
      { user, error },
      'the server does not tell what a statement waits for: DDL of clients that go away is not ended',
    );
  }

  #add(pursued: Pursued): void {
    this.#pursued.add(pursued);
    this.#ticker.keep();
  }

  #tick(): boolean {
    const now = performance.now();
    for (const one of this.#pursued) if (!one.tick(now)) this.#pursued.delete(one);
    return this.#pursued.size > 0;
  }

  #elsewhere(): void {
    this.#counters.killsNotSent++;
    if (this.#toldElsewhere) return;
    this.#toldElsewhere = true;
    this.#log.warn(
      {},
      'the upstream address leads to several servers: a statement that is to be ended on another one than the control ' +
        'connection leads to loses its connection instead of being killed, and the server may run it to its end',
    );
  }

  #control(account: ServerAccount): ControlConnection {
    let control = this.#controls.get(account);
    if (control === undefined) {
      control = new ControlConnection({
        open: () => this.#upstream.open(account, null, 0),
        retryMs: this.#retryMs,
        elsewhere: () => this.#elsewhere(),
        unreachable: (error) => {
          this.#log.warn(
            { user: account.user, error: error.message },
            'no control connection to the server: until there is one, statements of clients that go away are not ended',
          );
        },
      });
      this.#controls.set(account, control);
    }
    return control;
  }
}
