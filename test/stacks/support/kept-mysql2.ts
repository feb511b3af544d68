import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Test } from 'tap';
import { KeptClient, KeptGroup, type KeptPlan, type Kind } from './kept-connections.js';

/** Connections of mysql2, in this process. */
export function mysql2Clients(t: Test, plan: KeptPlan): KeptGroup {
  return new KeptGroup(plan, (kind, number) => {
    const client = new Mysql2Client(plan, kind, number);
    t.teardown(() => client.stop());
    return client;
  });
}

class Mysql2Client extends KeptClient {
  readonly #url: string;
  #connection: Connection | null = null;

  constructor(plan: KeptPlan, kind: Kind, number: number) {
    super(plan, kind, number);
    this.#url = plan.url;
  }

  async stop(): Promise<void> {
    this.#connection?.destroy();
    await this.pause();
    this.#connection?.destroy();
  }

  protected override async once(n: number): Promise<boolean> {
    try {
      const connection = await this.#connected();
      await this.#run(connection, n);
      return true;
    } catch (error) {
      this.#met(n, error);
      if (this.kind === 'transaction')
        await this.#connection?.query('ROLLBACK').catch((error: unknown) => this.#met(n, error));
      return false;
    }
  }

  async #run(connection: Connection, n: number): Promise<void> {
    const write = (part: number): Promise<unknown> =>
      connection.execute('INSERT INTO work VALUES (?, ?, ?)', [this.name, n, part]);
    switch (this.kind) {
      case 'read': {
        const [rows] = await connection.execute<RowDataPacket[]>('SELECT v FROM kept WHERE id = ?', [1]);
        if (rows.length !== 1 || rows[0]?.['v'] !== 7)
          throw new Error(`a wrong row: ${JSON.stringify(rows)}`);
        return;
      }
      case 'write':
        await write(1);
        return;
      case 'transaction':
        await connection.query('BEGIN');
        await write(1);
        await sleep(this.pauseMs);
        await write(2);
        await connection.query('COMMIT');
    }
  }

  async #connected(): Promise<Connection> {
    if (this.#connection !== null) return this.#connection;
    this.connects++;
    const { hostname, port, username, password, pathname } = new URL(this.#url);
    const connection = await createConnection({
      host: hostname,
      port: Number(port),
      user: username,
      password,
      database: pathname.slice(1),
    });
    connection.on('error', () => this.#gone(connection));
    this.#connection = connection;
    return connection;
  }

  #gone(connection: Connection): void {
    connection.destroy();
    if (this.#connection === connection) this.#connection = null;
  }

  #met(n: number, error: unknown): void {
    const { errno = 0, message, fatal } = error as Error & { errno?: number; fatal?: boolean };
    this.failed(n, errno, message);
    if (fatal === true && this.#connection !== null) this.#gone(this.#connection);
  }
}
