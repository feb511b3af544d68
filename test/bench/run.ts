import { setTimeout as sleep } from 'node:timers/promises';
import type { Workspace } from './children.js';
import { messageOf } from './errors.js';
import { leanFigures, runLean } from './lean-load.js';
import type { FailedRun, LoadFigures, Measurement, Run } from './measurement.js';
import { RunSampler } from './sampler.js';
import { type LeanLoad, type LoadScenario, type SysbenchLoad, TABLE_ROWS } from './scenarios.js';
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
  readonly scenario: LoadScenario;
  readonly timing: Timing;
  readonly signal: AbortSignal;
}

/** A proxy that stalls gets this much more time than the plan says, */
const PATIENCE_MS = 60_000;
/** and this much for the login of each client, on a machine that is busy. */
const LOGIN_PATIENCE_MS = 20;
/** The kernel tears down connections of the last run behind its back, */
const SETTLE_MS = 200;
/** and a server takes its time to see that thousands of clients have gone: at most so long. */
const LEAVE_MS = 30_000;
/** Of the target's own account, beside those of its pool. */
const CONTROL_SESSIONS = 5;

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
    await settle(server, target, scenario.poolSize);
  }
}

/** Waits until the server sessions of a run that is over are gone, but for those that a pool keeps. */
export async function settle(server: BenchServer, target: Target, poolSize: number): Promise<void> {
  const deadline = Date.now() + LEAVE_MS;
  await sleep(SETTLE_MS);
  while (
    (await server.sessions(target.credentials.user)) > poolSize + CONTROL_SESSIONS &&
    Date.now() < deadline
  ) {
    await sleep(SETTLE_MS);
  }
}

interface LoadOutcome {
  readonly figures: LoadFigures;
  /** Queries or connections between the looks at the CPU clocks. */
  readonly operations: number;
}

function deadline({ timing, scenario }: RunContext): number {
  return (timing.warmupSeconds + timing.seconds) * 1000 + PATIENCE_MS + scenario.clients * LOGIN_PATIENCE_MS;
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
  const { totalQueries, ...figures } = report;
  return { figures, operations: totalQueries };
}

async function leanRun(
  context: RunContext,
  target: Target,
  load: LeanLoad,
  sampler: RunSampler,
): Promise<LoadOutcome> {
  const plan = {
    address: target.address,
    tls: load.tls,
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
  return {
    ...figures,
    proxyCpu: target.pids.length === 0 ? undefined : each(use.proxy),
    serverCpu: each(use.server),
    loadCpu: each(use.load),
    sessions: sampler.sessions,
    residentBytes: sampler.residentBytes,
    disturbance: use.disturbance,
  };
}
