import t from 'tap';
import { joinedWindows } from '../../src/advice/joined-windows.js';
import type { Observation } from '../../src/advice/observation.js';
import { adviseSize } from '../../src/advice/pool-size.js';
import type { LoanWindow } from '../../src/pool/loan-log.js';
import { AllObservations } from '../../src/views/all-observations.js';
import { memoryBus } from '../views/support/memory-bus.js';
import { type Row, windowOf } from './support/windows.js';

const { NEGATIVE_INFINITY: before, POSITIVE_INFINITY: after } = Number;

function rowsOf(window: LoanWindow | undefined): Row[] {
  const { client = [], asked, lent, ended } = window ?? {};
  return [...client].map((id, i) => [id, asked?.[i] ?? 0, lent?.[i] ?? 0, ended?.[i] ?? 0]);
}

const at = (beganAt: number, window: LoanWindow): LoanWindow => ({ ...window, beganAt });

t.test('windows of workers become one, over the time of which all of them tell', async (t) => {
  const one = at(
    1_000,
    windowOf(
      [
        [1, 0, 0, 5],
        [1, 10, 10, 90],
        [2, before, before, after],
      ],
      100,
    ),
  );
  const two = at(
    1_020,
    windowOf(
      [
        [1, 5, 8, 30],
        [3, 95, after, after],
      ],
      200,
    ),
  );
  const [joined, ...more] = joinedWindows([[one], [two]]);
  t.equal(more.length, 0);
  t.match(joined, { beganAt: 1_020, lengthMs: 80 });
  const apart = 2 ** 26;
  t.same(rowsOf(joined), [
    [1, -10, -10, 70],
    [2, before, before, after],
    [1 + apart, 5, 8, 30],
  ]);
  t.same(joinedWindows([[one]]), [one], 'of one worker, as they are');
});

t.test('weights are of the requests of all; what only some have seen is left out', async (t) => {
  const busy = [0, 10_000, 20_000].map((time) => ({
    ...at(time, windowOf([[1, 0, 0, 1]], 500)),
    weight: 300,
  }));
  const calm = [at(9_990, { ...windowOf([], 60_000), weight: 0 })];
  const windows = joinedWindows([calm, busy]);
  t.same(
    windows.map(({ beganAt, weight }) => [beganAt, weight]),
    [
      [10_000, 300],
      [20_000, 300],
    ],
  );
  const even = joinedWindows([busy, busy]);
  t.same(
    even.map(({ weight }) => weight),
    [600, 600, 600],
  );
});

/** `clients` of which each asks again as soon as it has had a session for 10 ms. */
function closedLoop(clients: number, sessions: number, first = 1): LoanWindow {
  const rows: Row[] = [];
  const waiting = Array.from({ length: clients }, (_, i) => ({ client: first + i, since: 0 }));
  for (let time = 0; time < 1_000; time += 10) {
    const served = waiting.splice(0, sessions);
    for (const { client, since } of served) {
      rows.push([client, since, time, time + 10]);
      waiting.push({ client, since: time + 10 });
    }
  }
  return windowOf(rows, 1_000);
}

t.test('the size that is advised is that for the clients of all workers', async (t) => {
  const observed = (window: LoanWindow): Observation => ({
    seconds: 10,
    mode: 'transaction',
    commands: 400,
    pool: { size: 2, configured: 4, pools: 1, loans: 400, peak: 5, windows: [window] },
    demand: { moments: 40, mean: 4.5, p99: 5 },
    holds: {
      lasting: { mean: 0.5, peak: 1 },
      reasons: [{ reason: 'lock_tables', begun: 3, mean: 0.5, peak: 1 }],
      statements: [{ reason: 'lock_tables', statement: 'LOCK TABLES a WRITE', count: 3, seconds: 5 }],
    },
    gaps: [{ statement: null, count: 1, seconds: 2 }],
    timeLimits: new Map([['query_timeout', 1]]),
    refusals: new Map(),
    sharedSockets: new Map(),
    checkouts: new Map([['own', 300]]),
    differences: [{ name: 'schema', values: 2 }],
    profiles: 3,
    dryRun: null,
  });
  // Numbers of clients are each worker's own.
  const workers = [closedLoop(5, 2), closedLoop(5, 2)];
  const all = memoryBus(2).map(
    (bus, i) => new AllObservations(bus, () => observed(workers[i] as LoanWindow)),
  );
  for (const one of all) {
    const merged = await one.take();
    t.match(merged, {
      commands: 800,
      pool: { size: 4, configured: 4, pools: 1, loans: 800, peak: 10 },
      demand: { mean: 9, p99: 10 },
      holds: {
        lasting: { mean: 1, peak: 2 },
        reasons: [{ reason: 'lock_tables', begun: 6, mean: 1 }],
        statements: [{ statement: 'LOCK TABLES a WRITE', count: 6, seconds: 10 }],
      },
      gaps: [{ statement: null, count: 2, seconds: 4 }],
    });
    t.same(
      [...merged.timeLimits, ...merged.checkouts],
      [
        ['query_timeout', 2],
        ['own', 600],
      ],
    );
    const [window] = merged.pool.windows;
    t.equal(new Set(window?.client).size, 10, 'ten clients');
    t.equal(adviseSize(merged.pool.windows, 4, 1)?.needed.sessions, 10, 'a session for each');
    t.equal(
      adviseSize([workers[0] as LoanWindow], 2, 1)?.needed.sessions ?? 0,
      5,
      'by itself, it needs half',
    );
  }
});
