import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, createConnection } from 'mysql2/promise';

/** A statement, or a transaction, that did not come off. */
export interface Failure {
  readonly client: number;
  /** The last statement that was sent. */
  readonly sql: string;
  readonly errno: number;
  readonly message: string;
  /** The client's connection was lost with it. */
  readonly isLost: boolean;
}

export interface LoadResult {
  /** Statements that are no part of a transaction, and transactions, that were done. */
  readonly statements: number;
  readonly transactions: number;
  readonly failedStatements: readonly Failure[];
  readonly failedTransactions: readonly Failure[];
  /** From the begin of what took longest to its end, in ms. */
  readonly longestMs: number;
  /** Rows that each client was told are there, and how many there may be besides: what nobody knows. */
  readonly rows: readonly { readonly client: number; readonly told: number; readonly unknown: number }[];
}

export interface LoadOptions {
  readonly url: string;
  /** Clients that never begin a transaction, and clients that do nothing else. */
  readonly alone: number;
  readonly inTransactions: number;
}

/** The server takes no writes, and has done nothing; what it had done is rolled back. */
const REFUSED = [1047, 1213, 1290];

/** The proxy's own words, which are a promise. */
const NEVER_RUN = /This statement was not executed|was not committed/;

export const LOAD_TABLE =
  'CREATE TABLE app.done (client INT NOT NULL, nr INT NOT NULL, n INT NOT NULL, PRIMARY KEY (client, nr)) ENGINE=InnoDB';

/**
 * Clients that write and read rows of their own, so that none is ever in another one's way: whatever fails has failed because of
 * what is done to the servers.
 */
export class Load {
  readonly #options: LoadOptions;
  readonly #failedStatements: Failure[] = [];
  readonly #failedTransactions: Failure[] = [];
  readonly #rows: { client: number; told: number; unknown: number }[] = [];
  #connections: Connection[] = [];
  #working: Promise<unknown> = Promise.resolve();
  #over = false;
  #statements = 0;
  #transactions = 0;
  #longestMs = 0;
  #lastDone = 0;
  #firstDoneAfter: { readonly when: number; readonly tell: (at: number) => void } | null = null;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { url, alone, inTransactions } = this.#options;
    this.#connections = await Promise.all(
      Array.from({ length: alone + inTransactions }, () => createConnection(url)),
    );
    this.#working = Promise.all(
      this.#connections.map((connection, client) => {
        connection.on('error', () => undefined);
        this.#rows.push({ client, told: 0, unknown: 0 });
        return client < alone ? this.#runAlone(client) : this.#runTransactions(client);
      }),
    );
    // Thrown by `stop`; until then it must not count as unhandled.
    this.#working.catch(() => undefined);
  }

  /** Work goes on for so long, and then each client has done something that it began after that. */
  async untilServed(ms = 300): Promise<void> {
    await sleep(ms);
    await this.firstWriteAfter(performance.now());
  }

  /** Resolves with the time at which the first write is done that was begun after `when`. */
  firstWriteAfter(when: number): Promise<number> {
    return new Promise((tell) => {
      this.#firstDoneAfter = { when, tell };
    });
  }

  async stop(): Promise<LoadResult> {
    this.#over = true;
    await this.#working;
    for (const connection of this.#connections) connection.destroy();
    return {
      statements: this.#statements,
      transactions: this.#transactions,
      failedStatements: this.#failedStatements,
      failedTransactions: this.#failedTransactions,
      longestMs: this.#longestMs,
      rows: this.#rows,
    };
  }

  async #runAlone(client: number): Promise<void> {
    for (let nr = 0; !this.#over && !this.#isLost(client); nr++) {
      await this.#one(client, [['INSERT INTO done (client, nr, n) VALUES (?, ?, 0)', [client, nr]]]);
      await this.#one(client, [
        ['SELECT COUNT(*) AS n FROM done WHERE client = ? AND nr > ?', [client, nr - 5]],
      ]);
    }
  }

  async #runTransactions(client: number): Promise<void> {
    for (let nr = 0; !this.#over && !this.#isLost(client); nr++) {
      await this.#one(client, [
        ['BEGIN', []],
        ['INSERT INTO done (client, nr, n) VALUES (?, ?, 0)', [client, nr]],
        ['UPDATE done SET n = n + 1 WHERE client = ? AND nr = ?', [client, nr]],
        ['COMMIT', []],
      ]);
    }
  }

  #isLost(client: number): boolean {
    return [...this.#failedStatements, ...this.#failedTransactions].some(
      (one) => one.client === client && one.isLost,
    );
  }

  async #one(
    client: number,
    statements: readonly (readonly [sql: string, values: number[]])[],
  ): Promise<void> {
    const begin = performance.now();
    const [row, connection] = [this.#rows[client], this.#connections[client]];
    if (row === undefined || connection === undefined) throw new RangeError(`there is no client ${client}`);
    const inTransaction = statements.length > 1;
    const writes = statements.some(([sql]) => sql.startsWith('INSERT'));
    let last = '';
    try {
      for (const [sql, values] of statements) {
        last = sql;
        await connection.query(sql, values);
      }
      if (inTransaction) this.#transactions++;
      else this.#statements++;
      if (writes) row.told++;
      this.#done(begin, writes);
    } catch (error) {
      const {
        errno = 0,
        message,
        fatal = false,
      } = error as Partial<Error & { errno: number; fatal: boolean }>;
      const failure = { client, sql: last, errno, message: String(message), isLost: fatal };
      (inTransaction ? this.#failedTransactions : this.#failedStatements).push(failure);
      // Nothing is committed of a transaction that has not been told to.
      const decides = !inTransaction || last === 'COMMIT';
      const isNothing = REFUSED.includes(errno) || NEVER_RUN.test(failure.message);
      if (writes && decides && !isNothing) row.unknown++;
      // Of what comes after it, the next transaction tells.
      if (inTransaction && !fatal) await connection.query('ROLLBACK').catch(() => undefined);
    }
    this.#longestMs = Math.max(this.#longestMs, performance.now() - begin);
  }

  #done(begin: number, writes: boolean): void {
    this.#lastDone = performance.now();
    const asked = this.#firstDoneAfter;
    if (asked === null || !writes || begin < asked.when) return;
    this.#firstDoneAfter = null;
    asked.tell(this.#lastDone);
  }
}

/** For people: how many failed with which error. */
export function countFailures(failures: readonly Failure[]): string {
  const counts = new Map<string, number>();
  for (const { errno, message, isLost, sql } of failures) {
    const what = `${errno}${isLost ? ' (lost)' : ''} ${message.slice(0, 160)} [${sql.slice(0, 10)}]`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${count} x ${what}`).join('; ') || 'none';
}
