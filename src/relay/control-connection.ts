import { ServerConnectError } from '../backend/connect.js';
import {
  ANY_STATEMENT,
  callInternal,
  type InternalCommand,
  type InternalReply,
  PING,
  queryCommand,
  runInternal,
} from '../backend/internal-commands.js';
import type { ServerSession, SessionLostError } from '../backend/server-session.js';
import { BouncerError } from '../errors.js';
import { DialBackoff } from '../pool/dial-backoff.js';
import { ServerError } from '../protocol/constants.js';

/** What was to be said over a control connection could not be said. */
export class ControlLostError extends BouncerError {
  readonly code = 'CONTROL_CONNECTION_LOST';
  /** Whether the server may have got it, and may still act on it. */
  readonly wasSent: boolean;

  constructor(message: string, wasSent: boolean, options?: { cause?: unknown }) {
    super(message, options);
    this.wasSent = wasSent;
  }
}

/** A statement to be sent over a control connection. */
export interface Order {
  readonly statement: string;
  /** It waits for as long as there is no connection; others fail with the first attempt to open one. */
  readonly patient: boolean;
  /** Asked right before it is sent: no longer wanted, it is dropped without a word. */
  wanted(): boolean;
  sent(): void;
  /** What became of it, once it was sent, or could not be. */
  done(reply: InternalReply | null, error: ControlLostError | null): void;
}

export interface ControlOptions {
  open(): Promise<ServerSession>;
  /** Between attempts to open it, in ms, at most. */
  readonly retryMs: () => number;
  /** It cannot be opened again: told once until it is. */
  unreachable(error: Error): void;
  /** It leads to another server than a session that is to be killed. */
  elsewhere(): void;
}

/** Refused credentials are not tried more often than this without need: accounts are locked by such attempts. */
const REFUSED_RETRY_MS = 60_000;

/** After so many seconds without work the server is asked for a sign of life, in s; and it has so long to answer. */
const BEAT_SECONDS = 2;
const PATIENCE_SECONDS = 3;

/** Without clients of its account for so many seconds, it is given up. */
const REST_AFTER_SECONDS = 60;

/** A server that ends ends all connections within this time, in ms. */
const MOMENT_MS = 100;

/**
 * A dead host's connection is gone after this time, in s, and with it the lock that tells of its proxy: see `Fleet`. The
 * server's own wait_timeout may be shorter than the beat.
 */
const PREPARE = queryCommand('SET SESSION wait_timeout = 10');

/**
 * A connection of the proxy's own, of one account. It is opened before it is needed, kept alive, and opened again as soon as
 * it is lost, with pauses while the server does not let it.
 */
