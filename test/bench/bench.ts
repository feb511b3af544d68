/** A whole run of the bench: server after server, scenario after scenario. */
import { openFilesLimit } from '../../src/observability/open-files.js';
import { testProgram } from '../support/server-programs.js';
import { MISSING } from '../support/servers.js';
import type { Workspace } from './children.js';
import { BenchError } from './errors.js';
import { type Circumstances, describeMachine, describeVersions } from './machine.js';
import { type IdleRun, isMeasured, type Run } from './measurement.js';
import type { BenchOptions, Part } from './options.js';
import { complain, LEGEND, markdown, present, presentVerdict, say, writeText } from './present.js';
import { heading, type Report, reportIdle, reportLoad } from './report.js';
import { benchResultOf } from './results.js';
import { type IdleScenario, type LoadScenario, type Scenario, usesBigTables, usesTls } from './scenarios.js';
import { type Contest, runContests, runIdleSeries } from './series.js';
import { type BenchServer, startServer } from './server.js';
import { sysbenchVersion } from './sysbench.js';
import { type TargetKind, targetKinds } from './targets.js';
import { judge, type Verdict } from './verdict.js';

const DEFAULT_TARGETS = ['direct', 'haproxy', 'mybouncer'];
/** More rounds of idle clients take long, and memory differs little between them. */
const IDLE_ROUNDS = 3;
/** What the load generator has open beside its clients. */
const LOAD_FILES = 100;

export interface BenchOutcome {
  readonly reports: readonly Report[];
  readonly verdicts: readonly Verdict[];
}

interface Context {
  readonly options: BenchOptions;
  readonly workspace: Workspace;
  readonly signal: AbortSignal;
  readonly sysbench: string | undefined;
  /** All that can be had here. */
  readonly kinds: readonly TargetKind[];
  readonly files: number;
}

/** What is said before everything else: a target that was asked for has to be there. */
function availableKinds(options: BenchOptions): TargetKind[] {
  const kinds = targetKinds(options);
  const asked = [...(options.targets ?? []), ...extraNames(options)];
  for (const name of asked) {
    if (!kinds.some((kind) => kind.name === name)) {
      throw new BenchError('usage', `there is no target '${name}'`);
    }
  }
  const known = [...asked, ...DEFAULT_TARGETS];
  return kinds.filter((kind) => {
    const missing = kind.missing();
    if (missing !== undefined && asked.includes(kind.name)) {
      throw new BenchError('no_target', `${kind.name}: ${missing}`);
    }
    if (missing !== undefined && known.includes(kind.name)) {
      say(`${kind.name} is left out: ${missing}`);
    }
    return missing === undefined;
  });
}

/** Builds and peers are in every scenario. */
function extraNames({ builds, peers }: BenchOptions): string[] {
  return [...builds, ...peers].map(({ name }) => name);
}

/** The targets of a scenario, in the order of its table. */
function chooseTargets({ options, kinds, files }: Context, scenario: Scenario): TargetKind[] {
  const wanted = [...(options.targets ?? scenario.targets ?? DEFAULT_TARGETS), ...extraNames(options)];
  return kinds.filter((kind) => {
    // A direct connection has no proxy whose memory could be looked at.
    if (!wanted.includes(kind.name) || (scenario.kind === 'idle' && !kind.isProxy)) {
      return false;
    }
    const most = Math.floor(kind.clientsAtMost(files));
    if (scenario.clients > most) {
      say(`${scenario.name}: ${kind.name} is left out: here it can have ${most} clients`);
    }
    return scenario.clients <= most;
  });
}

function chooseScenarios({ sysbench, files }: Context, { scenarios }: Part): Scenario[] {
  return scenarios.filter((scenario) => {
    const missing =
      scenario.kind === 'load' && scenario.load.generator === 'sysbench' && sysbench === undefined
        ? 'install Debian package sysbench'
        : scenario.clients + LOAD_FILES > files
          ? `the limit of open files is ${files}: raise it (ulimit -n ${scenario.clients + LOAD_FILES})`
          : undefined;
    if (missing !== undefined) {
      say(`${scenario.name} is left out: ${missing}`);
    }
    return missing === undefined;
  });
}

function progress(scenario: Scenario, target: string, round: number, run: Run | IdleRun): void {
  const text = !isMeasured(run)
    ? run.failure
    : 'each' in run
      ? `${(run.each / 1024).toFixed(1)} KiB each`
      : `${run.rate < 100 ? run.rate.toFixed(1) : Math.round(run.rate)}/s, p99 ${run.p99.toFixed(2)} ms`;
  complain(`  ${scenario.name}, round ${round + 1}, ${target}: ${text}`);
}

/** Scenarios of one group together, in the order of their first one. */
function grouped(scenarios: readonly LoadScenario[]): LoadScenario[][] {
  const groups = new Map<string, LoadScenario[]>();
  for (const scenario of scenarios) {
    const key = scenario.group ?? scenario.name;
    groups.set(key, [...(groups.get(key) ?? []), scenario]);
  }
  return [...groups.values()];
}

