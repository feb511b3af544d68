/** The limits that the project sets itself, and whether a run of the bench keeps them. */
import { isMeasured } from './measurement.js';
import { isLoadReport, type Report, type Table } from './report.js';
import { addedLatency, type NumericKey, roundsOf, type Series } from './series.js';
import type { ServerFlavor } from './server.js';
import { median, ratios } from './statistics.js';

export const VerdictOutcome = {
  Pass: 'pass',
  Fail: 'fail',
  Noise: 'noise',
  Missing: 'not measured',
} as const;
export type VerdictOutcome = (typeof VerdictOutcome)[keyof typeof VerdictOutcome];

/** A line of the verdict. */
export interface Verdict {
  readonly criterion: string;
  readonly scenario: string;
  readonly server: ServerFlavor;
  readonly target: string;
  /** What the figure is to be: at least, or at most, so much. */
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
  /** The median of the rounds, or where nothing may ever be worse, the worst of them; undefined where there is none. */
  readonly figure: number | undefined;
  /** Figures of the rounds, as far as there were both sides of a ratio. */
  readonly rounds: readonly number[];
  readonly outcome: VerdictOutcome;
}

type Rounds = readonly (number | undefined)[];

/** Finds what was measured; undefined where it was not. */
class Findings {
  readonly #reports: readonly Report[];
  readonly #server: ServerFlavor;

  constructor(reports: readonly Report[], server: ServerFlavor) {
    this.#reports = reports;
    this.#server = server;
  }

  #report(scenario: string): Report | undefined {
    return this.#reports.find(
      (report) => report.scenario.name === scenario && report.server === this.#server,
    );
  }

  /** Whether strangers had so much of the machine that nothing of a scenario means anything. */
  drowned(scenario: string): boolean {
    return this.#report(scenario)?.drowned === true;
  }

  series(scenario: string, target: string): Series | undefined {
    const report = this.#report(scenario);
    return report === undefined || !isLoadReport(report)
      ? undefined
      : report.series.find((series) => series.target === target);
  }

  rounds(scenario: string, target: string, key: NumericKey): Rounds {
    const series = this.series(scenario, target);
    return series === undefined ? [] : roundsOf(series, key);
  }

  /** Bytes of memory for each idle client. */
  idle(scenario: string, target: string, key: 'each' | 'held'): Rounds {
    const report = this.#report(scenario);
    if (report === undefined || isLoadReport(report)) {
      return [];
    }
    const series = report.series.find((one) => one.target === target);
    return (series?.runs ?? []).map((run) => (isMeasured(run) ? run[key] : undefined));
  }
}

interface Criterion {
  readonly title: string;
  readonly scenario: string;
  readonly server: ServerFlavor;
  readonly bound: Verdict['bound'];
  readonly limit: number;
  /** What must not be exceeded in any round, rather than by the median of them. */
  readonly worst?: boolean;
  /** The rounds that say nothing, for what the machine did: by their index. */
  readonly excused?: (found: Findings, target: string) => ReadonlySet<number>;
  readonly rounds: (found: Findings, target: string) => Rounds;
}

function against(
  baseline: 'direct' | 'haproxy',
  scenario: string,
  given: { title: string; key: NumericKey; bound: Verdict['bound']; limit: number; server?: ServerFlavor },
): Criterion {
  const { title, key, bound, limit, server = 'mariadb' } = given;
  return {
    ...{ title, scenario, server, bound, limit },
    rounds: (found, target) =>
      ratios(found.rounds(scenario, target, key), found.rounds(scenario, baseline, key)),
  };
}

const STALL_MS = 100;
const EXPECTED_KIB = 8;
const KIB = 1024;

/** Rounds in which the load generator itself, or the server without any proxy, stood still for as long. */
function stoodStill(scenario: string): NonNullable<Criterion['excused']> {
  return (found, target) => {
    const lag = found.rounds(scenario, target, 'lag');
    const direct = found.rounds(scenario, 'direct', 'stall');
    return new Set(
      found
        .rounds(scenario, target, 'stall')
        .flatMap((_, round) =>
          (lag[round] ?? 0) > STALL_MS || (direct[round] ?? 0) > STALL_MS ? [round] : [],
        ),
    );
  };
}

function manyOverFew(scenario: string): Criterion[] {
  return [
    against('haproxy', scenario, {
      title: 'throughput / HAProxy',
      key: 'rate',
      bound: 'at least',
      limit: 1.05,
    }),
    against('haproxy', scenario, { title: 'p99 / HAProxy', key: 'p99', bound: 'at most', limit: 0.5 }),
    against('haproxy', scenario, {
      title: 'proxy CPU per query / HAProxy',
      key: 'proxyCpu',
      bound: 'at most',
      limit: 1.1,
    }),
  ];
}

function noStall(scenario: string): Criterion {
  return {
    ...{ title: 'longest stall, ms', scenario, server: 'mariadb', bound: 'at most', limit: STALL_MS },
    worst: true,
    excused: stoodStill(scenario),
    rounds: (found, target) => found.rounds(scenario, target, 'stall'),
  };
}

function idleMemory(key: 'each' | 'held', title: string): Criterion {
  const scenario = 'idle-10000';
  return {
    ...{ title, scenario, server: 'mariadb', bound: 'at most', limit: EXPECTED_KIB },
    rounds: (found, target) =>
      found.idle(scenario, target, key).map((bytes) => (bytes === undefined ? undefined : bytes / KIB)),
  };
}

