import { type Later, when } from '../admin/console/later.js';
import { type Advice, advise } from '../advice/advise.js';
import type { Observation, StatementObservation } from '../advice/observation.js';
import type { Config } from '../config/load.js';
import { InvalidValue } from '../config/problem.js';
import { parseDuration } from '../config/units.js';
import { LOAN_WINDOW_MS } from '../pool/loan-log.js';
import { HoldSampler, type StatementTimes } from '../relay/hold-sampler.js';
import type { RelayServices } from '../relay/relay-services.js';
import type { SessionProfile } from '../session/profile.js';
import { AllObservations } from '../views/all-observations.js';
import type { WorkerBus } from '../workers/bus.js';
import type { HoldLog } from './hold-log.js';

/** How often holders are looked at, in ms. */
const LOOK_MS = 250;

/** Sessions in use at a moment, of which each number is counted by itself; the last one counts all above. */
const MOST_DEMAND = 4_096;

/** Variables that are named as what clients differ in, at most. */
const NAMED_DIFFERENCES = 8;

/** Watches the running proxy at regular moments, and says what an operator should do. */
export class Advisor {
  readonly #config: Config;
  readonly #services: RelayServices;
  readonly #holds: HoldSampler;
  readonly #demand = new Float64Array(MOST_DEMAND);
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #lookedAt = performance.now();
  #window: NodeJS.Timeout | undefined;

  readonly #isAlone: boolean;
  readonly #observations: AllObservations;

  /** @param bus - what the other workers have seen counts as well */
  constructor(config: Config, services: RelayServices, holdLog: HoldLog, bus: WorkerBus) {
    this.#config = config;
    this.#services = services;
    this.#holds = new HoldSampler(services.holds, (hold) => holdLog.begun(hold));
    this.#isAlone = bus.count === 1;
    this.#observations = new AllObservations(bus, () => this.observe());
    this.#loans.tick();
    if (!this.#isAlone) this.#aligned();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#window);
  }

  /** The windows of all workers begin at the same moments, so that they can be seen together. */
  #aligned(): void {
    const rest = LOAN_WINDOW_MS - (Date.now() % LOAN_WINDOW_MS);
    this.#window = setTimeout(() => {
      this.#loans.begin();
      this.#aligned();
    }, rest);
    this.#window.unref();
  }

  /** @param target p99 of the wait for a session, with its unit; null for the default @throws InvalidValue */
  advise(target: string | null): Later<Advice> {
    const targetMs = target === null ? undefined : parseDuration(target);
    if (targetMs !== undefined && targetMs < 1) throw new InvalidValue('the target is 1ms at least');
    return when(this.#observations.take(), (observation) => advise(observation, targetMs));
  }

  observe(): Observation {
    const { pools, counters, dryRun, clients } = this.#services;
    const loans = this.#loans;
    const { profiles, differences } = differencesOf([...clients].map((client) => client.describe().profile));
    return {
      seconds: (performance.now() - this.#startedAt) / 1_000,
      mode: dryRun !== null ? 'dry_run' : this.#config.poolMode,
      commands: counters.commands,
      pool: {
        size: pools.limit,
        configured: this.#config.poolSize,
        pools: pools.snapshot().pools.length,
        loans: loans.count,
        peak: loans.peak,
        windows: loans.windows(!this.#isAlone),
      },
      demand: this.#demandSeen(),
      holds: {
        lasting: this.#holds.lasting,
        reasons: this.#reasons(),
        statements: this.#holds.statements.map(asObservation),
      },
      gaps: this.#holds.pauses.map(asObservation),
      timeLimits: new Map(counters.timeLimits),
      refusals: new Map(counters.refusals),
      sharedSockets: new Map(counters.sharedSockets),
      checkouts: pools.checkouts.byKind(),
      differences,
      profiles,
      dryRun:
        dryRun === null
          ? null
          : {
              shared: dryRun.shared,
              refused: dryRun.refusals.map((refusal) => ({ ...refusal, seconds: 0 })),
              sessions: [...pools.sessions()].length,
            },
    };
  }

  /** What the pool lends; in a dry run, what it would. */
  get #loans(): RelayServices['pools']['loans'] {
    return this.#services.dryRun?.loans ?? this.#services.pools.loans;
  }

  #look(): void {
    const now = performance.now();
    this.#holds.sample((now - this.#lookedAt) / 1_000);
    this.#lookedAt = now;
    const loans = this.#loans;
    loans.tick(this.#isAlone);
    const waiting = this.#services.dryRun === null ? this.#services.pools.waiting : 0;
    const demand = Math.min(loans.lent + waiting, MOST_DEMAND - 1);
    this.#demand[demand] = (this.#demand[demand] ?? 0) + 1;
  }

  #demandSeen(): Observation['demand'] {
    let moments = 0;
    let sum = 0;
    for (const [demand, times] of this.#demand.entries()) {
      moments += times;
      sum += demand * times;
    }
    let p99 = 0;
    let seen = 0;
    for (const [demand, times] of this.#demand.entries()) {
      if (seen >= moments * 0.99) break;
      seen += times;
      if (times > 0) p99 = demand;
    }
    return { moments, mean: moments === 0 ? 0 : sum / moments, p99 };
  }

  #reasons(): Observation['holds']['reasons'] {
    const seen = this.#holds.reasons;
    return [...this.#services.holds.begun()].map(([reason, begun]) => {
      const { mean = 0, peak = 0 } = seen.get(reason) ?? {};
      return { reason, begun, mean, peak };
    });
  }
}

function asObservation({ reason, statement, count, seconds }: StatementTimes): StatementObservation {
  return { reason, statement, count, seconds };
}

/** In what these states differ from one another. */
function differencesOf(
  all: readonly (SessionProfile | null)[],
): Pick<Observation, 'profiles' | 'differences'> {
  const profiles = [...new Set(all)].filter((profile) => profile !== null);
  const names = new Set(profiles.flatMap(({ overrides }) => [...overrides.keys()]));
  const valuesOf = (read: (profile: SessionProfile) => unknown): number => new Set(profiles.map(read)).size;
  const differences = [
    { name: 'schema', values: valuesOf(({ schema }) => schema) },
    { name: 'user variables', values: valuesOf(({ userVariables }) => JSON.stringify([...userVariables])) },
    ...[...names].map((name) => ({ name, values: valuesOf((profile) => profile.variable(name)) })),
  ]
    .filter(({ values }) => values > 1)
    .sort((a, b) => b.values - a.values)
    .slice(0, NAMED_DIFFERENCES);
  return { profiles: profiles.length, differences };
}

/** `GET /advice?target=5ms`. */
export async function adviceAnswer(
  advisor: Advisor,
  query: URLSearchParams,
): Promise<{ readonly status: number; readonly body: string }> {
  try {
    return { status: 200, body: JSON.stringify(await advisor.advise(query.get('target'))) };
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    return { status: 400, body: JSON.stringify({ error: `target: ${error.message}` }) };
  }
}
