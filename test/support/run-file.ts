import { Spawn } from 'tap';
import { SHOWN } from './show.js';

const ORPHAN = new URL('run-orphan.js', import.meta.url).href;

/** What became of one test file; every assertion is counted once, where it was made. */
export interface FileResult {
  /** `test/sql/lexer.test.ts` */
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  /** Skipped and todo: not run, or not expected to pass. */
  readonly skipped: number;
  readonly failures: readonly Failure[];
  /** Why tests were skipped, once for each. */
  readonly skips: readonly string[];
  /** Lines of what tests gave to `show()`, in their order. */
  readonly shown: readonly string[];
  /** What the file printed besides its results. */
  readonly output: string;
  readonly seconds: number;
}

export interface Failure {
  /** The names of the tests around it and its own. */
  readonly path: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
}

export interface TestFile {
  readonly name: string;
  /** The compiled file. */
  readonly path: string;
}

/** The file as a whole failed, whatever its assertions say: null when it did not. */
function fileFault(file: Spawn): string | null {
  const { exitCode, signal } = file.options;
  if (file.timedOut) return 'did not end within its time';
  if (typeof file.results?.bailout === 'string') return `bailed out: ${file.results.bailout}`;
  if (typeof signal === 'string') return `was ended by ${signal}`;
  if (file.counts.total === 0) {
    return exitCode === 0 ? 'has no test in it' : `ended with exit code ${String(exitCode)} before any test`;
  }
  // A failed assertion explains the exit code.
  if (file.counts.fail > 0) return null;
  if (exitCode !== 0) return `ended with exit code ${String(exitCode)}, though no assertion failed`;
  return file.results?.ok === true ? null : 'is not ok, though no assertion failed';
}

type Parser = Spawn['parser'];

/** Gathers what tests, and tests within them, gave to `show()`. */
function gatherShown(parser: Parser, shown: string[]): void {
  const mark = `# ${SHOWN}`;
  parser.on('comment', (line) => {
    if (line.startsWith(mark)) shown.push(line.slice(mark.length).trimEnd());
  });
  parser.on('child', (child) => gatherShown(child, shown));
}

type Heard = Pick<FileResult, 'output' | 'shown' | 'seconds'>;

function summarize(name: string, file: Spawn, heard: Heard): FileResult {
  const failures = file.lists.fail.map((result): Failure => {
    // Each name stands behind the whole path of its parent.
    const path = result.fullname.split(' > ').slice(1);
    return { path: path.length > 0 ? path : [result.name], details: result.diag ?? {} };
  });
  const fault = fileFault(file);
  if (fault !== null) failures.push({ path: [`the file ${fault}`], details: {} });
  return {
    name,
    passed: file.counts.pass,
    failed: failures.length,
    skipped: file.counts.skip + file.counts.todo,
    failures,
    skips: [...new Set(file.lists.skip.map((result) => String(result.skip)))],
    ...heard,
  };
}

/** Runs compiled test files with tap, each in a process of its own. */
export class FileRunner {
  readonly #env: NodeJS.ProcessEnv;
  readonly #timeoutSeconds: number;
  readonly #running = new Set<Spawn>();

  /** @param timeoutSeconds for a file; it may ask for more with `t.setTimeout()` */
  constructor(env: NodeJS.ProcessEnv, timeoutSeconds: number) {
    this.#env = env;
    this.#timeoutSeconds = timeoutSeconds;
  }

  async run({ name, path }: TestFile): Promise<FileResult> {
    const begin = performance.now();
    const file = new Spawn({
      command: process.execPath,
      args: ['--enable-source-maps', '--import', ORPHAN, path],
      name,
      // The file's own limit comes first: it knows what was still open.
      timeout: (this.#timeoutSeconds + 10) * 1000,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...this.#env, TAP_TIMEOUT: String(this.#timeoutSeconds) },
    });
    const shown: string[] = [];
    gatherShown(file.parser, shown);
    let output = '';
    file.parser.on('extra', (text) => {
      output += text;
    });
    file.on('process', (child) => {
      child.stderr?.on('data', (data: Buffer) => {
        output += data.toString();
      });
    });
    // Nobody else reads the TAP text; unread it would stop the file.
    file.resume();
    this.#running.add(file);
    await new Promise<void>((done) => file.runMain(done));
    this.#running.delete(file);
    return summarize(name, file, { output, shown, seconds: (performance.now() - begin) / 1000 });
  }

  /** Kills what runs. */
  abort(): void {
    for (const file of this.#running) file.proc?.kill('SIGKILL');
  }
}
