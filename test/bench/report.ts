import { columnsOf, fixed, NONE } from './columns.js';
import { type IdleMeasurement, isMeasured } from './measurement.js';
import type { IdleScenario, LoadScenario, Scenario } from './scenarios.js';
import {
  baselineOf,
  compareSeries,
  DISTURBED,
  type IdleSeries,
  measurements,
  type Series,
  summarize,
} from './series.js';
import type { ServerFlavor } from './server.js';
import { median } from './statistics.js';

/** The columns of a scenario's table, as text. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

interface AnyReport {
  readonly server: ServerFlavor;
  readonly table: Table;
  /** What a reader must know before believing the table. */
  readonly notes: readonly string[];
  /** True when noise is so loud that a comparison says nothing. */
  readonly meaningless: boolean;
  /** True when strangers had so much of the machine that nothing of it means anything. */
  readonly drowned: boolean;
  /** True when a run failed or a client saw an error. */
  readonly faulty: boolean;
}

export interface LoadReport extends AnyReport {
  readonly scenario: LoadScenario;
  readonly series: readonly Series[];
}

export interface IdleReport extends AnyReport {
  readonly scenario: IdleScenario;
  readonly series: readonly IdleSeries[];
}

export type Report = LoadReport | IdleReport;

export function isLoadReport(report: Report): report is LoadReport {
  return report.scenario.kind === 'load';
}

/** Above this share of the machine's CPU time, strangers decide what is measured. */
const DROWNED = 0.25;
const KIB = 1024;
const MIB = 2 ** 20;

export function heading({ name, title, clients, poolSize }: Scenario): string {
  return `${name}: ${title}, ${clients} ${clients === 1 ? 'client' : 'clients'}, ${poolSize} sessions`;
}

export function reportLoad(
  server: ServerFlavor,
  scenario: LoadScenario,
  series: readonly Series[],
): LoadReport {
  const columns = columnsOf(scenario, series);
  const rows = series.map((one) => {
    const summary = summarize(one);
    const cells =
      summary === undefined
        ? columns.map((_, column) => (column === 0 ? 'failed' : NONE))
        : columns.map(({ cell }) => cell({ series: one, summary, all: series }));
    return [one.target, ...cells];
  });
  const noise = series.flatMap((one) => noiseNotes(one, series));
  const summaries = series.map(summarize);
  return {
    ...{ server, scenario, series },
    table: { header: ['target', ...columns.map(({ title }) => title)], rows },
    notes: [...series.flatMap(failureNotes), ...noise, ...series.flatMap((one) => otherNotes(one, scenario))],
    meaningless: noise.length > 0,
    drowned: summaries.some((summary) => (summary?.disturbance ?? 0) > DROWNED),
    faulty:
      series.some((one) => failureNotes(one).length > 0) ||
      summaries.some((summary) => (summary?.errors ?? 0) + (summary?.unanswered ?? 0) > 0),
  };
}

/** What makes a comparison meaningless. */
function noiseNotes(series: Series, all: readonly Series[]): string[] {
  const notes: string[] = [];
  for (const name of ['haproxy', 'direct'] as const) {
    const baseline = baselineOf(series.target, name, all);
    const rate = baseline === undefined ? undefined : compareSeries(series, baseline, 'rate');
    if (rate?.meaningless === true) {
      const [low, high] = [fixed(rate.low, 2), fixed(rate.high, 2)];
      notes.push(`${series.target} / ${baseline?.target} is meaningless: ${low} to ${high} between rounds`);
    }
  }
  const disturbance = summarize(series)?.disturbance ?? 0;
  if (disturbance > DROWNED) {
    notes.push(`${series.target} is meaningless: ${disturbed(disturbance)}`);
  }
  return notes;
}

function disturbed(share: number): string {
  return `other processes used ${Math.round(share * 100)} % of the machine`;
}

/** A generator with one thread that is busy all the time measures itself; only the lean one can be. */
const LOAD_SATURATED = 0.9;
/** A stall is not the target's where the load generator itself stood still for this share of it. */
const OWN_STALL = 0.5;
const NOTABLE_STALL_MS = 100;

