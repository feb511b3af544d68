import { isMeasurement, type Measurement, type Run } from './measurement.js';
import { measure, type RunContext } from './run.js';
import { type Comparison, compare, median, spread } from './statistics.js';
import type { Target, TargetKind } from './targets.js';

/** All rounds of one target in one scenario. */
export interface Series {
  readonly target: string;
  readonly runs: readonly Run[];
}

/**
 * Starts the targets, lets each warm up, and measures them in turn, round after round: a slow phase of the machine
 * then hits all of them. Each round begins with another target, so that none always follows the same one.
 */
export async function runSeries(
  context: RunContext & { readonly cpuProfile: string | undefined },
  kinds: readonly TargetKind[],
  { rounds, retries }: { rounds: number; retries: number },
  onRun: (target: string, round: number, run: Run) => void,
): Promise<Series[]> {
  const targets: Target[] = [];
  try {
    for (const kind of kinds) {
      targets.push(await kind.start(context));
    }
    const warmup = { ...context, timing: { warmupSeconds: 1, seconds: 1 } };
    for (const target of targets) {
      await measure(warmup, target);
    }
    const runs = new Map<string, Run[]>(targets.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const target of rotated(targets, round)) {
        const run = await measureQuietly(context, target, retries);
        runs.get(target.name)?.push(run);
        onRun(target.name, round, run);
      }
    }
    return targets.map(({ name }) => ({ target: name, runs: runs.get(name) ?? [] }));
  } finally {
    for (const target of targets.reverse()) {
      await target.stop();
    }
  }
}

/** The share of a machine's CPU time that strangers may use before a run is not to be trusted. */
export const DISTURBED = 0.1;

/**
 * Measures again, a few times, when strangers disturbed the run, and keeps the least disturbed one. What is looked at
 * is the strangers' CPU time, never the result, so this favours nobody.
 */
async function measureQuietly(context: RunContext, target: Target, retries: number): Promise<Run> {
  let best = await measure(context, target);
  for (let retry = 0; retry < retries && isMeasurement(best) && best.disturbance > DISTURBED; retry += 1) {
    const again = await measure(context, target);
    if (isMeasurement(again) && again.disturbance < best.disturbance) {
      best = {
        ...again,
        errors: again.errors + best.errors,
        errorTexts: [...best.errorTexts, ...again.errorTexts],
      };
    } else if (!isMeasurement(again)) {
      best = again;
    }
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
  readonly worstMax: number;
  readonly worstStall: number | undefined;
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
  return series.runs.filter(isMeasurement);
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
    worstMax: worst('max'),
    worstStall: known('stall', worst),
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

type NumericKey = {
  [Key in keyof Measurement]: Measurement[Key] extends number | undefined ? Key : never;
}[keyof Measurement];

/** One figure of a target against another's, round by round. */
export function compareSeries(
  ours: Series,
  theirs: Series,
  key: 'rate' | 'p99' | 'proxyCpu',
): Comparison | undefined {
  const figure = (run: Run) => (isMeasurement(run) ? run[key] : undefined);
  return compare(ours.runs.map(figure), theirs.runs.map(figure));
}
