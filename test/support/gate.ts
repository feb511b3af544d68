import type { Connection } from 'mysql2/promise';
import type { Test } from 'tap';
import type { TestServer } from './server-handle.js';

/**
 * A row that is locked until a test lets go of it. What reads it is at work for just that long, which no SLEEP() is: on a
 * slow machine it may be over before it has been seen.
 */
export class Gate {
  /** Gives 1 once the gate is open; may stand within another statement. */
  static readonly READ = 'SELECT id FROM gate FOR UPDATE';
  readonly #holder: Connection;

  private constructor(holder: Connection) {
    this.#holder = holder;
  }

  /** In a schema that has none yet; it is shut. */
  static async of(t: Test, server: TestServer, schema: string): Promise<Gate> {
    const holder = await server.rootConnection();
    // Or else the schema could not be dropped.
    t.teardown(() => holder.destroy());
    await holder.query(`CREATE TABLE ${schema}.gate(id INT PRIMARY KEY) ENGINE=InnoDB`);
    await holder.query(`INSERT INTO ${schema}.gate VALUES(1)`);
    await holder.query(`USE ${schema}`);
    const gate = new Gate(holder);
    await gate.shut();
    return gate;
  }

  async shut(): Promise<void> {
    await this.#holder.query('BEGIN');
    await this.#holder.query(Gate.READ);
  }

  async open(): Promise<void> {
    await this.#holder.query('ROLLBACK');
  }
}
