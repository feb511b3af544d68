import { writeFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import type { Workspace } from './children.js';
import { BenchError, messageOf } from './errors.js';
import { interruptible } from './interruptible.js';
import { type Circumstances, describeMachine, describeVersions } from './machine.js';
import { isMeasurement, type Run } from './measurement.js';
import { type BenchOptions, parseOptions } from './options.js';
import { markdownTable, plainTable, reportScenario, type ScenarioReport, saturationNotes } from './report.js';
import type { Scenario } from './scenarios.js';
import { runSeries, summarize } from './series.js';
import { type BenchServer, startServer } from './server.js';
import { sysbenchVersion } from './sysbench.js';
import { type TargetKind, targetKinds } from './targets.js';

const DEFAULT_TARGETS = ['direct', 'haproxy', 'mybouncer'];
const ExitCode = { Good: 0, Faulty: 1, Usage: 2, Meaningless: 3 } as const;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The wanted targets in the order of their table; one that can't be had is an error only if it was asked for. */
function chooseTargets(options: BenchOptions): TargetKind[] {
  const kinds = targetKinds(options);
  const extra = [...options.builds, ...options.peers].map(({ name }) => name);
  const wanted = [...(options.targets ?? DEFAULT_TARGETS), ...extra];
  for (const name of wanted) {
    if (!kinds.some((kind) => kind.name === name)) {
      throw new BenchError('usage', `there is no target '${name}'`);
    }
  }
  return kinds.filter((kind) => {
    const missing = wanted.includes(kind.name) ? kind.missing() : 'not wanted';
    if (missing !== undefined && wanted.includes(kind.name)) {
      if (options.targets?.includes(kind.name) === true || extra.includes(kind.name)) {
        throw new BenchError('no_target', `${kind.name}: ${missing}`);
      }
      say(`${kind.name} is left out: ${missing}`);
    }
    return missing === undefined;
  });
}

function chooseScenarios(options: BenchOptions, sysbench: string | undefined): Scenario[] {
  return options.scenarios.filter(({ name, load }) => {
    const runnable = load.generator === 'lean' || sysbench !== undefined;
    if (!runnable) {
      say(`${name} is left out: install Debian package sysbench`);
    }
    return runnable;
  });
}

function progress(target: string, round: number, run: Run): void {
  const text = isMeasurement(run) ? `${Math.round(run.rate)}/s, p99 ${run.p99.toFixed(2)} ms` : run.failure;
  complain(`  round ${round + 1} ${target}: ${text}`);
}

function present(report: ScenarioReport): void {
  const { scenario, table, notes } = report;
  say(`\n${heading(scenario)}\n`);
  say(plainTable(table));
  for (const note of [...notes, ...saturationNotes(report)]) {
    say(`! ${note}`);
  }
}

function heading({ name, title, clients, poolSize }: Scenario): string {
  return `${name}: ${title}, ${clients} clients, ${poolSize} sessions`;
}

const LEGEND = `Medians over the rounds (max and stall: the worst of all); ± is half the distance between the best and the worst round; a ratio is the
median of the rounds' own ratios, with ~ where they differ so much that it means nothing. Latency in rw-* is a whole
transaction's. stall: the longest time without a reply to anyone. slowest
client: what it got done, of what the client in the middle did (the worst round). sessions: server sessions of the target's account at
their most, control connections included.`;

function writeMarkdown(file: string, about: Circumstances, reports: readonly ScenarioReport[]): void {
  const intro = `${about.machine}; ${about.versions.join(', ')}; \`${about.command}\` (${about.rounds} rounds of ${about.seconds} s, ${about.date})`;
  const sections = reports.map((report) => {
    const notes = [...report.notes, ...saturationNotes(report)].map((note) => `- ${note}`).join('\n');
    return `### ${heading(report.scenario)}\n\n${markdownTable(report.table)}\n${notes === '' ? '' : `\n${notes}\n`}`;
  });
  writeFileSync(file, `${intro}\n\n${LEGEND}\n\n${sections.join('\n')}`);
}

function writeJson(file: string, about: Circumstances, reports: readonly ScenarioReport[]): void {
  const scenarios = reports.map((report) => ({
    scenario: report.scenario,
    notes: [...report.notes, ...saturationNotes(report)],
    targets: report.series.map((series) => ({ ...series, summary: summarize(series) })),
  }));
  writeFileSync(file, `${JSON.stringify({ ...about, scenarios }, undefined, 2)}\n`);
}

interface Context {
  readonly workspace: Workspace;
  readonly server: BenchServer;
  readonly signal: AbortSignal;
}

async function runScenarios(
  options: BenchOptions,
  context: Context,
  scenarios: readonly Scenario[],
  kinds: readonly TargetKind[],
): Promise<ScenarioReport[]> {
  const reports: ScenarioReport[] = [];
  const timing = { warmupSeconds: options.warmupSeconds, seconds: options.seconds };
  for (const scenario of scenarios) {
    complain(heading(scenario));
    const series = await runSeries(
      { ...context, scenario, timing, cpuProfile: options.cpuProfile },
      kinds,
      options,
      progress,
    );
    const report = reportScenario(scenario, series);
    present(report);
    reports.push(report);
  }
  return reports;
}

async function bench(options: BenchOptions, workspace: Workspace, signal: AbortSignal): Promise<number> {
  const sysbench = await sysbenchVersion();
  const scenarios = chooseScenarios(options, sysbench);
  const kinds = chooseTargets(options);
  const server = await startServer({ flavor: options.server, port: options.serverPort, signal });
  try {
    return await benchServer(options, { workspace, server, signal }, { sysbench, scenarios, kinds });
  } finally {
    await server.close();
  }
}

async function benchServer(
  options: BenchOptions,
  context: Context,
  {
    sysbench,
    scenarios,
    kinds,
  }: { sysbench: string | undefined; scenarios: readonly Scenario[]; kinds: readonly TargetKind[] },
): Promise<number> {
  const { server } = context;
  // Every account is there before a peer, which may be waiting for it, is.
  for (const user of [...kinds.map(({ name }) => name), ...options.peers.map((peer) => peer.user)]) {
    await server.account(user);
  }
  const about: Circumstances = {
    machine: describeMachine(),
    versions: describeVersions(server.version, sysbench),
    command: options.command,
    rounds: options.rounds,
    seconds: options.seconds,
    date: new Date().toISOString().slice(0, 10),
  };
  say(`${about.machine}; ${about.versions.join(', ')}; ${about.rounds} rounds of ${about.seconds} s`);
  const reports = await runScenarios(options, context, scenarios, kinds);
  say(`\n${LEGEND}`);
  if (options.cpuProfile !== undefined) {
    say(`CPU profiles are in ${options.cpuProfile}; figures of profiled proxies are not for publishing.`);
  }
  if (options.json !== undefined) {
    writeJson(options.json, about, reports);
  }
  if (options.markdown !== undefined) {
    writeMarkdown(options.markdown, about, reports);
  }
  return verdict(reports);
}

function verdict(reports: readonly ScenarioReport[]): number {
  if (reports.some(({ faulty }) => faulty)) {
    say('\nSome runs failed or saw errors.');
    return ExitCode.Faulty;
  }
  if (reports.some(({ meaningless }) => meaningless)) {
    say('\nThe machine was too noisy: comparisons marked ~ are meaningless. Run again when it is quiet.');
    return ExitCode.Meaningless;
  }
  return ExitCode.Good;
}

function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  return interruptible(
    (workspace, signal) => bench(options, workspace, signal),
    (error) => {
      complain(messageOf(error));
      return error instanceof BenchError && error.code === 'usage' ? ExitCode.Usage : ExitCode.Faulty;
    },
  );
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof CommanderError)) {
    throw error;
  }
  if (!error.code.startsWith('commander.')) {
    throw error;
  }
  // commander has printed its own complaints, but not those of the scenario names.
  if (error.code === 'commander.invalidArgument' && !error.message.startsWith('error:')) {
    complain(error.message);
  }
  process.exitCode = error.exitCode === 0 ? ExitCode.Good : ExitCode.Usage;
}
