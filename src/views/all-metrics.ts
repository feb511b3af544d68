import type { Registry } from 'prom-client';
import * as z from 'zod';
import { type MetricJson, metricsJson, metricsOfAll } from '../observability/metrics-of-all.js';
import type { WorkerBus } from '../workers/bus.js';
import { NO_QUESTION, Topic } from './topic.js';

const metric = z.object({
  name: z.string(),
  help: z.string(),
  type: z.string(),
  aggregator: z.enum(['omit', 'sum', 'first', 'min', 'max', 'average']),
  values: z.array(
    z.object({
      metricName: z.string().optional(),
      value: z.number().nullable(),
      labels: z.record(z.string(), z.union([z.string(), z.number()])),
    }),
  ),
}) satisfies z.ZodType<MetricJson>;

/** What `/metrics` says: of all workers, whichever is asked. */
export class AllMetrics {
  readonly contentType: string;
  readonly #registry: Registry;
  readonly #topic: Topic<null, MetricJson[]> | null;

  constructor(bus: WorkerBus, registry: Registry) {
    this.contentType = registry.contentType;
    this.#registry = registry;
    this.#topic =
      bus.count === 1
        ? null
        : new Topic<null, MetricJson[]>(bus, {
            name: 'metrics',
            question: NO_QUESTION,
            answer: z.array(metric),
            own: () => metricsJson(registry),
          });
  }

  async metrics(): Promise<string> {
    if (this.#topic === null) return this.#registry.metrics();
    const parts = await this.#topic.all(null);
    return metricsOfAll(parts.map(({ worker, value }) => ({ worker, metrics: value })));
  }
}
