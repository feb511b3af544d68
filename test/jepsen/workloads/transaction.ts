import { setTimeout as sleep } from 'node:timers/promises';
import { CrossedAnswer, type JepsenClient } from '../client.js';
import { type IsolationLevel, Outcome } from '../history.js';
import { CommandFailed, outcomeOf } from '../outcome.js';
import type { Recorder } from '../recorder.js';
import type { Process, Told } from './workload.js';

export const OK: Told = { outcome: Outcome.Ok };

/** What an error tells. An answer that is somebody else's is taken down as what it is, and ends the connection. */
export function toldBy(error: unknown, process: Process, client: JepsenClient, decides: boolean): Told {
  if (error instanceof CrossedAnswer) {
    takeDownCrossed(error, process.recorder, process.number);
    client.destroy();
    return { outcome: decides ? Outcome.Info : Outcome.Fail, error: error.message };
  }
  if (!(error instanceof CommandFailed)) throw error;
  process.recorder.failed(error, `process ${process.number}`);
  return { outcome: outcomeOf(error, decides), error: `${error.errno} ${error.message}` };
}

export function takeDownCrossed({ asked, got }: CrossedAnswer, recorder: Recorder, process: number): void {
  recorder.end({ workload: 'tags', process, invoked: recorder.begin(), outcome: Outcome.Ok, asked, got });
}

/**
 * Runs a transaction. Whoever fails in it rolls it back, or is gone; a COMMIT that is not answered is the one thing of which
 * nobody knows.
 */
export async function transaction(
  process: Process,
  client: JepsenClient,
  level: IsolationLevel,
  body: () => Promise<void>,
): Promise<Told> {
  let decides = false;
  try {
    await client.begin(level);
    await body();
    // What is lost in this moment is lost before the COMMIT.
    if (process.random.chance(0.3)) await sleep(process.random.below(4));
    decides = true;
    await client.command('COMMIT');
    return OK;
  } catch (error) {
    const told = toldBy(error, process, client, decides);
    await rollBack(process, client);
    return told;
  }
}

/** Afterwards no transaction of the connection's is open, or the connection is over. */
export async function rollBack(process: Process, client: JepsenClient): Promise<void> {
  try {
    if (!client.isLost) await client.command('ROLLBACK');
  } catch (error) {
    toldBy(error, process, client, false);
    client.destroy();
  }
}
