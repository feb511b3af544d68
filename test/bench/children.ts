import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, connect as netConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchError } from './errors.js';
import type { Address } from './load/plan.js';

const STOP_GRACE_MS = 15_000;

/** A process that the bench started. */
export interface StartedProcess {
  readonly name: string;
  readonly pid: number;
  readonly process: ChildProcess;
  /** SIGTERM, then SIGKILL after a grace period; resolves once it has ended. */
  stop(): Promise<void>;
  /** The end of what it printed, for error messages. */
  logTail(): string;
}

export interface StartOptions {
  readonly pipes?: boolean;
  readonly ipc?: boolean;
}

/**
 * Ends what the bench started when the bench itself can't, having been killed: its input is a pipe whose only writing
 * end is ours, so the kernel tells it. `add PID` and `drop PID` say what is running; `bye` is the orderly end.
 */
const GUARD = `
folder=$1; running=" "
while read -r word pid; do
  case $word in
    add) running="$running$pid " ;;
    drop) running="\${running%% $pid *} \${running#* $pid }" ;;
    bye) exit 0 ;;
  esac
done
[ "$running" = " " ] || kill -KILL $running
rm -rf "$folder"
`;

/**
 * Everything a bench run leaves on the machine: its folder and its processes. `close()` ends all of it, in reverse
 * order; however the bench ends without that, the guard ends all of it without grace.
 *
 * Children get a process group of their own, so that a Ctrl-C in the terminal reaches only the bench, which then
 * stops them in the right order (a proxy before its server).
 */
export class Workspace {
  readonly folder = mkdtempSync(join(tmpdir(), 'mybouncer-bench-'));
  readonly #running = new Set<StartedProcess>();
  readonly #guard = spawn('sh', ['-c', GUARD, 'mybouncer-bench-guard', this.folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });

  constructor() {
    // A server that runs under an account of its own reads its certificate here.
    chmodSync(this.folder, 0o711);
    // Should somebody end the guard, there is none: nothing else depends on it.
    this.#guard.stdin.on('error', () => undefined);
  }

  /** Starts a program whose output goes to a file in the folder, or to pipes. */
  start(name: string, command: string, args: readonly string[], options: StartOptions = {}): StartedProcess {
    const logFile = join(this.folder, `${name}.log`);
    const log = openSync(logFile, 'w');
    const child = spawn(command, args, {
      stdio: [
        'ignore',
        options.pipes === true ? 'pipe' : log,
        options.pipes === true ? 'pipe' : log,
        ...(options.ipc === true ? (['ipc'] as const) : []),
      ],
      detached: true,
    });
    closeSync(log);
    return this.#register(name, child, logFile);
  }

  #register(name: string, child: ChildProcess, logFile: string): StartedProcess {
    // Without a listener a program that cannot be started would end the bench by an unhandled 'error'.
    let failure: Error | undefined;
    child.once('error', (error) => {
      failure = error;
    });
    const started: StartedProcess = {
      name,
      pid: child.pid ?? -1,
      process: child,
      stop: () => this.#stop(started),
      logTail: () => failure?.message ?? tail(logFile),
    };
    if (child.pid !== undefined) {
      this.#running.add(started);
      this.#guard.stdin.write(`add ${child.pid}\n`);
      child.once('exit', () => {
        this.#running.delete(started);
        this.#guard.stdin.write(`drop ${child.pid}\n`);
      });
    }
    return started;
  }

  async #stop(started: StartedProcess): Promise<void> {
    if (!this.#running.has(started)) {
      return;
    }
    const ended = once(started.process, 'exit');
    started.process.kill('SIGTERM');
    const timer = setTimeout(() => started.process.kill('SIGKILL'), STOP_GRACE_MS);
    await ended;
    clearTimeout(timer);
  }

  async close(): Promise<void> {
    for (const started of [...this.#running].reverse()) {
      await started.stop();
    }
    rmSync(this.folder, { recursive: true, force: true });
    this.#guard.stdin.end('bye\n');
  }
}

function tail(file: string): string {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.slice(-5).join('\n');
}

export function hasEnded(started: StartedProcess): boolean {
  return started.pid === -1 || started.process.exitCode !== null || started.process.signalCode !== null;
}

/** Below the range from which Linux takes the ports of outgoing connections, of which a bench makes very many. */
const PORTS = { from: 15_000, to: 32_000 } as const;
const PORT_TRIES = 50;

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_TRIES; attempt += 1) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (await isFree(port)) {
      return port;
    }
  }
  throw new BenchError('no_port', `${PORT_TRIES} ports between ${PORTS.from} and ${PORTS.to} are taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      return false;
    }
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** Waits until something accepts connections; fails early when `started` has ended. */
export async function waitForAddress(
  address: Address,
  what: string,
  options: { signal: AbortSignal; timeoutMs?: number; started?: StartedProcess },
): Promise<void> {
  const deadline = Date.now() + (options.timeoutMs ?? 60_000);
  for (;;) {
    options.signal.throwIfAborted();
    if (options.started !== undefined && hasEnded(options.started)) {
      throw new BenchError('start_failed', `${what} did not start:\n${options.started.logTail()}`);
    }
    if (await accepts(address)) {
      return;
    }
    if (Date.now() > deadline) {
      const where = 'path' in address ? address.path : `${address.host}:${address.port}`;
      throw new BenchError('not_listening', `${what} does not answer on ${where}`);
    }
    await sleep(50);
  }
}

async function accepts(address: Address): Promise<boolean> {
  const socket = netConnect(address);
  const accepted = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  socket.destroy();
  return accepted;
}
