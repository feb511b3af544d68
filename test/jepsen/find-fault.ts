import { rm } from 'node:fs/promises';
import type { Workspace } from '../bench/children.js';
import { copyWith, FaultNotPlaced } from '../oracle/faults.js';
import { MAIN } from '../oracle/proxy.js';
import type { Engine } from './engines/engine.js';
import { FAULTS, searchFor } from './faults.js';
import type { Anomaly } from './history.js';
import { runJepsen } from './run.js';

export interface FaultSearch {
  /** Of the first round; each has the next one. */
  readonly seed: number;
  /** Of a round. */
  readonly seconds: number;
  readonly rounds: number;
}

let rounds = 0;

/** Runs a copy of the proxy that has the fault until it shows. @returns what has shown; nothing when it does not */
export async function findFault(
  engine: Engine,
  workspace: Workspace,
  name: string,
  search: FaultSearch,
): Promise<readonly Anomaly[]> {
  const fault = FAULTS[name];
  if (fault === undefined) throw new FaultNotPlaced(`there is no fault '${name}'`);
  const main = await copyWith(workspace, MAIN, name, fault);
  for (let round = 0; round < search.rounds; round++) {
    const seed = search.seed + round;
    const { anomalies, folder } = await runJepsen(engine, {
      ...searchFor(fault, main),
      ...{ seed, seconds: search.seconds, round: 1_000_000 + rounds++ },
    });
    if (anomalies.length === 0) continue;
    await rm(folder, { recursive: true });
    return anomalies;
  }
  return [];
}
