import { Registry } from 'prom-client';
import t from 'tap';
import { EXACT_BOUNDS_MS, LatencyHistogram } from '../../src/observability/latency-histogram.js';
import { registerTimes, TimeHistograms } from '../../src/observability/latency-metric.js';
import { fc } from '../support/properties.js';

function histogramOf(times: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const ms of times) histogram.record(ms);
  return histogram;
}

/** All that can be seen of one. */
function seen(histogram: LatencyHistogram): object {
  return {
    count: histogram.count,
    max: histogram.maxMs,
    sum: Math.round(histogram.sumMs * 1_000),
    percentiles: [0, 0.1, 0.5, 0.9, 0.99, 1].map((share) => histogram.percentile(share)),
    upTo: EXACT_BOUNDS_MS.map((ms) => histogram.upTo(ms)),
  };
}

/** From parts of a µs to half an hour, and right beside the bounds of what is exported. */
const times = fc.array(
  fc.oneof(
    fc.double({ min: -4, max: 6.25, noNaN: true }).map((exponent) => 10 ** exponent),
    fc.constantFrom(...EXACT_BOUNDS_MS),
    fc.constantFrom(...EXACT_BOUNDS_MS).map((ms) => ms + 0.001),
    fc.constantFrom(...EXACT_BOUNDS_MS).map((ms) => ms - 0.001),
    fc.constant(0),
  ),
  { minLength: 1, maxLength: 60 },
);

t.test('a percentile is at most 1/32 off', async (t) => {
  fc.assert(
    fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
      const sorted = [...all].sort((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(all.length * share)) - 1] ?? 0;
      const error = Math.abs(histogramOf(all).percentile(share) - exact);
      // Times are rounded up to whole µs.
      return error <= exact / 32 + 0.001;
    }),
    { numRuns: 2_000 },
  );
  t.equal(new LatencyHistogram().percentile(0.5), 0, 'of nothing');
});

t.test('sum, count and buckets are exact', async (t) => {
  fc.assert(
    fc.property(times, (all) => {
      const histogram = histogramOf(all);
      const sum = all.reduce((total, ms) => total + ms, 0);
      const isRight = EXACT_BOUNDS_MS.every(
        (bound) =>
          histogram.upTo(bound) === all.filter((ms) => Math.ceil(ms * 1_000) <= bound * 1_000).length,
      );
      const { count, sumMs, maxMs } = histogram;
      return (
        isRight && count === all.length && Math.abs(sumMs - sum) <= sum / 1e9 && maxMs === Math.max(...all)
      );
    }),
    { numRuns: 2_000 },
  );
  t.pass();
});

t.test('what two have counted is what one had counted', async (t) => {
  fc.assert(
    fc.property(times, times, (one, other) => {
      const both = histogramOf([...one, ...other]);
      const merged = histogramOf(one);
      const before = merged.snapshot();
      merged.merge(histogramOf(other));
      if (JSON.stringify(seen(merged)) !== JSON.stringify(seen(both))) return false;
      if (JSON.stringify(seen(before)) !== JSON.stringify(seen(histogramOf(one)))) return false;
      const { count, upTo } = seen(merged.since(before)) as { count: number; upTo: number[] };
      const later = histogramOf(other);
      return count === later.count && EXACT_BOUNDS_MS.every((ms, i) => upTo[i] === later.upTo(ms));
    }),
    { numRuns: 1_000 },
  );
  const histogram = histogramOf([1, 2, 3]);
  histogram.reset();
  t.strictSame(seen(histogram), seen(new LatencyHistogram()));
});

t.test('odd times do no harm', async (t) => {
  const histogram = histogramOf([-5, Number.NaN, 1e12, 1e12]);
  t.equal(histogram.count, 4);
  t.equal(histogram.upTo(0.1), 2, 'none at all');
  t.equal(histogram.upTo(100_000), 2, 'long ones');
  t.equal(histogram.sumMs, 2e12);
});

t.test("as Prometheus' histograms", async (t) => {
  const registry = new Registry();
  const all = new TimeHistograms();
  registerTimes(registry, all);
  for (const ms of [0.25, 0.5, 20, 20_000]) all.wait.record(ms);
  const text = await registry.metrics();
  const samples = text.split('\n').filter((line) => line.startsWith('mybouncer_session_wait_seconds'));
  t.strictSame(samples, [
    ...[
      ['0.0005', 2],
      ['0.001', 2],
      ['0.0025', 2],
      ['0.005', 2],
      ['0.01', 2],
      ['0.025', 3],
      ['0.05', 3],
      ['0.1', 3],
      ['0.25', 3],
      ['0.5', 3],
      ['1', 3],
      ['2.5', 3],
      ['5', 3],
      ['10', 3],
      ['+Inf', 4],
    ].map(([le, count]) => `mybouncer_session_wait_seconds_bucket{le="${le}"} ${count}`),
    'mybouncer_session_wait_seconds_sum 20.02075',
    'mybouncer_session_wait_seconds_count 4',
  ]);
  for (const name of ['session_wait', 'checkout_hold', 'server', 'restore'])
    t.match(text, `# TYPE mybouncer_${name}_seconds histogram`);
  const json = await registry.getMetricsAsJSON();
  t.equal(json.find(({ name }) => name === 'mybouncer_server_seconds')?.type, 'histogram');
});
