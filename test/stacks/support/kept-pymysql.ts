import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Test } from 'tap';
import { AFTER_FAILURE_MS, type ClientReport, type KeptClients, type KeptPlan } from './kept-connections.js';
import { stackFolder } from './stack.js';

/** PyMySQL connections, each in a thread of one process. */
export class PymysqlClients implements KeptClients {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #said: string[] = [];

  private constructor(child: ChildProcess, lines: Interface) {
    this.#child = child;
    this.#answers = lines[Symbol.asyncIterator]();
    child.stderr?.on('data', (chunk: Buffer) => this.#said.push(String(chunk)));
  }

  static start(t: Test, python: string, plan: KeptPlan): PymysqlClients {
    const child = spawn(python, ['kept_connections.py'], {
      cwd: stackFolder(),
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    if (child.stdout === null) throw new TypeError('the clients have no output');
    const clients = new PymysqlClients(child, createInterface({ input: child.stdout }));
    t.teardown(() => clients.#stop());
    child.stdin?.write(`${JSON.stringify({ ...plan, afterFailureMs: AFTER_FAILURE_MS })}\n`);
    return clients;
  }

  async go(): Promise<void> {
    await this.#ask('go');
  }

  async pause(): Promise<void> {
    await this.#ask('pause');
  }

  async report(): Promise<ClientReport[]> {
    return (await this.#ask('report')) as ClientReport[];
  }

  async #ask(word: string): Promise<unknown> {
    this.#child.stdin?.write(`${word}\n`);
    const answer = await this.#answers.next();
    if (answer.done === true) throw new Error(`the clients have ended:\n${this.#said.join('')}`);
    return JSON.parse(answer.value);
  }

  async #stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
