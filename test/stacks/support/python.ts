import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { stackFolder } from './stack.js';

export interface GunicornOptions {
  readonly interpreter: string;
  /** Module and callable, such as `django_app:application`, in {@link stackFolder}. */
  readonly app: string;
  readonly workers: number;
  /** More of gunicorn's own arguments. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** An app under gunicorn, which ends with the test, its workers as well. */
export class Gunicorn {
  readonly output: string[] = [];
  readonly #child: ChildProcess;
  #url = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** `http://HOST:PORT` */
  get url(): string {
    return this.#url;
  }

  /** Resolves when it listens. */
  static async start(
    t: Test,
    { interpreter, app, workers, args = [], env = {} }: GunicornOptions,
  ): Promise<Gunicorn> {
    const words = [
      '-m',
      'gunicorn.app.wsgiapp',
      '--config',
      'support/gunicorn_config.py',
      '--bind',
      '127.0.0.1:0',
      '--workers',
      String(workers),
      ...args,
      app,
    ];
    const child = spawn(interpreter, words, {
      cwd: stackFolder(),
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
    });
    const gunicorn = new Gunicorn(child);
    t.teardown(() => gunicorn.stop());
    await gunicorn.#listening();
    return gunicorn;
  }

  /** Of the JSON that a path answers with. @throws when the answer is no success */
  async get(path: string): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}\n${this.output.join('\n')}`);
    return JSON.parse(text);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    // Workers notice that their parent has gone.
    const slow = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await exit;
    clearTimeout(slow);
  }

  async #listening(): Promise<void> {
    const { stderr } = this.#child;
    if (stderr === null) throw new TypeError('gunicorn has no output');
    const lines = createInterface({ input: stderr });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        this.output.push(line);
        const [, url] = /Listening at: (http:\S+)/.exec(line) ?? [];
        if (url === undefined) return;
        this.#url = url;
        resolve();
      });
      this.#child.once('error', reject);
      this.#child.once('exit', (code) =>
        reject(new Error(`gunicorn ended with ${code}:\n${this.output.join('\n')}`)),
      );
    });
  }
}

/** Runs a task so many times, at most `width` at once. */
export async function repeat(
  times: number,
  width: number,
  task: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < times) await task(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
