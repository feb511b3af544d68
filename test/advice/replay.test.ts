import t from 'tap';
import { EventQueue } from '../../src/advice/event-queue.js';
import { adviseSize, ENOUGH_REQUESTS } from '../../src/advice/pool-size.js';
import { quantile } from '../../src/advice/quantile.js';
import { LoanScript } from '../../src/advice/replay.js';
import { fc } from '../support/properties.js';
import { type Clients, simulate } from './support/simulate.js';
import { type Row, windowOf } from './support/windows.js';

t.test('events come out by time, and by number where that is the same', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), (times) => {
      const queue = new EventQueue(times.length);
      for (const [id, time] of times.entries()) queue.push(time, id);
      const expected = [...times.keys()].sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b);
      const found = expected.map(() => queue.pop());
      return queue.pop() === -1 && JSON.stringify(found) === JSON.stringify(expected);
    }),
  );
  t.equal(new EventQueue(1).nextTime, Number.POSITIVE_INFINITY);
});

t.test('quantiles of weighted values', async (t) => {
  const values = Float64Array.from({ length: 100 }, (_, i) => i + 1);
  t.equal(quantile([{ values, weight: 1 }], 0.99), 99);
  t.equal(quantile([{ values, weight: 1 }], 0.5), 50);
  t.equal(quantile([], 0.99), 0);
  const [low, high] = [Float64Array.of(1), Float64Array.of(100)];
  t.equal(
    quantile(
      [
        { values: low, weight: 99 },
        { values: high, weight: 1 },
      ],
      0.99,
    ),
    1,
  );
  t.equal(
    quantile(
      [
        { values: low, weight: 98 },
        { values: high, weight: 2 },
      ],
      0.99,
    ),
    100,
  );
});

/** A script of clients, in whole ms: pauses before, and times of, their loans. */
const clients = fc.array(
  fc.array(fc.record({ pause: fc.nat(30), service: fc.integer({ min: 1, max: 30 }) }), {
    minLength: 1,
    maxLength: 6,
  }),
  { minLength: 1, maxLength: 8 },
);
const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
const waitsOf = (rows: readonly Row[]): number[] =>
  rows.map(([, asked, lent]) => lent - asked).sort((a, b) => a - b);
const lengthOf = (rows: readonly Row[]): number => Math.max(...rows.map(([, , , ended]) => ended)) + 1;

t.test('what was seen with some sessions tells what others would have done', async (t) => {
  // Who of several that ask in the same ms comes first is open; and it decides who asks when from then on.
  const distinct = clients.map((script) =>
    script.map((loans, client) =>
      loans.map(({ pause, service }) => ({ pause: pause * 64 + client * 8 + 1, service: service * 64 })),
    ),
  );
  let compared = 0;
  fc.assert(
    fc.property(
      distinct,
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 8 }),
      (script, seen, other) => {
        const rows = simulate(script, seen);
        const loans = new LoanScript(windowOf(rows, lengthOf(rows)));
        const asked = (all: readonly Row[]): boolean => new Set(all.map(([, at]) => at)).size === all.length;
        const truth = simulate(script, other);
        if (!asked(rows) || !asked(truth)) return true;
        compared++;
        const waits = [...loans.replay(other).waits].sort((a, b) => a - b);
        return JSON.stringify(waits) === JSON.stringify(waitsOf(truth));
      },
    ),
    { numRuns: 300 },
  );
  t.ok(compared > 100, `${compared} compared`);
});

t.test('nobody waits where there is a session for each, and all are served with one', async () => {
  fc.assert(
    fc.property(clients, fc.integer({ min: 1, max: 8 }), (script, seen) => {
      const rows = simulate(script, seen);
      const loans = new LoanScript(windowOf(rows, lengthOf(rows)));
      const [most, one] = [loans.replay(loans.mostUseful), loans.replay(1)];
      return (
        loans.mostUseful <= script.length &&
        sum(most.waits) === 0 &&
        most.peak <= loans.mostUseful &&
        one.waits.length === rows.length &&
        sum(one.waits) >= sum(most.waits)
      );
    }),
  );
});