export const CRITERIA: readonly Criterion[] = [
  ...manyOverFew('point-text'),
  ...manyOverFew('lean-text'),
  noStall('lean-text'),
  ...manyOverFew('point-prepared'),
  ...manyOverFew('lean-prepared'),
  noStall('lean-prepared'),
  {
    ...{ title: 'throughput of 5,000 clients / of 128', scenario: 'many-5000-20', server: 'mariadb' },
    ...{ bound: 'at least', limit: 0.9 },
    rounds: (found, target) =>
      ratios(found.rounds('many-5000-20', target, 'rate'), found.rounds('many-128-20', target, 'rate')),
  },
  {
    ...{ title: 'added p50 of one client / what HAProxy adds', scenario: 'many-1-8', server: 'mariadb' },
    ...{ bound: 'at most', limit: 1.1 },
    rounds: (found, target) => {
      const [ours, haproxy, direct] = [target, 'haproxy', 'direct'].map((name) =>
        found.series('many-1-8', name),
      );
      return ours === undefined || haproxy === undefined || direct === undefined
        ? []
        : ratios(addedLatency(ours, direct), addedLatency(haproxy, direct));
    },
  },
  ...(['mariadb', 'mysql'] as const).map((server) =>
    against('direct', 'connect', {
      title: `connect, query, quit / direct to ${server === 'mysql' ? 'MySQL' : 'MariaDB'}`,
      ...{ key: 'rate', bound: 'at least', limit: server === 'mysql' ? 1.2 : 1.05, server },
    }),
  ),
  against('haproxy', 'result-10m', {
    title: '10 MiB results, throughput / HAProxy',
    key: 'bytesPerSecond',
    bound: 'at least',
    limit: 0.95,
  }),
  against('haproxy', 'result-10m', {
    title: '10 MiB results, proxy CPU / HAProxy',
    key: 'proxyCpu',
    bound: 'at most',
    limit: 1.1,
  }),
  idleMemory('each', '10,000 idle clients, KiB of RSS each'),
  idleMemory('held', '10,000 idle clients, KiB of RSS each, garbage aside'),
];

/** What a verdict needs: the scenarios of a server. Those that only serve a comparison are among them. */
export function scenariosOf(server: ServerFlavor): ReadonlySet<string> {
  const own = CRITERIA.filter((criterion) => criterion.server === server).map(({ scenario }) => scenario);
  return new Set(own.includes('many-5000-20') ? [...own, 'many-128-20'] : own);
}

/** Judges a target by all that was measured; lines of what wasn't say so. */
export function judge(reports: readonly Report[], target: string): Verdict[] {
  return CRITERIA.map((criterion) => judgeOne(criterion, new Findings(reports, criterion.server), target));
}

function judgeOne(criterion: Criterion, found: Findings, target: string): Verdict {
  const { title, scenario, server, bound, limit, worst = false } = criterion;
  const all = criterion.rounds(found, target);
  const known = all.filter((value) => value !== undefined);
  const line = { criterion: title, ...{ scenario, server, target, bound, limit }, rounds: known };
  if (known.length === 0) {
    return { ...line, figure: undefined, outcome: VerdictOutcome.Missing };
  }
  if (found.drowned(scenario)) {
    return { ...line, figure: median(known), outcome: VerdictOutcome.Noise };
  }
  const keeps = (value: number) => (bound === 'at least' ? value >= limit : value <= limit);
  if (worst) {
    const figure = bound === 'at least' ? Math.min(...known) : Math.max(...known);
    const excused = criterion.excused?.(found, target) ?? new Set();
    const broken = all.flatMap((value, round) => (value === undefined || keeps(value) ? [] : [round]));
    const guilty = broken.some((round) => !excused.has(round));
    const outcome =
      broken.length === 0 ? VerdictOutcome.Pass : guilty ? VerdictOutcome.Fail : VerdictOutcome.Noise;
    return { ...line, figure, outcome };
  }
  const figure = median(known);
  return { ...line, figure, outcome: decide(known, figure, keeps) };
}

/** Rounds on both sides of a limit decide nothing where they are this far apart, relative to their median. */
const UNDECIDED_SPREAD = 0.2;

/** Rounds that are all on one side of the limit decide, however far apart they are. */
function decide(
  rounds: readonly number[],
  figure: number,
  keeps: (value: number) => boolean,
): VerdictOutcome {
  const outcome = keeps(figure) ? VerdictOutcome.Pass : VerdictOutcome.Fail;
  const unanimous = rounds.every((value) => keeps(value) === keeps(figure));
  const apart = Math.max(...rounds) - Math.min(...rounds);
  return unanimous || apart <= Math.abs(figure) * UNDECIDED_SPREAD ? outcome : VerdictOutcome.Noise;
}

const WORDS: Readonly<Record<VerdictOutcome, string>> = {
  pass: 'pass',
  fail: 'FAIL',
  noise: '~ noise',
  'not measured': '- not measured',
};

export function verdictTable(verdicts: readonly Verdict[]): Table {
  const short = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2));
  return {
    header: ['what', 'scenario', 'server', 'target', 'limit', 'figure', 'rounds', 'verdict'],
    rows: verdicts.map((verdict) => [
      verdict.criterion,
      verdict.scenario,
      verdict.server,
      verdict.target,
      `${verdict.bound === 'at least' ? '>=' : '<='} ${verdict.limit}`,
      verdict.figure === undefined ? '-' : short(verdict.figure),
      verdict.rounds.length === 0
        ? '-'
        : `${short(Math.min(...verdict.rounds))} to ${short(Math.max(...verdict.rounds))} (${verdict.rounds.length})`,
      WORDS[verdict.outcome],
    ]),
  };
}
