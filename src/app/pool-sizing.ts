import type { Logger } from 'pino';
import { OWN_CONNECTIONS } from '../backend/server-room.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import type { Config } from '../config/load.js';
import type { Killer } from '../relay/killer.js';
import { PoolSizer } from '../relay/pool-sizer.js';
import type { Server } from '../relay/server.js';
import type { Servers } from '../relay/servers.js';
import type { ServerPools } from '../relay/session-cleaner.js';
import type { Permits } from '../workers/permits.js';
import { givenPoolSize } from './options.js';

export interface PoolSizingParts {
  readonly config: Config;
  readonly upstream: Upstream;
  readonly pools: ServerPools;
  readonly killer: Killer;
  /** The account that the server is asked with. */
  readonly account: () => ServerAccount;
  /** Accounts whose own connections need room; and connections for those that nobody has listed. */
  readonly accounts: () => number;
  readonly ownForGuests: number;
  /** Connections over which it is asked what it is. */
  readonly ownForHealth: number;
  /** Workers, each of which has such connections of its own. */
  readonly workers: number;
  /** Through which workers share the pool; null where it is this process's alone. */
  readonly permits: Permits | null;
  /** Whether this one finds the size out for all of them. */
  readonly leads: boolean;
  readonly log: Logger;
}

/** `pool_size`, `reserve`, `fleet`: a number, or what a sizer finds out; these may change. */
export class PoolSizing {
  readonly #parts: PoolSizingParts;
  /** Null where the pool's size is a number that nothing changes. */
  #sizer: PoolSizer | null;
  /** What the sizer has found last; one before. */
  #found = 1;
  /** Clients that are left, where another process has taken over; null where none has. */
  #left: number | null = null;

  constructor(parts: PoolSizingParts) {
    this.#parts = parts;
    this.#sizer = this.#isFound && parts.leads ? this.#newSizer() : null;
  }

  /**
   * Another process has taken over, which wants the server's connections now: the pool has no more than the clients that are
   * left may use. They may become more again, by logins that were under way.
   */
  leaveTo(clients: number): void {
    const { permits } = this.#parts;
    if (permits !== null) {
      permits.leaveTo(clients);
      return;
    }
    this.#left = clients;
    this.#apply();
  }

  /** Sessions that the pool may have. */
  get #most(): number {
    const { poolSize } = this.#parts.config;
    return this.#sizer === null && poolSize !== 'auto' ? poolSize : this.#found;
  }

  /** {@link PoolSizer.members} */
  get members(): number {
    return this.#sizer?.members ?? 0;
  }

  /** {@link PoolSizer.maxConnections} */
  get maxConnections(): number {
    return this.#sizer?.maxConnections ?? 0;
  }

  /** The server is known. Never rejects. @returns the size */
  async start(): Promise<number> {
    await this.#sizer?.start();
    return this.#parts.pools.size;
  }

  stop(): void {
    this.#sizer?.stop();
    this.#parts.permits?.stop();
  }

  /** One of the keys has another value. */
  changed(): void {
    if (this.#isFound) {
      if (!this.#parts.leads) return;
      if (this.#sizer === null) {
        this.#sizer = this.#newSizer();
        void this.#sizer.start();
      } else {
        this.#sizer.changed();
      }
      return;
    }
    void this.#sizer?.leave();
    this.#sizer = null;
    this.#apply();
  }

  #apply(): void {
    const { pools, permits, config } = this.#parts;
    if (permits !== null) {
      permits.foundTotal(this.#most, this.#sizer !== null && config.fleet !== false);
      return;
    }
    const most = this.#most;
    const limit = this.#left === null ? most : Math.max(1, Math.min(most, this.#left));
    if (limit !== pools.size) pools.limit = limit;
  }

  get #isFound(): boolean {
    return givenPoolSize(this.#parts.config) === null;
  }

  #newSizer(): PoolSizer {
    const { config, upstream, killer, account, accounts, ownForGuests, ownForHealth, workers, log } =
      this.#parts;
    return new PoolSizer({
      ask: (statement) => {
        const asking = account();
        // Its connection is kept without clients, too.
        killer.watch(asking);
        return killer.ask(statement, asking);
      },
      server: () => {
        if (upstream.facts === null) throw new TypeError('the size is asked for before the server is known');
        return upstream.facts.info;
      },
      get size() {
        return config.poolSize;
      },
      get rules() {
        return {
          reserve: config.reserve,
          own: workers * (OWN_CONNECTIONS * accounts() + ownForGuests + ownForHealth),
          oneAccount: accounts() === 1 && ownForGuests === 0,
        };
      },
      fleet: config.fleet !== false,
      apply: (limit) => {
        this.#found = limit;
        this.#apply();
      },
      log,
    });
  }
}

/** What is asked of the sizes of all servers together; of several, the first one's numbers stand for all. */
export type Sizing = Pick<
  PoolSizing,
  'changed' | 'leaveTo' | 'maxConnections' | 'members' | 'start' | 'stop'
>;

/** The sizes of several servers' pools, each of which is found out by itself. */
export class EachSizing implements Sizing {
  readonly #all = new Map<Server, PoolSizing>();
  #started: ((size: number) => void) | null = null;

  constructor(servers: Pick<Servers, 'follow'>, newSizing: (server: Server) => PoolSizing) {
    servers.follow({
      came: (server) => {
        const sizing = newSizing(server);
        this.#all.set(server, sizing);
        this.#start(server, sizing);
      },
      gone: (server) => {
        this.#all.get(server)?.stop();
        this.#all.delete(server);
      },
    });
  }

  get members(): number {
    return Math.max(0, ...[...this.#all.values()].map(({ members }) => members));
  }

  get maxConnections(): number {
    return Math.max(0, ...[...this.#all.values()].map(({ maxConnections }) => maxConnections));
  }

  /** One of the servers is known. Never rejects. @returns the size on that one */
  start(): Promise<number> {
    return new Promise((resolve) => {
      this.#started = resolve;
      for (const [server, sizing] of this.#all) this.#start(server, sizing);
    });
  }

  leaveTo(clients: number): void {
    for (const sizing of this.#all.values()) sizing.leaveTo(clients);
  }

  changed(): void {
    for (const sizing of this.#all.values()) sizing.changed();
  }

  stop(): void {
    for (const sizing of this.#all.values()) sizing.stop();
  }

  /** As soon as the server is known. */
  #start(server: Server, sizing: PoolSizing): void {
    const started = this.#started;
    if (started === null) return;
    server.upstream.whenKnown(() => {
      if (this.#all.has(server)) void sizing.start().then(started);
    });
  }
}