t.test('loans that began before the window, or end after it', async (t) => {
  const { NEGATIVE_INFINITY: before, POSITIVE_INFINITY: after } = Number;
  const kept = new LoanScript(
    windowOf(
      [
        [1, before, before, after],
        [2, 10, 10, 20],
        [3, 12, 20, 30],
      ],
      100,
    ),
  );
  t.strictSame(
    [...kept.replay(2).waits],
    [0, 8],
    'a session that is held all the time is of no use to others',
  );
  t.strictSame([...kept.replay(1).waits], [after, after]);
  t.strictSame([...kept.replay(3).waits], [0, 0]);
  t.strictSame([...kept.waited], [0, 8]);
  const late = new LoanScript(
    windowOf(
      [
        [1, -5, 0, 40],
        [2, 10, 40, after],
        [3, 50, after, after],
      ],
      100,
    ),
  );
  t.strictSame([...late.waited], [30, 50], 'who waits still has waited until now');
  t.strictSame([...late.replay(1).waits], [30, 50], 'with as many sessions, the same comes out');
  t.strictSame([...late.replay(3).waits], [0, 0]);
});

t.test('sessions in the state of another client', async (t) => {
  const rows: Row[] = Array.from({ length: 20 }, (_, i) => [1 + (i % 2), i * 10, i * 10, i * 10 + 5]);
  const turns = new LoanScript(
    windowOf(
      rows,
      300,
      rows.map(([client]) => client),
    ),
  );
  t.equal(turns.replay(1).restores, 19);
  t.equal(turns.replay(2).restores, 19, 'one session is enough for both, so no other is opened');
  const first: Row[] = [
    [1, 0, 0, 5],
    [2, 1, 1, 6],
  ];
  const both = [...first, ...rows.slice(2)];
  const script = new LoanScript(
    windowOf(
      both,
      300,
      both.map(([client]) => client),
    ),
  );
  t.equal(script.replay(2).restores, 0, 'each finds its own');
});

t.test('the size that is advised', async (t) => {
  /** Clients that each use a session for 50 ms and pause for 1 ms. */
  const busy = (count: number, turns: number): Clients =>
    Array.from({ length: count }, () => Array.from({ length: turns }, () => ({ pause: 1, service: 50 })));
  const rows = simulate(busy(8, 40), 2);
  const window = windowOf(rows, lengthOf(rows));
  const advice = adviseSize([window], 2, 10);
  t.match(advice, { needed: { sessions: 8, p99: 0 }, present: { sessions: 2 }, requests: 320, windows: 1 });
  t.ok((advice?.fewer?.p99 ?? 0) > 10);
  t.ok(
    Math.abs((advice?.present.p99 ?? 0) - (advice?.measured ?? 0)) < 1,
    'with what there was, what was measured comes out',
  );
  t.ok((adviseSize([window], 2, 200)?.needed.sessions ?? 0) < 8, 'those who may wait longer need fewer');
  const quiet = simulate(busy(1, 400), 5);
  t.match(adviseSize([windowOf(quiet, lengthOf(quiet))], 5, 10), { needed: { sessions: 1 }, fewer: null });
  const few = simulate(busy(8, Math.floor(ENOUGH_REQUESTS / 8) - 1), 2);
  t.equal(adviseSize([windowOf(few, lengthOf(few))], 2, 10), null, 'of too little, nothing is said');
  const rush = { ...window, weight: 0 };
  const calm = windowOf(quiet, lengthOf(quiet));
  t.match(
    adviseSize([rush, calm], 5, 10),
    { needed: { sessions: 1 }, busiest: { sessions: 8 } },
    'the busiest time counts by itself',
  );
});
