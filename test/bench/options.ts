import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { SCENARIOS, type Scenario } from './scenarios.js';
import type { ServerFlavor } from './server.js';
import type { Build, Peer } from './targets.js';

export interface BenchOptions {
  readonly scenarios: readonly Scenario[];
  /** Undefined: direct, haproxy, mybouncer and whatever was named beside. */
  readonly targets: readonly string[] | undefined;
  readonly peers: readonly Peer[];
  readonly builds: readonly Build[];
  readonly rounds: number;
  readonly retries: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly server: ServerFlavor;
  readonly serverPort: number | undefined;
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly cpuProfile: string | undefined;
  /** As it was typed, for the report. */
  readonly command: string;
}

const AFTER_HELP = `
Scenarios:
${SCENARIOS.map(({ name, title, clients, poolSize }) => `  ${name.padEnd(16)}${title}, ${clients} clients, ${poolSize} sessions`).join('\n')}

Targets: direct, haproxy, mybouncer; with --targets also haproxy-2t (two threads) and relay (a bare relay in Node).
A peer is started by you, in front of 127.0.0.1:<--server-port>, for account USER (default app), password secret,
schema app, on this machine if its CPU and memory are to be seen; the bench waits up to a minute for it.

Exit codes: 0; 1 when a run failed or a client saw an error; 2 for bad usage; 3 when the rounds differ so much that a
comparison is meaningless; 130 when interrupted.`;

/** Quick runs are for looking, not for publishing. */
const QUICK = { rounds: 3, seconds: 2 };
const THOROUGH = { rounds: 5, seconds: 5 };

/** Parses the arguments; commander prints help and mistakes and leaves by an exception. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const command = new Command('bench')
    .description('Compares MyBouncer with a direct connection, HAProxy and others, side by side in one run')
    .option('--quick', `${QUICK.rounds} rounds of ${QUICK.seconds} s`, false)
    .option('--only <name>', 'only scenarios whose name begins so (repeatable)', collect, [])
    .option('--targets <list>', 'targets, separated by commas', list)
    .option('--peer <name=[user@]host:port>', 'another proxy beside ours (repeatable)', collectPeer, [])
    .option('--build <name=file>', 'another build of MyBouncer: its main.js (repeatable)', collectBuild, [])
    .option('--rounds <n>', `rounds (default ${THOROUGH.rounds})`, positive)
    .option('--seconds <s>', `seconds of each run (default ${THOROUGH.seconds})`, positive)
    .option('--retries <n>', 'how often a run is taken again that other processes disturbed', whole, 2)
    .option('--warmup <s>', 'seconds of each run before it counts', positive, 1)
    .addOption(new Option('--server <kind>', 'the server').choices(['mariadb', 'mysql']).default('mariadb'))
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
  readonly only: readonly string[];
  readonly targets?: readonly string[];
  readonly peer: readonly Peer[];
  readonly build: readonly Build[];
  readonly rounds?: number;
  readonly seconds?: number;
  readonly retries: number;
  readonly warmup: number;
  readonly server: ServerFlavor;
  readonly serverPort?: number;
  readonly json?: string;
  readonly markdown?: string;
  readonly cpuProf?: string;
}

function interpret(raw: RawOptions, argv: readonly string[]): BenchOptions {
  const usual = raw.quick ? QUICK : THOROUGH;
  return {
    scenarios: chooseScenarios(raw.only),
    targets: raw.targets,
    peers: raw.peer,
    builds: raw.build,
    rounds: raw.rounds ?? usual.rounds,
    retries: raw.retries,
    warmupSeconds: raw.warmup,
    seconds: raw.seconds ?? usual.seconds,
    server: raw.server,
    serverPort: raw.serverPort ?? (raw.peer.length > 0 ? 13_306 : undefined),
    json: raw.json,
    markdown: raw.markdown,
    cpuProfile: raw.cpuProf === undefined ? undefined : resolve(raw.cpuProf),
    command: ['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' '),
  };
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
  const match = /^([\w.-]+)=(.+)$/.exec(value);
  const [, name, main] = match ?? [];
  if (name === undefined || main === undefined) {
    throw new InvalidArgumentError('it should look like NAME=FILE');
  }
  return [...earlier, { name, main: resolve(main) }];
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

function port(value: string): number {
  const number = positive(value);
  if (number > 65_535) {
    throw new InvalidArgumentError('it should be a port, 1 to 65535');
  }
  return number;
}
