import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { watched } from './watched.js';

/** The compiled command line, from dist/test/support. */
const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

export interface ProxyOptions {
  /** Of several servers, the first one. */
  readonly upstream: string;
  /** Several servers, in place of the upstream: their URLs, the first with the account. */
  readonly servers?: readonly string[];
  /** The servers are in a file that the flags name. */
  readonly inFile?: boolean;
  readonly flags?: readonly string[];
  /** Words before the command: a program that runs it. */
  readonly before?: readonly string[];
  /** Before the script: Node's own options. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The limit of open files; the machine's unless given. */
  readonly openFiles?: number;
  /** The compiled program; this build's own unless given. */
  readonly main?: string;
  /** The user (and group) id to run it as. */
  readonly runAs?: number;
  /** `log_level` is left to the configuration: else it is debug, by a flag. */
  readonly plainLog?: boolean;
  /** Do not wait for "ready": the server is down on purpose. */
  readonly untilListening?: boolean;
}

function serverArguments({ upstream, servers, inFile = false }: ProxyOptions): readonly string[] {
  if (servers !== undefined) return servers.flatMap((url) => ['--servers', url]);
  return inFile ? [] : [upstream];
}
/** In which the output of a process is read that has ended; no process of it is left, unless it has ended badly. */
const LAST_WORDS_WITHIN_MS = 5_000;

/** What the tests' runner has Node load into every process writes files where another user may not. */
export function withoutHooks(words: readonly string[]): readonly [string, ...string[]] {
  return ['env', '-u', 'NODE_OPTIONS', ...words];
}

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly listen?: readonly string[];
  readonly http?: string;
  readonly [field: string]: unknown;
}

/** A proxy in a process of its own, as users run it. */
export class ProxyProcess {
  readonly logs: string[] = [];
  readonly lines: LogLine[] = [];
  readonly stderr: string[] = [];
  readonly #child: ChildProcess;
  readonly #upstream: URL;
  readonly #closed: Promise<unknown>;
  #host = '';
  #port = 0;
  #http = '';

  constructor(options: ProxyOptions) {
    this.#upstream = new URL(options.upstream);
    const args = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0'];
    if (options.plainLog !== true) args.push('--log-level', 'debug');
    const { openFiles } = options;
    const asOther = (words: readonly string[]) => (options.runAs === undefined ? words : withoutHooks(words));
    const [program, ...words] = watched([
      ...(openFiles === undefined ? [] : ['sh', '-c', 'ulimit -n "$0" && exec "$@"', String(openFiles)]),
      ...(options.before ?? []),
      ...asOther([process.execPath]),
      ...(options.nodeArgs ?? []),
      '--enable-source-maps',
      options.main ?? MAIN,
      ...serverArguments(options),
      ...args,
      ...(options.flags ?? []),
    ]);
    this.#child = spawn(program, words, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      detached: true,
      ...(options.runAs === undefined ? {} : { uid: options.runAs, gid: options.runAs }),
    });
    // As many as there are waits.
    this.#child.setMaxListeners(0);
    this.#closed = once(this.#child, 'close').catch(() => null);
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new TypeError('the proxy has no output');
    createInterface({ input: stdout }).on('line', (line) => this.#onLine(line));
    createInterface({ input: stderr }).on('line', (line) => this.stderr.push(line));
  }

  get host(): string {
    return this.#host;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** `http://HOST:PORT` of metrics and health. */
  get http(): string {
    return `http://${this.#http}`;
  }

  /** The upstream's URL with the proxy's address in it. */
  get url(): string {
    const url = new URL(this.#upstream);
    url.hostname = this.#host;
    url.port = String(this.#port);
    return url.href;
  }

  /** Resolves with the first log line, present or to come, that has this message. */
  async logged(msg: string): Promise<LogLine> {
    for (;;) {
      const line = this.lines.find((one) => one.msg === msg);
      if (line !== undefined) return line;
      if (this.#hasEnded) {
        await this.#lastWords();
        if (this.lines.some((one) => one.msg === msg)) continue;
        throw new Error(`the proxy has ended before "${msg}":\n${[...this.stderr, ...this.logs].join('\n')}`);
      }
      await Promise.race([once(this.#child, 'line'), once(this.#child, 'exit')]);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the exit code, null when a signal ended it; what it had to say has been read then. */
  async ended(): Promise<number | null> {
    if (!this.#hasEnded) await once(this.#child, 'exit');
    await this.#lastWords();
    return this.#child.exitCode;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** A process may have ended before the last of its output is read; one that was killed may leave others who have it. */
  async #lastWords(): Promise<void> {
    const late = new AbortController();
    const patience = this.#child.signalCode === null ? LAST_WORDS_WITHIN_MS : 0;
    await Promise.race([this.#closed, sleep(patience, null, { signal: late.signal }).catch(() => null)]);
    late.abort();
  }

  /** The value of a metric without labels, or summed over all. */
  async metric(name: string, label = ''): Promise<number> {
    const text = await (await fetch(`${this.http}/metrics`)).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      if (!line.startsWith(name) || !line.includes(label)) continue;
      if (line[name.length] !== ' ' && line[name.length] !== '{') continue;
      sum += Number(line.slice(line.lastIndexOf(' ') + 1));
    }
    return sum;
  }

  /**
   * The metric once it is `expected`, or what it still is after 30 s: a client may have its reply before the proxy has dealt with its
   * session, and may have gone before the proxy has noticed.
   */
  async settled(expected: number, name: string, label = ''): Promise<number> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const value = await this.metric(name, label);
      if (value === expected || Date.now() > deadline) return value;
      await sleep(10);
    }
  }

  /** {@link settled}: how many sessions are held, or for the reason with this label. */
  holds(expected: number, label = ''): Promise<number> {
    return this.settled(expected, 'mybouncer_holds', label);
  }

  /** At once: a drain would wait for clients that a test has left there. */
  async stop(): Promise<void> {
    this.#child.kill('SIGINT');
    const slow = setTimeout(() => this.#child.kill('SIGKILL'), 60_000);
    await this.ended();
    clearTimeout(slow);
  }

  #onLine(text: string): void {
    this.logs.push(text);
    if (text.startsWith('{')) {
      const line = JSON.parse(text) as LogLine;
      this.lines.push(line);
      const address = line.listen?.find((one) => !one.startsWith('unix:'));
      if (address !== undefined) {
        const colon = address.lastIndexOf(':');
        this.#host = address.slice(0, colon);
        this.#port = Number(address.slice(colon + 1));
      }
      if (line.http !== undefined) this.#http = line.http;
    }
    this.#child.emit('line');
  }
}

/** Starts a proxy that ends with the test. */
export async function startProxy(t: Test, options: ProxyOptions): Promise<ProxyProcess> {
  const proxy = new ProxyProcess(options);
  t.teardown(() => proxy.stop());
  await proxy.logged(options.untilListening === true ? 'listening' : 'ready');
  return proxy;
}
