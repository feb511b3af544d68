/** Not a test: the program as `master: on` runs it, with a parent that waits for less than a minute for a new process. */
import { fileURLToPath } from 'node:url';
import { parseArgv } from '../../../src/config/argv.js';
import { load } from '../../../src/config/load.js';
import { Master, planOf } from '../../../src/lifecycle/master.js';
import { createLogger } from '../../../src/observability/logger.js';

const READY_MS = 1_500;

const words = process.argv.slice(2);
const invocation = parseArgv(words, '0');
if (invocation.kind !== 'run') throw new TypeError('the words start no proxy');
const { settings } = load({
  configFile: invocation.configFile,
  flags: invocation.flags,
  problems: invocation.problems,
  env: process.env,
});
const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url));
process.exitCode = await new Master({
  program: { execPath: process.execPath, execArgv: process.execArgv, main, words, env: process.env },
  plan: planOf(settings),
  inherited: [],
  manager: { notify: () => {}, watchdogMs: null },
  log: createLogger('info'),
  readyMs: READY_MS,
}).run();
