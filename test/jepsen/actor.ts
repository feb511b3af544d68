import { setTimeout as sleep } from 'node:timers/promises';
import { JepsenClient, pidOf, randomStyle } from './client.js';
import type { Engine } from './engines/engine.js';
import type { Entrance } from './entrance.js';
import { CommandFailed } from './outcome.js';
import type { Process, Workload } from './workloads/workload.js';

export interface Scene {
  readonly engine: Engine;
  readonly entrance: Entrance;
}

/** A logical process, and what it does. */
export interface Actor {
  readonly process: Process;
  readonly workload: Workload;
}

/** Operations of one connection, at most. */
const MOST_STEPS = 60;
/** How long the proxy may take to serve again when all faults are over. */
const SERVED_WITHIN_MS = 60_000;
/** Operations of each process when all faults are over. */
const CALM_STEPS = 3;

/** One connection after the other, each with some operations; some of them vanish in the midst of whatever they do. */
export async function runActor(actor: Actor, scene: Scene, over: () => boolean): Promise<void> {
  const { process, workload } = actor;
  const { random, recorder, number } = process;
  while (!over()) {
    try {
      const client = await connect(actor, scene);
      if (random.chance(0.3)) client.vanishAfter(random.below(200), random.chance(0.5));
      for (let left = 1 + random.below(MOST_STEPS); left > 0 && !over() && !client.isLost; left--)
        await workload.step(process, client);
      if (random.chance(0.5)) await client.end();
      else client.destroy();
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      recorder.failed(error, `process ${number} as it connects`);
      await sleep(10 + random.below(90));
    }
  }
}

async function connect(
  { process: { number, random }, workload: { level } }: Actor,
  { engine: { login }, entrance }: Scene,
): Promise<JepsenClient> {
  const address = await entrance.address(random);
  const own = { ...login, pid: pidOf(number) };
  const client = await JepsenClient.open(address, own, randomStyle(random), `p${number}`);
  try {
    await client.setUp(level);
    return client;
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** When all faults are over, everybody is served. @returns what is wrong; null when nothing is */
export async function serveAgain(actor: Actor, scene: Scene): Promise<string | null> {
  const { process, workload } = actor;
  const until = Date.now() + SERVED_WITHIN_MS;
  for (let why = ''; ; await sleep(50)) {
    if (Date.now() > until) return `process ${process.number}: ${why}`;
    let client: JepsenClient | null = null;
    try {
      client = await connect(actor, scene);
      for (let left = CALM_STEPS; left > 0; left--) await workload.step(process, client);
      if (!client.isLost) return null;
      why = 'its connection was lost';
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      why = error.message;
    } finally {
      client?.destroy();
    }
  }
}
