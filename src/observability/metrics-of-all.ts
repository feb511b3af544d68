import { type Aggregator, AggregatorRegistry, type MetricObjectWithValues, type Registry } from 'prom-client';

/** A metric as JSON, as prom-client has it. */
export interface MetricJson {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: Aggregator;
  readonly values: readonly MetricSample[];
}

export interface MetricSample {
  /** Of a histogram: with its ending. */
  readonly metricName?: string | undefined;
  /** Null where it is no number. */
  readonly value: number | null;
  readonly labels: Readonly<Record<string, string | number>>;
}

/** Metrics of one worker. */
export interface WorkerMetrics {
  readonly worker: number;
  readonly metrics: readonly MetricJson[];
}

/** The proxy's own; the others are the process'. */
const OWN = 'mybouncer_';
const CHECKOUTS = 'mybouncer_checkouts_total';
const REUSE_RATIO = 'mybouncer_reuse_ratio';
const REUSED = ['own', 'equal'];

/** What a registry has, as plain data. */
export async function metricsJson(registry: Registry): Promise<MetricJson[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.map((metric) => {
    const { name, help, type, aggregator, values } = metric as MetricObjectWithValues<{
      value: number;
      metricName?: string;
      labels: Record<string, string | number>;
    }>;
    return {
      name,
      help,
      type: String(type),
      aggregator,
      values: values.map(({ metricName, value, labels }) => ({
        ...(metricName === undefined ? {} : { metricName }),
        value: Number.isFinite(value) ? value : null,
        labels: labels as MetricSample['labels'],
      })),
    };
  });
}

/**
 * Several workers' metrics as one text. What is of this moment (a gauge of ours) is one number for all: the sum, or as its
 * `aggregator` says. What only grows (counters, histograms), and what is of a process (memory, lag), has a line for each worker,
 * by the label `worker`: a sum would fall when a worker dies and another one begins at 0, and rate() would take
 * that for a restart of them all and count everything anew. By worker, it sees what has happened, and sum(rate()) is right; one that does not
 * answer for once is missing, and goes on from where it was.
 */
export function metricsOfAll(all: readonly WorkerMetrics[]): Promise<string> {
  const registries = all.map(({ worker, metrics }) =>
    metrics.map((metric) => ({
      ...metric,
      ...(isOfEach(metric) ? { aggregator: 'first' } : {}),
      values: metric.values
        .filter(({ value }) => value !== null)
        .map((sample) => (isOfEach(metric) ? { ...sample, labels: { ...sample.labels, worker } } : sample)),
    })),
  );
  const ratio = reuseRatio(all);
  for (const metric of registries.flat())
    if (metric.name === REUSE_RATIO)
      Object.assign(metric, { aggregator: 'first', values: [{ value: ratio, labels: {} }] });
  return AggregatorRegistry.aggregate(registries).metrics();
}

function isOfEach({ name, type }: MetricJson): boolean {
  return type !== 'gauge' || !name.startsWith(OWN);
}

/** A mean of shares would be none. */
function reuseRatio(all: readonly WorkerMetrics[]): number {
  const samples = all
    .flatMap(({ metrics }) => metrics.filter(({ name }) => name === CHECKOUTS))
    .flatMap(({ values }) => values);
  const sum = (of: readonly MetricSample[]): number =>
    of.reduce((total, { value }) => total + (value ?? 0), 0);
  const total = sum(samples);
  return total === 0
    ? 0
    : sum(samples.filter(({ labels }) => REUSED.includes(String(labels['kind'])))) / total;
}
