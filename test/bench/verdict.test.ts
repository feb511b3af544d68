import t from 'tap';
import { conclude } from './conclusion.js';
import { loadReportOf, loadRun } from './made-up.js';
import { type Report, reportIdle } from './report.js';
import { SCENARIOS } from './scenarios.js';
import { judge, scenariosOf, type Verdict } from './verdict.js';

/** The line of a criterion; each criterion has one line for a target. */
function line(reports: readonly Report[], criterion: string, scenario: string): Verdict | undefined {
  return judge(reports, 'mybouncer').find(
    (verdict) => verdict.criterion === criterion && verdict.scenario === scenario,
  );
}

const RATE = 'throughput / HAProxy';

function rates(ours: readonly number[], haproxy: readonly number[]): Report[] {
  return [
    loadReportOf('lean-text', {
      mybouncer: ours.map((rate) => loadRun({ rate })),
      haproxy: haproxy.map((rate) => loadRun({ rate })),
    }),
  ];
}

t.test('a line is the median of the ratios of the same rounds', async (t) => {
  // The machine became slower and slower: the ratios are 1.1, 1.1 and 0.9, those of the medians would be 1.
  const found = line(rates([110, 55, 9], [100, 50, 10]), RATE, 'lean-text');
  t.match(found, { figure: 1.1, rounds: [1.1, 1.1, 0.9], limit: 1.05, bound: 'at least', outcome: 'pass' });
});

t.test('a limit is missed by the median, whatever the others say', async (t) => {
  t.equal(line(rates([100, 101, 106], [100, 100, 100]), RATE, 'lean-text')?.outcome, 'fail');
});

t.test('rounds on both sides of the limit and far apart are noise', async (t) => {
  t.equal(line(rates([60, 110, 150], [100, 100, 100]), RATE, 'lean-text')?.outcome, 'noise');
  t.equal(
    line(rates([110, 150, 300], [100, 100, 100]), RATE, 'lean-text')?.outcome,
    'pass',
    'but not those far apart on one side',
  );
});

t.test('a machine that others use decides nothing', async (t) => {
  const report = loadReportOf('lean-text', {
    mybouncer: [loadRun({ rate: 50, disturbance: 0.5 })],
    haproxy: [loadRun({ rate: 100 })],
  });
  t.match(line([report], RATE, 'lean-text'), { figure: 0.5, outcome: 'noise' });
});

t.test('what was not measured is said to be so', async (t) => {
  t.equal(line([], RATE, 'lean-text')?.outcome, 'not measured');
  t.ok(judge([], 'mybouncer').every(({ outcome }) => outcome === 'not measured'));
  const failed = loadReportOf('lean-text', {
    mybouncer: [{ failure: 'it fell over' }],
    haproxy: [loadRun({ rate: 1 })],
  });
  t.equal(line([failed], RATE, 'lean-text')?.outcome, 'not measured', 'nor is a run that failed');
});

t.test('no round may stall, unless all stood still in it', async (t) => {
  const criterion = 'longest stall, ms';
  const stalls = (
    ours: readonly { stall: number; lag?: number }[],
    direct: readonly number[],
  ): Verdict | undefined =>
    line(
      [
        loadReportOf('lean-text', {
          mybouncer: ours.map((one) => loadRun({ lag: 5, ...one })),
          direct: direct.map((stall) => loadRun({ stall })),
        }),
      ],
      criterion,
      'lean-text',
    );
  t.match(stalls([{ stall: 20 }, { stall: 90 }], [10, 10]), { figure: 90, outcome: 'pass' });
  t.match(stalls([{ stall: 20 }, { stall: 190 }], [10, 10]), { figure: 190, outcome: 'fail' });
  t.match(stalls([{ stall: 20 }, { stall: 190, lag: 180 }], [10, 10]), { outcome: 'noise' });
  t.match(stalls([{ stall: 20 }, { stall: 190 }], [10, 300]), { outcome: 'noise' });
  t.match(stalls([{ stall: 150 }, { stall: 190 }], [10, 300]), { outcome: 'fail' }, 'one round is guilty');
});

t.test('5,000 clients are held against 128 of the same target and round', async (t) => {
  const reports = [
    loadReportOf('many-128-20', { mybouncer: [loadRun({ rate: 100 }), loadRun({ rate: 50 })] }),
    loadReportOf('many-5000-20', { mybouncer: [loadRun({ rate: 95 }), loadRun({ rate: 47.5 })] }),
  ];
  t.match(line(reports, 'throughput of 5,000 clients / of 128', 'many-5000-20'), {
    figure: 0.95,
    outcome: 'pass',
  });
});

t.test('what a proxy adds to one client is held against what HAProxy adds', async (t) => {
  const reports = [
    loadReportOf('many-1-8', {
      direct: [loadRun({ p50: 0.1 })],
      haproxy: [loadRun({ p50: 0.15 })],
      mybouncer: [loadRun({ p50: 0.2 })],
    }),
  ];
  const found = line(reports, 'added p50 of one client / what HAProxy adds', 'many-1-8');
  t.equal(found?.outcome, 'fail');
  t.equal(found?.figure?.toFixed(3), '2.000');
});

t.test('memory of idle clients', async (t) => {
  const scenario = SCENARIOS.find(({ name }) => name === 'idle-10000');
  if (scenario?.kind !== 'idle') {
    throw new RangeError('the scenario is gone');
  }
  const memory = { median: 1, low: 1, high: 1 };
  const report = reportIdle('mariadb', scenario, [
    {
      target: 'mybouncer',
      runs: [
        {
          ...{ clients: 10_000, before: memory, idle: memory, left: memory, collected: undefined },
          ...{ each: 9 * 1024, held: 7 * 1024, noise: 10, loginsPerSecond: 1, sessions: 9 },
          ...{ errors: 0, errorTexts: [] },
        },
      ],
    },
  ]);
  t.match(line([report], '10,000 idle clients, KiB of RSS each', 'idle-10000'), {
    figure: 9,
    outcome: 'fail',
  });
  t.match(line([report], '10,000 idle clients, KiB of RSS each, garbage aside', 'idle-10000'), {
    ...{ figure: 7, outcome: 'pass' },
  });
});

t.test('every scenario of a limit exists', async (t) => {
  const known = new Set(SCENARIOS.map(({ name }) => name));
  for (const server of ['mariadb', 'mysql'] as const) {
    for (const name of scenariosOf(server)) {
      t.ok(known.has(name), `${name} on ${server}`);
    }
  }
});

t.test('the exit code', async (t) => {
  const fine = { faulty: false, meaningless: false };
  const noisy = { ...fine, meaningless: true };
  const code = (
    reports: (typeof fine)[],
    outcomes: readonly Verdict['outcome'][],
    verdictAsked: boolean,
  ): number => conclude({ reports, verdicts: outcomes.map((outcome) => ({ outcome })) }, verdictAsked).code;
  t.equal(code([fine], ['fail', 'noise'], false), 0, 'limits count only where they are asked for');
  t.equal(code([fine, noisy], [], false), 3);
  t.equal(code([noisy, { ...fine, faulty: true }], ['pass'], true), 1);
  t.equal(code([noisy], ['pass', 'not measured'], true), 0, 'then only their own noise counts');
  t.equal(code([fine], ['pass', 'fail'], true), 4);
  t.equal(code([fine], ['fail', 'noise'], true), 3);
});
