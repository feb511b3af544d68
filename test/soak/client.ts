import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'mysql2/promise';
import { CommandError, Commands } from './commands.js';
import { type Expected, OPERATIONS, type Worker } from './operations.js';

/** Operations of one connection, at most. */
const LONGEST = 60;

/** Works until `over`, connection after connection. @param logins as which clients come: each connection picks one */
export async function runClient(
  worker: Worker,
  logins: readonly ConnectionOptions[],
  over: () => boolean,
): Promise<void> {
  while (!over()) {
    try {
      await oneConnection(worker, await Commands.open(worker.random.pick(logins), worker.findings), over);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      // As apps do: not at once.
      await sleep(20 + worker.random.below(100));
    }
  }
}

async function oneConnection(worker: Worker, client: Commands, over: () => boolean): Promise<void> {
  const { random, findings } = worker;
  findings.count('connections');
  const expected: Expected = { variable: null, zone: null };
  let left = 1 + random.below(LONGEST);
  try {
    while (left-- > 0 && !over() && !client.gone) {
      const operation = random.weighted(OPERATIONS, ({ weight }) => weight);
      try {
        await operation.run(worker, client, expected);
        findings.count(`done ${operation.name}`);
      } catch (error) {
        if (!(error instanceof CommandError) || !error.usable) throw error;
        // The connection is used on, as pools of apps do; sometimes not.
        if (random.chance(0.3)) return;
      }
    }
    if (random.chance(0.7)) await client.end();
  } finally {
    client.destroy();
  }
}
