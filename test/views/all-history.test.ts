import t from 'tap';
import { History, type HistoryPart } from '../../src/observability/history.js';
import { LatencyHistogram } from '../../src/observability/latency-histogram.js';
import { allHistory, shareHistory } from '../../src/views/all-history.js';
import { memoryBus } from './support/memory-bus.js';

class Process {
  at = 0;
  queries = 0;
  readonly server = new LatencyHistogram();
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  part(): HistoryPart {
    const gauge = {
      clients: 3,
      active: 1,
      waiting: 0,
      idle: 2,
      held: 0,
      sessions: 2,
      sessionsLent: 1,
      sessionLimit: 4,
    };
    return {
      process: this.name,
      at: this.at,
      gauges: gauge,
      queries: this.queries,
      errors: 0,
      wait: new LatencyHistogram(),
      server: this.server.snapshot(),
    };
  }
}

t.test('points of all workers, which a new one has from the others', async (t) => {
  const buses = memoryBus(2);
  const processes = buses.map(({ worker }) => new Process(String(worker)));
  const histories = buses.map(
    (bus, i) => new History(allHistory(bus, () => (processes[i] as Process).part())),
  );
  await Promise.all(buses.map((bus, i) => shareHistory(bus, histories[i] as History)));
  for (const history of histories) await history.take();
  for (const [i, process] of processes.entries()) {
    process.at = 1_000;
    process.queries = 10 + i;
    for (let nr = 0; nr < 50; nr++) process.server.record(i === 0 ? 1 : 100);
  }
  for (const history of histories) {
    await history.take();
    t.match(history.last, {
      clients: 6,
      sessionLimit: 8,
      queriesPerSecond: 21,
      errorsPerSecond: 0,
      waitP50: null,
    });
    t.ok(Math.abs((history.last?.serverP50 ?? 0) - 1) < 0.1, 'p50 of all times, not the mean of 1 and 100');
    t.ok(Math.abs((history.last?.serverP95 ?? 0) - 100) < 4);
  }
  const heir = buses[1]?.replaced();
  if (heir === undefined) throw new Error('there is one');
  const next = new History(allHistory(heir, () => new Process('2 again').part()));
  await shareHistory(heir, next);
  t.same(next.snapshot(), histories[0]?.snapshot());
  await next.take();
  t.equal(next.snapshot().time.length, 3, 'and goes on');
});
