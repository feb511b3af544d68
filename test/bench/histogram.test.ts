import t from 'tap';
import { LatencyHistogram, percentile } from './histogram.js';

t.test('percentiles are at most 1 % off', async (t) => {
  const histogram = new LatencyHistogram();
  for (let value = 1; value <= 10_000; value += 1) {
    histogram.record(value / 100);
  }
  const entries = histogram.entries();
  for (const [percent, exact] of [
    [1, 1],
    [50, 50],
    [95, 95],
    [99, 99],
    [100, 100],
  ] as const) {
    const found = percentile(entries, percent);
    t.ok(Math.abs(found / exact - 1) <= 0.01, `p${percent} is ${found}`);
  }
  t.equal(histogram.total, 10_000);
  t.equal(histogram.max, 100, 'the maximum is exact');
});

t.test('values outside the range are kept at its ends', async (t) => {
  const histogram = new LatencyHistogram();
  histogram.record(0);
  histogram.record(1e12);
  t.equal(histogram.total, 2);
  t.equal(histogram.max, 1e12);
  const [first, last] = histogram.entries();
  t.equal(first?.[0], 0.001);
  t.ok((last?.[0] ?? 0) > 1_000_000);
});

t.test('a percentile counts every entry', async (t) => {
  t.equal(
    percentile(
      [
        [1, 99],
        [5, 1],
      ],
      99,
    ),
    1,
  );
  t.equal(
    percentile(
      [
        [1, 98],
        [5, 2],
      ],
      99,
    ),
    5,
  );
  t.ok(Number.isNaN(percentile([], 50)), 'nothing has no percentile');
});

t.test('reset forgets everything', async (t) => {
  const histogram = new LatencyHistogram();
  histogram.record(3);
  histogram.reset();
  t.equal(histogram.total, 0);
  t.equal(histogram.max, 0);
  t.same(histogram.entries(), []);
});
