import { CommanderError } from 'commander';
import { bench } from './bench.js';
import { conclude, ExitCode } from './conclusion.js';
import { BenchError, messageOf } from './errors.js';
import { interruptible } from './interruptible.js';
import { parseOptions } from './options.js';
import { complain, say } from './present.js';
import { resultSchema } from './results.js';

async function main(): Promise<number> {
  if (process.argv.includes('--json-schema')) {
    say(JSON.stringify(resultSchema(), undefined, 2));
    return ExitCode.Good;
  }
  const options = parseOptions(process.argv.slice(2));
  return interruptible(
    async (workspace, signal) => {
      const { code, text } = conclude(await bench(options, workspace, signal), options.verdict);
      if (text !== undefined) {
        say(`\n${text}`);
      }
      return code;
    },
    (error) => {
      complain(messageOf(error));
      return error instanceof BenchError && error.code === 'usage' ? ExitCode.Usage : ExitCode.Faulty;
    },
  );
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof CommanderError)) {
    throw error;
  }
  if (!error.code.startsWith('commander.')) {
    throw error;
  }
  // commander has printed its own complaints, but not those of the scenario names.
  if (error.code === 'commander.invalidArgument' && !error.message.startsWith('error:')) {
    complain(error.message);
  }
  process.exitCode = error.exitCode === 0 ? ExitCode.Good : ExitCode.Usage;
}
