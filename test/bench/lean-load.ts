import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { StartedProcess, Workspace } from './children.js';
import { BenchError } from './errors.js';
import { percentile } from './histogram.js';
import {
  IDLE_NEXT,
  type IdleMessage,
  type IdlePlan,
  type LoadMessage,
  type LoadPlan,
  type LoadResult,
} from './load/plan.js';
import type { LoadFigures } from './measurement.js';

const LOAD_MAIN = fileURLToPath(new URL('./load/main.js', import.meta.url));

/** With the commands that were never answered. */
export type LeanResult = LoadResult & { readonly unanswered: number };

interface Limits {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** Starts the generator's process; `ended` resolves when it has ended, by itself or by one of the limits. */
function start(workspace: Workspace, plan: LoadPlan | IdlePlan, limits: Limits) {
  const started = workspace.start('load', process.execPath, [LOAD_MAIN], { ipc: true });
  let late = false;
  const kill = () => started.process.kill('SIGKILL');
  const timer = setTimeout(() => {
    late = true;
    kill();
  }, limits.deadlineMs);
  limits.signal.addEventListener('abort', kill);
  const ended = once(started.process, 'exit').finally(() => {
    clearTimeout(timer);
    limits.signal.removeEventListener('abort', kill);
  });
  started.process.send(plan);
  const failure = (reason: string | undefined) => {
    const text = reason ?? (late ? 'it did not end in time' : started.logTail() || 'it ended early');
    return new BenchError('load_failed', `the load generator failed: ${text}`);
  };
  return { started, ended, failure };
}

/** Runs a plan in a process of its own. `onBegin` and `onEnd` are called when its window opens and closes. */
export async function runLean(
  workspace: Workspace,
  plan: LoadPlan,
  options: Limits & {
    onStart(child: StartedProcess): void;
    onBegin(): void;
    onEnd(): void;
  },
): Promise<LeanResult> {
  const { started, ended, failure } = start(workspace, plan, options);
  options.onStart(started);
  let outcome: LoadMessage | undefined;
  let unanswered = 0;
  started.process.on('message', (message: LoadMessage) => {
    if (message.type === 'begin') {
      options.onBegin();
      return;
    }
    if (message.type === 'drained') {
      unanswered = message.unanswered;
      return;
    }
    options.onEnd();
    outcome = message;
  });
  await ended;
  options.signal.throwIfAborted();
  if (outcome?.type !== 'end') {
    throw failure(outcome?.type === 'failed' ? outcome.message : undefined);
  }
  if (outcome.result.completed === 0) {
    throw failure(`no reply at all: ${outcome.result.errorTexts.join('; ') || 'and no error'}`);
  }
  return { ...outcome.result, unanswered };
}

export function leanFigures(result: LeanResult): LoadFigures {
  return {
    rate: result.completed / result.seconds,
    p50: percentile(result.histogram, 50),
    p95: percentile(result.histogram, 95),
    p99: percentile(result.histogram, 99),
    p999: percentile(result.histogram, 99.9),
    max: result.maxMs,
    stall: result.stallMs,
    lag: result.lagMs,
    bytesPerSecond: result.receivedBytes / result.seconds,
    fairness: result.medianOfClient === 0 ? 0 : result.leastOfClient / result.medianOfClient,
    unanswered: result.unanswered,
    errors: result.errors,
    errorTexts: result.errorTexts,
    conflicts: 0,
  };
}

export interface IdleLoad {
  /** Seconds that the logins took. */
  readonly seconds: number;
  readonly errors: number;
  readonly errorTexts: readonly string[];
}

/** Runs a plan in a process of its own, and looks at the proxy at each of its steps. */
export async function runIdleLoad(
  workspace: Workspace,
  plan: IdlePlan,
  limits: Limits,
  look: { warmed(): Promise<void>; connected(): Promise<void>; left(): Promise<void> },
): Promise<IdleLoad> {
  const { started, ended, failure } = start(workspace, plan, limits);
  const outcome = { seconds: 0, left: false, errors: 0, errorTexts: [] as readonly string[] };
  const answer = async (message: IdleMessage) => {
    switch (message.type) {
      case 'warmed':
        await look.warmed();
        break;
      case 'connected':
        outcome.seconds = message.seconds;
        await look.connected();
        break;
      case 'left':
        Object.assign(outcome, { left: true, errors: message.errors, errorTexts: message.errorTexts });
        await look.left();
        break;
      case 'failed':
        throw failure(message.message);
    }
    if (started.process.connected) {
      started.process.send(IDLE_NEXT);
    }
  };
  const failed = new Promise<never>((_, reject) => {
    started.process.on('message', (message: IdleMessage) => {
      answer(message).catch((error: unknown) => {
        started.process.kill('SIGKILL');
        reject(error);
      });
    });
  });
  await Promise.race([ended, failed]);
  limits.signal.throwIfAborted();
  if (!outcome.left) {
    throw failure(undefined);
  }
  return outcome;
}
