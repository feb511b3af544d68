import type { Difference } from './execution.js';
import { brokenCopy } from './faults.js';
import { type Lab, runPlan } from './lab.js';
import type { Plan } from './model.js';
import { makePlan } from './plan.js';

export interface FaultSearch {
  readonly clients: number;
  readonly steps: number;
  /** Of the first round; each has the next one. */
  readonly seed: number;
  readonly rounds: number;
  /** `Date.now()` */
  readonly until: number;
  readonly without?: readonly string[];
  readonly only?: readonly string[];
}

export interface FoundFault {
  readonly plan: Plan;
  readonly difference: Difference;
}

/**
 * Runs a copy of the proxy that has the fault until it shows: in a difference that the proxy without it does not show in the same plan.
 * Null when it does not.
 */
export async function findFault(lab: Lab, name: string, search: FaultSearch): Promise<FoundFault | null> {
  const { main } = lab;
  if (main === null) throw new TypeError('a fault needs a proxy');
  const broken = { ...lab, main: await brokenCopy(lab.workspace, main, name) };
  const { until, rounds, ...options } = search;
  const { flavor } = lab.server;
  for (let round = 0; round < rounds && Date.now() < until; round++) {
    const seed = search.seed + round;
    const plan = makePlan({ ...options, flavor, seed, poolSize: lab.poolSize });
    const { difference } = await runPlan(broken, plan, { until });
    if (difference === null) continue;
    const untilThere = { ...plan, steps: plan.steps.slice(0, difference.at + 1) };
    const healthy = await runPlan(lab, untilThere);
    if (healthy.difference === null) return { plan: untilThere, difference };
  }
  return null;
}
