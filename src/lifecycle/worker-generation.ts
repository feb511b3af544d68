import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Coordinator } from './coordinator.js';
import type { InheritedSocket } from './inherited-sockets.js';
import type { FromWorker } from './messages.js';
import type { Team } from './server-budget.js';
import { CLEAN, type Program, Worker, type WorkerEnd } from './worker.js';

export interface GenerationLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface GenerationOptions {
  readonly program: Program;
  readonly sockets: readonly InheritedSocket[];
  /** Workers, at least 1. */
  readonly count: number;
  /** Another generation serves until this one does. */
  readonly takesOver: boolean;
  /** {@link ServiceManager.watchdogMs} */
  readonly watchdogMs: number | null;
  readonly coordinator: Coordinator;
  readonly log: GenerationLog;
  /** What a worker has said that is not for the {@link Coordinator}. */
  readonly said: (worker: Worker, message: FromWorker) => void;
  /** {@link FIRST_PAUSE_MS} */
  readonly firstPauseMs?: number;
}

/** Pauses before a process that has died is started anew, in ms; each is twice the one before. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** One that has lived for so long has not died of its start, in ms. */
const SETTLED_MS = 60_000;

/** The workers that serve at a time, numbered from 1: one that dies is started anew, under its number, while the others go on. */
export class WorkerGeneration implements Team {
  /** All of them have been ready; never settles where they do not get there. */
  readonly ready: Promise<void>;
  /** None is left, and none is started anew: how the first one has ended for which that was not in order. */
  readonly over: Promise<WorkerEnd>;
  readonly count: number;
  readonly #options: GenerationOptions;
  /** By number. */
  readonly #workers = new Map<number, Worker>();
  readonly #readyOnce = new Set<number>();
  #isReady: () => void = () => {};
  /** None is started anew from then on. */
  readonly #ending = new AbortController();

  constructor(options: GenerationOptions) {
    const { count, coordinator, takesOver } = options;
    this.#options = options;
    this.count = count;
    // All of them may have died, and wait to be started anew.
    setMaxListeners(count + 1, this.#ending.signal);
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    const numbers = Array.from({ length: count }, (_, i) => i + 1);
    const workers = numbers.map((number) => this.#start(number, takesOver));
    coordinator.joined(this, workers);
    this.over = Promise.all(workers.map((worker) => this.#keep(worker))).then((ends) => {
      coordinator.over(this);
      return ends.find(({ code }) => code !== 0) ?? CLEAN;
    });
  }

  get workers(): readonly Worker[] {
    return [...this.#workers.values()];
  }

  get pids(): readonly number[] {
    return this.workers.map(({ pid }) => pid);
  }

  /** Another generation has taken over: they finish, and none is started anew. */
  handOver(): void {
    this.#ending.abort();
    for (const worker of this.#workers.values()) worker.handOver();
  }

  /**
   * Not all of them have come to serve: those that have, and may have clients, finish, or end as the signal says; the others are
   * killed.
   */
  abandon(signal: NodeJS.Signals | null): void {
    this.#ending.abort();
    for (const worker of this.#workers.values()) {
      if (!worker.wasReady) worker.signal('SIGKILL');
      else if (signal === null) worker.handOver();
      else worker.signal(signal);
    }
  }

  /** They are to end. */
  end(signal: NodeJS.Signals): void {
    this.#ending.abort();
    this.signal(signal);
  }

  signal(signal: NodeJS.Signals): void {
    for (const worker of this.#workers.values()) worker.signal(signal);
  }

  /** One worker after the other, for as long as they die. */
  async #keep(first: Worker): Promise<WorkerEnd> {
    const { log, coordinator, firstPauseMs = FIRST_PAUSE_MS } = this.#options;
    const { signal: ending } = this.#ending;
    let pause = firstPauseMs;
    for (let worker = first; ; ) {
      const end = await worker.ended;
      this.#workers.delete(worker.number);
      coordinator.gone(worker);
      if (ending.aborted) return end;
      // A lone one has been told to end, or had nobody left to serve. Of several, each is told so over its parent.
      if ((this.count === 1 && end.code === 0) || this.#readyOnce.size === 0) {
        this.end('SIGKILL');
        return end;
      }
      if (performance.now() - worker.startedAt > SETTLED_MS) pause = firstPauseMs;
      const { number, pid } = worker;
      log.error({ ...end, worker: number, workerPid: pid, restartInMs: pause }, 'a serving process has died');
      await sleep(pause, null, { signal: ending }).catch(() => null);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      // That it has died is told; all that was to end has ended.
      if (ending.aborted) return CLEAN;
      // While others serve, there is no need for one that has not reached the server.
      worker = this.#start(number, this.#workers.size > 0);
      coordinator.joined(this, [worker]);
    }
  }

  #start(number: number, takesOver: boolean): Worker {
    const { program, sockets, count, watchdogMs, coordinator, log, said } = this.#options;
    const idSpace = coordinator.newIdSpace();
    const assignment = { takesOver, watchdogMs, worker: number, count, idSpace };
    const worker = new Worker(program, sockets, assignment, (one, message) => {
      if (!coordinator.said(one, message)) said(one, message);
    });
    this.#workers.set(number, worker);
    void worker.ready.then((facts) => this.#becameReady(worker, facts));
    log.info({ worker: number, workerPid: worker.pid }, 'serving process started');
    return worker;
  }

  #becameReady({ number }: Worker, facts: object): void {
    const had = this.#readyOnce.size;
    this.#readyOnce.add(number);
    if (had === this.count || this.#readyOnce.size < this.count) return;
    // A lone one has said so itself.
    if (this.count > 1) this.#options.log.info({ ...facts, workers: this.count }, 'ready');
    this.#isReady();
  }
}
