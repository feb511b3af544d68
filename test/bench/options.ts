import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { heading } from './report.js';
import { SCENARIOS, type Scenario } from './scenarios.js';
import type { ServerFlavor } from './server.js';
import type { Build, Peer } from './targets.js';
import { scenariosOf } from './verdict.js';

/** A server, and what is measured on it. */
export interface Part {
  readonly flavor: ServerFlavor;
  readonly scenarios: readonly Scenario[];
}

export interface BenchOptions {
  readonly parts: readonly Part[];
  /** Whether scenarios have fewer clients than they say: limits then mean little. */
  readonly capped: boolean;
  /** Whether the exit code tells if MyBouncer keeps its limits. */
  readonly verdict: boolean;
  /** Undefined: those of the scenario, or direct, haproxy, mybouncer and whatever was named beside. */
  readonly targets: readonly string[] | undefined;
  readonly peers: readonly Peer[];
  readonly builds: readonly Build[];
  readonly rounds: number;
  readonly retries: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** How long idle clients are looked at, at each step. */
  readonly settleSeconds: number;
  readonly serverPort: number | undefined;
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly cpuProfile: string | undefined;
  /** As it was typed, for the report. */
  readonly command: string;
}

const AFTER_HELP = `
Scenarios:
${SCENARIOS.map((scenario) => `  ${heading(scenario).replace(': ', ' '.repeat(Math.max(2, 20 - scenario.name.length)))}`).join('\n')}

Targets: direct, haproxy, mybouncer; with --targets also haproxy-2t (two threads), relay (a bare relay in Node), and
direct-unix, haproxy-unix, mybouncer-unix (unix sockets in place of TCP, to the server as well).
A peer is started by you, in front of 127.0.0.1:<--server-port>, for account USER (default app), password secret,
schema app, on this machine if its CPU and memory are to be seen; the bench waits up to a minute for it.

--verdict measures what the project's own limits are about, on MariaDB and MySQL. The limits are printed with every run, as far
as they were measured: ratios of the same round, and the median of them. A line is noise when rounds lie on both sides of the
limit and far apart, or when other processes had more than a quarter of the machine.

--json-schema prints the JSON schema of what --json writes.

Exit codes: 0; 1 when a run failed or a client saw an error; 2 for bad usage; 3 when noise makes a comparison meaningless;
with --verdict 4 when a limit is missed; 130 when interrupted.`;

/** Quick runs are for looking, not for publishing. */
const QUICK = { rounds: 3, seconds: 2, settle: 3 };
const THOROUGH = { rounds: 5, seconds: 5, settle: 10 };

/** Parses the arguments; commander prints help and mistakes and leaves by an exception. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const command = new Command('bench')
    .description('Compares MyBouncer with a direct connection, HAProxy and others, side by side in one run')
    .option('--quick', `${QUICK.rounds} rounds of ${QUICK.seconds} s`, false)
    .option('--only <name>', 'only scenarios whose name begins so (repeatable)', collect, [])
    .option('--verdict', 'what the limits need, and an exit code that says whether they are kept', false)
    .option('--targets <list>', 'targets, separated by commas', list)
    .option('--peer <name=[user@]host:port>', 'another proxy beside ours (repeatable)', collectPeer, [])
    .option(
      '--build <name=file args...>',
      'another build of MyBouncer: its main.js, and arguments for it (repeatable)',
      collectBuild,
      [],
    )
    .option('--rounds <n>', `rounds (default ${THOROUGH.rounds}; at most 3 with idle clients)`, positive)
    .option('--seconds <s>', `seconds of each run (default ${THOROUGH.seconds})`, seconds)
    .option('--retries <n>', 'how often a run is taken again that other processes disturbed', whole, 2)
    .option('--warmup <s>', 'seconds of each run before it counts', seconds, 1)
    .option('--settle <s>', `seconds of looking at idle clients (default ${THOROUGH.settle})`, seconds)
    .option('--max-clients <n>', 'no scenario has more clients than this: for trying out', positive)
    .addOption(
      new Option('--server <kind>', 'the server (default: mariadb)').choices(['mariadb', 'mysql', 'both']),
    )
    .option('--server-port <port>', "port of the bench's own server (default: any; 13306 with --peer)", port)
    .option('--json <file>', 'write every run as JSON')
    .option('--markdown <file>', 'write the tables as Markdown')
    .option('--cpu-prof <dir>', 'profile the proxies that run in Node into DIR/SCENARIO/TARGET')
    .addHelpText('after', AFTER_HELP)
    .exitOverride()
    .allowExcessArguments(false)
    .parse(argv, { from: 'user' });
  return interpret(command.opts<RawOptions>(), argv);
}

interface RawOptions {
  readonly quick: boolean;
  readonly verdict: boolean;
  readonly settle?: number;
  readonly maxClients?: number;
  readonly only: readonly string[];
  readonly targets?: readonly string[];
  readonly peer: readonly Peer[];
  readonly build: readonly Build[];
  readonly rounds?: number;
  readonly seconds?: number;
  readonly retries: number;
  readonly warmup: number;
  readonly server?: ServerFlavor | 'both';
  readonly serverPort?: number;
  readonly json?: string;
  readonly markdown?: string;
  readonly cpuProf?: string;
}

function interpret(raw: RawOptions, argv: readonly string[]): BenchOptions {
  const usual = raw.quick ? QUICK : THOROUGH;
  return {
    parts: parts(raw),
    capped: raw.maxClients !== undefined,
    verdict: raw.verdict,
    targets: raw.targets,
    peers: raw.peer,
    builds: raw.build,
    rounds: raw.rounds ?? usual.rounds,
    retries: raw.retries,
    warmupSeconds: raw.warmup,
    seconds: raw.seconds ?? usual.seconds,
    settleSeconds: raw.settle ?? usual.settle,
    serverPort: raw.serverPort ?? (raw.peer.length > 0 ? 13_306 : undefined),
    json: raw.json,
    markdown: raw.markdown,
    cpuProfile: raw.cpuProf === undefined ? undefined : resolve(raw.cpuProf),
    command: ['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' '),
  };
}

/** A verdict needs few of the scenarios, and both servers, unless it is said which. */
function parts({ only, verdict, server, maxClients = Number.POSITIVE_INFINITY }: RawOptions): Part[] {
  const chosen = chooseScenarios(only).map((scenario) => ({
    ...scenario,
    clients: Math.min(scenario.clients, maxClients),
  }));
  const flavors: ServerFlavor[] =
    server === 'both' || (server === undefined && verdict) ? ['mariadb', 'mysql'] : [server ?? 'mariadb'];
  return flavors
    .map((flavor) => {
      const needed = scenariosOf(flavor);
      return { flavor, scenarios: chosen.filter(({ name }) => !verdict || needed.has(name)) };
    })
    .filter(({ scenarios }) => scenarios.length > 0);
}

