import { constants } from 'node:os';
import { Workspace } from '../bench/children.js';
import { runCommand } from '../support/run-command.js';
import { FAULTS, faultsFor } from './faults.js';
import { findFault } from './find-fault.js';
import { kindsFor } from './kinds/index.js';
import { type Lab, runPlan } from './lab.js';
import { type OracleOptions, parseOptions } from './options.js';
import { makePlan } from './plan.js';
import { reportDifference } from './report.js';
import { type OracleServer, openServer } from './server.js';
import { shrink } from './shrink.js';

const ExitCode = { Good: 0, Different: 1, Usage: 2 } as const;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

interface Tally {
  readonly kinds: Set<string>;
  rounds: number;
  steps: number;
  differences: number;
}

interface Round {
  readonly seed: number;
  readonly only: readonly string[] | undefined;
  readonly until: number;
  readonly shrinks: boolean;
}

/** Fresh objects, fresh clients, a fresh proxy, a plan of its own. @returns whether there was a difference */
async function runRound(options: OracleOptions, lab: Lab, round: Round, tally: Tally): Promise<boolean> {
  const { seed, only, until } = round;
  const { flavor } = lab.server;
  const { clients, poolSize, without, steps } = options;
  const chosen = only === undefined ? {} : { only };
  const plan = makePlan({ flavor, seed, clients, poolSize, steps, without, ...chosen });
  tally.rounds++;
  const { difference, log } = await runPlan(lab, plan, {
    until,
    onStep: ({ kind }) => {
      tally.kinds.add(kind);
      tally.steps++;
    },
  });
  if (difference === null) return false;
  tally.differences++;
  const from = only === undefined ? '' : ` of ${only.join(', ')}`;
  say(`\nDifference in '${difference.step.kind}'${from}: --seed ${seed} on ${flavor}, step ${difference.at}`);
  if (!round.shrinks) return true;
  const shrunk = await shrink(lab, plan, difference, Date.now() + options.shrinkSeconds * 1000);
  say(
    shrunk.repeated === null
      ? 'not seen again, so all steps are here (* not waited for):'
      : `shrunk to ${shrunk.plan.steps.length} steps (${shrunk.runs} runs, ${shrunk.repeated}):`,
  );
  say(reportDifference(shrunk.plan, shrunk.difference));
  if (log.length > 2) say(`  log: ${log.slice(2).join('\n       ')}`);
  return true;
}

/** Rounds of the next seeds, until time is up or there is a difference. */
async function runRounds(options: OracleOptions, lab: Lab, shrinks: boolean): Promise<Tally> {
  const until = Date.now() + options.seconds * 1000;
  const tally: Tally = { kinds: new Set(), rounds: 0, steps: 0, differences: 0 };
  while (Date.now() < until) {
    const seed = options.seed + tally.rounds;
    const different = await runRound(options, lab, { seed, only: options.only, until, shrinks }, tally);
    if (different && !(options.goOn && shrinks)) break;
  }
  return tally;
}

/** A short round for each kind. */
async function runEach(options: OracleOptions, lab: Lab): Promise<Tally> {
  const tally: Tally = { kinds: new Set(), rounds: 0, steps: 0, differences: 0 };
  const wanted = kindsFor(lab.server.flavor).filter(
    ({ name }) => options.only === undefined || options.only.some((prefix) => name.startsWith(prefix)),
  );
  for (const { name } of wanted) {
    const until = Number.POSITIVE_INFINITY;
    await runRound(options, lab, { seed: options.seed, only: [name], until, shrinks: true }, tally);
  }
  return tally;
}

/** Puts one fault after the other into a copy of the proxy; each must show within the time. */
async function findFaults(options: OracleOptions, lab: Lab): Promise<boolean> {
  const { clients, steps, seed, seconds, without, only } = options;
  const chosen = only === undefined ? {} : { only };
  let allFound = true;
  for (const name of faultsFor(lab.server.flavor, options.faults)) {
    const begin = Date.now();
    const until = begin + seconds * 1000;
    const rounds = Number.POSITIVE_INFINITY;
    const found = await findFault(lab, name, { clients, steps, seed, rounds, until, without, ...chosen });
    allFound &&= found !== null;
    const took = ((Date.now() - begin) / 1000).toFixed(1);
    const where = found === null ? '' : `, by ${found.difference.step.kind}, --seed ${found.plan.seed}`;
    say(`${found === null ? 'NOT FOUND' : 'found'} in ${took} s${where}: ${name} (${FAULTS[name]?.what})`);
  }
  return allFound;
}

async function run(options: OracleOptions, server: OracleServer, workspace: Workspace): Promise<boolean> {
  const { main, poolSize } = options;
  const lab: Lab = { server, workspace, main, poolSize };
  say(
    `${server.flavor} ${server.version}, seed ${options.seed}, ${options.clients} clients, ${main === null ? 'no proxy' : `a pool of ${poolSize}`}`,
  );
  if (options.faults.length > 0) return findFaults(options, lab);
  const { rounds, steps, kinds, differences } = options.each
    ? await runEach(options, lab)
    : await runRounds(options, lab, true);
  say(`${steps} steps of ${kinds.size} kinds in ${rounds} rounds: ${differences} differences`);
  return differences === 0;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  const workspace = new Workspace();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // The server and the proxy end with this process.
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  try {
    const server = await openServer(options.server);
    try {
      return (await run(options, server, workspace)) ? ExitCode.Good : ExitCode.Different;
    } finally {
      await server.close();
    }
  } finally {
    await workspace.close();
  }
}

await runCommand(main, ExitCode.Usage);
