import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { logTail, SMALL_LOG, VOLATILE_STORAGE } from './data-directory.js';
import { SandboxError, SandboxFault } from './error.js';
import { handOver, type ServerAccount, serverAccount } from './server-account.js';
import type { ServerFlavor, ServerProgram } from './server-program.js';
import { FolderGuard, WatchedProcess } from './watchdog.js';

export const HOST = '127.0.0.1';

/** Longest path of a unix socket that every system takes, in bytes, less some room. */
const MAX_SOCKET_PATH = 100;
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 10;
/** Another process may take the free port between our look and the server's bind. */
const PORT_TRIES = 5;
const PORT_TAKEN = /Address already in use|Do you already have another/;

/** Where a private server is to run. */
export interface ServerPlace {
  readonly port: number;
  readonly folder: string;
}

export interface PrivateServerOptions {
  readonly program: ServerProgram;
  /** Fills `data`, a path that does not exist yet, with a data directory that belongs to `account`. */
  readonly prepare: (data: string, account: ServerAccount | null) => Promise<void>;
  /** More arguments for the server; the last of two wins. A function is asked at every start. */
  readonly extraArgs?: readonly string[] | ((place: ServerPlace) => readonly string[]);
  /** Beginning of the temporary folder's name. */
  readonly prefix?: string;
}

/** A port of {@link HOST} that nobody has taken yet. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, HOST);
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new TypeError('a TCP listener has a port');
  return address.port;
}

function flavorArguments(flavor: ServerFlavor): string[] {
  switch (flavor) {
    case 'mariadb':
      return [SMALL_LOG, '--character-set-server=utf8mb4'];
    case 'mysql':
      return [
        '--loose-mysqlx=OFF',
        '--loose-innodb-redo-log-capacity=64M',
        // The performance schema stays on, as it is by default, but sized for a few hundred sessions: half the time to start.
        '--table-open-cache=256',
        '--table-definition-cache=400',
        '--loose-performance-schema-digests-size=200',
        '--loose-performance-schema-max-thread-instances=400',
        '--loose-performance-schema-events-statements-history-long-size=10',
      ];
  }
}

/** A stop signal takes its time until it has reached the last thread. */
async function untilStopped(pid: number): Promise<void> {
  const tasks = `/proc/${pid}/task`;
  for (;;) {
    const threads = await readdir(tasks).catch(() => []);
    const stats = await Promise.all(
      threads.map((id) => readFile(`${tasks}/${id}/stat`, 'latin1').catch(() => '')),
    );
    if (stats.every((stat) => stat === '' || /\) [Tt] /.test(stat))) return;
    await delay(1);
  }
}

/**
 * A database server of our own: in a temporary folder, on a free port of 127.0.0.1 and a unix socket. It ends and its folder
 * goes with `stop()`, and also when this process ends in whatever way.
 */
export class PrivateServer {
  readonly flavor: ServerFlavor;
  readonly version: string;
  readonly host = HOST;
  readonly socketPath: string;
  readonly folder: string;
  readonly #options: PrivateServerOptions;
  readonly #account: ServerAccount | null;
  #port = 0;
  #process: WatchedProcess | null = null;
  #stopped: Promise<void> | null = null;

  private constructor(options: PrivateServerOptions, folder: string, account: ServerAccount | null) {
    this.flavor = options.program.flavor;
    this.version = options.program.version;
    this.folder = folder;
    this.socketPath = join(folder, 'mysqld.sock');
    this.#options = options;
    this.#account = account;
  }

  /** Starts a server and resolves when it takes connections. @throws SandboxError, and leaves nothing behind then */
  static async start(options: PrivateServerOptions): Promise<PrivateServer> {
    const account = await serverAccount(tmpdir());
    const folder = await mkdtemp(join(tmpdir(), options.prefix ?? 'mybouncer-'));
    const server = new PrivateServer(options, folder, account);
    const guard = await FolderGuard.start(folder);
    try {
      if (Buffer.byteLength(server.socketPath) > MAX_SOCKET_PATH) {
        throw new SandboxError(
          SandboxFault.Start,
          `the path ${server.socketPath} is too long for a unix socket; set TMPDIR to a shorter one`,
        );
      }
      await handOver(folder, account);
      await mkdir(join(folder, 'tmp'));
      await handOver(join(folder, 'tmp'), account);
      await options.prepare(join(folder, 'data'), account);
      await server.#launchOnFreePort();
    } catch (error) {
      await server.stop();
      throw error;
    } finally {
      guard.release();
    }
    return server;
  }

