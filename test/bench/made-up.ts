/** Runs and reports with given figures, for tests of what is made of them. */
import type { Measurement, Run } from './measurement.js';
import { type LoadReport, reportLoad } from './report.js';
import { SCENARIOS } from './scenarios.js';

export function loadRun(given: Partial<Measurement>): Measurement {
  return {
    ...{ rate: 1000, p50: 1, p95: 2, p99: 3, p999: 4, max: 5, stall: 6, lag: 1, bytesPerSecond: 1e6 },
    ...{ fairness: 1, unanswered: 0, errors: 0, errorTexts: [], conflicts: 0 },
    ...{ proxyCpu: 20, serverCpu: 30, loadCpu: 10, sessions: 9, residentBytes: 1e8, disturbance: 0 },
    ...given,
  };
}

export function loadReportOf(name: string, runs: Readonly<Record<string, readonly Run[]>>): LoadReport {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario?.kind !== 'load') {
    throw new RangeError(`${name} is no scenario with load`);
  }
  const series = Object.entries(runs).map(([target, ofTarget]) => ({ target, runs: ofTarget }));
  return reportLoad('mariadb', scenario, series);
}
