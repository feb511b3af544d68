import type { Logger } from 'pino';
import type { Loaded } from '../config/load.js';
import type { SessionState } from '../pool/session-slot.js';
import type { PoolsSnapshot } from '../pool/snapshot.js';
import type { HeldSession } from '../relay/hold-register.js';
import type { WorkerBus } from '../workers/bus.js';
import type { WorkerSeat } from '../workers/seat.js';

/** A running proxy. */
export interface App {
  /**
   * Lets clients finish within `drain_timeout`, then ends. `handsOver`: another process listens at the same addresses, and
   * this one does so no more.
   */
  stop(handsOver?: boolean): Promise<void>;
  /** Ends at once: what runs is ended on the server, too. */
  kill(): void;
  /** Takes what the configuration says now, all of it or nothing; the log tells what has changed. */
  reload(): void;
  readonly addresses: { readonly listen: readonly string[]; readonly http: string | null };
  /** Clients that have logged in since the start, and those of them that are there; the admin console's not among them. */
  clientCounts(): { readonly loggedIn: number; readonly now: number };
  /** {@link clientCounts}, over all workers. Never rejects. */
  allClientCounts(): Promise<{ readonly loggedIn: number; readonly now: number }>;
  /** Which clients hold a server session now, and why; whoever has held one longest comes first. */
  heldSessions(): readonly HeldSession[];
  /** Server sessions and waiting requests now, by the sizes of what they are in. */
  poolCounts(): PoolsSnapshot;
  /** Every server session of the pools that is open now, and its state. */
  serverSessions(): readonly ServerSessionInfo[];
  /** Settles when everything has ended: null after a clean stop, else what went wrong. */
  readonly closed: Promise<Error | null>;
}

/** One server session of the pools. */
export interface ServerSessionInfo {
  /** The server's own. */
  readonly connectionId: number;
  readonly state: SessionState;
}

export interface AppOptions {
  readonly logger: Logger;
  /** How often the server is looked at for routines that were changed past the proxy, in ms: a minute by default. */
  readonly routineCheckMs?: number;
  /** Where the configuration's values were given. */
  readonly sources?: Loaded['sources'];
  /** Reads the configuration anew. @throws ConfigError */
  readonly load?: () => Loaded;
  /** Descriptors of sockets that somebody else has bound, in place of `listen` and `http`. */
  readonly inherited?: { readonly listen: readonly number[]; readonly http: number | null };
  /** Another process serves until this one does: it listens when the server has been reached. */
  readonly takesOver?: boolean;
  /** The other processes that serve the same clients; none unless given. */
  readonly bus?: WorkerBus;
  /** What a parent process has for this one. */
  readonly seat?: WorkerSeat;
  /** Clients are served. `facts`: what the log says of it. */
  readonly onReady?: (facts: object) => void;
  /** What an admin's RESTART calls; without it there is none. */
  readonly requestRestart?: () => void;
  /** What is called in place of ending the proxy by itself; `drains`: clients may finish; `asked`: SHUTDOWN, /quitquitquit. */
  readonly requestStop?: (drains: boolean, asked: string) => void;
}
