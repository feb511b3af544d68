import t from 'tap';
import { FurtherReading } from '../../src/relay/further-reading.js';

const STEP = 10;

t.test('all clients together have a limit', async (t) => {
  const further = new FurtherReading(100);
  const kept = Array.from({ length: 30 }, () => 0);
  /** A second passes, and each client is asked for. */
  const round = (now: number): number => {
    for (const [i, bytes] of kept.entries())
      if (further.allows(bytes, STEP, now + i * 0.01)) kept[i] = bytes + STEP;
    return kept.reduce((sum, bytes) => sum + bytes, 0);
  };
  t.equal(round(0), 100);
  for (let second = 1; second < 5; second++) t.equal(round(1_000 * second), 100, `second ${second}`);
  kept.fill(0, 0, 5);
  t.equal(round(6_000), 50, 'what has been there counts for one more second');
  t.equal(round(7_000), 100, 'room of those that have gone is given to others');
});
