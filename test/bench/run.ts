import { setTimeout as sleep } from 'node:timers/promises';
import type { Workspace } from './children.js';
import { messageOf } from './errors.js';
import { leanFigures, runLean } from './lean-load.js';
import type { FailedRun, LoadFigures, Measurement, Run } from './measurement.js';
import { RunSampler } from './sampler.js';
import { type LeanLoad, type Scenario, type SysbenchLoad, TABLE_ROWS } from './scenarios.js';
import type { BenchServer } from './server.js';
import { runSysbench, sysbenchArguments } from './sysbench.js';
import type { Target } from './targets.js';

export interface Timing {
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface RunContext {
  readonly workspace: Workspace;
  readonly server: BenchServer;
  readonly scenario: Scenario;
  readonly timing: Timing;
  readonly signal: AbortSignal;
}

/** Logins of thousands of clients, and a proxy that stalls, get this much more time than the plan says. */
const PATIENCE_MS = 60_000;
/** Connections of the last run are torn down behind its back. */
const SETTLE_MS = 500;

/** One run of a target. What goes wrong with the target or the load is a result; only an interruption is thrown. */
export async function measure(context: RunContext, target: Target): Promise<Run> {
  const { scenario, server, signal } = context;
  signal.throwIfAborted();
  const sampler = new RunSampler(server, target.pids, target.credentials.user);
  try {
    const { figures, operations } =
      scenario.load.generator === 'sysbench'
        ? await sysbenchRun(context, target, scenario.load, sampler)
        : await leanRun(context, target, scenario.load, sampler);
    await sampler.stop();
    return measurement(figures, operations, target, sampler);
  } catch (error) {
    signal.throwIfAborted();
    const failed: FailedRun = { failure: messageOf(error) };
    return failed;
  } finally {
    await sampler.stop();
    await sleep(SETTLE_MS);
  }
}

interface LoadOutcome {
  readonly figures: LoadFigures;
  /** Queries or connections between the looks at the CPU clocks. */
  readonly operations: number;
}

function deadline({ timing }: RunContext): number {
  return (timing.warmupSeconds + timing.seconds) * 1000 + PATIENCE_MS;
}

/** sysbench can't tell when its warm-up ends, so CPU is counted over all that it did, the logins included. */
async function sysbenchRun(
  context: RunContext,
  target: Target,
  load: SysbenchLoad,
  sampler: RunSampler,
): Promise<LoadOutcome> {
  const args = sysbenchArguments(context.scenario, load, target, context.timing);
  const report = await runSysbench(context.workspace, args, {
    deadlineMs: deadline(context),
    signal: context.signal,
    onStart: (child) => {
      sampler.begin();
      sampler.watchLoad(child.pid);
    },
  });
  sampler.end();
  return { figures: report, operations: report.totalQueries };
}

async function leanRun(
  context: RunContext,
  target: Target,
  load: LeanLoad,
  sampler: RunSampler,
): Promise<LoadOutcome> {
  const plan = {
    host: target.host,
    port: target.port,
    credentials: target.credentials,
    clients: context.scenario.clients,
    mode: load.mode,
    statement: load.statement,
    rows: TABLE_ROWS,
    preambles: load.preambles,
    ...context.timing,
  };
  const result = await runLean(context.workspace, plan, {
    deadlineMs: deadline(context),
    signal: context.signal,
    onStart: (child) => sampler.watchLoad(child.pid),
    onBegin: () => sampler.begin(),
    onEnd: () => sampler.end(),
  });
  return { figures: leanFigures(result), operations: result.completed };
}

function measurement(
  figures: LoadFigures,
  operations: number,
  target: Target,
  sampler: RunSampler,
): Measurement {
  const use = sampler.use();
  const each = (micros: number) => micros / Math.max(1, operations);
  const { rate, p50, p95, p99, max, stall, fairness, unanswered, errors, errorTexts, conflicts } = figures;
  return {
    ...{ rate, p50, p95, p99, max, stall, fairness, unanswered, errors, errorTexts, conflicts },
    proxyCpu: target.pids.length === 0 ? undefined : each(use.proxy),
    serverCpu: each(use.server),
    loadCpu: each(use.load),
    sessions: sampler.sessions,
    residentBytes: sampler.residentBytes,
    disturbance: use.disturbance,
  };
}
