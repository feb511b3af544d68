import t from 'tap';
import { TimeHistograms } from '../../src/observability/latency-metric.js';
import { Metrics, type MetricsSource } from '../../src/observability/metrics.js';
import { AllMetrics } from '../../src/views/all-metrics.js';
import { LONE_WORKER } from '../../src/workers/bus.js';
import { memoryBus } from './support/memory-bus.js';

/** Numbers of a worker; all that are not named are 0. */
function source(named: Partial<MetricsSource>): MetricsSource {
  const none = {
    times: new TimeHistograms(),
    dryRun: null,
    ownWrites: null,
    servers: null,
    ...named,
  };
  const maps = [
    'tlsConnections',
    'encryption',
    'tlsHandshakes',
    'holds',
    'holdsBegun',
    'checkouts',
    'logins',
  ];
  const rest = ['sharedSockets', 'timeLimits', 'errors', 'serverHints', 'runAgain', 'forkLooks', 'kills'];
  return new Proxy(none, {
    get: (target, name: string) => {
      if (name in target) return target[name as keyof typeof none];
      if (name === 'sessions') return () => ({ idle: 0, active: 0, dialing: 0, held: 0 });
      if (name === 'clientsByState') return () => ({ active: 0, waiting: 0, held: 0, idle: 0, login: 0 });
      return [...maps, ...rest].includes(name) ? () => new Map() : () => 0;
    },
  }) as MetricsSource;
}

/** Value by series, as Prometheus reads it. */
function series(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

t.test('three workers, one set of metrics', async (t) => {
  const buses = memoryBus(3);
  const all = buses.map((bus, i) => {
    const nr = i + 1;
    const times = new TimeHistograms();
    times.wait.record(nr);
    const { registry } = new Metrics(
      source({
        times,
        commands: () => 1_000 * nr,
        clients: () => nr,
        longestWaitSeconds: () => [0.5, 2, 0][i] ?? 0,
        limit: () => 4,
        fleetMembers: () => 2,
        serverMaxConnections: () => 151,
        sessions: () => ({ idle: nr, active: 1, dialing: 0, held: 0 }),
        checkouts: () =>
          new Map([
            ['own', 10 * nr],
            ['waited', i === 0 ? 40 : 0],
          ]),
        reuseRatio: () => 0.123,
        draining: () => (i === 1 ? 1 : 0),
      }),
      3,
    );
    return new AllMetrics(bus, registry);
  });
  const text = (await all[1]?.metrics()) ?? '';
  const found = series(text);
  const values = (...names: string[]) => names.map((name) => found.get(name));
  t.same(
    values('mybouncer_clients', 'mybouncer_pool_size', 'mybouncer_server_sessions{state="idle"}'),
    [6, 12, 6],
    'sums',
  );
  t.same(
    values(
      'mybouncer_longest_wait_seconds',
      'mybouncer_fleet_members',
      'mybouncer_server_max_connections',
      'mybouncer_draining',
    ),
    [2, 2, 151, 1],
    'the most',
  );
  t.same(values('mybouncer_reuse_ratio'), [60 / 100], 'of all checkouts, and no mean of shares');
  t.same(
    values(
      'mybouncer_commands_total{worker="1"}',
      'mybouncer_commands_total{worker="3"}',
      'mybouncer_commands_total',
    ),
    [1_000, 3_000, undefined],
    'counters by worker',
  );
  t.same(
    values(
      'mybouncer_session_wait_seconds_bucket{le="0.001",worker="1"}',
      'mybouncer_session_wait_seconds_bucket{le="0.001",worker="2"}',
      'mybouncer_session_wait_seconds_bucket{le="+Inf",worker="2"}',
      'mybouncer_session_wait_seconds_count{worker="3"}',
    ),
    [1, 0, 1, 1],
    'histograms too',
  );
  for (const name of [
    'process_resident_memory_bytes',
    'process_start_time_seconds',
    'nodejs_eventloop_lag_p99_seconds',
  ])
    t.same([...found.keys()].filter((key) => key.startsWith(name)).length, 3, `${name} is of a process`);
  t.same(values('mybouncer_workers', 'mybouncer_workers_answering'), [3, 3]);
  t.equal(text.match(/^# TYPE mybouncer_commands_total counter$/gm)?.length, 1);
  const own = (names: Iterable<string>) => [...names].filter((name) => name.startsWith('mybouncer_')).sort();
  for (const one of all)
    t.same(own(series(await one.metrics()).keys()), own(found.keys()), 'the same at every worker');
});

t.test('one that dies, or does not answer, changes nothing of what the others have counted', async (t) => {
  const buses = memoryBus(2);
  const [one, two] = buses.map(
    (bus, i) => new AllMetrics(bus, new Metrics(source({ commands: () => 500 + i }), 2).registry),
  );
  buses[1]?.die();
  const found = series((await one?.metrics()) ?? '');
  t.equal(found.get('mybouncer_commands_total{worker="1"}'), 500);
  t.notOk(found.has('mybouncer_commands_total{worker="2"}'));
  t.same(
    [found.get('mybouncer_workers'), found.get('mybouncer_workers_answering')],
    [2, 1],
    'and it is seen',
  );
  const heir = buses[1]?.replaced();
  if (heir !== undefined) new AllMetrics(heir, new Metrics(source({ commands: () => 3 }), 2).registry);
  const after = series((await one?.metrics()) ?? '');
  t.equal(
    after.get('mybouncer_commands_total{worker="2"}'),
    3,
    'a counter that begins anew is one of its own: rate() sees a restart',
  );
  t.equal(after.get('mybouncer_commands_total{worker="1"}'), 500);
  t.ok(two);
});

t.test('an answer that is none is left out', async (t) => {
  const [one, two] = memoryBus(2);
  if (one === undefined || two === undefined) throw new Error('there are two');
  two.answer('metrics', () => [{ name: 'mybouncer_clients', values: 'many' }]);
  const found = series(
    await new AllMetrics(one, new Metrics(source({ clients: () => 5 }), 2).registry).metrics(),
  );
  t.same([found.get('mybouncer_clients'), found.get('mybouncer_workers_answering')], [5, 1]);
});

t.test('one process: as the registry has it', async (t) => {
  const { registry } = new Metrics(source({ commands: () => 7 }));
  const found = series(await new AllMetrics(LONE_WORKER, registry).metrics());
  t.equal(found.get('mybouncer_commands_total'), 7);
  t.same(
    [...found.keys()].filter((key) => key.includes('worker=')),
    [],
  );
  t.same([found.get('mybouncer_workers'), found.get('mybouncer_workers_answering')], [1, 1]);
});
