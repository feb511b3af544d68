import { spawn } from 'node:child_process';

export interface ManagerLog {
  warn(fields: object, message: string): void;
}

/** Whoever starts and watches services, told by sd_notify(3). */
export interface ServiceManager {
  /** @param state - assignments, such as `READY=1` */
  notify(state: readonly string[]): void;
  /** How often it wants to hear that the process is alive, in ms; null where it does not. */
  readonly watchdogMs: number | null;
}

const NOBODY: ServiceManager = { notify: () => {}, watchdogMs: null };

type Env = Record<string, string | undefined>;

/**
 * systemd, where it has started this process (`Type=notify`), else nobody. The runtime has no datagram sockets of the unix
 * kind, so that systemd's own program does the talking: the unit needs `NotifyAccess=all`. What tells of it is taken out of the
 * environment, since children are not to talk to it.
 */
export function serviceManager(env: Env, log: ManagerLog): ServiceManager {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: interval, WATCHDOG_PID: watched } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  if (socket === undefined || socket === '') return NOBODY;
  const isOurs = watched === undefined || watched === String(process.pid);
  const micros = Number(interval);
  return {
    watchdogMs: isOurs && Number.isInteger(micros) && micros > 0 ? micros / 1_000 : null,
    notify: new Notifier(socket, env, log).notify,
  };
}

/** One message after the other, so that none overtakes another. */
class Notifier {
  readonly #socket: string;
  readonly #env: Env;
  readonly #log: ManagerLog;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #complained = false;

  constructor(socket: string, env: Env, log: ManagerLog) {
    this.#socket = socket;
    this.#env = env;
    this.#log = log;
  }

  readonly notify = (state: readonly string[]): void => {
    if (state.includes(STOPPING)) {
      // The process may have ended before its turn would come.
      void this.#send(state);
      return;
    }
    // A manager that takes nothing: what it would learn is old by then.
    if (this.#waiting >= MOST_WAITING) return;
    this.#waiting++;
    this.#last = this.#last
      .then(() => this.#send(state))
      .finally(() => {
        this.#waiting--;
      });
  };

  /** Never rejects. */
  #send(state: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      const child = spawn('systemd-notify', [...state], {
        env: { ...this.#env, NOTIFY_SOCKET: this.#socket },
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: TIMEOUT_MS,
      });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(0, 500);
      });
      child.once('error', (error: NodeJS.ErrnoException) => {
        this.#complain(
          error.code === 'ENOENT'
            ? 'systemd-notify is not in PATH: install it (package systemd), or use Type=exec without WatchdogSec'
            : error.message,
        );
        resolve();
      });
      child.once('close', (code) => {
        if (code !== 0) this.#complain(said.trim() || `systemd-notify has ended with ${code}`);
        resolve();
      });
    });
  }

  #complain(reason: string): void {
    if (this.#complained) return;
    this.#complained = true;
    this.#log.warn({ reason }, 'systemd cannot be told how the service is');
  }
}

const MOST_WAITING = 8;
const STOPPING = 'STOPPING=1';
const TIMEOUT_MS = 5_000;

/** Tells the manager that the event loop lives, twice as often as it wants to hear it. */
export function keepAlive(manager: ServiceManager): void {
  if (manager.watchdogMs === null) return;
  setInterval(() => manager.notify(['WATCHDOG=1']), manager.watchdogMs / 2).unref();
}
