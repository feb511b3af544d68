import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import type { PrivateTestServer } from '../support/servers.js';
import { startMariadb, startMysql } from '../support/servers.js';
import { caseName, formatCase, parseCase, TARGETS, type Target } from './case.js';
import { corpusOf } from './corpus.js';
import { Fuzzer } from './fuzzer.js';
import { type Options, parseOptions } from './options.js';
import { openTarget } from './targets.js';

const ExitCode = { Good: 0, Found: 1, Usage: 2 } as const;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function fuzz(target: Target, server: PrivateTestServer, options: Options): Promise<boolean> {
  const fuzzed = await openTarget(target, server);
  const saving: Promise<void>[] = [];
  try {
    const result = await new Fuzzer(fuzzed, {
      ...options,
      corpus: await corpusOf(target),
      onProgress: (text) => say(`  ${text}`),
      onFinding: ({ what, fuzzed: found }) => {
        say(`FOUND in ${target}: ${what}`);
        if (found === null) return;
        const folder = join(options.save, target);
        const file = join(folder, `${caseName(found)}.txt`);
        say(`  kept in ${file}`);
        saving.push(
          mkdir(folder, { recursive: true }).then(() =>
            writeFile(file, formatCase(found, what.split('\n').slice(0, 2).join('\n'))),
          ),
        );
      },
    }).run();
    say(`${target}: ${result.report}`);
    return result.findings.length > 0;
  } finally {
    await Promise.all(saving);
    await fuzzed.close();
  }
}

async function replay(target: Target, server: PrivateTestServer, file: string): Promise<boolean> {
  const fuzzed = await openTarget(target, server);
  try {
    const outcome = await fuzzed.run(parseCase(await readFile(file, 'utf8')));
    say(`${outcome.signature}\n${outcome.violations.join('\n')}`);
    return outcome.violations.length > 0;
  } finally {
    await fuzzed.close();
  }
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // The server ends with this process.
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  const start = options.server === 'mysql' ? startMysql : startMariadb;
  const server = await start();
  let found = false;
  try {
    say(`${options.server} ${server.version}, seed ${options.seed}, ${options.seconds} s for each target`);
    for (const target of options.target === undefined ? TARGETS : [options.target]) {
      const one =
        options.replay === undefined ? fuzz(target, server, options) : replay(target, server, options.replay);
      found = (await one) || found;
    }
    return found ? ExitCode.Found : ExitCode.Good;
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
