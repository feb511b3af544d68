import { setTimeout as sleep } from 'node:timers/promises';
import { formatAddress } from '../config/address.js';
import type { Settings } from '../config/load.js';
import { Coordinator } from './coordinator.js';
import type { InheritedSocket } from './inherited-sockets.js';
import { LEADER } from './leader.js';
import { ListeningSockets } from './listening-sockets.js';
import { type FromWorker, type Plan, PROTOCOL } from './messages.js';
import type { ServiceManager } from './service-manager.js';
import { askForPlan, type Program, type Worker } from './worker.js';
import { workerCount } from './worker-count.js';
import { WorkerGeneration } from './worker-generation.js';

export interface MasterLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface MasterOptions {
  readonly program: Program;
  readonly plan: Plan;
  /** Sockets that somebody else has bound, in place of those of the plan. */
  readonly inherited: readonly InheritedSocket[];
  readonly manager: ServiceManager;
  readonly log: MasterLog;
  /** {@link READY_MS} */
  readonly readyMs?: number;
}

/** A new generation has so long until it serves, in ms. */
const READY_MS = 60_000;
/** And the configuration on disk until it is read, in ms. */
const PLAN_MS = 60_000;

/** Those that end or reload workers. */
const PASSED_ON = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

export function planOf(settings: Settings): Plan {
  const { listen, http, unixSocketMode, unixSocketOwner, unixSocketGroup, workers } = settings;
  return {
    protocol: PROTOCOL,
    listen: listen.map(formatAddress),
    http: http === null ? null : formatAddress(http),
    unixSocketMode,
    unixSocketOwner,
    unixSocketGroup,
    workers: workerCount(workers),
  };
}

/**
 * The parent of the processes that serve. It has the listening sockets, and so they outlive any worker: one that has died is
 * started anew, and for a restart new ones listen on the same sockets before the old ones are told to finish.
 */
export class Master {
  readonly #options: MasterOptions;
  readonly #coordinator = new Coordinator();
  #sockets: ListeningSockets;
  #current: WorkerGeneration | null = null;
  readonly #finishing = new Set<WorkerGeneration>();
  #next: WorkerGeneration | null = null;
  /** Workers of the present generation that live, since that was told last. */
  readonly #alive = new Set<Worker>();
  #restarting = false;
  #stopping = false;
  /** Aborted when it stops. */
  readonly #end = new AbortController();

  constructor(options: MasterOptions) {
    this.#options = options;
    this.#sockets = ListeningSockets.inherited(options.inherited);
  }

