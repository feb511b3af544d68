import type * as z from 'zod';
import type { Later } from '../admin/console/later.js';
import { type OwnStatus, ownStatusSchema, STATUS_ROWS, type Status } from '../admin/status-document.js';
import type { History } from '../observability/history.js';
import type { WorkerBus } from '../workers/bus.js';
import { mergedStatus } from './merged-status.js';
import { NO_QUESTION, Topic } from './topic.js';

export interface AllStatusParts {
  readonly own: () => OwnStatus;
  readonly history: History;
  /** Most time on the server first; null where statements are not counted. */
  readonly topQueries: (n: number) => Later<NonNullable<Status['topQueries']>> | null;
}

/** What `/status` says: of all workers, whichever is asked. */
export class AllStatus {
  readonly #bus: WorkerBus;
  readonly #parts: AllStatusParts;
  readonly #topic: Topic<null, OwnStatus> | null;

  constructor(bus: WorkerBus, parts: AllStatusParts) {
    this.#bus = bus;
    this.#parts = parts;
    this.#topic =
      bus.count === 1
        ? null
        : new Topic<null, OwnStatus>(bus, {
            name: 'status',
            question: NO_QUESTION,
            answer: ownStatusSchema as z.ZodType<OwnStatus>,
            own: parts.own,
          });
  }

  async take(): Promise<Status> {
    const { own, history, topQueries } = this.#parts;
    const [all, queries] = await Promise.all([
      this.#topic === null ? [{ worker: this.#bus.worker, value: own() }] : this.#topic.all(null),
      topQueries(STATUS_ROWS.topQueries),
    ]);
    const mine = all.find(({ worker }) => worker === this.#bus.worker);
    const others = all.filter((part) => part !== mine).map(({ value }) => value);
    return {
      ...mergedStatus(mine?.value ?? own(), others),
      topQueries: queries === null ? null : [...queries],
      rates: ratesOf(history),
      workersTotal: this.#bus.count,
      history: historyOf(history),
    };
  }
}

function ratesOf({ last }: History): Status['rates'] {
  const percentiles = (p50: number | null, p95: number | null, p99: number | null) =>
    p50 === null || p95 === null || p99 === null ? null : { p50, p95, p99 };
  if (last === null) return { queriesPerSecond: null, errorsPerSecond: null, wait: null, server: null };
  return {
    queriesPerSecond: last.queriesPerSecond,
    errorsPerSecond: last.errorsPerSecond,
    wait: percentiles(last.waitP50, last.waitP95, last.waitP99),
    server: percentiles(last.serverP50, last.serverP95, last.serverP99),
  };
}

function historyOf(history: History): Status['history'] {
  const { time, columns } = history.snapshot();
  const copies = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, [...values]]));
  return {
    intervalMs: history.intervalMs,
    points: history.points,
    time: [...time],
    ...(copies as Record<keyof typeof columns, (number | null)[]>),
  };
}
