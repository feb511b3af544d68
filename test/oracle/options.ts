import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { FAULTS } from './faults.js';
import { MAIN } from './proxy.js';

export interface OracleOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly server: string;
  /** The program under test; null with `--direct`. */
  readonly main: string | null;
  readonly faults: readonly string[];
  readonly poolSize: number;
  readonly clients: number;
  readonly steps: number;
  readonly only: readonly string[] | undefined;
  readonly without: readonly string[];
  readonly each: boolean;
  readonly goOn: boolean;
  readonly shrinkSeconds: number;
}

const AFTER_HELP = `
Faults:
${Object.entries(FAULTS)
  .map(([name, { what }]) => `  ${name.padEnd(22)}${what}`)
  .join('\n')}

Exit codes: 0; 1 when there is a difference, or a fault was not found; 2 for bad usage.`;

/** Parses the arguments; commander prints help and mistakes and leaves by an exception. */
export function parseOptions(argv: readonly string[]): OracleOptions {
  const raw = new Command('oracle')
    .description(
      'Random clients run random statements directly and through the proxy; everything they see must be equal',
    )
    .option('--seconds <n>', 'how long', whole, 60)
    .option('--seed <n>', 'of the first round; each round has the next one', whole)
    .option(
      '--server <url>',
      'mariadb or mysql for a private one, or the URL of an account that may do everything',
      'mariadb',
    )
    .option('--pool-size <n>', "server sessions of the proxy's", whole, 2)
    .option('--clients <n>', 'clients', whole, 5)
    .option('--steps <n>', 'steps of a round', whole, 400)
    .option('--only <kind>', 'only kinds of statement whose name begins so (repeatable)', collect)
    .option('--without <kind>', 'without kinds whose name begins so (repeatable)', collect, [])
    .option('--each', 'one short round for each kind of statement, whatever the time', false)
    .option('--direct', 'both sides connect to the server itself: checks the oracle', false)
    .option('--build <file>', 'the main.js of the proxy to test', MAIN)
    .option('--fault <name>', 'a fault is put into the proxy, which must be found; or all', '')
    .option('--go-on', 'go on after a difference', false)
    .option('--shrink-seconds <n>', 'how long a cause is looked for', whole, 60)
    .addHelpText('after', AFTER_HELP)
    .exitOverride()
    .allowExcessArguments(false)
    .parse(argv, { from: 'user' })
    .opts<{
      seconds: number;
      seed?: number;
      server: string;
      poolSize: number;
      clients: number;
      steps: number;
      only?: string[];
      without: string[];
      direct: boolean;
      build: string;
      fault: string;
      each: boolean;
      goOn: boolean;
      shrinkSeconds: number;
    }>();
  const { direct, build, fault, seed, only, ...rest } = raw;
  return {
    ...rest,
    only,
    seed: seed ?? Date.now() % 1_000_000,
    main: direct ? null : resolve(build),
    faults: faultNames(fault),
  };
}

function faultNames(name: string): string[] {
  if (name === '') return [];
  if (name === 'all') return Object.keys(FAULTS);
  if (!(name in FAULTS)) throw new InvalidArgumentError(`there is no fault '${name}'`);
  return [name];
}

function whole(value: string): number {
  if (!/^\d{1,10}$/.test(value)) throw new InvalidArgumentError('it should be a whole number');
  return Number(value);
}

function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
