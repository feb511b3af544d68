import { type IdleContext, measureIdle } from './idle.js';
import { type IdleRun, isMeasured, type Measurement, type Run } from './measurement.js';
import { measure, type RunContext } from './run.js';
import type { LoadScenario } from './scenarios.js';
import { type Comparison, compare, median, spread } from './statistics.js';
import type { Target, TargetKind } from './targets.js';

/** All rounds of one target in one scenario. */
export interface Series {
  readonly target: string;
  readonly runs: readonly Run[];
}

/** The same with idle clients. */
export interface IdleSeries {
  readonly target: string;
  readonly runs: readonly IdleRun[];
}

/** Who is measured in a scenario. */
export interface Contest {
  readonly scenario: LoadScenario;
  readonly kinds: readonly TargetKind[];
}

/** A target in a scenario, and what it has done so far. */
interface Entrant {
  readonly contest: Contest;
  readonly target: Target;
  readonly context: RunContext;
  readonly runs: Run[];
}

type SeriesContext = Omit<RunContext, 'scenario'> & { readonly cpuProfile: string | undefined };

/** A second of everything, for a runtime to have compiled what it will; less where runs are shorter. */
const FIRST_SECONDS = 1;

/**
 * Starts the targets of all contests, lets each warm up, and measures them in turn, round after round: a slow phase of the
 * machine then hits all of them. Each round begins with another one, so that none always follows the same one.
 *
 * @returns for each contest, its series
 */
export async function runContests(
  context: SeriesContext,
  contests: readonly Contest[],
  { rounds, retries }: { rounds: number; retries: number },
  onRun: (scenario: LoadScenario, target: string, round: number, run: Run) => void,
): Promise<Map<Contest, Series[]>> {
  const entrants: Entrant[] = [];
  try {
    for (const contest of contests) {
      for (const kind of contest.kinds) {
        const runContext = { ...context, scenario: contest.scenario };
        const target = await kind.start(runContext);
        entrants.push({ contest, target, context: runContext, runs: [] });
      }
    }
    const { warmupSeconds, seconds } = context.timing;
    const timing = {
      warmupSeconds: Math.min(FIRST_SECONDS, warmupSeconds),
      seconds: Math.min(FIRST_SECONDS, seconds),
    };
    for (const entrant of entrants) {
      await measure({ ...entrant.context, timing }, entrant.target);
    }
    for (let round = 0; round < rounds; round += 1) {
      for (const { contest, target, context, runs } of rotated(entrants, round)) {
        const run = await measureQuietly(context, target, retries);
        runs.push(run);
        onRun(contest.scenario, target.name, round, run);
      }
    }
  } finally {
    for (const { target } of entrants.toReversed()) {
      await target.stop();
    }
  }
  return new Map(
    contests.map((contest) => [
      contest,
      entrants
        .filter((entrant) => entrant.contest === contest)
        .map(({ target, runs }) => ({ target: target.name, runs })),
    ]),
  );
}

