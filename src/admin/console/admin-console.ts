import { ClientQuestions, CONSOLE_SCHEMA } from './client-questions.js';
import { type ConsoleClient, ConsoleConnection } from './console-connection.js';
import type { ConsoleSource } from './source.js';

/** A login that may be for the console. */
export interface ConsoleLogin extends ConsoleClient {
  readonly schema: string | null;
}

/**
 * The admin console: a MySQL server of its own kind behind the same listeners. Admin users that log in with database
 * `mybouncer` get it; for everybody else there is no such thing.
 */
export class AdminConsole {
  readonly #source: ConsoleSource;
  readonly #admins: ReadonlySet<string>;
  readonly #failed: (sql: string, error: unknown) => void;
  readonly #connections = new Set<ConsoleConnection>();

  /** @param failed told of statements that were not answered by a fault of the console's own */
  constructor(
    source: ConsoleSource,
    admins: readonly string[],
    failed: (sql: string, error: unknown) => void,
  ) {
    this.#source = source;
    this.#admins = new Set(admins);
    this.#failed = failed;
  }

  /** @returns whether the client is the console's from here on */
  takes(login: ConsoleLogin): boolean {
    if (login.schema !== CONSOLE_SCHEMA || !this.#admins.has(login.user.name)) return false;
    const connection = new ConsoleConnection(
      login,
      this.#source,
      new ClientQuestions(this.#source.serverVersion),
      {
        closed: (one) => this.#connections.delete(one),
        failed: this.#failed,
      },
    );
    this.#connections.add(connection);
    connection.start();
    return true;
  }

  /** Ends all connections. */
  stop(): void {
    for (const connection of this.#connections) connection.end();
  }
}
