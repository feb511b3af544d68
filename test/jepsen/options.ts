import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Flavor } from '../support/servers.js';
import { ENGINES, type EngineName } from './engines/engine.js';
import { FAULTS } from './faults.js';
import type { WorkloadName } from './history.js';
import { FAULT_NAMES } from './nemesis.js';
import { WORKLOADS } from './run.js';

export interface JepsenOptions {
  readonly seconds: number;
  readonly roundSeconds: number;
  readonly seed: number;
  readonly engine: EngineName;
  readonly server: Flavor;
  readonly workloads: readonly WorkloadName[];
  /** What is done to engine, network and proxy. */
  readonly nemesis: readonly string[];
  readonly processes: number;
  readonly main: string | undefined;
  readonly direct: boolean;
  /** What is wrong with the proxy on purpose. */
  readonly faults: readonly string[];
}

const AFTER_HELP = `
Faults of the world (--nemesis): ${FAULT_NAMES.join(', ')}

Faults in the proxy (--fault):
${Object.entries(FAULTS)
  .map(([name, { what }]) => `  ${name.padEnd(22)}${what}`)
  .join('\n')}

Exit codes: 0; 1 when there is an anomaly, or a fault in the proxy was not found; 2 for bad usage.`;

/** Parses the arguments; commander prints help and mistakes and leaves by an exception. */
export function parseOptions(argv: readonly string[]): JepsenOptions {
  const { workload, nemesis, build, fault, seed, round, ...rest } = new Command('jepsen')
    .description(
      'Transactions through the proxy while clients, servers, network and proxy fail: no acknowledged commit is lost, nothing is run twice, no answer goes astray',
    )
    .option('--seconds <n>', 'how long (with --fault: for each of them)', whole, 60)
    .option('--round <n>', 'seconds after which all is checked, and begun anew', whole, 60)
    .option('--seed <n>', 'of the first round; each has the next one', whole)
    .addOption(
      new Option('--engine <name>', 'what stands behind the proxy').choices(ENGINES).default('single'),
    )
    .addOption(new Option('--server <kind>', 'the server').choices(['mariadb', 'mysql']).default('mariadb'))
    .addOption(
      new Option('--workload <name>', 'what clients do').choices([...WORKLOADS, 'all']).default('all'),
    )
    .option('--nemesis <names>', 'only these faults of the world, with commas; or none', FAULT_NAMES.join())
    .option('--processes <n>', 'clients at a time', whole, 16)
    .option('--build <file>', 'the main.js of the proxy to test')
    .option('--direct', 'without a proxy: what the engine and the check are worth by themselves', false)
    .option('--fault <name>', 'a fault is put into the proxy, which must be found; or all', '')
    .addHelpText('after', AFTER_HELP)
    .exitOverride()
    .allowExcessArguments(false)
    .parse(argv, { from: 'user' })
    .opts<{
      seconds: number;
      round: number;
      seed?: number;
      engine: EngineName;
      server: Flavor;
      workload: WorkloadName | 'all';
      nemesis: string;
      processes: number;
      build?: string;
      direct: boolean;
      fault: string;
    }>();
  return {
    ...rest,
    roundSeconds: round,
    seed: seed ?? Date.now() % 1_000_000,
    workloads: workload === 'all' ? WORKLOADS : [workload],
    nemesis: nemesis === 'none' ? [] : namesOf(nemesis, FAULT_NAMES),
    main: build === undefined ? undefined : resolve(build),
    faults: fault === 'all' ? Object.keys(FAULTS) : namesOf(fault, Object.keys(FAULTS)),
  };
}

function namesOf(text: string, known: readonly string[]): string[] {
  const names = text.split(',').filter((name) => name !== '');
  for (const name of names)
    if (!known.includes(name)) throw new InvalidArgumentError(`there is no fault '${name}'`);
  return names;
}

function whole(value: string): number {
  if (!/^\d{1,10}$/.test(value)) throw new InvalidArgumentError('it should be a whole number');
  return Number(value);
}
