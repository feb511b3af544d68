import type { LoadScenario } from './scenarios.js';
import {
  addedLatency,
  baselineOf,
  compareSeries,
  type NumericKey,
  type Series,
  type Summary,
} from './series.js';
import { type Comparison, compare, median } from './statistics.js';

export const NONE = '-';
const MIB = 2 ** 20;

/** What a row is made from. */
interface Row {
  readonly series: Series;
  readonly summary: Summary;
  readonly all: readonly Series[];
}

/** A column of a scenario's table. */
export interface Column {
  readonly title: string;
  cell(row: Row): string;
}

/** The columns that say something about a scenario. */
export function columnsOf(scenario: LoadScenario, all: readonly Series[]): Column[] {
  const per = { queries: 'query', connections: 'connection', results: 'result' }[scenario.unit];
  const has = (name: string) => all.some(({ target }) => target === name);
  return [
    figure(`${scenario.unit}/s`, ({ rate }) => perSecond(rate)),
    figure('±', ({ rateSpread }) => `${Math.round((rateSpread * 100) / 2)} %`),
    ...(scenario.unit === 'results'
      ? [figure('MiB/s', ({ bytesPerSecond = Number.NaN }) => fixed(bytesPerSecond / MIB, 0))]
      : []),
    figure('p50 ms', ({ p50 }) => fixed(p50, p50 < 1 ? 3 : 2)),
    figure('p95 ms', ({ p95 }) => fixed(p95, 2)),
    figure('p99 ms', ({ p99 }) => fixed(p99, 2)),
    figure('p99.9 ms', ({ p999 }) => fixed(p999, 2)),
    figure('max ms', ({ worstMax }) => fixed(worstMax, 0)),
    figure('stall ms', ({ worstStall }) => fixed(worstStall, 0)),
    figure('slowest client', ({ fairness }) => fixed(fairness, 2)),
    figure(`proxy CPU µs/${per}`, ({ proxyCpu }) => fixed(proxyCpu, 1)),
    figure('server µs', ({ serverCpu }) => fixed(serverCpu, 1)),
    figure('load µs', ({ loadCpu }) => fixed(loadCpu, 1)),
    figure('sessions', ({ sessions }) => String(sessions)),
    figure('proxy RSS MiB', ({ residentBytes = Number.NaN }) => fixed(residentBytes / MIB, 0)),
    figure('errors', ({ errors }) => String(errors)),
    ...(has('direct') && scenario.clients === 1 ? [ADDED] : []),
    ...(has('haproxy')
      ? [
          ratioColumn('haproxy', 'rate', 'rate'),
          ratioColumn('haproxy', 'p99', 'p99'),
          ratioColumn('haproxy', 'proxyCpu', 'CPU'),
        ]
      : []),
    ...(has('direct') ? [ratioColumn('direct', 'rate', 'rate')] : []),
  ];
}

function figure(title: string, write: (summary: Summary) => string): Column {
  return { title, cell: ({ summary }) => write(summary) };
}

function ratioColumn(baseline: 'direct' | 'haproxy', key: NumericKey, word: string): Column {
  return {
    title: `${word} / ${baseline}`,
    cell: ({ series, all }) => {
      const other = baselineOf(series.target, baseline, all);
      return other === undefined ? NONE : ratio(compareSeries(series, other, key));
    },
  };
}

/** What the proxy adds to the median latency of one client; and how that is to what HAProxy adds. */
const ADDED: Column = {
  title: 'added p50 µs',
  cell: ({ series, all }) => {
    const [direct, haproxy] = (['direct', 'haproxy'] as const).map((name) =>
      baselineOf(series.target, name, all),
    );
    if (direct === undefined || direct === series) {
      return NONE;
    }
    const added = addedLatency(series, direct);
    const micros = fixed(median(added.filter((value) => value !== undefined)) * 1000, 0);
    if (haproxy === undefined || haproxy === series) {
      return micros;
    }
    return `${micros} (${ratio(compare(added, addedLatency(haproxy, direct)))} x haproxy)`;
  },
};

function perSecond(rate: number): string {
  return rate < 100 ? rate.toFixed(1) : Math.round(rate).toLocaleString('en');
}

export function fixed(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? NONE : value.toFixed(digits);
}

function ratio(comparison: Comparison | undefined): string {
  if (comparison === undefined || Number.isNaN(comparison.ratio)) {
    return NONE;
  }
  return `${comparison.meaningless ? '~' : ''}${comparison.ratio.toFixed(2)}`;
}
