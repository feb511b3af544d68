import { Command, InvalidArgumentError, Option } from 'commander';
import type { Flavor } from '../support/servers.js';
import { TARGETS, type Target } from './case.js';

export interface Options {
  readonly seconds: number;
  readonly seed: number;
  readonly target: Target | undefined;
  readonly server: Flavor;
  readonly coverage: boolean;
  /** Where cases with findings are written. */
  readonly save: string;
  /** Cases to run again, in place of fuzzing. */
  readonly replay: string | undefined;
}

const AFTER_HELP = `
Exit codes: 0; 1 when something was found; 2 for bad usage.`;

/** Parses the arguments; commander prints help and mistakes and leaves by an exception. */
export function parseOptions(argv: readonly string[]): Options {
  return new Command('fuzz')
    .description(
      "Mutates what clients and servers say, from recorded traffic on, and looks whether the proxy crashes, hangs, grows, or gives one client what is another one's",
    )
    .option('--seconds <n>', 'how long, for each target', whole, 60)
    .option('--seed <n>', 'of all mutations', whole, Date.now() % 1_000_000)
    .addOption(new Option('--target <name>', 'only this one').choices(TARGETS))
    .addOption(
      new Option('--server <kind>', 'recorded, or behind the proxy')
        .choices(['mariadb', 'mysql'])
        .default('mariadb'),
    )
    .option('--no-coverage', 'new outcomes alone decide what is kept, and not new code')
    .option('--save <folder>', 'where cases with findings go', 'test/fuzz/corpus')
    .option('--replay <file>', 'a case to run again, with --target')
    .addHelpText('after', AFTER_HELP)
    .exitOverride()
    .allowExcessArguments(false)
    .parse(argv, { from: 'user' })
    .opts<Options>();
}

function whole(value: string): number {
  if (!/^[1-9]\d{0,9}$/.test(value)) throw new InvalidArgumentError('it should be a whole number from 1 on');
  return Number(value);
}
