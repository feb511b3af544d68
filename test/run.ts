/**
 * Runs the compiled tests: `node dist/test/run.js [FILTER...]`, where a filter is any part of a path, such as `test/sql` or
 * `lexer.test.ts`. One MariaDB and one MySQL serve the whole run. The last line is `N passed, N failed`.
 */
import { access, readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { SandboxError } from '../src/sandbox/error.js';
import { findOrInstallServer } from '../src/sandbox/install-server.js';
import { type FileResult, FileRunner, type TestFile } from './support/run-file.js';
import { fileReport, summary } from './support/run-report.js';
import { testProgram } from './support/server-programs.js';
import { FLAVORS, type Flavor, MISSING, startMariadb, startMysql, URL_VARIABLE } from './support/servers.js';
import { slowestFirst } from './support/slow-files.js';

/** `dist/test` */
const COMPILED = dirname(fileURLToPath(import.meta.url));
const FILE_TIMEOUT_SECONDS = 600;
/** Several files run at once, each with pools of its own. */
const SERVER_OPTIONS = { extraArgs: ['--max-connections=500'] };
/** Run one at a time, when all others are done: they measure memory, or load the machine. */
const SERIAL = /\.serial\.test\.ts$/;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** True unless the source is gone: the compiler leaves the output of deleted files where it is. */
async function hasSource(name: string): Promise<boolean> {
  const project = dirname(dirname(COMPILED));
  if (basename(dirname(COMPILED)) !== 'dist') return true;
  return access(join(project, name)).then(
    () => true,
    () => false,
  );
}

function matches(name: string, filters: readonly string[]): boolean {
  if (filters.length === 0) return true;
  return filters.some((filter) =>
    name.includes(filter.replace(/^(\.\/)?(dist\/)?/, '').replace(/\.js$/, '.ts')),
  );
}

async function findTests(filters: readonly string[]): Promise<TestFile[]> {
  const entries = (await readdir(COMPILED, { recursive: true })).filter((entry) =>
    entry.endsWith('.test.js'),
  );
  const found: TestFile[] = [];
  for (const entry of entries.sort()) {
    const name = `test/${entry.split(sep).join('/').replace(/\.js$/, '.ts')}`;
    if (matches(name, filters) && (await hasSource(name))) found.push({ name, path: join(COMPILED, entry) });
  }
  return found;
}

/**
 * Sees to it that there is a MariaDB: the run as a whole means nothing without one. A run of chosen files goes on, and skips
 * what needs it.
 */
async function requireMariadb(chosen: boolean): Promise<void> {
  try {
    await findOrInstallServer(['mariadb'], say);
  } catch (error) {
    if (!chosen || !(error instanceof SandboxError)) throw error;
    say(error.message);
  }
}

/** Starts the run's own server of a flavor, unless one is named by the environment. @returns how to stop it */
async function startServer(flavor: Flavor, env: NodeJS.ProcessEnv): Promise<() => Promise<void>> {
  const variable = URL_VARIABLE[flavor];
  if (env[variable] !== undefined && env[variable] !== '') {
    say(`${flavor}: the server of ${variable}`);
    return async () => undefined;
  }
  if ((await testProgram(flavor)) === null) {
    say(MISSING[flavor]);
    return async () => undefined;
  }
  const server = await (flavor === 'mariadb' ? startMariadb : startMysql)(SERVER_OPTIONS);
  say(`${flavor}: a private ${server.version} on port ${server.port}`);
  env[variable] = server.rootUrl;
  return () => server.stop();
}

async function runAll(files: readonly TestFile[], runner: FileRunner): Promise<FileResult[]> {
  const results: FileResult[] = [];
  const work = async (queue: TestFile[]): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runner.run(file);
      results.push(result);
      say(fileReport(result));
    }
  };
  const parallel = slowestFirst(files.filter(({ name }) => !SERIAL.test(name)));
  // Tests mostly wait, for servers and for time limits: one lane more than there are cores keeps the cores busy.
  const lanes = availableParallelism() + 1;
  await Promise.all(Array.from({ length: lanes }, () => work(parallel)));
  await work(files.filter(({ name }) => SERIAL.test(name)));
  return results.sort((a, b) => a.name.localeCompare(b.name));
}

async function main(filters: readonly string[]): Promise<boolean> {
  const files = await findTests(filters);
  if (files.length === 0) throw new Error(`no test file matches ${filters.join(' ') || 'test/**/*.test.ts'}`);
  if (!process.env['TEST_MARIADB_URL']) await requireMariadb(filters.length > 0);
  const env = { ...process.env };
  const stops: (() => Promise<void>)[] = [];
  const runner = new FileRunner(env, FILE_TIMEOUT_SECONDS);
  const onSignal = (): void => {
    // The servers end with this process.
    runner.abort();
    process.exit(1);
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    for (const flavor of FLAVORS) stops.push(await startServer(flavor, env));
    const { text, ok } = summary(await runAll(files, runner));
    say(text);
    return ok;
  } finally {
    for (const stop of stops) await stop();
  }
}

// Importing tap starts a test of its own, with a time limit, in this process too.
t.setTimeout(0);
try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  say(error instanceof SandboxError ? error.message : String(error instanceof Error ? error.stack : error));
  say('\n0 passed, 1 failed');
  process.exitCode = 1;
}