function otherNotes(series: Series, { load }: LoadScenario): string[] {
  const summary = summarize(series);
  if (summary === undefined) {
    return [];
  }
  const { target } = series;
  const share = Math.round(summary.loadShare * 100);
  const worst = measurements(series).find(({ stall }) => stall === summary.worstStall);
  const { stall = 0, lag = 0 } = worst ?? {};
  const notes: [boolean, string][] = [
    [summary.unanswered > 0, `${summary.unanswered} commands were never answered`],
    [summary.disturbance > DISTURBED && summary.disturbance <= DROWNED, disturbed(summary.disturbance)],
    [
      summary.conflicts > 0,
      `${summary.conflicts} transactions were repeated after a deadlock or lock wait timeout`,
    ],
    [
      load.generator === 'lean' && summary.loadShare > LOAD_SATURATED,
      `the load generator used ${share} % of a core and may be the limit`,
    ],
    [
      stall > NOTABLE_STALL_MS && lag > stall * OWN_STALL,
      `in the longest stall (${fixed(stall, 0)} ms) the load generator itself stood still for ${fixed(lag, 0)} ms`,
    ],
  ];
  return notes.flatMap(([applies, text]) => (applies ? [`${target}: ${text}`] : []));
}

function failureNotes(series: Series | IdleSeries): string[] {
  const texts = series.runs.flatMap((run, round) => {
    if (!isMeasured(run)) {
      return [`${series.target}, round ${round + 1} failed: ${run.failure}`];
    }
    return run.errorTexts.map((text) => `${series.target}, round ${round + 1}: ${text}`);
  });
  return [...new Set(texts)];
}

/** Undefined when no round gave figures. Medians, bytes. */
export interface IdleSummary {
  readonly before: number;
  readonly idle: number;
  readonly left: number;
  readonly each: number;
  readonly held: number | undefined;
  /** The most of any round. */
  readonly noise: number;
  readonly loginsPerSecond: number;
  readonly sessions: number;
  readonly errors: number;
}

export function summarizeIdle({ runs }: IdleSeries): IdleSummary | undefined {
  const good = runs.filter((run) => isMeasured<IdleMeasurement>(run));
  if (good.length === 0) {
    return undefined;
  }
  const middle = (pick: (run: IdleMeasurement) => number) => median(good.map(pick));
  const held = good.flatMap((run) => run.held ?? []);
  return {
    before: middle(({ before }) => before.median),
    idle: middle(({ idle }) => idle.median),
    left: middle(({ left }) => left.median),
    each: middle(({ each }) => each),
    held: held.length === 0 ? undefined : median(held),
    noise: Math.max(...good.map(({ noise }) => noise)),
    loginsPerSecond: middle(({ loginsPerSecond }) => loginsPerSecond),
    sessions: Math.max(...good.map(({ sessions }) => sessions)),
    errors: good.reduce((sum, { errors }) => sum + errors, 0),
  };
}

const IDLE_HEADER = [
  'target',
  'RSS before MiB',
  'RSS with clients MiB',
  'each KiB',
  '± KiB',
  'held KiB',
  'RSS when they left MiB',
  'logins/s',
  'sessions',
  'errors',
] as const;

/** Memory that moves by more than this share of what a client takes, while nobody does anything, says nothing. */
const IDLE_NOISE = 0.5;

export function reportIdle(
  server: ServerFlavor,
  scenario: IdleScenario,
  series: readonly IdleSeries[],
): IdleReport {
  const summaries = series.map((one) => ({ target: one.target, summary: summarizeIdle(one) }));
  const noise = summaries.flatMap(({ target, summary }) =>
    summary !== undefined && summary.noise > Math.abs(summary.each) * IDLE_NOISE
      ? [`${target} is meaningless: memory moved by ${fixed(summary.noise / KIB, 1)} KiB a client by itself`]
      : [],
  );
  return {
    ...{ server, scenario, series },
    table: { header: IDLE_HEADER, rows: summaries.map(({ target, summary }) => idleRow(target, summary)) },
    notes: [...series.flatMap(failureNotes), ...noise],
    meaningless: noise.length > 0,
    // Memory does not depend on who else has the CPU.
    drowned: false,
    faulty: series.some((one) => failureNotes(one).length > 0),
  };
}

function idleRow(target: string, summary: IdleSummary | undefined): string[] {
  if (summary === undefined) {
    return [target, 'failed', ...IDLE_HEADER.slice(2).map(() => NONE)];
  }
  const kib = (bytes: number | undefined) => (bytes === undefined ? NONE : fixed(bytes / KIB, 1));
  const mib = (bytes: number) => fixed(bytes / MIB, 1);
  return [
    target,
    mib(summary.before),
    mib(summary.idle),
    kib(summary.each),
    kib(summary.noise),
    kib(summary.held),
    mib(summary.left),
    fixed(summary.loginsPerSecond, 0),
    String(summary.sessions),
    String(summary.errors),
  ];
}
