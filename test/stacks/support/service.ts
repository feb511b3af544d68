import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { watched } from '../../support/watched.js';

const STARTS_WITHIN_MS = 60_000;
const ENDS_WITHIN_MS = 10_000;
/** After its end, from what it has left running. */
const LAST_WORDS_WITHIN_MS = 1_000;
/** Linux gives those from 32768 on to outgoing connections, other systems higher ones. */
const FIRST_PORT = 15_000;
const END_OF_PORTS = 32_000;

export interface ServiceOptions {
  /** For error messages. */
  readonly name: string;
  readonly words: readonly [string, ...string[]];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** It is ready when it accepts connections on this port of 127.0.0.1. */
  readonly port: number;
  /** SIGTERM unless given. */
  readonly stopSignal?: NodeJS.Signals;
}

/** A program that serves a port in the foreground, and ends with the test, whatever it has started and however that ends. */
export class Service {
  readonly output: string[] = [];
  readonly name: string;
  readonly port: number;
  readonly #child: ChildProcess;
  /** When all that it has printed has been read. */
  readonly #closed: Promise<unknown>;
  readonly #stopSignal: NodeJS.Signals;

  private constructor({ name, port, words, cwd, env, stopSignal = 'SIGTERM' }: ServiceOptions) {
    this.name = name;
    this.port = port;
    this.#stopSignal = stopSignal;
    const [program, ...args] = watched(words);
    // A group of its own, so that nothing outlives the test.
    this.#child = spawn(program, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#closed = new Promise((resolve) => this.#child.once('close', resolve));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.output.push(line));
    }
  }

  /** Resolves when the port answers. @throws when the program ends before, with what it said */
  static async start(t: Test, options: ServiceOptions): Promise<Service> {
    const service = new Service(options);
    t.teardown(() => service.stop());
    await service.#ready();
    return service;
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`${this.name} was not started`);
    return pid;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async stop(): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined) return;
    if (!this.ended) {
      const exit = once(this.#child, 'exit');
      this.#child.kill(this.#stopSignal);
      const slow = setTimeout(() => this.#killGroup(pid), ENDS_WITHIN_MS);
      await exit;
      clearTimeout(slow);
    }
    this.#killGroup(pid);
  }

  /** What is left of its processes. */
  #killGroup(pid: number): void {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  async #ready(): Promise<void> {
    let failure: Error | null = null;
    this.#child.once('error', (error) => {
      failure = error;
    });
    const end = Date.now() + STARTS_WITHIN_MS;
    while (!(await accepts(this.port))) {
      if (failure !== null) throw failure;
      if (this.ended || Date.now() > end) {
        if (this.ended) await Promise.race([this.#closed, sleep(LAST_WORDS_WITHIN_MS)]);
        throw new Error(`${this.name} does not listen on ${this.port}:\n${this.output.join('\n')}`);
      }
      await sleep(20);
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/**
 * A port of 127.0.0.1 that nobody listens on now. Not one of those that the system gives to outgoing connections: any of
 * these, of which the tests make thousands, might take it before its server does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, END_OF_PORTS);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
