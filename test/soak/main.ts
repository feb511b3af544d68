import { writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { runCommand } from '../support/run-command.js';
import { startMariadb, startMysql } from '../support/servers.js';
import { parseOptions } from './options.js';
import { SERVER_ARGUMENTS, soak } from './soak.js';

const ExitCode = { Good: 0, Violated: 1, Usage: 2 } as const;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(): Promise<number> {
  const { server: flavor, log, ...options } = parseOptions(process.argv.slice(2));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // The server ends with this process.
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  const start = flavor === 'mysql' ? startMysql : startMariadb;
  const server = await start({ extraArgs: SERVER_ARGUMENTS });
  try {
    say(
      `${flavor} ${server.version}, seed ${options.seed}, ${options.clients} clients, ${options.seconds} s`,
    );
    const result = await soak(server, { ...options, onProgress: say });
    say(result.report);
    if (!result.findings.failed) return ExitCode.Good;
    if (log !== undefined) await writeFile(log, result.log.join(''));
    say(`FAILED: --seed ${options.seed} --server ${flavor}`);
    return ExitCode.Violated;
  } finally {
    await server.stop();
  }
}

await runCommand(main, ExitCode.Usage);
