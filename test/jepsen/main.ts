import { constants } from 'node:os';
import { Workspace } from '../bench/children.js';
import { runCommand } from '../support/run-command.js';
import type { Engine } from './engines/engine.js';
import { openEngine } from './engines/open.js';
import { FAULTS } from './faults.js';
import { findFault } from './find-fault.js';
import { type JepsenOptions, parseOptions } from './options.js';
import { runJepsen } from './run.js';

const ExitCode = { Good: 0, Anomaly: 1, Usage: 2 } as const;

/** Of one round in the search for a fault, in s. */
const SEARCH_SECONDS = 4;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Rounds of the next seeds, until time is up or there is an anomaly. */
async function runRounds(engine: Engine, options: JepsenOptions): Promise<boolean> {
  const { seconds, roundSeconds, workloads, nemesis, processes, main, direct } = options;
  const until = Date.now() + seconds * 1000;
  for (let round = 0; ; round++) {
    const left = Math.min(roundSeconds, (until - Date.now()) / 1000);
    if (left <= 0) return true;
    const seed = options.seed + round;
    const { anomalies, report, folder } = await runJepsen(engine, {
      ...{ seconds: left, seed, workloads, faults: nemesis, processes, round, direct },
      ...(main === undefined ? {} : { main }),
    });
    say(`seed ${seed}: ${report}`);
    if (anomalies.length === 0) continue;
    say(
      `FAILED: --seed ${seed} --server ${engine.flavor} --engine ${engine.name}; history and log in ${folder}`,
    );
    return false;
  }
}

/** Puts one fault after the other into a copy of the proxy; each must show within the time. */
async function findFaults(engine: Engine, workspace: Workspace, options: JepsenOptions): Promise<boolean> {
  let allFound = true;
  const rounds = Math.ceil(options.seconds / SEARCH_SECONDS);
  for (const name of options.faults) {
    const begin = Date.now();
    const { seed } = options;
    const found = await findFault(engine, workspace, name, { seed, rounds, seconds: SEARCH_SECONDS });
    const took = ((Date.now() - begin) / 1000).toFixed(1);
    allFound &&= found.length > 0;
    const [first] = found;
    const types = [...new Set(found.map(({ type }) => type))].join(', ');
    say(`${first === undefined ? 'NOT FOUND' : 'found'} in ${took} s: ${name} (${FAULTS[name]?.what})`);
    if (first !== undefined) say(`  ${types}; ${first.what}`);
  }
  return allFound;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  const workspace = new Workspace();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Servers and proxies end with this process.
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  try {
    const engine = await openEngine(options.engine, options.server);
    try {
      say(`${engine.flavor} ${engine.version}, ${engine.name}, seed ${options.seed}`);
      const good =
        options.faults.length > 0
          ? await findFaults(engine, workspace, options)
          : await runRounds(engine, options);
      return good ? ExitCode.Good : ExitCode.Anomaly;
    } finally {
      await engine.close();
    }
  } finally {
    await workspace.close();
  }
}

await runCommand(main, ExitCode.Usage);
