import t from 'tap';
import { loadReportOf, loadRun } from './made-up.js';
import type { Measurement } from './measurement.js';
import { type Report, reportIdle } from './report.js';
import { SCENARIOS } from './scenarios.js';

function cell(report: Report, target: string, title: string): string | undefined {
  const row = report.table.rows.find(([name]) => name === target);
  return row?.[report.table.header.indexOf(title)];
}

t.test('a row has the medians of its rounds and the worst maximum', async (t) => {
  const report = loadReportOf('lean-text', {
    mybouncer: [
      loadRun({ rate: 1000, p999: 7, max: 9, stall: 80 }),
      loadRun({ rate: 3000, p999: 5, max: 50, stall: 8 }),
      loadRun({ rate: 1500, p999: 6, max: 8, stall: 7 }),
    ],
  });
  t.equal(cell(report, 'mybouncer', 'queries/s'), '1,500');
  t.equal(cell(report, 'mybouncer', 'p99.9 ms'), '6.00');
  t.equal(cell(report, 'mybouncer', 'max ms'), '50');
  t.equal(cell(report, 'mybouncer', 'stall ms'), '80');
  t.notOk(report.meaningless);
});

t.test('unix sockets are held against unix sockets', async (t) => {
  const report = loadReportOf('sockets', {
    haproxy: [loadRun({ rate: 100 })],
    'haproxy-unix': [loadRun({ rate: 200 })],
    mybouncer: [loadRun({ rate: 150 })],
    'mybouncer-unix': [loadRun({ rate: 240 })],
  });
  t.equal(cell(report, 'mybouncer', 'rate / haproxy'), '1.50');
  t.equal(cell(report, 'mybouncer-unix', 'rate / haproxy'), '1.20');
});

t.test('columns of big results and of one client', async (t) => {
  const big = loadReportOf('result-10m', {
    mybouncer: [loadRun({ rate: 42.04, bytesPerSecond: 420 * 2 ** 20 })],
  });
  t.equal(cell(big, 'mybouncer', 'results/s'), '42.0');
  t.equal(cell(big, 'mybouncer', 'MiB/s'), '420');
  const one = loadReportOf('many-1-8', {
    direct: [loadRun({ p50: 0.1 })],
    haproxy: [loadRun({ p50: 0.16 })],
    mybouncer: [loadRun({ p50: 0.19 })],
  });
  t.equal(cell(one, 'direct', 'added p50 µs'), '-');
  t.equal(cell(one, 'haproxy', 'added p50 µs'), '60');
  t.equal(cell(one, 'mybouncer', 'added p50 µs'), '90 (1.50 x haproxy)');
});

t.test('what makes a report meaningless or faulty', async (t) => {
  const of = (...mybouncer: Partial<Measurement>[]) =>
    loadReportOf('lean-text', {
      haproxy: mybouncer.map(() => loadRun({})),
      mybouncer: mybouncer.map(loadRun),
    });
  t.match(of({}, {}), { meaningless: false, faulty: false, notes: [] });
  t.match(of({ rate: 1000 }, { rate: 2000 }), { meaningless: true, faulty: false });
  t.match(of({ disturbance: 0.15 }), { meaningless: false, notes: [/other processes used 15 %/] });
  t.match(of({ disturbance: 0.5 }), { meaningless: true, notes: [/meaningless: other processes used 50 %/] });
  t.match(of({ errors: 2, errorTexts: ['1040 full'] }), { faulty: true, notes: [/round 1: 1040 full/] });
  t.match(of({ unanswered: 1 }), { faulty: true, notes: [/1 commands were never answered/] });
  t.match(of({ loadCpu: 950, rate: 1000 }), { notes: [/the load generator used 95 % of a core/] });
  t.match(of({ stall: 150, lag: 140 }), { notes: [/stood still for 140 ms/] });
  const failed = loadReportOf('lean-text', { mybouncer: [{ failure: 'gone' }] });
  t.match(failed, { faulty: true, notes: [/round 1 failed: gone/] });
  t.equal(cell(failed, 'mybouncer', 'queries/s'), 'failed');
});

t.test('idle clients whose memory cannot be told from noise', async (t) => {
  const scenario = SCENARIOS.find((one) => one.kind === 'idle');
  if (scenario?.kind !== 'idle') {
    throw new RangeError('there is no such scenario');
  }
  const memory = { median: 100 * 2 ** 20, low: 1, high: 1 };
  const of = (each: number, noise: number) =>
    reportIdle('mariadb', scenario, [
      {
        target: 'mybouncer',
        runs: [
          {
            ...{ clients: 1000, before: memory, idle: memory, left: memory, collected: undefined },
            ...{ each, held: undefined, noise, loginsPerSecond: 500, sessions: 9, errors: 0, errorTexts: [] },
          },
        ],
      },
    ]);
  const good = of(8192, 1024);
  t.equal(cell(good, 'mybouncer', 'each KiB'), '8.0');
  t.equal(cell(good, 'mybouncer', '± KiB'), '1.0');
  t.equal(cell(good, 'mybouncer', 'held KiB'), '-');
  t.notOk(good.meaningless);
  t.ok(of(8192, 5000).meaningless);
});
