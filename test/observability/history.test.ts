import t from 'tap';
import {
  HISTORY_COLUMNS,
  History,
  type HistoryPart,
  type HistorySource,
} from '../../src/observability/history.js';
import { LatencyHistogram } from '../../src/observability/latency-histogram.js';

const GAUGES = {
  clients: 7,
  active: 1,
  waiting: 2,
  idle: 3,
  held: 1,
  sessions: 4,
  sessionsLent: 2,
  sessionLimit: 8,
};

/** A process whose numbers the test sets. */
class Process {
  at = 0;
  count = 0;
  failed: number | null = null;
  readonly wait = new LatencyHistogram();
  readonly server = new LatencyHistogram();
  readonly #name: string;

  constructor(name = '1') {
    this.#name = name;
  }

  part(): HistoryPart {
    return {
      process: this.#name,
      at: this.at,
      gauges: GAUGES,
      queries: this.count,
      errors: this.failed,
      wait: this.wait.snapshot(),
      server: this.server.snapshot(),
    };
  }
}

const of =
  (...processes: Process[]): HistorySource =>
  () =>
    processes.map((process) => process.part());

t.test('rates are those of the time since the point before', async (t) => {
  const process = new Process();
  const history = new History(of(process), { points: 4 });
  t.equal(history.last, null);
  process.wait.record(5_000);
  process.at = 1_000;
  await history.take();
  t.match(history.last, {
    ...GAUGES,
    queriesPerSecond: null,
    errorsPerSecond: null,
    waitP99: null,
    serverP50: null,
  });
  process.count = 100;
  process.failed = 10;
  process.at = 3_000;
  for (let ms = 1; ms <= 100; ms++) process.wait.record(ms);
  await history.take();
  t.match(history.last, { queriesPerSecond: 50, errorsPerSecond: null }, 'errors were not counted before');
  for (const [name, expected] of [
    ['waitP50', 50],
    ['waitP95', 95],
    ['waitP99', 99],
  ] as const) {
    const value = history.last?.[name] ?? 0;
    t.ok(
      Math.abs(value - expected) <= expected / 16,
      `${name} of what was added is ${expected} ms: ${value}`,
    );
  }
  process.failed = 14;
  process.at = 5_000;
  await history.take();
  t.match(history.last, { queriesPerSecond: 0, errorsPerSecond: 2, waitP50: null });
  await history.take();
  t.match(history.last, { queriesPerSecond: null }, 'no time has passed');
});

t.test('several processes: each against itself, percentiles of all times together', async (t) => {
  const [one, two, heir] = [new Process('1 a'), new Process('2 a'), new Process('2 b')];
  let there = [one, two];
  const history = new History(() => Promise.resolve(there.map((process) => process.part())));
  one.count = 1_000_000;
  two.count = 5_000;
  await history.take();
  t.match(history.last, { clients: 14, sessionLimit: 16, queriesPerSecond: null });
  [one.at, two.at] = [1_000, 2_000];
  one.count += 10;
  two.count += 40;
  for (let i = 0; i < 99; i++) one.server.record(1);
  two.server.record(100);
  await history.take();
  t.match(history.last, { queriesPerSecond: 30 }, 'each by its own clock');
  t.ok(Math.abs((history.last?.serverP95 ?? 0) - 1) < 0.1, 'not the mean of 1 and 100 ms');
  there = [one];
  one.at += 1_000;
  one.count += 7;
  await history.take();
  t.match(history.last, { clients: 7, queriesPerSecond: 7 }, 'one does not answer: the others go on');
  there = [one, two];
  one.at += 1_000;
  two.at += 4_000;
  two.count += 40;
  await history.take();
  t.match(history.last, { queriesPerSecond: 10 }, 'and goes on from where it was');
  there = [one, heir];
  one.at += 1_000;
  heir.count = 300;
  await history.take();
  t.match(history.last, { queriesPerSecond: 0 }, 'one in its place has a count of its own');
});

t.test('the oldest points make room', async (t) => {
  const process = new Process();
  const history = new History(of(process), { points: 3 });
  for (let i = 0; i < 5; i++) {
    process.count = i * i;
    process.at = i * 1_000;
    await history.take();
    const { time, columns } = history.snapshot();
    t.equal(time.length, Math.min(i + 1, 3));
    for (const name of HISTORY_COLUMNS) t.equal(columns[name].length, time.length, name);
  }
  t.same(history.snapshot().columns.queriesPerSecond, [3, 5, 7], 'oldest first');
  t.same(history.snapshot().columns.serverP50, [null, null, null]);
});

t.test('points that overlap are one', async (t) => {
  const process = new Process();
  const asked: (() => void)[] = [];
  const slow: HistorySource = () =>
    new Promise((resolve) => {
      asked.push(() => resolve([process.part()]));
    });
  const history = new History(slow, { points: 3 });
  const both = [history.take(), history.take()];
  t.equal(asked.length, 1);
  asked[0]?.();
  await Promise.all(both);
  t.equal(history.snapshot().time.length, 1);
  const third = history.take();
  asked[1]?.();
  await third;
  t.equal(history.snapshot().time.length, 2);
});

t.test('a process begins with what another one has kept', async (t) => {
  const process = new Process();
  const old = new History(of(process), { points: 3 });
  for (let i = 0; i < 3; i++) {
    process.at = i * 1_000;
    process.count = i;
    await old.take();
  }
  const history = new History(of(new Process('2')), { points: 2 });
  history.restore(old.snapshot());
  t.same(history.snapshot().columns.queriesPerSecond, [1, 1], 'as much as there is room for');
  t.same(history.snapshot().time, old.snapshot().time.slice(1));
  await history.take();
  t.same(history.snapshot().columns.queriesPerSecond, [1, null]);
  history.restore(old.snapshot());
  t.same(history.snapshot().columns.queriesPerSecond, [1, null], 'not where there is something');
});
