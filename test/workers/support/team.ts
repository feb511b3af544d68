import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'mysql2/promise';
import type { Test } from 'tap';
import type { Client } from '../../support/proxied.js';
import { ProxiedUser } from '../../support/proxied-user.js';
import { startProxy } from '../../support/proxy.js';
import type { TestServer } from '../../support/servers.js';

/** A proxy of several workers, by an account of its own. */
export class TeamWorld {
  readonly world: ProxiedUser;

  constructor(world: ProxiedUser) {
    this.world = world;
  }

  get proxy(): ProxiedUser['proxy'] {
    return this.world.proxy;
  }

  /** Process ids of the workers that were started last, by number. */
  get pids(): ReadonlyMap<number, number> {
    const pids = new Map<number, number>();
    for (const { msg, worker, workerPid } of this.proxy.lines)
      if (msg === 'serving process started') pids.set(Number(worker), Number(workerPid));
    return pids;
  }

  /** How often something was logged. */
  count(msg: string): number {
    return this.proxy.lines.filter((line) => line.msg === msg).length;
  }

  /** Clients of each of two workers, `each` of them at the least. */
  async connectToBoth(each: number, options: ConnectionOptions = {}): Promise<readonly [Client[], Client[]]> {
    const byWorker = new Map<number, Client[]>();
    for (let tries = 0; tries < 200; tries++) {
      const client = await this.world.connect(options);
      const worker = workerOf(client);
      const clients = byWorker.get(worker) ?? [];
      byWorker.set(worker, clients);
      if (clients.length < each) clients.push(client);
      // The kernel prefers whoever waits first: one that is gone leaves its place to another one.
      else await client.end();
      const [a, b] = byWorker.values();
      if (a?.length === each && b?.length === each) return [a, b];
    }
    throw new Error(`the kernel gives all clients to one worker: ${[...byWorker.keys()]}`);
  }

  /** Sessions of the pool on the server, by its own process list: those that have been lent have a schema. */
  async sessions(): Promise<number> {
    const rows = await this.world.sessions();
    return rows.filter(({ db }) => db === this.world.schema).length;
  }
}

export async function teamOf(
  t: Test,
  server: TestServer,
  workers: number,
  flags: readonly string[] = [],
): Promise<TeamWorld> {
  const schema = await server.createDatabase();
  const user = await server.createUser();
  const words = ['--workers', String(workers), '--admin-users', user.user, ...flags];
  const proxy = await startProxy(t, { upstream: user.url(schema), flags: words });
  return new TeamWorld(new ProxiedUser(t, server, proxy, schema, user));
}

/** Which process a client is of. */
export function workerOf({ id }: Client): number {
  return (id >> 24) & 0x3f;
}

/** Clients that ask one short statement after the other, until they are ended. */
export class Load {
  readonly failures: string[] = [];
  readonly #served = new Map<Client, number>();
  readonly #loops: Promise<void>[];
  #ended = false;

  constructor(clients: readonly Client[], sql = 'DO SLEEP(0.002)', pauseMs = 0) {
    this.#loops = clients.map(async (client) => {
      while (!this.#ended) {
        try {
          await client.run(sql);
        } catch (error) {
          this.failures.push(error instanceof Error ? error.message : String(error));
          return;
        }
        this.#served.set(client, this.served(client) + 1);
        if (pauseMs > 0) await sleep(pauseMs);
      }
    });
  }

  served(client: Client): number {
    return this.#served.get(client) ?? 0;
  }

  get all(): number {
    return [...this.#served.values()].reduce((sum, one) => sum + one, 0);
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#loops);
  }
}
