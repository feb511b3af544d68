import { Refusal, ServerConnectError } from '../backend/connect.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import type { Config } from '../config/load.js';
import { BouncerError } from '../errors.js';
import type { Server, ServerHealth } from '../relay/server.js';
import type { ServerKind } from '../servers/server-kind.js';
import type { ProbeAnswer, ServerQuestions } from '../servers/server-probe.js';
import { FailureReason, ServerState, type StateChange } from '../servers/server-state.js';
import {
  type ConnectReason,
  ServerWatch,
  type WatchClock,
  type WatchedServer,
} from '../servers/server-watch.js';
import { serverQuestions } from './server-questions.js';

/** Questions in a row that are not answered in time: the first makes a server suspect, this one takes it down. */
const MISSES_TO_DOWN = 2;

/** Good answers in a row of a server that was down, before it is used again. */
const ANSWERS_TO_UP = 2;

const clock: WatchClock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Who hears what is found out. */
export interface HealthEvents {
  changed(change: StateChange): void;
  /** It is MySQL and the others are MariaDB, or the other way round. */
  otherFlavor(): void;
}

/**
 * Keeps up to date what is known of a server, over a connection of its own: what is asked there must not wait for a KILL, nor
 * for anything that a client does. Asks from the beginning.
 * @param account - as whom it is asked
 * @param kind - of all the servers
 */
export function watchServer(
  server: Server,
  config: Pick<Config, 'serverCheckInterval' | 'serverCheckTimeout' | 'slowStart'>,
  account: () => ServerAccount,
  kind: ServerKind,
  { changed, otherFlavor }: HealthEvents,
): ServerHealth {
  const options = {
    missesToDown: MISSES_TO_DOWN,
    answersToUp: ANSWERS_TO_UP,
    startsSlowly: server.startsSlowly,
    get slowStartMs() {
      return config.slowStart;
    },
  };
  const state = new ServerState(options, clock.now(), changed);
  const watched = new WatchedUpstream(server.upstream, account, kind, {
    lost: () => watch.askNow(),
    otherFlavor: () => {
      // It may have been down before, which is no other state. Told again only when it was something else meanwhile.
      if (!state.snapshot(clock.now()).reasons.includes(FailureReason.OtherFlavor)) otherFlavor();
    },
  });
  const watch = new ServerWatch(watched, state, {
    intervalMs: () => config.serverCheckInterval,
    timeoutMs: () => config.serverCheckTimeout,
    clock,
  });
  watch.start();
  return {
    state,
    ask: () => watch.askNow(),
    stop: () => {
      watch.stop();
      watched.drop();
    },
  };
}

/** Its clients' state is of no meaning on this server. */
class OtherFlavorError extends BouncerError {
  readonly code = 'OTHER_FLAVOR';
}

/** The connection over which a server is asked: nothing but logged in, since one that is of no use must be asked as well. */
class WatchedUpstream implements WatchedServer {
  readonly #upstream: Upstream;
  readonly #account: () => ServerAccount;
  readonly #kind: ServerKind;
  readonly #events: { lost(): void; otherFlavor(): void };
  #session: ServerSession | null = null;
  #questions: ServerQuestions | null = null;
  #opening = new AbortController();

  constructor(
    upstream: Upstream,
    account: () => ServerAccount,
    kind: ServerKind,
    events: { lost(): void; otherFlavor(): void },
  ) {
    this.#upstream = upstream;
    this.#account = account;
    this.#kind = kind;
    this.#events = events;
  }

  get probed(): ServerSession['info'] | null {
    return this.#session?.info ?? null;
  }

  async connect(): Promise<void> {
    if (this.#session?.closed !== false) await this.#open();
    // Kept open: it will be asked again.
    const info = this.#session?.info;
    if (info === undefined || this.#kind.suits(info)) return;
    this.#events.otherFlavor();
    throw new OtherFlavorError(info.versionText);
  }

  async #open(): Promise<void> {
    const opening = new AbortController();
    this.#opening = opening;
    const session = await this.#upstream.openBare(this.#account(), opening.signal);
    if (opening.signal.aborted) {
      session.close();
      return;
    }
    session.onLost = () => this.#events.lost();
    this.#session = session;
    this.#questions = serverQuestions(session);
  }

  ask(statements: readonly string[]): Promise<readonly ProbeAnswer[]> {
    if (this.#questions === null) throw new TypeError('a server is asked before it is connected to');
    return this.#questions.ask(statements);
  }

  drop(): void {
    this.#opening.abort();
    this.#session?.close();
    this.#session = null;
    this.#questions = null;
  }

  reasonOf(error: unknown): ConnectReason {
    if (error instanceof OtherFlavorError) return FailureReason.OtherFlavor;
    if (!(error instanceof ServerConnectError)) return FailureReason.Unreachable;
    if (error.accountFull) return FailureReason.AccountFull;
    if (error.refused === Refusal.Capacity) return FailureReason.ServerFull;
    return error.fatalToWaiters ? FailureReason.LoginRefused : FailureReason.Unreachable;
  }
}
