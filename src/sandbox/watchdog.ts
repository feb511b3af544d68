import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/**
 * Runs a server for as long as this process lives. The shell's standard input is a pipe whose only writing end is ours, so the
 * kernel itself tells it of our end, a SIGKILL included; then it kills the server and removes the folder. It leads a
 * session of its own, so that a Ctrl-C meant for us (who end in order, clients first) does not reach the server.
 *
 * Protocol: it prints the server's pid, later `exit CODE`. After that one line on its input means "keep the folder",
 * and the end of the input means "remove it". The reader is reaped before `exit` is printed: it can't take that line, and
 * can't kill a process that got the server's pid after it. SIGPIPE is ignored, as nobody hears the `exit` once we are gone.
 */
const SCRIPT = `
folder=$1; shift
exec 3<&0
"$@" </dev/null 3<&- >>"$folder/server.log" 2>&1 &
server=$!
( read -r line <&3; trap '' TERM; kill -KILL "$server" ) &
reader=$!
trap '' PIPE
echo "$server"
wait "$server"; code=$?
kill "$reader" 2>/dev/null
wait "$reader" 2>/dev/null
echo "exit $code"
read -r line <&3 || rm -rf "$folder"
`;

/** The same pipe for a folder alone. */
const GUARD_SCRIPT = 'read -r line || rm -rf "$1"';

function pin(stream: unknown, hold: boolean): void {
  if (!(stream instanceof Socket)) return;
  if (hold) stream.ref();
  else stream.unref();
}

/** Removes a folder when this process ends before it has said that it need not. */
export class FolderGuard {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.unref();
    pin(child.stdin, false);
  }

  static async start(folder: string): Promise<FolderGuard> {
    const child = spawn('sh', ['-c', GUARD_SCRIPT, 'mybouncer-guard', folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    await once(child, 'spawn');
    child.stdin.on('error', () => undefined);
    return new FolderGuard(child);
  }

  /** The folder is somebody else's care now, or gone. */
  release(): void {
    this.#child.stdin?.end('keep\n');
  }
}

/** One run of one server process. */
export class WatchedProcess {
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  readonly #closed: Promise<unknown>;
  readonly #pid: number;
  #running = true;
  #waiting = 0;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, pid: number) {
    this.#child = child;
    this.#pid = pid;
    this.#closed = once(child, 'close');
    this.#gone = this.#follow(lines);
    // A watchdog must not keep a process alive that has nothing else to do.
    child.unref();
    this.#hold(false);
  }

  /** @throws when there is no `sh`, or it ends before the server is started */
  static async start(folder: string, command: readonly [string, ...string[]]): Promise<WatchedProcess> {
    const child = spawn('sh', ['-c', SCRIPT, 'mybouncer-watchdog', folder, ...command], {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    await once(child, 'spawn');
    // The pipe breaks when the watchdog ends before us; its end is seen by 'close'.
    child.stdin.on('error', () => undefined);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { value } = await lines.next();
    const pid = Number(value);
    if (!Number.isInteger(pid)) throw new Error('sh ended before it started the server');
    return new WatchedProcess(child, lines, pid);
  }

  /** Of the server itself. */
  get pid(): number {
    return this.#pid;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Sends a signal to the server; nothing happens once it has ended. */
  signal(signal: NodeJS.Signals): void {
    if (this.#running) process.kill(this.#pid, signal);
  }

  /** Resolves when the server has ended. */
  async exited(): Promise<void> {
    await this.#held(this.#gone);
  }

  /** To be called once the server has ended: the folder is kept, for another run or for looking into. */
  async release(): Promise<void> {
    this.#child.stdin?.end('keep\n');
    await this.#held(this.#closed);
  }

  /** Kills the server if it runs, removes the folder, and resolves when both are done. */
  async destroy(): Promise<void> {
    this.#child.stdin?.end();
    await this.#held(this.#closed);
  }

  async #follow(lines: AsyncIterator<string>): Promise<void> {
    await lines.next();
    this.#running = false;
  }

  #hold(hold: boolean): void {
    pin(this.#child.stdin, hold);
    pin(this.#child.stdout, hold);
    if (hold) this.#child.ref();
    else this.#child.unref();
  }

  /** Waits for the watchdog, which otherwise does not keep the event loop running. */
  async #held(promise: Promise<unknown>): Promise<void> {
    if (this.#waiting++ === 0) this.#hold(true);
    await promise;
    if (--this.#waiting === 0) this.#hold(false);
  }
}
