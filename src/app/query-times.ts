import type { Logger } from 'pino';
import type { TopQueryRow } from '../admin/console/source.js';
import type { Config } from '../config/load.js';
import { LogBurst } from '../frontend/log.js';
import { TimeHistograms } from '../observability/latency-metric.js';
import { digestId, QueryDigests } from '../observability/query-digests.js';
import type { SlowQueries, SlowQuery } from '../relay/command-times.js';
import type { DigestRow } from '../relay/digest-table.js';
import { StatementDigests } from '../relay/statement-digests.js';

/** Slow statements in a row that are all told in the log; from then on it is one a second. */
const SLOW_TOLD = 20;

export interface SlowQueryLogger {
  warn(fields: object, message: string): void;
}

/** `slow_query_threshold`: a line in the log for each statement that took longer, and a count of them. */
export class SlowQueryLog implements SlowQueries {
  count = 0;
  readonly #config: Pick<Config, 'slowQueryThreshold'>;
  readonly #log: SlowQueryLogger;
  readonly #burst = new LogBurst(SLOW_TOLD);

  /** @param config - 0 ms for none; it may change */
  constructor(config: Pick<Config, 'slowQueryThreshold'>, log: SlowQueryLogger) {
    this.#config = config;
    this.#log = log;
  }

  /** {@link SlowQueries} */
  get thresholdMs(): number {
    const ms = this.#config.slowQueryThreshold;
    return ms === 0 ? Number.POSITIVE_INFINITY : ms;
  }

  pass(): number | null {
    this.count++;
    return this.#burst.pass();
  }

  tell(query: SlowQuery, more: number): void {
    const { serverMs, waitMs, statement, ...rest } = query;
    const fields = {
      ...rest,
      digest: digestId(statement),
      statement,
      serverMs: rounded(serverMs),
      waitMs: rounded(waitMs),
      more,
    };
    this.#log.warn(fields, 'slow query');
  }
}

/** To µs. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/** What is measured of clients' commands, and where it is kept. */
export interface QueryTimes {
  readonly times: TimeHistograms;
  readonly digests: StatementDigests | null;
  /** What {@link digests} are counted in. */
  readonly table: QueryDigests | null;
  readonly slow: SlowQueryLog;
}

export function newQueryTimes(config: Config, log: Logger): QueryTimes {
  const { topQueries } = config;
  const table = topQueries === 0 ? null : new QueryDigests(topQueries);
  return {
    times: new TimeHistograms(),
    digests: table === null ? null : new StatementDigests(table),
    table,
    slow: new SlowQueryLog(config, log),
  };
}

/** For SHOW TOP QUERIES. */
export function topQueryRows(rows: readonly DigestRow[]): readonly TopQueryRow[] {
  return rows.map((row) => ({
    digest: row.id,
    count: row.count,
    errors: row.errors,
    p50_ms: rounded(row.p50Ms),
    p95_ms: rounded(row.p95Ms),
    p99_ms: rounded(row.p99Ms),
    server_ms: rounded(row.serverMs),
    wait_ms: rounded(row.waitMs),
    rows: row.rows,
    bytes: row.bytes,
    holds: row.holds,
    statement: row.text,
  }));
}
