import { LatencyHistogram } from './latency-histogram.js';

/** How often a point is taken, in ms. */
export const HISTORY_INTERVAL_MS = 5_000;

/** Points that are kept: 15 minutes of them. */
export const HISTORY_POINTS = 180;

/** Numbers of one moment. */
const GAUGES = [
  'clients',
  'active',
  'waiting',
  'idle',
  'held',
  'sessions',
  'sessionsLent',
  'sessionLimit',
] as const;
export type HistoryGauge = (typeof GAUGES)[number];

/** What is kept of each moment. Rates and percentiles are those of the time since the point before. */
export const HISTORY_COLUMNS = [
  ...GAUGES,
  'queriesPerSecond',
  'errorsPerSecond',
  'waitP50',
  'waitP95',
  'waitP99',
  'serverP50',
  'serverP95',
  'serverP99',
] as const;
export type HistoryColumn = (typeof HISTORY_COLUMNS)[number];

/** What one process tells of itself for a point. */
export interface HistoryPart {
  /** Which process it is: another one counts from 0. */
  readonly process: string;
  /** When this was read: ms, monotonic within the process. */
  readonly at: number;
  readonly gauges: Readonly<Record<HistoryGauge, number>>;
  /** Since its start. */
  readonly queries: number;
  /** Since its start; null where they are not counted. */
  readonly errors: number | null;
  /** Waits for a server session, of the requests that had to, since its start; stays as it is. */
  readonly wait: LatencyHistogram;
  /** Times that the server took, since its start; stays as it is. */
  readonly server: LatencyHistogram;
}

/** What a point is made of: a part of each process that answers. Other processes take their time; it must not reject. */
export type HistorySource = () => readonly HistoryPart[] | Promise<readonly HistoryPart[]>;

/** One moment. Null: not known, or there was nothing to measure. */
export type HistoryPoint = Readonly<Record<HistoryColumn, number | null>>;

/** Oldest first; all of the same length. */
export interface HistorySnapshot {
  /** Ms since the epoch. */
  readonly time: readonly number[];
  readonly columns: Readonly<Record<HistoryColumn, readonly (number | null)[]>>;
}

export interface HistoryOptions {
  readonly intervalMs?: number;
  readonly points?: number;
}

/** The last minutes of the proxy, in memory of a fixed size. */
export class History {
  readonly intervalMs: number;
  readonly points: number;
  readonly #source: HistorySource;
  readonly #time: Float64Array;
  /** NaN is null. */
  readonly #columns: ReadonlyMap<HistoryColumn, Float64Array>;
  /** Processes that were in the last point. */
  #seen: ReadonlySet<string> = new Set();
  #next = 0;
  #length = 0;
  #last: HistoryPoint | null = null;
  /** By process. */
  #before: ReadonlyMap<string, HistoryPart> = new Map();
  #timer: NodeJS.Timeout | null = null;
  /** The point that is being taken. */
  #taking: Promise<void> | null = null;

  constructor(
    source: HistorySource,
    { intervalMs = HISTORY_INTERVAL_MS, points = HISTORY_POINTS }: HistoryOptions = {},
  ) {
    this.#source = source;
    this.intervalMs = intervalMs;
    this.points = points;
    this.#time = new Float64Array(points);
    this.#columns = new Map(HISTORY_COLUMNS.map((name) => [name, new Float64Array(points)]));
  }

  /** The newest point; null before the first. */
  get last(): HistoryPoint | null {
    return this.#last;
  }

  start(): void {
    if (this.#timer !== null) return;
    void this.take();
    this.#timer = setInterval(() => void this.take(), this.intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Takes a point now; where one is being taken, that is it. */
  take(): Promise<void> {
    this.#taking ??= this.#take().finally(() => {
      this.#taking = null;
    });
    return this.#taking;
  }

  async #take(): Promise<void> {
    const parts = await this.#source();
    this.#add(Date.now(), pointOf(parts, this.#before));
    const last = [...this.#before.values()].filter(({ process }) => this.#seen.has(process));
    this.#seen = new Set(parts.map(({ process }) => process));
    // One that has not answered once goes on from where it was.
    this.#before = new Map([...last, ...parts].map((part) => [part.process, part]));
  }

  /** Begins with what another process has kept, where this one has nothing yet. Columns that are missing there are unknown. */
  restore({ time, columns }: HistorySnapshot): void {
    if (this.#length > 0) return;
    for (const [i, at] of time.entries()) {
      const values = HISTORY_COLUMNS.map((name) => [name, columns[name][i] ?? null] as const);
      this.#add(at, Object.fromEntries(values) as Record<HistoryColumn, number | null>);
    }
  }

  snapshot(): HistorySnapshot {
    const order = Array.from(
      { length: this.#length },
      (_, i) => (this.#next - this.#length + i + this.points) % this.points,
    );
    const columns = {} as Record<HistoryColumn, readonly (number | null)[]>;
    for (const [name, values] of this.#columns) columns[name] = order.map((i) => known(values[i]));
    return { time: order.map((i) => this.#time[i] ?? 0), columns };
  }

  #add(time: number, point: HistoryPoint): void {
    this.#time[this.#next] = time;
    for (const [name, values] of this.#columns) values[this.#next] = point[name] ?? Number.NaN;
    this.#next = (this.#next + 1) % this.points;
    this.#length = Math.min(this.#length + 1, this.points);
    this.#last = point;
  }
}

function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

function pointOf(parts: readonly HistoryPart[], before: ReadonlyMap<string, HistoryPart>): HistoryPoint {
  const gauges = Object.fromEntries(
    GAUGES.map((name) => [name, parts.reduce((sum, part) => sum + part.gauges[name], 0)]),
  ) as Record<HistoryGauge, number>;
  // Each process by its own clock, and against itself: one that has died takes nothing from what the others have done.
  const rate = (count: (part: HistoryPart) => number | null): number | null => {
    let sum: number | null = null;
    for (const part of parts) {
      const then = before.get(part.process);
      const [now, past] = [count(part), then === undefined ? null : count(then)];
      const seconds = then === undefined ? 0 : (part.at - then.at) / 1_000;
      if (now === null || past === null || seconds <= 0) continue;
      sum = (sum ?? 0) + Math.max(0, now - past) / seconds;
    }
    return sum;
  };
  const added = (times: (part: HistoryPart) => LatencyHistogram): LatencyHistogram => {
    const all = new LatencyHistogram();
    for (const part of parts) {
      const then = before.get(part.process);
      if (then !== undefined) all.merge(times(part).since(times(then)));
    }
    return all;
  };
  const [wait, server] = [added((part) => part.wait), added((part) => part.server)];
  const percentile = (times: LatencyHistogram, share: number): number | null =>
    times.count === 0 ? null : times.percentile(share);
  return {
    ...gauges,
    queriesPerSecond: rate(({ queries }) => queries),
    errorsPerSecond: rate(({ errors }) => errors),
    waitP50: percentile(wait, 0.5),
    waitP95: percentile(wait, 0.95),
    waitP99: percentile(wait, 0.99),
    serverP50: percentile(server, 0.5),
    serverP95: percentile(server, 0.95),
    serverP99: percentile(server, 0.99),
  };
}
