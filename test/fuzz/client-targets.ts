import { Canaries } from './canary.js';
import type { FuzzCase } from './case.js';
import { commandSeeds, loginSeeds, recordDrivers } from './client-seeds.js';
import { type Outcome, runClientCase } from './fuzz-client.js';
import type { FuzzWorld } from './world.js';

/** What the fuzzer needs to know of what it fuzzes. */
export interface Fuzzed {
  readonly seeds: readonly FuzzCase[];
  /** So many writes of a case are left as they are. */
  readonly fixed: number;
  /** Cases that may be under way at a time. */
  readonly width: number;
  run(fuzzed: FuzzCase): Promise<Outcome>;
  /** Nothing is under way: what must be true then. */
  atRest(): Promise<readonly string[]>;
  /** A few words on what happened beside. */
  report(): string;
  close(): Promise<void>;
}

const REST_WITHIN_MS = 20_000;

/** Waits until the pools are at rest, and looks whether every session is where it says. */
export async function poolsAtRest({ app }: FuzzWorld): Promise<readonly string[]> {
  const until = Date.now() + REST_WITHIN_MS;
  for (;;) {
    const { active, waiting, retiring, dialing, held, idle, limit } = app.poolCounts();
    const states = app.serverSessions().map(({ state }) => state);
    if (active + waiting + retiring + dialing + held === 0) {
      const stray = states.filter((state) => state !== 'idle');
      if (states.length === idle && stray.length === 0 && idle <= limit) return [];
      return [`${idle} sessions are idle, and these say: ${states.join()}`];
    }
    if (Date.now() > until)
      return [`not at rest: ${JSON.stringify({ active, waiting, retiring, dialing, held, idle })}`];
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Strangers' bytes, at the login or after it. */
export async function fuzzedClients(world: FuzzWorld, afterLogin: boolean): Promise<Fuzzed> {
  const recorded = await recordDrivers(world);
  let canaries = new Canaries(world);
  const seen = { answers: 0, errors: 0 };
  return {
    seeds: afterLogin ? commandSeeds(world, recorded) : loginSeeds(world, recorded),
    width: 24,
    fixed: afterLogin ? 1 : 0,
    run: (fuzzed) => runClientCase(world, fuzzed, 'CANARY-'),
    atRest: async () => {
      await canaries.stop();
      const violations = [...canaries.violations, ...(await poolsAtRest(world))];
      seen.answers += canaries.answers;
      seen.errors += canaries.errors;
      canaries = new Canaries(world);
      return violations;
    },
    report: () => `${seen.answers} answers and ${seen.errors} errors of well-behaved clients`,
    close: () => canaries.stop(),
  };
}
