import { constants } from 'node:os';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SERVER_ARGUMENTS } from '../soak/soak.js';
import { type Flavor, startMariadb, startMysql } from '../support/servers.js';
import { neverMix } from './never-mix.js';

const ExitCode = { Good: 0, Violated: 1, Usage: 2 } as const;

interface Options {
  readonly seconds: number;
  readonly seed: number;
  readonly clients: number;
  readonly server: Flavor;
}

function parseOptions(argv: readonly string[]): Options {
  return new Command('never-mix')
    .description(
      'Many clients, each with its own mark, over a few sessions with network faults: nobody may ever see the mark of another',
    )
    .option('--seconds <n>', 'how long', whole, 60)
    .option('--seed <n>', 'of clients and faults', whole, Date.now() % 1_000_000)
    .option('--clients <n>', 'clients', whole, 200)
    .addOption(new Option('--server <kind>', 'the server').choices(['mariadb', 'mysql']).default('mariadb'))
    .addHelpText('after', '\nExit codes: 0; 1 when marks were mixed; 2 for bad usage.')
    .exitOverride()
    .allowExcessArguments(false)
    .parse(argv, { from: 'user' })
    .opts<Options>();
}

function whole(value: string): number {
  if (!/^[1-9]\d{0,9}$/.test(value)) throw new InvalidArgumentError('it should be a whole number from 1 on');
  return Number(value);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(): Promise<number> {
  const { server: flavor, ...options } = parseOptions(process.argv.slice(2));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // The server ends with this process.
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  const server = await (flavor === 'mysql' ? startMysql : startMariadb)({ extraArgs: SERVER_ARGUMENTS });
  try {
    say(
      `${flavor} ${server.version}, seed ${options.seed}, ${options.clients} clients, ${options.seconds} s`,
    );
    const { findings, report } = await neverMix(server, { ...options, onProgress: say });
    say(report);
    if (!findings.failed) return ExitCode.Good;
    say(`FAILED: --seed ${options.seed} --server ${flavor}`);
    return ExitCode.Violated;
  } finally {
    await server.stop();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? ExitCode.Good : ExitCode.Usage;
}
