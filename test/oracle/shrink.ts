import type { Difference } from './execution.js';
import { type Lab, runPlan } from './lab.js';
import type { Plan, Step } from './model.js';

export interface Shrunk {
  readonly plan: Plan;
  readonly difference: Difference;
  /** How often a plan was run for it. */
  readonly runs: number;
  /** How it was seen again; null: it was not. */
  readonly repeated: 'serial' | 'with races' | null;
}

/**
 * Finds a short plan that still shows a difference at a step of the same kind: leaves out whole clients, then all but the last steps,
 * then chunks of halving size down to single steps. Each attempt has fresh objects and a fresh proxy.
 */
export async function shrink(lab: Lab, plan: Plan, found: Difference, until: number): Promise<Shrunk> {
  const shrinker = new Shrinker(lab, plan, found, until);
  await shrinker.run();
  return shrinker.result;
}

class Shrinker {
  readonly #lab: Lab;
  readonly #until: number;
  #kind: string | null = null;
  #plan: Plan;
  #difference: Difference;
  #runs = 0;
  #repeated: Shrunk['repeated'] = null;

  constructor(lab: Lab, plan: Plan, found: Difference, until: number) {
    this.#lab = lab;
    this.#until = until;
    this.#plan = { ...plan, steps: plan.steps.slice(0, found.at + 1) };
    this.#difference = found;
  }

  get result(): Shrunk {
    return {
      plan: this.#plan,
      difference: this.#difference,
      runs: this.#runs,
      repeated: this.#repeated,
    };
  }

  async run(): Promise<void> {
    await this.#repeat();
    if (this.#repeated === null) return;
    await this.#fewestClients();
    await this.#lastSteps();
    for (let size = this.#plan.steps.length >> 1; size >= 1; size = size === 1 ? 0 : (size + 1) >> 1) {
      await this.#withoutChunks(size);
    }
  }

  /** Any difference will do, whether it is the one that was found or comes before it. Twice: what clients wait for is a matter of time. */
  async #repeat(): Promise<void> {
    for (const how of ['serial', 'with races'] as const) {
      this.#repeated = how;
      if (await this.#fails(this.#plan.steps)) return;
      if (await this.#fails(this.#plan.steps)) return;
    }
    this.#repeated = null;
  }

  /** Keeps the steps if they show the difference. */
  async #fails(steps: readonly Step[]): Promise<boolean> {
    if (Date.now() > this.#until || steps.length === 0) return false;
    const plan = { ...this.#plan, steps };
    this.#runs++;
    const { difference } = await runPlan(this.#lab, plan, { serial: this.#repeated === 'serial' });
    if (difference === null) return false;
    this.#kind ??= difference.step.kind;
    if (difference.step.kind !== this.#kind) return false;
    this.#plan = { ...plan, steps: steps.slice(0, difference.at + 1) };
    this.#difference = difference;
    return true;
  }

  async #fewestClients(): Promise<void> {
    const own = this.#difference.step.client;
    const others = [...new Set(this.#plan.steps.map(({ client }) => client))].filter((one) => one !== own);
    if (others.length > 0 && (await this.#fails(this.#plan.steps.filter(({ client }) => client === own))))
      return;
    for (const other of others) {
      await this.#fails(this.#plan.steps.filter(({ client }) => client !== other));
    }
  }

  async #lastSteps(): Promise<void> {
    for (let count = 2; count < this.#plan.steps.length; count *= 2) {
      if (await this.#fails(this.#plan.steps.slice(-count))) return;
    }
  }

  /** From the end on, as causes are mostly near. */
  async #withoutChunks(size: number): Promise<void> {
    let end = this.#plan.steps.length - 1;
    while (end > 0) {
      const start = Math.max(0, end - size);
      const { steps } = this.#plan;
      await this.#fails([...steps.slice(0, start), ...steps.slice(end)]);
      end = Math.min(start, this.#plan.steps.length - 1);
    }
  }
}
