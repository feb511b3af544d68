import { CommandRefused } from '../../../src/admin/console/source.js';
import type { OwnConsole } from '../../../src/views/all-console.js';
import type { OwnPauses } from '../../../src/views/all-pauses.js';

/** Pools of one worker that can be paused; they are empty when {@link emptied}. */
export class Pools implements OwnPauses {
  readonly there: Set<string>;
  readonly pausedNow = new Set<string>();
  readonly coming = new Set<string>();
  all = false;
  #over: ((error: CommandRefused | null) => void) | null = null;

  constructor(...names: string[]) {
    this.there = new Set(names);
  }

  get isPausing(): boolean {
    return this.#over !== null;
  }

  pause(pool: string | null) {
    if (this.all || (pool !== null && this.pausedNow.has(pool)))
      throw new CommandRefused(`${pool ?? 'all pools'} paused already`);
    if (pool === null) this.all = true;
    else this.pausedNow.add(pool);
    const done = new Promise<void>((resolve, reject) => {
      this.#over = (error) => {
        this.#over = null;
        if (error === null) resolve();
        else reject(error);
      };
    });
    return {
      done,
      giveUp: () => {
        // A pause that is over stays.
        if (this.#over === null) return;
        this.#over = null;
        if (pool === null) this.all = false;
        else this.pausedNow.delete(pool);
      },
    };
  }

  /** The last session is closed. */
  emptied(): void {
    this.#over?.(null);
  }

  resume(pool: string | null): void {
    const isPaused = pool === null ? this.all : this.pausedNow.has(pool) || this.coming.has(pool);
    if (!isPaused)
      throw new CommandRefused(pool === null ? 'no pool is paused' : `pool ${pool} is not paused`);
    if (pool === null) this.all = false;
    else this.pausedNow.delete(pool);
    if (pool !== null) this.coming.delete(pool);
    this.#over?.(new CommandRefused('RESUME has ended the pause'));
  }

  pauseComing(pool: string): void {
    if (this.there.has(pool)) this.pausedNow.add(pool);
    else this.coming.add(pool);
  }

  names() {
    return [...this.there];
  }

  paused() {
    return { all: this.all, pools: [...this.pausedNow, ...this.coming] };
  }
}

/** The console of a worker, with what the test names in it. */
export function ownConsole(named: Partial<OwnConsole> = {}): OwnConsole {
  const none = () => [];
  return {
    version: '0',
    serverVersion: '8',
    workers: 2,
    pools: none,
    clients: none,
    servers: none,
    upstreams: none,
    holds: none,
    stats: none,
    users: none,
    config: none,
    profiles: none,
    fleet: none,
    topQueries: none,
    advice: none,
    pauses: new Pools(),
    killClient: () => false,
    reconnect: () => {},
    reload: none,
    settings: new Map(),
    shutdown: () => {},
    restart: null,
    ...named,
  };
}