/** A name chooses itself if it is one, else everything that begins with it. */
function chooseScenarios(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) {
    return SCENARIOS;
  }
  const chosen = new Set<Scenario>();
  for (const name of names) {
    const matching = SCENARIOS.filter((scenario) => scenario.name.startsWith(name));
    if (matching.length === 0) {
      const known = SCENARIOS.map((scenario) => scenario.name).join(', ');
      throw new InvalidArgumentError(`no scenario begins with '${name}'; there are ${known}`);
    }
    const exact = matching.find((scenario) => scenario.name === name);
    for (const scenario of exact === undefined ? matching : [exact]) {
      chosen.add(scenario);
    }
  }
  return SCENARIOS.filter((scenario) => chosen.has(scenario));
}

function list(value: string): string[] {
  return value.split(',').filter(Boolean);
}

function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, ...list(value)];
}

function collectPeer(value: string, earlier: readonly Peer[]): Peer[] {
  const match = /^([\w.-]+)=(?:(\w+)@)?([^:@]+):(\d+)$/.exec(value);
  const [, name, user = 'app', host, portText] = match ?? [];
  if (name === undefined || host === undefined || portText === undefined) {
    throw new InvalidArgumentError('it should look like NAME=HOST:PORT or NAME=USER@HOST:PORT');
  }
  return [...earlier, { name, user, host, port: port(portText) }];
}

function collectBuild(value: string, earlier: readonly Build[]): Build[] {
  const match = /^([\w.-]+)=(\S+)(.*)$/.exec(value);
  const [, name, main, args = ''] = match ?? [];
  if (name === undefined || main === undefined) {
    throw new InvalidArgumentError('it should look like NAME=FILE or "NAME=FILE ARGUMENT..."');
  }
  return [...earlier, { name, main: resolve(main), args: args.split(' ').filter(Boolean) }];
}

function whole(value: string): number {
  if (!/^\d{1,9}$/.test(value)) {
    throw new InvalidArgumentError('it should be a whole number');
  }
  return Number(value);
}

function positive(value: string): number {
  const number = whole(value);
  if (number < 1) {
    throw new InvalidArgumentError('it should be a whole number from 1 on');
  }
  return number;
}

/** Fractions are for tests: what they measure means nothing. */
function seconds(value: string): number {
  const number = Number(value);
  if (!/^\d{1,5}(\.\d+)?$/.test(value) || number <= 0) {
    throw new InvalidArgumentError('it should be a number of seconds');
  }
  return number;
}

function port(value: string): number {
  const number = positive(value);
  if (number > 65_535) {
    throw new InvalidArgumentError('it should be a port, 1 to 65535');
  }
  return number;
}
