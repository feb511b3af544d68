import { type ProbedServer, probeServer, type ServerQuestions } from './server-probe.js';
import { FailureReason, type FullReason, type ServerState } from './server-state.js';

/** What keeps a server from being asked. */
export type ConnectReason =
  | FullReason
  | typeof FailureReason.LoginRefused
  | typeof FailureReason.OtherFlavor
  | typeof FailureReason.Unreachable;

/** Whoever asks a server over a connection of its own. */
export interface WatchedServer extends ServerQuestions {
  /** Null until it has been logged in to. */
  readonly probed: ProbedServer | null;
  /** Opens the connection, or finds it open. @throws what kept it from being opened, or why nothing is to be asked */
  connect(): Promise<void>;
  /** Gives up the connection and whatever is waited for on it: what does not answer now must not be waited for twice. */
  drop(): void;
  /** What an error of {@link connect} says of the server. */
  reasonOf(error: unknown): ConnectReason;
}

export interface WatchClock {
  /** In ms, of a clock that only goes on. */
  now(): number;
  /** Calls back once, after so many ms. @returns what calls that off */
  after(ms: number, callback: () => void): () => void;
}

export interface WatchOptions {
  /** From one probe's end to the next one's begin, in ms. */
  readonly intervalMs: () => number;
  /** Without an answer for so long a probe was in vain, in ms: a server that stands still keeps its connections open. */
  readonly timeoutMs: () => number;
  readonly clock: WatchClock;
}

/** Asks one server again and again what it is, and tells its {@link ServerState}. */
export class ServerWatch {
  readonly #server: WatchedServer;
  readonly #state: ServerState;
  readonly #options: WatchOptions;
  /** Of the probe that is waited for; an answer to an older one comes too late. */
  #serial = 0;
  #waiting = false;
  /** Asked for while one was under way: what that one says may be older than the reason to ask. */
  #again = false;
  #stopped = false;
  #callOff: () => void = () => undefined;

  constructor(server: WatchedServer, state: ServerState, options: WatchOptions) {
    this.#server = server;
    this.#state = state;
    this.#options = options;
  }

  /** Asks now, and from then on until {@link stop}. */
  start(): void {
    this.askNow();
  }

  /** Does not wait for the next time: there is reason to believe that something has changed. */
  askNow(): void {
    if (this.#stopped) return;
    if (this.#waiting) this.#again = true;
    else this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    this.#serial++;
    this.#callOff();
  }

  #ask(): void {
    const { clock } = this.#options;
    this.#callOff();
    this.#waiting = true;
    this.#again = false;
    const serial = ++this.#serial;
    this.#callOff = clock.after(this.#options.timeoutMs(), () => {
      this.#settle(serial, () => {
        this.#server.drop();
        // It has had its time to recover already.
        this.#again = true;
        this.#state.missed(clock.now());
      });
    });
    this.#probe(serial).then(
      (tell) => this.#settle(serial, tell),
      (error: unknown) => this.#settle(serial, () => this.#failed(error)),
    );
  }

  /** @returns what the state is to be told */
  async #probe(serial: number): Promise<() => void> {
    await this.#server.connect();
    try {
      return await this.#report();
    } catch (error) {
      // Too late: the next probe has a connection of its own.
      if (serial !== this.#serial) throw error;
      // Somebody may have ended the connection: whether there is a server, a new one tells. One that is still there is asked again.
      await this.#server.connect();
      return await this.#report();
    }
  }

  async #report(): Promise<() => void> {
    const { probed } = this.#server;
    if (probed === null) throw new TypeError('a server that was logged in to is known');
    const report = await probeServer(probed, this.#server);
    return () => this.#state.reported(report, this.#options.clock.now());
  }

  #failed(error: unknown): void {
    const reason = this.#server.reasonOf(error);
    const now = this.#options.clock.now();
    switch (reason) {
      case FailureReason.ServerFull:
      case FailureReason.AccountFull:
        this.#state.full(reason, now);
        break;
      case FailureReason.LoginRefused:
      case FailureReason.OtherFlavor:
      case FailureReason.Unreachable:
        this.#state.unreachable(reason, now);
        break;
    }
  }

  #settle(serial: number, tell: () => void): void {
    if (serial !== this.#serial) return;
    // Whatever comes of this probe from now on is too late.
    this.#serial++;
    this.#waiting = false;
    this.#callOff();
    tell();
    // Whoever was told may have stopped this, or asked again.
    if (this.#stopped || this.#waiting) return;
    if (this.#again) this.#ask();
    else this.#callOff = this.#options.clock.after(this.#options.intervalMs(), () => this.#ask());
  }
}
