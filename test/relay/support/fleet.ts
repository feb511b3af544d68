import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { type Client, Proxied } from '../../support/proxied.js';
import { type ProxyProcess, startProxy } from '../../support/proxy.js';
import type { PrivateTestServer } from '../../support/servers.js';

/** A proxy with more clients than there can be sessions, all of which are at work. */
export class Member {
  readonly proxy: ProxyProcess;
  readonly #clients: readonly Client[];
  readonly errors: string[] = [];
  served = 0;
  #atWork = true;
  readonly #work: Promise<unknown>;

  private constructor(proxy: ProxyProcess, clients: readonly Client[]) {
    this.proxy = proxy;
    this.#clients = clients;
    this.#work = Promise.all(clients.map((client) => this.#serve(client)));
  }

  static async start(t: Test, server: PrivateTestServer, url: string): Promise<Member> {
    const proxy = await startProxy(t, {
      upstream: url,
      flags: ['--pool-size', 'auto', '--query-wait-timeout', '30s', '--log-level', 'info'],
    });
    const world = new Proxied(t, server, proxy, 'app');
    const clients = await Promise.all(Array.from({ length: 60 }, () => world.connect()));
    return new Member(proxy, clients);
  }

  async #serve(client: Client): Promise<void> {
    while (this.#atWork) {
      try {
        await client.value('SELECT SLEEP(0.05)');
        this.served++;
      } catch (error) {
        if (this.#atWork) this.errors.push(String(error));
        return;
      }
    }
  }

  share(): Promise<number> {
    return this.proxy.metric('mybouncer_pool_share');
  }

  members(): Promise<number> {
    return this.proxy.metric('mybouncer_fleet_members');
  }

  /** Its clients stop when their statements are done. */
  async rest(): Promise<void> {
    this.#atWork = false;
    await this.#work;
  }

  /** Nothing more is expected of its clients. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (signal === 'SIGKILL') this.#atWork = false;
    else await this.rest();
    this.proxy.signal(signal);
    await this.proxy.ended();
    for (const client of this.#clients) client.destroy();
  }
}

/** Counts the connections on the server again and again. */
export class Census {
  /** Most at once since the last {@link reset}. */
  most = 0;
  last = 0;
  samples = 0;
  #done = false;
  readonly #server: PrivateTestServer;
  readonly #counting: Promise<void>;

  constructor(server: PrivateTestServer) {
    this.#server = server;
    this.#counting = this.#count();
  }

  async #count(): Promise<void> {
    while (!this.#done) {
      const sessions = await this.#server.sessions();
      this.last = sessions.filter(({ user }) => user.startsWith('u_') || user === 'app').length;
      this.most = Math.max(this.most, this.last);
      this.samples++;
      await delay(5);
    }
  }

  async stop(): Promise<void> {
    this.#done = true;
    await this.#counting;
  }
}
