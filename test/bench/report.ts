import type { Scenario } from './scenarios.js';
import { compareSeries, DISTURBED, type Series, type Summary, summarize } from './series.js';
import type { Comparison } from './statistics.js';

/** The columns of a scenario's table, as text. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface ScenarioReport {
  readonly scenario: Scenario;
  readonly series: readonly Series[];
  readonly table: Table;
  /** What a reader must know before believing the table. */
  readonly notes: readonly string[];
  /** True when rounds differ so much that a throughput ratio says nothing. */
  readonly meaningless: boolean;
  /** True when a run failed or a client saw an error. */
  readonly faulty: boolean;
}

const BASELINES = ['haproxy', 'direct'] as const;
const NONE = '-';

export function reportScenario(scenario: Scenario, series: readonly Series[]): ScenarioReport {
  const baselines = BASELINES.flatMap((name) => series.find(({ target }) => target === name) ?? []);
  const verdicts = series.map((one) => describe(one, baselines));
  return {
    scenario,
    series,
    table: { header: header(scenario, baselines), rows: verdicts.map(({ row }) => row) },
    notes: verdicts.flatMap(({ notes }) => notes),
    meaningless: verdicts.some(({ meaningless }) => meaningless),
    faulty: verdicts.some(({ faulty }) => faulty),
  };
}

function header(scenario: Scenario, baselines: readonly Series[]): string[] {
  const per = scenario.unit === 'queries' ? 'query' : 'connection';
  return [
    'target',
    `${scenario.unit}/s`,
    '±',
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'max ms',
    'stall ms',
    'p99 / p50',
    'slowest client',
    `proxy CPU µs/${per}`,
    'server µs',
    'load µs',
    'sessions',
    'proxy RSS MiB',
    'errors',
    ...baselines.flatMap(({ target }) =>
      target === 'direct' ? [`rate / ${target}`] : [`rate / ${target}`, `p99 / ${target}`, `CPU / ${target}`],
    ),
  ];
}

interface Verdict {
  readonly row: readonly string[];
  readonly notes: readonly string[];
  readonly meaningless: boolean;
  readonly faulty: boolean;
}

function describe(series: Series, baselines: readonly Series[]): Verdict {
  const summary = summarize(series);
  const notes = [
    ...failureNotes(series),
    ...(summary === undefined ? [] : summaryNotes(series.target, summary)),
  ];
  const ratios: string[] = [];
  let meaningless = false;
  for (const baseline of baselines) {
    const rate = compareSeries(series, baseline, 'rate');
    ratios.push(ratio(rate));
    if (rate?.meaningless === true) {
      meaningless = true;
      notes.push(
        `${series.target} / ${baseline.target} is meaningless: ${fixed(rate.low, 2)} to ${fixed(rate.high, 2)} between rounds`,
      );
    }
    if (baseline.target !== 'direct') {
      ratios.push(
        ratio(compareSeries(series, baseline, 'p99')),
        ratio(compareSeries(series, baseline, 'proxyCpu')),
      );
    }
  }
  const faulty = failureNotes(series).length > 0 || (summary?.errors ?? 0) + (summary?.unanswered ?? 0) > 0;
  return { row: [series.target, ...figures(summary), ...ratios], notes, meaningless, faulty };
}

function figures(summary: Summary | undefined): string[] {
  if (summary === undefined) {
    return ['failed', ...Array.from({ length: 14 }, () => NONE)];
  }
  return [
    Math.round(summary.rate).toLocaleString('en'),
    `${Math.round((summary.rateSpread * 100) / 2)} %`,
    fixed(summary.p50, 2),
    fixed(summary.p95, 2),
    fixed(summary.p99, 2),
    fixed(summary.worstMax, 0),
    fixed(summary.worstStall, 0),
    fixed(summary.p99 / summary.p50, 1),
    fixed(summary.fairness, 2),
    fixed(summary.proxyCpu, 1),
    fixed(summary.serverCpu, 1),
    fixed(summary.loadCpu, 1),
    String(summary.sessions),
    fixed(summary.residentBytes === undefined ? undefined : summary.residentBytes / 2 ** 20, 0),
    String(summary.errors),
  ];
}

const LOAD_SATURATED = 0.9;

function summaryNotes(target: string, summary: Summary): string[] {
  const notes: string[] = [];
  if (summary.unanswered > 0) {
    notes.push(`${target}: ${summary.unanswered} commands were never answered`);
  }
  if (summary.disturbance > DISTURBED) {
    notes.push(`${target}: other processes used ${Math.round(summary.disturbance * 100)} % of the machine`);
  }
  if (summary.conflicts > 0) {
    notes.push(
      `${target}: ${summary.conflicts} transactions were repeated after a deadlock or lock wait timeout`,
    );
  }
  return notes;
}

/** A generator with one thread that is busy all the time measures itself; only the lean one can be. */
export function saturationNotes({ scenario, series }: ScenarioReport): string[] {
  if (scenario.load.generator !== 'lean') {
    return [];
  }
  return series.flatMap((one) => {
    const share = summarize(one)?.loadShare ?? 0;
    return share > LOAD_SATURATED
      ? [`${one.target}: the load generator used ${Math.round(share * 100)} % of a core and may be the limit`]
      : [];
  });
}

function failureNotes(series: Series): string[] {
  const texts = series.runs.flatMap((run, round) => {
    if ('failure' in run) {
      return [`${series.target}, round ${round + 1} failed: ${run.failure}`];
    }
    return run.errorTexts.map((text) => `${series.target}, round ${round + 1}: ${text}`);
  });
  return [...new Set(texts)];
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? NONE : value.toFixed(digits);
}

function ratio(comparison: Comparison | undefined): string {
  if (comparison === undefined || Number.isNaN(comparison.ratio)) {
    return NONE;
  }
  return `${comparison.meaningless ? '~' : ''}${comparison.ratio.toFixed(2)}`;
}

export function plainTable({ header: head, rows }: Table): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  return [head, ...rows].map(line).join('\n');
}

export function markdownTable({ header: head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  );
}
