import { isDeepStrictEqual } from 'node:util';
import { type Connection, createConnection, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise';

const PREAMBLE = [
  'SET NAMES latin1',
  "SET time_zone = '+05:00'",
  "SET SESSION sql_mode = 'ANSI_QUOTES'",
  'SET SESSION innodb_lock_wait_timeout = 7',
];
const STATE = `SELECT @@character_set_client AS charset, @@time_zone AS zone, @@sql_mode AS mode,
  @@innodb_lock_wait_timeout AS wait, @@autocommit AS autocommit, "n" AS quoted FROM bystander WHERE n = 1`;
const WANTED = { charset: 'latin1', zone: '+05:00', mode: 'ANSI_QUOTES', wait: 7, autocommit: 1, quoted: 1 };
/** Long enough that another client meets a session in use, short enough that nobody waits. */
const HOLD_SECONDS = 0.004;
const PAUSE_MS = 4;

export interface BystanderReport {
  readonly rounds: number;
  readonly faults: readonly string[];
}

/**
 * One more client of the proxy, with a session state unlike any other's, that takes a session away from the others again and
 * again: so their statements run on changing sessions. It watches that its own state stays what it is.
 */
export class Bystander {
  readonly #faults: string[] = [];
  readonly #connection: Connection;
  #rounds = 0;
  #stopping = false;
  #ended: Promise<void> = Promise.resolve();

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async start(url: string): Promise<Bystander> {
    const connection = await createConnection(url);
    await connection.query('CREATE TABLE bystander (n BIGINT AUTO_INCREMENT PRIMARY KEY)');
    await connection.query('INSERT INTO bystander VALUES (1)');
    const bystander = new Bystander(connection);
    await bystander.#introduce();
    bystander.#ended = bystander.#loop();
    return bystander;
  }

  /** Ends its connection. */
  async stop(): Promise<BystanderReport> {
    this.#stopping = true;
    await this.#ended;
    await this.#connection.end();
    return { rounds: this.#rounds, faults: this.#faults };
  }

  async #introduce(): Promise<void> {
    this.#connection.on('error', () => undefined);
    for (const sql of PREAMBLE) await this.#connection.query(sql);
  }

  async #loop(): Promise<void> {
    while (!this.#stopping && this.#faults.length < 5) {
      try {
        await this.#round();
        this.#rounds += 1;
      } catch (error) {
        this.#faults.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #round(): Promise<void> {
    const [rows] = await this.#connection.query<RowDataPacket[]>(STATE);
    this.#expect('state', { ...rows[0] }, WANTED);
    await this.#connection.query('BEGIN');
    const [inserted] = await this.#connection.query<ResultSetHeader>('INSERT INTO bystander VALUES (NULL)');
    await this.#connection.query(`DO SLEEP(${HOLD_SECONDS})`);
    await this.#connection.query('COMMIT');
    const [[id]] = await this.#connection.query<RowDataPacket[]>('SELECT LAST_INSERT_ID() AS id');
    this.#expect('LAST_INSERT_ID()', id?.['id'], inserted.insertId);
  }

  #expect(what: string, got: unknown, want: unknown): void {
    if (!isDeepStrictEqual(got, want)) {
      this.#faults.push(`${what}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(want)}`);
    }
  }
}
