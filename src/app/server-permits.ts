import type { Config } from '../config/load.js';
import type { Server } from '../relay/server.js';
import { Permits } from '../workers/permits.js';
import type { PermitPort } from '../workers/seat.js';
import { givenPoolSize } from './options.js';

/** How this process has, of each server, its part of the sessions that workers share. */
export class ServerPermits {
  readonly #config: Config;
  /** Null where all sessions are this process's. */
  readonly #port: PermitPort | null;
  readonly #all = new WeakMap<Server, Permits>();

  constructor(config: Config, port: PermitPort | null) {
    this.#config = config;
    this.#port = port;
  }

  /** It has come: there is to be a part of it. */
  join(server: Server): void {
    if (this.#port === null) return;
    const { name, pools } = server;
    const send = this.#port.join(name, givenPoolSize(this.#config), (change) => permits.changed(change));
    const permits = new Permits(
      {
        set limit(limit: number) {
          pools.limit = limit;
        },
        get used() {
          return pools.used;
        },
        demand: () => ({ lent: pools.lent, waiting: pools.waiting, checkouts: pools.checkouts.all }),
      },
      send,
    );
    this.#all.set(server, permits);
  }

  /** Null where all of its sessions are this process's. */
  of(server: Server): Permits | null {
    return this.#all.get(server) ?? null;
  }
}
