import { constants } from 'node:os';
import { Workspace } from './children.js';
import { BenchInterrupted } from './errors.js';

/**
 * Does work that a signal ends in order: what it has started in its workspace ends with it. `failed`: tells of an error, and says
 * with which code the program ends, unless a signal says it.
 *
 * @returns the exit code
 */
export async function interruptible(
  work: (workspace: Workspace, signal: AbortSignal) => Promise<number>,
  failed: (error: unknown) => number,
): Promise<number> {
  const workspace = new Workspace();
  const interruption = new AbortController();
  let exitBySignal: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      exitBySignal ??= 128 + constants.signals[signal];
      interruption.abort(new BenchInterrupted(signal));
    });
  }
  try {
    return await work(workspace, interruption.signal);
  } catch (error) {
    const code = failed(error);
    return exitBySignal ?? code;
  } finally {
    await workspace.close();
  }
}
