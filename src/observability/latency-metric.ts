import { Histogram, type MetricObjectWithValues, type MetricValueWithName, type Registry } from 'prom-client';
import { EXACT_BOUNDS_MS, LatencyHistogram } from './latency-histogram.js';

/** Times of every kind that is counted. */
export class TimeHistograms {
  /** Of requests that waited for a server session. */
  readonly wait = new LatencyHistogram();
  /** From when a session is lent until it is given back. */
  readonly hold = new LatencyHistogram();
  /** From the last byte of a command that was sent until its reply is complete. */
  readonly server = new LatencyHistogram();
  /** Of bringing a session into a client's state. */
  readonly restore = new LatencyHistogram();
  /** Of reads, on replicas, for what their clients have written. */
  readonly ownWrites = new LatencyHistogram();
}

/** Upper bounds of the buckets of waiting, in ms: they were there first, and stay as they are for those who watch them. */
const WAIT_BOUNDS_MS = EXACT_BOUNDS_MS.filter((ms) => ms >= 0.5 && ms <= 10_000);

type Sample = MetricValueWithName<'le'>;

interface LatencyMetricOptions {
  readonly name: string;
  readonly help: string;
  readonly boundsMs: readonly number[];
  readonly times: LatencyHistogram;
}

/** One of Prometheus' histograms, in seconds, that is counted elsewhere: it is filled in when somebody scrapes. */
class LatencyMetric extends Histogram<'le'> {
  readonly #options: LatencyMetricOptions;
  /** Says what the metric is, and counts nothing. */
  readonly #described: Histogram<'le'>;

  constructor(registry: Registry, options: LatencyMetricOptions) {
    const { name, help, boundsMs } = options;
    const buckets = boundsMs.map(seconds);
    super({ name, help, buckets, registers: [registry] });
    this.#options = options;
    this.#described = new Histogram({ name, help, buckets, registers: [] });
  }

  override async get(): Promise<MetricObjectWithValues<Sample>> {
    const { name, boundsMs, times } = this.#options;
    const { count, sumMs } = times;
    const sample = (end: string, value: number, labels: Sample['labels'] = {}): Sample => ({
      metricName: `${name}_${end}`,
      labels,
      value,
    });
    const values = [
      ...boundsMs.map((ms) => sample('bucket', times.upTo(ms), { le: seconds(ms) })),
      sample('bucket', count, { le: '+Inf' }),
      sample('sum', seconds(sumMs)),
      sample('count', count),
    ];
    return { ...(await this.#described.get()), values };
  }

  /** What the registry asks in place of {@link get} where it is there, as it is in prom-client's own. */
  getForPromString(): Promise<MetricObjectWithValues<Sample>> {
    return this.get();
  }
}

function seconds(ms: number): number {
  return ms / 1_000;
}

export function registerLatency(registry: Registry, options: Omit<LatencyMetricOptions, 'boundsMs'>): void {
  new LatencyMetric(registry, { ...options, boundsMs: EXACT_BOUNDS_MS });
}

export function registerTimes(registry: Registry, times: TimeHistograms): void {
  const all: readonly LatencyMetricOptions[] = [
    {
      name: 'mybouncer_session_wait_seconds',
      help: 'Time that requests waited for a server session; those served at once are not counted.',
      boundsMs: WAIT_BOUNDS_MS,
      times: times.wait,
    },
    {
      name: 'mybouncer_checkout_hold_seconds',
      help: 'Time from when a server session is lent to a client until the client is rid of it.',
      boundsMs: EXACT_BOUNDS_MS,
      times: times.hold,
    },
    {
      name: 'mybouncer_server_seconds',
      help:
        'Time from when a command of a client has been sent to the server until its reply is complete; that of a client that ' +
        'reads slowly is in it.',
      boundsMs: EXACT_BOUNDS_MS,
      times: times.server,
    },
    {
      name: 'mybouncer_restore_seconds',
      help: 'Time that it took to bring a server session into the state of a client, where that took a round trip.',
      boundsMs: EXACT_BOUNDS_MS,
      times: times.restore,
    },
  ];
  for (const options of all) new LatencyMetric(registry, options);
}