  /** The same across restarts. */
  get port(): number {
    return this.#port;
  }

  /** Of the server process; null while it is down. */
  get pid(): number | null {
    return this.#process?.running === true ? this.#process.pid : null;
  }

  get logFile(): string {
    return join(this.folder, 'server.log');
  }

  /**
   * Sends the server process a signal. After one that ends it (`SIGKILL`, `SIGTERM`, ...) this resolves when it has ended; folder
   * and port are kept for `start()`, and still go with this process. After `SIGSTOP` it resolves when each thread stands still
   * (where the system tells), after `SIGCONT` at once.
   */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = this.#process;
    if (running === null) return;
    running.signal(signal);
    if (signal === 'SIGCONT') return;
    if (signal === 'SIGSTOP') return untilStopped(running.pid);
    await running.exited();
  }

  /** Starts a server again that was killed, on the same port, socket and data. @throws SandboxError */
  async start(): Promise<void> {
    if (this.pid === null) await this.#launch();
  }

  /** An orderly shutdown and a new start, on the same port, socket and data. @throws SandboxError */
  async restart(): Promise<void> {
    await this.kill('SIGTERM');
    await this.start();
  }

  /** Ends the server (at once: what it holds is of no use any more) and removes its folder. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.#process?.destroy();
    this.#process = null;
    // The watchdog has removed it already, unless there was none.
    await rm(this.folder, { recursive: true, force: true });
  }

  async #launchOnFreePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#port = await freePort();
      try {
        await this.#launch();
        return;
      } catch (error) {
        const taken = error instanceof SandboxError && PORT_TAKEN.test(error.message);
        if (!taken || attempt === PORT_TRIES) throw error;
      }
    }
  }

  #arguments(): string[] {
    const { extraArgs = [] } = this.#options;
    return [
      '--no-defaults',
      ...(this.#options.program.defaults ?? []),
      ...(this.#account === null ? [] : [`--user=${this.#account.name}`]),
      `--datadir=${join(this.folder, 'data')}`,
      `--tmpdir=${join(this.folder, 'tmp')}`,
      `--secure-file-priv=${join(this.folder, 'tmp')}`,
      `--socket=${this.socketPath}`,
      `--pid-file=${join(this.folder, 'data', 'server.pid')}`,
      '--skip-networking=0',
      `--bind-address=${HOST}`,
      `--port=${this.#port}`,
      '--skip-name-resolve',
      '--skip-log-bin',
      '--local-infile=1',
      '--max-allowed-packet=64M',
      '--innodb-buffer-pool-size=64M',
      ...VOLATILE_STORAGE,
      ...flavorArguments(this.flavor),
      ...(typeof extraArgs === 'function' ? extraArgs({ port: this.#port, folder: this.folder }) : extraArgs),
    ];
  }

  async #launch(): Promise<void> {
    const [command, ...first] = this.#options.program.command;
    await this.#process?.release();
    this.#process = null;
    const begin = await this.#logSize();
    const running = await WatchedProcess.start(this.folder, [command, ...first, ...this.#arguments()]);
    this.#process = running;
    for (const deadline = Date.now() + START_TIMEOUT_MS; ; ) {
      // Read after `running` was: a line written before the end is never missed.
      const alive = running.running;
      if ((await this.#logSince(begin)).includes('ready for connections')) return;
      if (!alive || Date.now() > deadline) break;
      await delay(POLL_MS);
    }
    const tail = await logTail(this.logFile);
    const what = running.running
      ? `did not come up within ${START_TIMEOUT_MS / 1000} s`
      : 'ended while it started';
    await this.kill('SIGKILL');
    throw new SandboxError(SandboxFault.Start, `${command} ${what}; the end of its log:\n${tail}`);
  }

  async #logSize(): Promise<number> {
    try {
      return (await stat(this.logFile)).size;
    } catch {
      // Before the first start there is none.
      return 0;
    }
  }

  async #logSince(begin: number): Promise<string> {
    if ((await this.#logSize()) <= begin) return '';
    return (await readFile(this.logFile)).subarray(begin).toString('latin1');
  }
}
