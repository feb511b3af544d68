import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { ForkGuard } from '../../../src/fork-guard/fork-guard.js';
import type { SocketWatch } from '../../../src/fork-guard/socket-watch.js';
import type { ForkFinding } from '../../../src/relay/fork-check.js';

/** Of real processes: the distribution's own interpreter first, as with the stacks. */
const INTERPRETERS = ['/usr/bin/python3', 'python3'];

/** A connection, and whatever the test has it do: each line is a piece of Python, and its answer what that leaves in `out`. */
const PROGRAM = `
import json, os, signal, socket, subprocess, sys, threading, time
def connect(address):
    if isinstance(address, str):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address)
        return s
    return socket.create_connection(tuple(address))
def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid
def linger():
    time.sleep(600)
scope = dict(globals(), connections=[connect(json.loads(sys.argv[1]))])
print(json.dumps(os.getpid()), flush=True)
for line in sys.stdin:
    scope['out'] = None
    exec(json.loads(line), scope)
    print(json.dumps(scope['out']), flush=True)
`;

export type Address = readonly [host: string, port: number] | string;

/** A process with a connection that it may share with its children. It ends with the test, and all of its group as well. */
export class ForkingClient {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(process: ChildProcess, answers: AsyncIterator<string>, pid: number) {
    this.#process = process;
    this.#answers = answers;
    this.pid = pid;
  }

  static async start(t: Test, address: Address): Promise<ForkingClient> {
    const child = spawn(interpreter(), ['-c', PROGRAM, JSON.stringify(address)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    const pid = child.pid;
    if (pid !== undefined) t.teardown(() => killGroup(pid));
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new ForkingClient(child, answers, Number((await answers.next()).value));
  }

  /** Runs Python in it; `connections` are its sockets, and `child(work)` forks. Resolves to what it leaves in `out`. */
  async run(code: string): Promise<unknown> {
    this.#process.stdin?.write(`${JSON.stringify(code)}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`the client has ended: ${code}`);
    return JSON.parse(value);
  }

  /** Sends a byte from the process that opened the connection. */
  async speak(connection = 0): Promise<void> {
    await this.run(`connections[${connection}].send(b'x')`);
  }

  /** Resolves when that process has ended. */
  async ended(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      await once(this.#process, 'exit');
  }

  /** Kills that process only: its children live on. */
  kill(): void {
    process.kill(this.pid, 'SIGKILL');
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All have ended already.
  }
}

let found: string | null = null;

function interpreter(): string {
  found ??= INTERPRETERS.find((name) => spawnSync(name, ['-c', '']).status === 0) ?? null;
  if (found === null) throw new Error('Python 3 is not installed');
  return found;
}

/** Whether the tests with real processes can run here. */
export const canFork =
  process.platform === 'linux' && INTERPRETERS.some((name) => spawnSync(name, ['-c', '']).status === 0);

/** A server whose every accepted socket is watched by a guard. */
export class GuardedServer {
  readonly guard: ForkGuard;
  readonly blind: string[] = [];
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #accepted: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
    const guard = ForkGuard.open({
      ports: () => (this.port === 0 ? [] : [this.port]),
      onBlind: (reason) => this.blind.push(reason),
      onFailed: (error) => {
        throw error;
      },
    });
    if (guard === null) throw new Error('no guard on this system');
    this.guard = guard;
    server.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.resume();
      this.#sockets.push(socket);
      for (const accepted of this.#accepted.splice(0)) accepted();
    });
  }

  /** @param path Of a unix socket; without one it listens on a port of 127.0.0.1. */
  static async start(t: Test, path?: string): Promise<GuardedServer> {
    const server = createServer();
    const guarded = new GuardedServer(server);
    await new Promise<void>((resolve) => {
      if (path === undefined) server.listen(0, '127.0.0.1', resolve);
      else server.listen(path, resolve);
    });
    t.teardown(() => {
      guarded.guard.close();
      for (const socket of guarded.#sockets) socket.destroy();
      server.close();
    });
    return guarded;
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  get address(): Address {
    const address = this.#server.address();
    if (typeof address === 'string') return address;
    return ['127.0.0.1', this.port];
  }

  /** The server's end of the next connection. */
  async accept(): Promise<Socket> {
    if (this.#sockets.length === 0) await new Promise<void>((resolve) => this.#accepted.push(resolve));
    const socket = this.#sockets.shift();
    if (socket === undefined) throw new Error('nobody has connected');
    return socket;
  }

  /** A client with a connection that is watched from now on. */
  async client(
    t: Test,
    attributes: (pid: number) => Readonly<Record<string, string>> = () => ({}),
  ): Promise<{ readonly client: ForkingClient; readonly watch: SocketWatch; readonly socket: Socket }> {
    const client = await ForkingClient.start(t, this.address);
    const socket = await this.accept();
    const watch = this.guard.watch(socket, new Map(Object.entries(attributes(client.pid))));
    if (watch === null) throw new Error('the client cannot be watched');
    t.teardown(() => {
      watch.close();
      socket.destroy();
    });
    return { client, watch, socket };
  }
}

/** What a guard says of a command that has just come; on a busy machine it may have to be asked again. */
export async function ask(watch: SocketWatch): Promise<ForkFinding> {
  for (;;) {
    const finding = await new Promise<ForkFinding>((resolve) => {
      if (watch.check(resolve)) resolve({ kind: 'single' });
    });
    if (finding.kind !== 'unknown') return finding;
  }
}
