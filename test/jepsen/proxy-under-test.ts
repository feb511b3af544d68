import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpAddress } from '../support/listening.js';
import { ProxyProcess } from '../support/proxy.js';
import type { Entrance } from './entrance.js';
import { REPLICAS_ALIAS } from './workloads/replica-reads.js';

const RESTARTED = 'restarted: the new process serves, the old one drains';
const RESTART_FAILED = 'restart failed: the old process goes on';

export interface ProxyUnderTestOptions {
  /** The URLs with the ways through the network that has faults; the first one has account and schema. */
  readonly servers: readonly [string, ...string[]];
  /** The compiled program; this build's own unless given. */
  readonly main?: string;
  /** A folder for its configuration. */
  readonly folder: string;
}

const POOL_SIZE = 6;

/** The program in front of the engine: one process after the other. */
export class ProxyUnderTest implements Entrance {
  readonly #processes: ProxyProcess[] = [];
  readonly #options: ProxyUnderTestOptions;
  #process: ProxyProcess;
  #ended: Promise<unknown> = Promise.resolve();

  private constructor(options: ProxyUnderTestOptions) {
    this.#options = options;
    this.#process = this.#start();
  }

  static async start(options: ProxyUnderTestOptions): Promise<ProxyUnderTest> {
    const proxy = new ProxyUnderTest(options);
    await proxy.configure(POOL_SIZE);
    await proxy.#process.logged('ready');
    return proxy;
  }

  /** Where clients connect now. */
  async address(): Promise<TcpAddress> {
    const { host, port } = this.#process;
    return { host, port };
  }

  /** What all of them have said. */
  get log(): string {
    return this.#processes
      .map(({ logs, stderr }, i) => [`--- process ${i + 1}`, ...logs, ...stderr].join('\n'))
      .join('\n');
  }

  /** What its log says that must never be there, until it is stopped: no process of it ends but by those that end it here. */
  get troubles(): readonly string[] {
    const lines = this.#processes.flatMap((one) =>
      one.lines.filter(
        ({ level, msg, signal }) =>
          level === 'fatal' || (msg === 'the serving process has died' && signal !== 'SIGKILL'),
      ),
    );
    const ended = this.#process.exitCode !== null ? ['it has ended by itself'] : [];
    return [...ended, ...lines.map((line) => JSON.stringify(line))];
  }

  /** SIGKILL: parent, and what serves. Another one is there at once, since nobody learns anything while there is none. */
  async kill(): Promise<void> {
    const next = await this.#launch();
    const old = this.#process;
    this.#process = next;
    process.kill(-old.pid, 'SIGKILL');
    await old.ended();
  }

  /** SIGKILL of the process that serves; its parent starts another one. */
  async killWorker(): Promise<void> {
    const { pid } = this.#process;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1');
    const worker = Number(children.trim().split(' ')[0]);
    if (!(worker > 0)) return;
    process.kill(worker, 'SIGKILL');
  }

  /** SIGTERM: it serves to the end; who comes from now on goes to another one beside it. */
  async drain(): Promise<void> {
    const next = await this.#launch();
    const old = this.#process;
    this.#process = next;
    old.signal('SIGTERM');
    this.#ended = Promise.all([this.#ended, old.ended()]);
  }

  /** SIGUSR2: a new process takes over. Another restart may be under way. */
  async restart(): Promise<void> {
    const done = (): number => this.#count(RESTARTED) + this.#count(RESTART_FAILED);
    const before = done();
    this.#process.signal('SIGUSR2');
    for (let left = 500; left > 0 && done() === before; left--) await sleep(10);
  }

  /** SIGHUP, with another size of the pool. */
  async reload(poolSize: number): Promise<void> {
    await this.configure(poolSize);
    this.#process.signal('SIGHUP');
  }

  async configure(poolSize: number = POOL_SIZE): Promise<void> {
    const { servers } = this.#options;
    const several = servers.length > 1 ? serversKeys(servers) : [];
    await writeFile(this.#config, [`pool_size: ${poolSize}`, ...several, ''].join('\n'));
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    await this.#ended;
  }

  #count(msg: string): number {
    return this.#process.lines.filter((line) => line.msg === msg).length;
  }

  get #config(): string {
    return join(this.#options.folder, 'mybouncer.yaml');
  }

  async #launch(): Promise<ProxyProcess> {
    await this.configure();
    const next = this.#start();
    await next.logged('ready');
    return next;
  }

  #start(): ProxyProcess {
    const { servers, main } = this.#options;
    const started = new ProxyProcess({
      upstream: servers[0],
      inFile: servers.length > 1,
      ...(main === undefined ? {} : { main }),
      plainLog: true,
      flags: [
        ...['--master', '--config', this.#config],
        ...['--query-wait-timeout', '4s', '--server-connect-timeout', '2s', '--drain-timeout', '3s'],
        ...['--client-login-timeout', '8s'],
      ],
    });
    this.#processes.push(started);
    return started;
  }
}

/** Lines of the configuration. The proxy gives up sooner than clients do, so that what it then says is seen. */
function serversKeys(servers: readonly string[]): string[] {
  return [
    'servers:',
    ...servers.map((url) => `  - url: ${url}`),
    'server_check_interval: 500ms',
    'server_check_timeout: 1s',
    'failover_timeout: 10s',
    'slow_start: 1s',
    'pools:',
    '  all: { role: primary }',
    `  reads: { role: replica, databases: [${REPLICAS_ALIAS}], read_your_writes: on }`,
  ];
}
