import type { HistogramEntry } from '../histogram.js';
import type { Credentials } from './wire.js';

/** A TCP port or a unix socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** How each client logs in. */
export interface ClientPlan {
  readonly address: Address;
  /** With TLS from the greeting on: a full handshake for each connection, as drivers make it; certificates are not looked at. */
  readonly tls: boolean;
  readonly credentials: Credentials;
  readonly clients: number;
}

/** What the load generator's process is told to do, sent to it once as a message. */
export interface LoadPlan extends ClientPlan {
  /**
   * `text` and `prepared`: each client keeps its connection and, once all have logged in, sends the statement as soon as the
   * last reply is there. `connect`: each client connects, sends the statement as text, quits, and begins anew.
   */
  readonly mode: LoadMode;
  /**
   * A `?` stands for a random number from 1 to `rows`, `{blob:n}` for n bytes in a string, escaped as drivers do it, `{file:n}`
   * for the name of a file of n bytes, which the server may ask for.
   */
  readonly statement: string;
  readonly rows: number;
  /** Sent after each login; client i sends the one at i modulo their number. */
  readonly preambles: readonly string[];
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export type LoadMode = 'text' | 'prepared' | 'connect';

/**
 * Clients that log in, send one statement, and then do nothing. Before them come a few that send many and leave, so that what
 * the proxy allocates only once is there when its memory is first looked at.
 */
export interface IdlePlan extends ClientPlan {
  readonly mode: 'idle';
  readonly statement: string;
  readonly warmClients: number;
  /** Of each of the clients that come before. */
  readonly warmStatements: number;
}

/** What it measured between the end of the warm-up and the end of the run. */
export interface LoadResult {
  /** Statements, or with `connect` whole connections, that ended well. */
  readonly completed: number;
  readonly seconds: number;
  /** Bytes that came back, as the sockets (or TLS) gave them. */
  readonly receivedBytes: number;
  /** Latencies in milliseconds. */
  readonly histogram: readonly HistogramEntry[];
  readonly maxMs: number;
  /** The longest time in which no client at all got a reply. */
  readonly stallMs: number;
  /** The longest time for which the load generator itself was kept from looking at its sockets. */
  readonly lagMs: number;
  /** What ended well for the client that got least, and for the one in the middle. */
  readonly leastOfClient: number;
  readonly medianOfClient: number;
  readonly errors: number;
  /** The first few different error texts. */
  readonly errorTexts: readonly string[];
  /** CPU time of the load generator itself. */
  readonly cpuMicros: number;
}

/**
 * From the load generator to the bench; `begin` and `end` say when to look at the CPU clocks. `drained` comes when the last
 * commands have been answered, or have not been for long: so many.
 */
export type LoadMessage =
  | { readonly type: 'begin' }
  | { readonly type: 'end'; readonly result: LoadResult }
  | { readonly type: 'drained'; readonly unanswered: number }
  | { readonly type: 'failed'; readonly message: string };

/** The steps of an IdlePlan: the load generator tells what it has done, and waits for {@link IDLE_NEXT} in between. */
export type IdleMessage =
  | { readonly type: 'warmed' | 'connected'; readonly seconds: number }
  | { readonly type: 'left'; readonly errors: number; readonly errorTexts: readonly string[] }
  | { readonly type: 'failed'; readonly message: string };

export const IDLE_NEXT = 'next';