  /** Resolves with the exit code when all is over. @throws ListenError */
  async run(): Promise<number> {
    const { log, plan, manager } = this.#options;
    this.#sockets = await this.#sockets.next(plan);
    this.#listenToSignals();
    try {
      const code = await this.#serve(plan);
      manager.notify(['STOPPING=1']);
      await Promise.all([...this.#finishing].map(({ over }) => over));
      return code;
    } finally {
      this.#sockets.close();
      log.info({}, 'parent process ended');
    }
  }

  /** One generation after the other, until one ends that no other has taken over from. */
  async #serve(plan: Plan): Promise<number> {
    const first = this.#start(plan, false, this.#sockets);
    this.#becomesCurrent(first);
    if (first.count > 1) {
      const state = ['READY=1', `MAINPID=${process.pid}`, 'STATUS=Ready'];
      void first.ready.then(() => this.#options.manager.notify(state));
    }
    for (let generation = first; ; ) {
      const end = await generation.over;
      if (this.#current === generation) {
        this.#stopping = true;
        this.#end.abort();
        if (this.#next !== null) this.#abandon(this.#next, 'SIGTERM');
        return end.code ?? 1;
      }
      generation = this.#current ?? generation;
    }
  }

  #listenToSignals(): void {
    const { log } = this.#options;
    for (const name of PASSED_ON) {
      process.on(name, (signal: NodeJS.Signals) => {
        log.info({ signal }, 'signal passed on');
        if (signal === 'SIGHUP') {
          this.#current?.signal(signal);
          // It may have read its configuration before.
          this.#next?.signal(signal);
        } else {
          this.#stop(signal);
        }
      });
    }
    process.on('SIGUSR2', () => void this.restart());
    // See StopSignals.
    process.on('SIGUSR1', (signal) => log.warn({ signal }, 'a signal that means nothing here'));
  }

  #stop(signal: NodeJS.Signals): void {
    this.#stopping = true;
    this.#end.abort();
    this.#options.manager.notify(['STOPPING=1']);
    for (const generation of this.#finishing) generation.end(signal);
    if (this.#next !== null) this.#abandon(this.#next, signal);
    this.#current?.end(signal);
  }

  /** Never rejects: where it fails, all goes on as before, and the log says why. */
  async restart(): Promise<void> {
    const { log, manager } = this.#options;
    if (this.#restarting || this.#stopping) {
      log.warn({}, 'a restart or an end is under way: this one is not carried out');
      return;
    }
    this.#restarting = true;
    manager.notify(['RELOADING=1', 'STATUS=Restarting']);
    log.info({}, 'restart: a new process is started with the program and configuration on disk');
    const failure = await this.#replace().catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    if (failure !== null) log.error({ failure }, 'restart failed: the old process goes on');
    const status = failure === null ? 'Ready' : 'Restart failed; the old process goes on';
    manager.notify(['READY=1', `STATUS=${status}`]);
    this.#restarting = false;
  }

  /** @returns why it has failed; null where it has not */
  async #replace(): Promise<string | null> {
    const { program, log } = this.#options;
    const began = performance.now();
    const plan = await askForPlan(program, PLAN_MS, this.#end.signal);
    if (this.#stopping) return STOPPING;
    if (plan === null) {
      return performance.now() - began < PLAN_MS
        ? 'the configuration or the program on disk cannot be used: see standard error'
        : `the configuration could not be read within ${PLAN_MS} ms`;
    }
    if (plan.workers > 1 && plan.protocol !== PROTOCOL) return OTHER_PROTOCOL;
    const before = this.#sockets;
    const sockets = await before.next(plan);
    if (this.#stopping) {
      sockets.closeAllBut(before);
      return STOPPING;
    }
    const next = this.#start(plan, true, sockets);
    this.#next = next;
    const failure = await readyOrFailed(next, this.#options.readyMs ?? READY_MS);
    this.#next = null;
    if (failure !== null || this.#stopping) {
      if (!this.#finishing.has(next)) this.#abandon(next, null);
      sockets.closeAllBut(before);
      return failure ?? STOPPING;
    }
    const old = this.#current;
    this.#sockets = sockets;
    this.#becomesCurrent(next);
    before.closeAllBut(sockets);
    log.info(
      { workerPids: next.pids, before: old?.pids },
      'restarted: the new process serves, the old one drains',
    );
    if (old !== null) this.#finish(old);
    return null;
  }

  #becomesCurrent(generation: WorkerGeneration): void {
    this.#current = generation;
    this.#alive.clear();
  }

  #finish(generation: WorkerGeneration): void {
    generation.handOver();
    this.#expectEnd(generation);
  }

  /** {@link WorkerGeneration.abandon} */
  #abandon(generation: WorkerGeneration, signal: NodeJS.Signals | null): void {
    generation.abandon(signal);
    this.#expectEnd(generation);
  }

  #expectEnd(generation: WorkerGeneration): void {
    const { pids } = generation;
    this.#finishing.add(generation);
    void generation.over.then((end) => {
      this.#finishing.delete(generation);
      this.#options.log.info({ ...end, workerPids: pids }, 'the old process has ended');
    });
  }

  #start(plan: Plan, takesOver: boolean, sockets: ListeningSockets): WorkerGeneration {
    const { program, manager, log } = this.#options;
    return new WorkerGeneration({
      program,
      sockets: sockets.passed,
      count: plan.workers,
      takesOver,
      watchdogMs: manager.watchdogMs,
      coordinator: this.#coordinator,
      log,
      said: (worker, message) => this.#said(worker, message),
    });
  }

  #said(worker: Worker, message: FromWorker): void {
    switch (message.kind) {
      case 'restart':
        void this.restart();
        break;
      case 'stop':
        // Asking again is no order to hurry, as a second signal is: whoever asks may not have had the answer.
        if (message.drains && this.#stopping) break;
        this.#options.log.info(message.why, 'asked to stop');
        this.#stop(message.drains ? 'SIGTERM' : 'SIGINT');
        break;
      case 'notify':
        this.#notified(worker, message.state);
        break;
      default:
    }
  }

  /** For the manager there is one service. One that has handed over says that it stops. */
  #notified(worker: Worker, state: readonly string[]): void {
    const current = this.#current;
    if (current === null || !current.workers.includes(worker) || this.#stopping) return;
    const { manager } = this.#options;
    if (current.count === 1) {
      manager.notify(state);
    } else if (state.includes(LIVES)) {
      this.#alive.add(worker);
      if (!current.workers.every((one) => this.#alive.has(one) || !one.wasReady)) return;
      this.#alive.clear();
      manager.notify(state);
    } else if (worker.number === LEADER) {
      manager.notify(state);
    }
  }
}

const STOPPING = 'the proxy is stopping';

const OTHER_PROTOCOL =
  'workers of the program on disk do not understand this parent process: stop the proxy, and start it';

/** What a service manager that watches the service wants to hear. */
const LIVES = 'WATCHDOG=1';

async function readyOrFailed(generation: WorkerGeneration, readyMs: number): Promise<string | null> {
  const timer = new AbortController();
  const failure = await Promise.race([
    generation.ready.then(() => null),
    generation.over.then(
      ({ code, signal }) => `the new process has ended (${signal ?? `exit code ${code}`})`,
    ),
    sleep(readyMs, `the new process was not ready within ${readyMs} ms`, { signal: timer.signal }).catch(
      () => null,
    ),
  ]);
  timer.abort();
  return failure;
}
