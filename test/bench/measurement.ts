/** What a load generator saw, without the warm-up. Latencies in milliseconds. */
export interface LoadFigures {
  /** Queries (or connections) per second. */
  readonly rate: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** The longest time without any reply to any client; only the lean generator sees it. */
  readonly stall: number | undefined;
  /** What the slowest client got done, of what the one in the middle did; only the lean generator sees it. */
  readonly fairness: number | undefined;
  /** Commands that were never answered; only the lean generator sees it. */
  readonly unanswered: number | undefined;
  readonly errors: number;
  readonly errorTexts: readonly string[];
  /** Transactions that the server ended as deadlocks or lock wait timeouts: part of the load, not an error. */
  readonly conflicts: number;
}

/** One run of one target. */
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

/** A run that gave no figures, and why. */
export interface FailedRun {
  readonly failure: string;
}

export type Run = Measurement | FailedRun;

export function isMeasurement(run: Run): run is Measurement {
  return !('failure' in run);
}
