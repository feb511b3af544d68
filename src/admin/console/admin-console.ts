import { ClientQuestions, CONSOLE_SCHEMA } from './client-questions.js';
import { type ConsoleClient, type ConsoleCommand, ConsoleConnection } from './console-connection.js';
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
  readonly #isAdmin: (user: string) => boolean;
  readonly #failed: (sql: string, error: unknown) => void;
  readonly #commanded: (command: ConsoleCommand) => void;
  readonly #connections = new Set<ConsoleConnection>();

  /**
   * @param failed told of statements that were not answered by a fault of the console's own
   * @param commanded told of statements that have changed something
   */
  constructor(
    source: ConsoleSource,
    isAdmin: (user: string) => boolean,
    failed: (sql: string, error: unknown) => void,
    commanded: (command: ConsoleCommand) => void,
  ) {
    this.#source = source;
    this.#isAdmin = isAdmin;
    this.#failed = failed;
    this.#commanded = commanded;
  }

  /** @returns whether the client is the console's from here on */
  takes(login: ConsoleLogin): boolean {
    if (login.schema !== CONSOLE_SCHEMA || !this.#isAdmin(login.user.name)) return false;
    const connection = new ConsoleConnection(
      login,
      this.#source,
      new ClientQuestions(this.#source.serverVersion),
      {
        closed: (one) => this.#connections.delete(one),
        failed: this.#failed,
        commanded: this.#commanded,
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
