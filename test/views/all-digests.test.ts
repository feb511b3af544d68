import t from 'tap';
import { OTHERS, QueryDigests } from '../../src/observability/query-digests.js';
import { AllDigests } from '../../src/views/all-digests.js';
import { LONE_WORKER } from '../../src/workers/bus.js';
import { memoryBus } from './support/memory-bus.js';

/** One process that has seen all that the workers have seen. */
function world(workers: number, seen: readonly (readonly [worker: number, text: string, ms: number])[]) {
  const tables = Array.from({ length: workers }, () => new QueryDigests(100));
  const whole = new QueryDigests(100);
  for (const [worker, text, ms] of seen)
    for (const table of [tables[worker - 1], whole]) table?.enter(text).add(ms, ms / 2, 2, 10, ms > 300);
  const buses = memoryBus(workers);
  const all = buses.map((bus, i) => new AllDigests(bus, tables[i] as QueryDigests));
  return { buses, all, whole };
}

t.test('digests of all workers are as one process would have counted them', async (t) => {
  const seen: [number, string, number][] = [];
  for (let i = 0; i < 3_000; i++) {
    // Each is fast at one worker and slow at the others, so that no mean of percentiles is right; and no two have the same sum.
    seen.push([1 + (i % 3), `SELECT a${i % 40}`, i % 3 === 0 ? 1 + (i % 40) : 100 + 7 * (i % 40) + (i % 11)]);
  }
  const { all, whole } = world(3, seen);
  for (const one of all) t.same(await one.top(1_000), whole.top(1_000));
  const rows = (await all[1]?.top(5)) ?? [];
  t.same(rows, whole.top(5), 'the few that are shown, and the rest as one');
  t.equal(rows.length, 6);
  t.equal(rows.at(-1)?.text, OTHERS);
  t.equal(
    rows.reduce((sum, { count }) => sum + count, 0),
    3_000,
  );
});

t.test('what no worker by itself has among its first', async (t) => {
  const { all, buses } = world(2, [
    [1, 'SELECT mine', 100],
    [2, 'SELECT yours', 100],
    [1, 'SELECT ours', 60],
    [2, 'SELECT ours', 60],
  ]);
  const rows = (await all[0]?.top(1)) ?? [];
  t.match(rows, [
    { text: 'SELECT ours', serverMs: 120, count: 2 },
    { text: OTHERS, serverMs: 200, count: 2 },
  ]);
  t.ok((buses[1]?.bytes ?? 0) < 2_000, `only what is shown crosses the bus: ${buses[1]?.bytes} bytes`);
});

t.test('one process', async (t) => {
  const table = new QueryDigests(10);
  table.enter('SELECT 1').add(1, 0, 1, 1, false);
  t.same(new AllDigests(LONE_WORKER, table).top(10), table.top(10), 'at once');
});
