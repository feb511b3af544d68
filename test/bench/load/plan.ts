import type { HistogramEntry } from '../histogram.js';
import type { Credentials } from './wire.js';

/** What the load generator's process is told to do, sent to it once as a message. */
export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials;
  readonly clients: number;
  /**
   * `text` and `prepared`: each client keeps its connection and sends the statement as soon as the last reply is
   * there. `connect`: each client connects, sends the statement as text, quits, and begins anew.
   */
  readonly mode: LoadMode;
  /** A `?` stands for a random number from 1 to `rows`. */
  readonly statement: string;
  readonly rows: number;
  /** Sent after each login; client i sends the one at i modulo their number. */
  readonly preambles: readonly string[];
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export type LoadMode = 'text' | 'prepared' | 'connect';

/** What it measured between the end of the warm-up and the end of the run. */
export interface LoadResult {
  /** Statements, or with `connect` whole connections, that ended well. */
  readonly completed: number;
  readonly seconds: number;
  /** Latencies in milliseconds. */
  readonly histogram: readonly HistogramEntry[];
  readonly maxMs: number;
  /** The longest time in which no client at all got a reply. */
  readonly stallMs: number;
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
