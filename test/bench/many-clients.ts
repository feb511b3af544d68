/**
 * Checks that very many clients over few sessions are all served alike: `npm run bench:clients`. No error, no command that is
 * never answered, and the slowest client gets at least half of what the client in the middle gets.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { openFilesLimit } from '../../src/observability/open-files.js';
import { runCommand } from '../support/run-command.js';
import type { Workspace } from './children.js';
import { messageOf } from './errors.js';
import { interruptible } from './interruptible.js';
import { describeMachine } from './machine.js';
import { isMeasured, type Measurement } from './measurement.js';
import { measure } from './run.js';
import { type LoadScenario, SCENARIOS } from './scenarios.js';
import { type ServerFlavor, startServer } from './server.js';
import { targetKinds } from './targets.js';

const ExitCode = { Good: 0, Failed: 1, Usage: 2 } as const;
const LEAST_FAIRNESS = 0.5;
/** Descriptors that the proxy needs besides its clients. */
const SPARE_FILES = 500;
/** One over which KILLs go, one that reads the catalogue. */
const OWN_CONNECTIONS = 2;

interface Options {
  readonly clients: number;
  readonly poolSize: number;
  readonly seconds: number;
  readonly server: ServerFlavor;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function positive(value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError('it should be a whole number from 1 on');
  return Number(value);
}

function parseOptions(argv: readonly string[]): Options {
  return new Command('bench:clients')
    .description('Many clients over few sessions: no error, no lost waiter, and nobody is left behind')
    .option('--clients <n>', 'clients', positive, 5000)
    .option('--pool-size <n>', 'server sessions', positive, 20)
    .option('--seconds <s>', 'how long, after the logins', positive, 60)
    .addOption(new Option('--server <kind>', 'the server').choices(['mariadb', 'mysql']).default('mariadb'))
    .exitOverride()
    .allowExcessArguments(false)
    .parse(argv, { from: 'user' })
    .opts<Options>();
}

/** What is not as it should be. */
function mistakes(run: Measurement, { poolSize }: Options): string[] {
  const { errors, errorTexts, unanswered = 0, fairness = 0, sessions } = run;
  const found: string[] = [];
  if (errors > 0) found.push(`${errors} errors: ${errorTexts.join('; ')}`);
  if (unanswered > 0) found.push(`${unanswered} commands were never answered`);
  if (!(fairness >= LEAST_FAIRNESS))
    found.push(`the slowest client got ${fairness.toFixed(2)} of what the one in the middle got`);
  if (sessions > poolSize + OWN_CONNECTIONS) found.push(`${sessions} server sessions`);
  return found;
}

function describe({ rate, p50, p99, max, stall, fairness, sessions, residentBytes }: Measurement): string {
  const ms = (value: number | undefined): string => `${(value ?? Number.NaN).toFixed(1)} ms`;
  return [
    `${Math.round(rate)} queries/s; wait: median ${ms(p50)}, p99 ${ms(p99)} (${(p99 / p50).toFixed(2)} x), max ${ms(max)} (${(max / p50).toFixed(2)} x)`,
    `slowest client: ${fairness?.toFixed(2)} of the median client's throughput; longest time without any reply: ${ms(stall)}`,
    `${sessions} server sessions at most, the proxy's own included; proxy ${((residentBytes ?? 0) / 2 ** 20).toFixed(0)} MiB`,
  ].join('\n');
}

async function check(options: Options, workspace: Workspace, signal: AbortSignal): Promise<number> {
  const { clients, poolSize, seconds, server: flavor } = options;
  const limit = openFilesLimit();
  if (limit !== null && limit < clients + SPARE_FILES) {
    say(`the limit of open files is ${limit}: raise it (ulimit -n ${clients + SPARE_FILES}) and run again`);
    return ExitCode.Usage;
  }
  const many = SCENARIOS.find((one) => one.kind === 'load' && one.name.startsWith('many-'));
  const kind = targetKinds({ peers: [], builds: [] }).find(({ name }) => name === 'mybouncer');
  if (many?.kind !== 'load' || kind === undefined) throw new RangeError('the scenario or the target is gone');
  const scenario: LoadScenario = { ...many, clients, poolSize };
  const server = await startServer({
    ...{ flavor, port: undefined, signal },
    ...{ certificateFolder: undefined, bigTables: false },
  });
  try {
    say(`${describeMachine()}; ${server.version}; ${clients} clients, ${poolSize} sessions, ${seconds} s`);
    const context = { workspace, server, scenario, cpuProfile: undefined, signal };
    const target = await kind.start(context);
    const run = await measure({ ...context, timing: { warmupSeconds: 2, seconds } }, target);
    await target.stop();
    if (!isMeasured(run)) {
      say(`FAILED: ${run.failure}`);
      return ExitCode.Failed;
    }
    say(describe(run));
    const wrong = mistakes(run, options);
    say(wrong.length === 0 ? 'no error, no lost waiter, nobody left behind' : `FAILED: ${wrong.join('; ')}`);
    return wrong.length === 0 ? ExitCode.Good : ExitCode.Failed;
  } finally {
    await server.close();
  }
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  return interruptible(
    (workspace, signal) => check(options, workspace, signal),
    (error) => {
      process.stderr.write(`${messageOf(error)}\n`);
      return ExitCode.Failed;
    },
  );
}

await runCommand(main, ExitCode.Usage);