async function runLoadGroup(
  context: Context,
  server: BenchServer,
  group: readonly LoadScenario[],
): Promise<Report[]> {
  const { options, workspace, signal } = context;
  const contests: Contest[] = group.map((scenario) => ({
    scenario,
    kinds: chooseTargets(context, scenario),
  }));
  for (const scenario of group) {
    complain(heading(scenario));
  }
  const timing = { warmupSeconds: options.warmupSeconds, seconds: options.seconds };
  const series = await runContests(
    { workspace, server, signal, timing, cpuProfile: options.cpuProfile },
    contests,
    options,
    progress,
  );
  return contests.map((contest) => reportLoad(server.flavor, contest.scenario, series.get(contest) ?? []));
}

async function runIdle(context: Context, server: BenchServer, scenario: IdleScenario): Promise<Report> {
  const { options, workspace, signal } = context;
  complain(heading(scenario));
  const series = await runIdleSeries(
    {
      ...{ workspace, server, signal, scenario },
      ...{ cpuProfile: options.cpuProfile, settleSeconds: options.settleSeconds },
    },
    chooseTargets(context, scenario),
    Math.min(IDLE_ROUNDS, options.rounds),
    (target, round, run) => progress(scenario, target, round, run),
  );
  return reportIdle(server.flavor, scenario, series);
}

async function runPart(context: Context, part: Part): Promise<{ version: string; reports: Report[] }> {
  const { options, workspace, signal } = context;
  const scenarios = chooseScenarios(context, part);
  const server = await startServer({
    flavor: part.flavor,
    port: options.serverPort,
    certificateFolder: scenarios.some(usesTls) ? workspace.folder : undefined,
    bigTables: scenarios.some(usesBigTables),
    signal,
  });
  try {
    say(`${describeMachine()}; ${server.version}; ${options.rounds} rounds of ${options.seconds} s`);
    // The account of a peer, which may be waiting for it, is there before anything is measured.
    for (const { user } of options.peers) {
      await server.account(user);
    }
    const reports: Report[] = [];
    for (const group of grouped(scenarios.filter((scenario) => scenario.kind === 'load'))) {
      reports.push(...(await runLoadGroup(context, server, group)));
      for (const report of reports.slice(-group.length)) {
        present(report);
      }
    }
    for (const scenario of scenarios.filter((one) => one.kind === 'idle')) {
      const report = await runIdle(context, server, scenario);
      present(report);
      reports.push(report);
    }
    return { version: server.version, reports };
  } finally {
    await server.close();
  }
}

/** Those of which MyBouncer's limits are asked: this build, and those named beside. */
function judged({ builds }: BenchOptions, reports: readonly Report[]): string[] {
  const measured = new Set(reports.flatMap(({ series }) => series.map(({ target }) => target)));
  return ['mybouncer', ...builds.map(({ name }) => name)].filter((name) => measured.has(name));
}

/** Runs all that was chosen, prints it, and writes the files that were asked for. */
export async function bench(
  options: BenchOptions,
  workspace: Workspace,
  signal: AbortSignal,
): Promise<BenchOutcome> {
  const sysbench = await sysbenchVersion();
  const kinds = availableKinds(options);
  const files = openFilesLimit() ?? Number.POSITIVE_INFINITY;
  const context = { options, workspace, signal, sysbench, kinds, files };
  const reports: Report[] = [];
  const servers: string[] = [];
  for (const part of options.parts) {
    if (options.parts.length > 1 && (await testProgram(part.flavor)) === null) {
      say(`${part.flavor} is left out: ${MISSING[part.flavor]}`);
      continue;
    }
    const done = await runPart(context, part);
    reports.push(...done.reports);
    servers.push(done.version);
  }
  const all = judged(options, reports).flatMap((target) => judge(reports, target));
  const verdicts = options.verdict ? all : all.filter(({ rounds }) => rounds.length > 0);
  say(`\n${LEGEND}`);
  presentVerdict(verdicts);
  if (options.capped && verdicts.length > 0) {
    say('! With --max-clients these are not the clients that the limits are about.');
  }
  if (options.cpuProfile !== undefined) {
    say(`CPU profiles are in ${options.cpuProfile}; figures of profiled proxies are not for publishing.`);
  }
  writeFiles(options, { reports, verdicts }, describeVersions(servers, sysbench));
  return { reports, verdicts };
}

function writeFiles(
  options: BenchOptions,
  { reports, verdicts }: BenchOutcome,
  versions: readonly string[],
): void {
  const about: Circumstances = {
    machine: describeMachine(),
    versions,
    command: options.command,
    rounds: options.rounds,
    seconds: options.seconds,
    date: new Date().toISOString().slice(0, 10),
  };
  if (options.json !== undefined) {
    writeText(options.json, JSON.stringify(benchResultOf(about, reports, verdicts), undefined, 2));
  }
  if (options.markdown !== undefined) {
    writeText(options.markdown, markdown(about, reports, verdicts));
  }
}
