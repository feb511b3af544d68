import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMicros, machineTime, processTree, residentBytes } from './proc.js';
import type { BenchServer } from './server.js';

const LOOK_EVERY_MS = 250;
/** To list thousands of sessions takes a server long enough to be seen in the figures: it rests so many times as long. */
const LEAST_PAUSE = 20;

interface Clocks {
  readonly proxy: number;
  readonly server: number;
  readonly load: number;
  readonly bench: number;
  readonly machine: ReturnType<typeof machineTime>;
}

/** CPU time between two moments, in µs. */
export interface CpuUse {
  readonly proxy: number;
  readonly server: number;
  readonly load: number;
  /** The share of the machine that neither worked for the bench nor was idle; 0..1. */
  readonly disturbance: number;
}

/** Watches the processes of one run: CPU clocks at its borders, sessions and memory on the way. */
export class RunSampler {
  readonly #server: BenchServer;
  readonly #proxies: readonly number[];
  readonly #user: string;
  #load: number | undefined;
  #loadCpu = 0;
  #begin: Clocks | undefined;
  #end: Clocks | undefined;
  #running = true;
  readonly #looking: Promise<void>;
  #sessions = 0;
  #resident = 0;

  constructor(server: BenchServer, proxies: readonly number[], user: string) {
    this.#server = server;
    this.#proxies = proxies;
    this.#user = user;
    this.#looking = this.#look();
    // A failed look is thrown by `stop()`; until then it must not count as unhandled.
    this.#looking.catch(() => undefined);
  }

  watchLoad(pid: number): void {
    this.#load = pid;
  }

  /** The measured window opens. */
  begin(): void {
    this.#begin = this.#clocks();
  }

  /** It closes. */
  end(): void {
    this.#end = this.#clocks();
  }

  get sessions(): number {
    return this.#sessions;
  }

  get residentBytes(): number | undefined {
    return this.#proxies.length === 0 ? undefined : this.#resident;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#looking;
  }

  use(): CpuUse {
    const begin = this.#begin;
    const end = this.#end;
    if (begin === undefined || end === undefined) {
      throw new Error('the window of the run was never opened or closed');
    }
    const proxy = end.proxy - begin.proxy;
    const server = end.server - begin.server;
    const load = end.load - begin.load;
    const ours = proxy + server + load + (end.bench - begin.bench);
    const busy = end.machine.busy - begin.machine.busy;
    const stolen = end.machine.stolen - begin.machine.stolen;
    const total = Math.max(1, end.machine.total - begin.machine.total);
    return { proxy, server, load, disturbance: Math.max(0, busy - ours + stolen) / total };
  }

  #clocks(): Clocks {
    const own = process.cpuUsage();
    return {
      proxy: this.#sum(cpuMicros),
      server: this.#server.pids.reduce((sum, pid) => sum + cpuMicros(pid), 0),
      load: this.#loadClock(),
      bench: own.user + own.system,
      machine: machineTime(),
    };
  }

  #sum(read: (pid: number) => number): number {
    return this.#proxies.flatMap(processTree).reduce((sum, pid) => sum + read(pid), 0);
  }

  /** A generator that has ended can't be asked any more: its last look counts. */
  #loadClock(): number {
    if (this.#load !== undefined) {
      this.#loadCpu = Math.max(this.#loadCpu, cpuMicros(this.#load));
    }
    return this.#loadCpu;
  }

  async #look(): Promise<void> {
    let pause = 0;
    while (this.#running) {
      await sleep(Math.max(LOOK_EVERY_MS, pause));
      this.#loadClock();
      this.#resident = Math.max(this.#resident, this.#sum(residentBytes));
      const began = performance.now();
      this.#sessions = Math.max(this.#sessions, await this.#server.sessions(this.#user));
      pause = (performance.now() - began) * LEAST_PAUSE;
    }
  }
}
