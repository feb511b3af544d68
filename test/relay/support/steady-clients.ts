import type { ConnectionOptions } from 'mysql2/promise';
import type { Client, Proxied } from '../../support/proxied.js';
import { eventually } from '../../support/proxied.js';

/** Clients that run one statement after the other, each by itself, as long as they are asked to. */
export class SteadyClients {
  readonly errors: string[] = [];
  /** Statements that were answered without an error. */
  done = 0;
  readonly #running: Promise<void>[];
  #stopped = false;

  private constructor(clients: readonly Client[], sql: (n: number) => string) {
    this.#running = clients.map((client) => this.#run(client, sql));
  }

  static async start(
    world: Proxied,
    count: number,
    sql: (n: number) => string,
    options: ConnectionOptions = {},
  ): Promise<SteadyClients> {
    const clients = await Promise.all(Array.from({ length: count }, () => world.connect(options)));
    return new SteadyClients(clients, sql);
  }

  /** Resolves when so many more statements were answered. */
  async progress(more: number): Promise<void> {
    const goal = this.done + more;
    await eventually(`${more} more statements were answered`, () => this.done >= goal).catch(
      (cause: unknown) => {
        throw new Error(
          `${this.done} of ${goal} statements were answered; errors: ${this.errors.join('; ')}`,
          { cause },
        );
      },
    );
  }

  /** @returns the errors that there were */
  async stop(): Promise<readonly string[]> {
    this.#stopped = true;
    await Promise.all(this.#running);
    return this.errors;
  }

  async #run(client: Client, sql: (n: number) => string): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      try {
        await client.rows(sql(n));
        this.done++;
      } catch (error) {
        const { errno, message } = error as { errno: number; message: string };
        this.errors.push(`${errno} ${message}`);
        if (errno === undefined) return;
      }
      // Light load: the machine has other things to do.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}
