import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { StartedProcess, Workspace } from './children.js';
import { BenchError } from './errors.js';
import { percentile } from './histogram.js';
import type { LoadMessage, LoadPlan, LoadResult } from './load/plan.js';
import type { LoadFigures } from './measurement.js';

const LOAD_MAIN = fileURLToPath(new URL('./load/main.js', import.meta.url));

/** With the commands that were never answered. */
export type LeanResult = LoadResult & { readonly unanswered: number };

/** Runs a plan in a process of its own. `onBegin` and `onEnd` are called when its window opens and closes. */
export async function runLean(
  workspace: Workspace,
  plan: LoadPlan,
  options: {
    deadlineMs: number;
    signal: AbortSignal;
    onStart(child: StartedProcess): void;
    onBegin(): void;
    onEnd(): void;
  },
): Promise<LeanResult> {
  const started = workspace.start('load', process.execPath, [LOAD_MAIN], { ipc: true });
  options.onStart(started);
  const kill = () => started.process.kill('SIGKILL');
  const timer = setTimeout(kill, options.deadlineMs);
  options.signal.addEventListener('abort', kill);
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
  started.process.send(plan);
  try {
    await once(started.process, 'exit');
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', kill);
  }
  options.signal.throwIfAborted();
  if (outcome?.type === 'end') {
    return { ...outcome.result, unanswered };
  }
  const reason = outcome?.type === 'failed' ? outcome.message : started.logTail() || 'it did not end in time';
  throw new BenchError('load_failed', `the load generator failed: ${reason}`);
}

export function leanFigures(result: LeanResult): LoadFigures {
  return {
    rate: result.completed / result.seconds,
    p50: percentile(result.histogram, 50),
    p95: percentile(result.histogram, 95),
    p99: percentile(result.histogram, 99),
    max: result.maxMs,
    stall: result.stallMs,
    fairness: result.leastOfClient / result.medianOfClient,
    unanswered: result.unanswered,
    errors: result.errors,
    errorTexts: result.errorTexts,
    conflicts: 0,
  };
}