export class ControlConnection {
  readonly #options: ControlOptions;
  readonly #backoff: DialBackoff;
  readonly #waiting: Order[] = [];
  #session: ServerSession | null = null;
  #opening: Promise<ServerSession> | null = null;
  #retry: NodeJS.Timeout | null = null;
  /** Since the last reply; while nothing is unanswered also since the first command after it was sent. */
  #quietSeconds = 0;
  #unwatchedSeconds = 0;
  #resting = false;
  #closed = false;
  /** Servers that are left: see {@link leave}. */
  #left: ReadonlySet<string | null> | null = null;
  #complained = false;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#backoff = new DialBackoff(options.retryMs, Math.random);
  }

  get isOpen(): boolean {
    return this.connection !== null;
  }

  /** What stands for the connection that is open now; null while there is none. */
  get connection(): object | null {
    return this.#session?.closed === false ? this.#session : null;
  }

  /** Opens it, or finds it open. @throws what kept it from being opened, at this attempt */
  connect(): Promise<ServerSession> {
    const session = this.#session;
    if (session !== null && !session.closed) return Promise.resolve(session);
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** A client of the account is here; to be called every second while that is so. */
  watch(): void {
    this.#unwatchedSeconds = 0;
    // Its failure is told by #failed().
    if (this.#resting) this.connect().catch(() => {});
  }

  /** Whether a KILL sent over it now gets to the server that the session is on; where it is to be opened, that is not known yet. */
  reaches(session: ServerSession): boolean {
    const control = this.#session;
    if (control === null || control.server === session.server) return true;
    this.#options.elsewhere();
    return false;
  }

  /**
   * Whether the server is still there a moment from now, after something has happened to another session of its. Calls
   * back at once or later.
   */
  checkServer(done: (lives: boolean) => void): void {
    const { connection } = this;
    const session = this.#session;
    if (session === null || connection === null) {
      done(false);
      return;
    }
    this.#ask(session, ANY_STATEMENT, (reply) => {
      // Any other refusal is a sign of life: a Galera node that is not ready says 1047.
      if (reply === null || reply.err?.errno === ServerError.ServerShutdown.errno) done(false);
      else setTimeout(() => done(this.connection === connection), MOMENT_MS);
    });
  }

  /** Now, or as soon as there is a connection. */
  send(order: Order): void {
    const session = this.#session;
    if (session !== null && !session.closed) {
      this.#sendOver(session, order);
      return;
    }
    if (this.#closed) {
      order.done(null, new ControlLostError('the proxy is stopping', false));
      return;
    }
    this.#waiting.push(order);
    // Whoever waits already has had an attempt of his own, and another one follows.
    const isFirst = this.#waiting.length === 1 || !order.patient;
    // Its failure is told by #failed().
    if (this.#opening === null && isFirst) this.connect().catch(() => {});
  }

  /** The address leads to another server: what leads to one of these is opened anew, as soon as nothing is under way on it. */
  leave(servers: ReadonlySet<string | null>): void {
    this.#left = servers;
    this.#follow();
  }

  /** Its server is taken for dead: whoever waits for an answer is to know. */
  desert(why: string): void {
    this.#session?.desert(why);
  }

  /** Sees to it that the connection is alive, if it is `needed` or was so within the last minute. */
  secondPassed(needed: boolean): void {
    if (this.#left !== null) this.#follow();
    const session = this.#session;
    this.#unwatchedSeconds++;
    if (this.#unwatchedSeconds > REST_AFTER_SECONDS && !needed) this.#rest();
    else if (session !== null) this.#feel(session);
  }

  /** What was sent before is carried out; what waits is not. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#giveUp(this.#waiting.splice(0), new Error('the proxy is stopping'));
    const session = this.#session ?? (await this.#opening?.catch(() => null)) ?? null;
    this.#session = null;
    await session?.quit();
  }

  #follow(): void {
    const session = this.#session;
    if (session?.busy === true) return;
    if (session !== null && this.#left?.has(session.server) === true)
      session.fail('the address leads to another server');
    this.#left = null;
  }

  #feel(session: ServerSession): void {
    this.#quietSeconds++;
    if (session.busy) {
      if (this.#quietSeconds > PATIENCE_SECONDS) session.fail('the server does not answer');
    } else if (this.#quietSeconds > BEAT_SECONDS) {
      this.#ask(session, PING, () => {});
    }
  }

  /** Until it is needed again. */
  #rest(): void {
    const session = this.#session;
    if (this.#resting || this.#opening !== null || session?.busy === true || this.#waiting.length > 0) return;
    this.#resting = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#session = null;
    // It never rejects.
    void session?.quit();
  }

  async #open(): Promise<ServerSession> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#resting = false;
    try {
      const session = await this.#options.open();
      await callInternal(session, [PREPARE]).catch((error: unknown) => {
        session.close();
        throw error;
      });
      this.#opened(session);
      return session;
    } catch (error) {
      this.#failed(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  #opened(session: ServerSession): void {
    this.#opening = null;
    this.#backoff.succeeded();
    this.#complained = false;
    this.#quietSeconds = 0;
    if (this.#closed) return;
    this.#session = session;
    // Nobody borrows it: a loss is told here, also one of our own making.
    session.onLost = () => this.#lost(session);
    for (const order of this.#waiting.splice(0)) this.send(order);
  }

  #lost(session: ServerSession): void {
    if (this.#session !== session) return;
    this.#session = null;
    // What was under way is told after this, and what is sent then waits for the connection.
    if (!this.#closed) this.connect().catch(() => {});
  }

  #failed(error: Error): void {
    this.#opening = null;
    if (this.#closed) return;
    const impatient = this.#waiting.filter(({ patient }) => !patient);
    const patient = this.#waiting.filter((order) => order.patient && order.wanted());
    this.#waiting.splice(0, this.#waiting.length, ...patient);
    const pause = this.#backoff.failed(performance.now(), error, patient.length > 0);
    const refused = error instanceof ServerConnectError && error.fatalToWaiters;
    const after = refused && patient.length === 0 ? REFUSED_RETRY_MS : pause;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.connect().catch(() => {});
    }, after);
    this.#retry.unref();
    this.#giveUp(impatient, error);
    if (this.#complained) return;
    this.#complained = true;
    this.#options.unreachable(error);
  }

  #giveUp(orders: readonly Order[], cause: Error): void {
    for (const order of orders) {
      if (order.wanted())
        order.done(null, new ControlLostError('no control connection to the server', false, { cause }));
    }
  }

  #sendOver(session: ServerSession, order: Order): void {
    if (!order.wanted()) return;
    order.sent();
    this.#ask(session, queryCommand(order.statement), (reply, lost) => {
      const error =
        lost === null ? null : new ControlLostError('the control connection was lost', true, { cause: lost });
      order.done(reply, error);
    });
  }

  #ask(
    session: ServerSession,
    command: InternalCommand,
    done: (reply: InternalReply | null, lost: SessionLostError | null) => void,
  ): void {
    // While something is unanswered, one more question is no sign of life.
    if (!session.busy) this.#quietSeconds = 0;
    runInternal(session, [command], ([reply], lost) => {
      this.#quietSeconds = 0;
      done(reply ?? null, lost);
    });
  }
}
