import { Command, InvalidArgumentError, Option } from 'commander';
import type { Flavor } from '../support/servers.js';

export interface Options {
  readonly seconds: number;
  readonly seed: number;
  readonly clients: number;
  readonly restartEverySeconds: number;
  readonly server: Flavor;
  /** Where the proxy's last log lines go when something was violated. */
  readonly log: string | undefined;
}

const AFTER_HELP = `
Exit codes: 0; 1 when an invariant was violated; 2 for bad usage.`;

/** Parses the arguments; commander prints help and mistakes and leaves by an exception. */
export function parseOptions(argv: readonly string[]): Options {
  const { minutes, restartEvery, ...rest } = new Command('soak')
    .description(
      'Random clients of a proxy with network faults on both of its sides and a server that restarts; what must always be true is checked every second',
    )
    .option('--minutes <n>', 'how long', minutesOf, 20)
    .option('--seed <n>', 'of clients and faults', whole, Date.now() % 1_000_000)
    .option('--clients <n>', 'clients', whole, 40)
    .option('--restart-every <s>', 'seconds between two restarts of the server, on average', whole, 40)
    .option('--log <file>', "the proxy's last log lines, if something was violated")
    .addOption(new Option('--server <kind>', 'the server').choices(['mariadb', 'mysql']).default('mariadb'))
    .addHelpText('after', AFTER_HELP)
    .exitOverride()
    .allowExcessArguments(false)
    .parse(argv, { from: 'user' })
    .opts<{
      minutes: number;
      seed: number;
      clients: number;
      restartEvery: number;
      server: Flavor;
      log?: string;
    }>();
  return { log: undefined, ...rest, seconds: minutes * 60, restartEverySeconds: restartEvery };
}

function whole(value: string): number {
  if (!/^[1-9]\d{0,9}$/.test(value)) throw new InvalidArgumentError('it should be a whole number from 1 on');
  return Number(value);
}

function minutesOf(value: string): number {
  if (!/^\d{1,5}(\.\d{1,3})?$/.test(value) || Number(value) === 0)
    throw new InvalidArgumentError('it should be a number of minutes, 20 or 0.5');
  return Number(value);
}
