import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../oracle/random.js';
import type { Link } from '../soak/fault-proxy.js';
import { DISTURBANCE_NAMES, type Disturbance, disturbancesFor, type Victims } from './disturbances.js';
import type { Recorder } from './recorder.js';

/** Of one connection between proxy and server: many, at any time. */
const LINK_FAULTS: Readonly<Record<string, (link: Link, random: Random) => void>> = {
  'link-reset': (link) => link.reset(),
  'link-stall': (link, random) => link.stall(random.below(2500)),
  'link-delay': (link, random) => {
    const flow = random.chance(0.5) ? link.toFar : link.toNear;
    flow.stall();
    setTimeout(() => flow.release(), random.below(300));
  },
  'link-half': (link, random) => link.halfClose(random.chance(0.5), random.below(500)),
  // A statement of which the server has a part only.
  'link-cut-statement': (link, random) => link.cut(false, random.next(), random.pick(['fin', 'rst'])),
  'link-cut-reply': (link, random) => link.cut(true, random.next(), random.pick(['fin', 'rst'])),
  // All of the statement has arrived, and nothing of the reply does: whoever sends it again has it run twice.
  'link-lost-reply': (link, random) => link.cut(true, 0, random.pick(['fin', 'rst'])),
};
const LINK_WEIGHTS: Readonly<Record<string, number>> = { 'link-lost-reply': 8, 'link-reset': 3 };

export const FAULT_NAMES = [...DISTURBANCE_NAMES, ...Object.keys(LINK_FAULTS)];

export interface NemesisOptions {
  readonly recorder: Recorder;
  /** Of {@link FAULT_NAMES}. */
  readonly faults: readonly string[];
  /** Between two disturbances, and two faults of links, on average, in ms. */
  readonly pauseMs: number;
  readonly linkPauseMs: number;
}

/** Puts faults into everything, at random, until it is told to stop. */
export class Nemesis {
  readonly counts = new Map<string, number>();
  /** Disturbances that failed themselves. */
  readonly failures: string[] = [];
  readonly #victims: Victims;
  readonly #options: NemesisOptions;
  #over = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(victims: Victims, options: NemesisOptions) {
    this.#victims = victims;
    this.#options = options;
  }

  start(): void {
    this.#running = Promise.all([this.#disturb(), this.#breakLinks()]);
    // Thrown by `stop`; until then it must not count as unhandled.
    this.#running.catch(() => {});
  }

  /** No more faults; everything is up again. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#running;
    for (const side of this.#victims.network) await side.setDoor('open');
    await this.#victims.engine.heal();
  }

  async #disturb(): Promise<void> {
    const { random } = this.#victims;
    const chosen = disturbancesFor(this.#victims, this.#options.faults);
    if (chosen.length === 0) return;
    // Each of them once, before any of them again.
    let left: (readonly [string, Disturbance])[] = [];
    while (!this.#over) {
      await this.#sleep(random.next() * 2 * this.#options.pauseMs);
      if (this.#over) return;
      if (left.length === 0) left = [...chosen];
      const [[name, disturb] = ['', async () => {}]] = left.splice(random.below(left.length), 1);
      this.#count(name);
      this.#options.recorder.note(name, 'begins');
      try {
        await disturb(this.#victims);
        this.#options.recorder.note(name, 'ends');
      } catch (error) {
        // The server does not always let itself be asked, with all that is wrong with it.
        this.failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
        this.#options.recorder.note(name, `fails: ${error}`);
      }
    }
  }

  async #breakLinks(): Promise<void> {
    const { random, network } = this.#victims;
    const chosen = Object.entries(LINK_FAULTS).filter(([name]) => this.#options.faults.includes(name));
    if (chosen.length === 0) return;
    while (!this.#over) {
      await this.#sleep(random.next() * 2 * this.#options.linkPauseMs);
      const links = [...random.pick(network).links];
      if (this.#over || links.length === 0) continue;
      const [name, fault] = random.weighted(chosen, ([one]) => LINK_WEIGHTS[one] ?? 1);
      this.#count(name);
      this.#options.recorder.note(name, 'now');
      fault(random.pick(links), random);
    }
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** Wakes early when it is told to stop. */
  async #sleep(ms: number): Promise<void> {
    const until = Date.now() + ms;
    while (!this.#over && Date.now() < until) await sleep(Math.min(50, Math.max(1, until - Date.now())));
  }
}