/** Round after round, each with targets of its own. */
export async function runIdleSeries(
  context: IdleContext,
  kinds: readonly TargetKind[],
  rounds: number,
  onRun: (target: string, round: number, run: IdleRun) => void,
): Promise<IdleSeries[]> {
  const series = kinds.map(({ name }) => ({ target: name, runs: [] as IdleRun[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, kind] of kinds.entries()) {
      const run = await measureIdle(context, kind);
      series[index]?.runs.push(run);
      onRun(kind.name, round, run);
    }
  }
  return series;
}

/** The share of a machine's CPU time that strangers may use before a run is not to be trusted. */
export const DISTURBED = 0.1;

/**
 * Measures again, a few times, when strangers disturbed the run, and keeps the least disturbed one. What is looked at
 * is the strangers' CPU time, never the result, so this favours nobody.
 */
async function measureQuietly(context: RunContext, target: Target, retries: number): Promise<Run> {
  let best = await measure(context, target);
  for (let retry = 0; retry < retries && isMeasured(best) && best.disturbance > DISTURBED; retry += 1) {
    const again = await measure(context, target);
    if (!isMeasured(again)) {
      return again;
    }
    const [kept, other] = again.disturbance < best.disturbance ? [again, best] : [best, again];
    best = {
      ...kept,
      errors: kept.errors + other.errors,
      errorTexts: [...kept.errorTexts, ...other.errorTexts],
    };
  }
  return best;
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const first = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

/** Medians over the rounds; the worst of them where a median would hide what matters. */
export interface Summary {
  readonly rate: number;
  readonly rateSpread: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly worstMax: number;
  readonly worstStall: number | undefined;
  readonly worstLag: number | undefined;
  readonly bytesPerSecond: number | undefined;
  /** The worst of the rounds. */
  readonly fairness: number | undefined;
  readonly unanswered: number;
  readonly proxyCpu: number | undefined;
  readonly serverCpu: number;
  readonly loadCpu: number;
  readonly sessions: number;
  readonly residentBytes: number | undefined;
  readonly errors: number;
  readonly conflicts: number;
  readonly disturbance: number;
  /** Share of one core that the load generator used: near 1, it is what limits a single-threaded one. */
  readonly loadShare: number;
}

export function measurements(series: Series): Measurement[] {
  return series.runs.filter((run) => isMeasured<Measurement>(run));
}

/** Undefined when no round gave figures. */
export function summarize(series: Series): Summary | undefined {
  const good = measurements(series);
  if (good.length === 0) {
    return undefined;
  }
  const all = (key: NumericKey) => good.flatMap((run) => run[key] ?? []);
  const middle = (key: NumericKey) => median(all(key));
  const worst = (key: NumericKey) => Math.max(...all(key));
  const sum = (key: NumericKey) => all(key).reduce((total, value) => total + value, 0);
  const known = (key: NumericKey, value: (key: NumericKey) => number) =>
    all(key).length === 0 ? undefined : value(key);
  return {
    rate: middle('rate'),
    rateSpread: spread(all('rate')),
    p50: middle('p50'),
    p95: middle('p95'),
    p99: middle('p99'),
    p999: middle('p999'),
    worstMax: worst('max'),
    worstStall: known('stall', worst),
    worstLag: known('lag', worst),
    bytesPerSecond: known('bytesPerSecond', middle),
    fairness: known('fairness', (key) => Math.min(...all(key))),
    unanswered: sum('unanswered'),
    proxyCpu: known('proxyCpu', middle),
    serverCpu: middle('serverCpu'),
    loadCpu: middle('loadCpu'),
    sessions: worst('sessions'),
    residentBytes: known('residentBytes', worst),
    errors: sum('errors'),
    conflicts: sum('conflicts'),
    disturbance: middle('disturbance'),
    loadShare: median(good.map((run) => (run.loadCpu * run.rate) / 1e6)),
  };
}

export type NumericKey = {
  [Key in keyof Measurement]: Measurement[Key] extends number | undefined ? Key : never;
}[keyof Measurement];

/** One figure of each round; undefined where the round gave none. */
export function roundsOf(series: Series, key: NumericKey): (number | undefined)[] {
  return series.runs.map((run) => (isMeasured<Measurement>(run) ? run[key] : undefined));
}

/** One figure of a target against another's, round by round. */
export function compareSeries(ours: Series, theirs: Series, key: NumericKey): Comparison | undefined {
  return compare(roundsOf(ours, key), roundsOf(theirs, key));
}

/** What a proxy adds to a direct connection's median latency, in milliseconds, round by round. */
export function addedLatency(ours: Series, direct: Series): (number | undefined)[] {
  const base = roundsOf(direct, 'p50');
  return roundsOf(ours, 'p50').map((p50, round) => {
    const without = base[round];
    return p50 === undefined || without === undefined ? undefined : p50 - without;
  });
}

/** What a target is held against: `direct`, `haproxy` or, for one over unix sockets, those over unix sockets. */
export function baselineOf<T extends { readonly target: string }>(
  target: string,
  baseline: 'direct' | 'haproxy',
  all: readonly T[],
): T | undefined {
  const wanted = target.endsWith('-unix') ? `${baseline}-unix` : baseline;
  return all.find((one) => one.target === wanted);
}
