/** Not a test: a process that starts a sandbox, says what it got, and then waits for its end. */
import { startSandbox } from '../../src/sandbox/index.js';

const sandbox = await startSandbox();
process.stdout.write(`${JSON.stringify(sandbox)}\n`);
setInterval(() => undefined, 60_000);
