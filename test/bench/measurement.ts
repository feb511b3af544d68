/** What a load generator saw, without the warm-up. Latencies in milliseconds. */
export interface LoadFigures {
  /** Queries (or connections, or results) per second. */
  readonly rate: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** The longest time without any reply to any client; only the lean generator sees it. */
  readonly stall: number | undefined;
  /** The longest time for which the load generator itself did not get to run; only the lean one knows. */
  readonly lag: number | undefined;
  /** What came back, in bytes per second; only the lean generator sees it. */
  readonly bytesPerSecond: number | undefined;
  /** What the slowest client got done, of what the one in the middle did; only the lean generator sees it. */
  readonly fairness: number | undefined;
  /** Commands that were never answered; only the lean generator sees it. */
  readonly unanswered: number | undefined;
  readonly errors: number;
  readonly errorTexts: readonly string[];
  /** Transactions that the server ended as deadlocks or lock wait timeouts: part of the load, not an error. */
  readonly conflicts: number;
}

/** One run of one target under load. */
export interface Measurement extends LoadFigures {
  /** CPU of the proxy, the server and the load generator, in µs per query; undefined where it can't be seen. */
  readonly proxyCpu: number | undefined;
  readonly serverCpu: number;
  readonly loadCpu: number;
  /** The most server sessions of this target at any look. */
  readonly sessions: number;
  /** The proxy's resident memory under load, in bytes. */
  readonly residentBytes: number | undefined;
  /** The share of the machine's CPU time that went to strangers: other processes, or other virtual machines. */
  readonly disturbance: number;
}

/** Resident memory over a while in which nobody did anything, in bytes. */
export interface Memory {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** One run of one proxy with idle clients. */
export interface IdleMeasurement {
  readonly clients: number;
  /** Before they came, */
  readonly before: Memory;
  /** with all of them, */
  readonly idle: Memory;
  /** and when they have left: as it is by itself. */
  readonly left: Memory;
  /** With all of them, and when they have left, each after a collection; undefined where the proxy can't be made to do one. */
  readonly collected: { readonly idle: Memory; readonly left: Memory } | undefined;
  /** What the proxy grew by, for each client, in bytes. */
  readonly each: number;
  /** What it gave back when they left, for each client, without any garbage before and after, in bytes. */
  readonly held: number | undefined;
  /** How far off `each` may be, in bytes, for what memory did by itself while it was looked at. */
  readonly noise: number;
  readonly loginsPerSecond: number;
  /** Server sessions with all of them idle. */
  readonly sessions: number;
  readonly errors: number;
  readonly errorTexts: readonly string[];
}

/** A run that gave no figures, and why. */
export interface FailedRun {
  readonly failure: string;
}

export type Run = Measurement | FailedRun;
export type IdleRun = IdleMeasurement | FailedRun;

export function isMeasured<T extends object>(run: T | FailedRun): run is T {
  return !('failure' in run);
}
