import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { eventually } from '../../support/proxied.js';
import { type Flavor, type PrivateTestServer, startMariadb, startMysql } from '../../support/servers.js';
import type { AdminQuery, Engine, EnginePromises } from './engine.js';

/** That it takes when all is well. */
export const CONNECTIONS = 60;

export const SERVER_ARGUMENTS = [
  // What is acknowledged is in the kernel's hands: it outlives the process, which is all that is ended here.
  '--innodb-flush-log-at-trx-commit=1',
  '--innodb-lock-wait-timeout=3',
  '--lock-wait-timeout=4',
  `--max-connections=${CONNECTIONS}`,
];

/** A statement that was under way when a client left may wait for a lock that long. */
const ASK_TIMEOUT_MS = 20_000;

/** One server, whose data outlive it. */
export class SingleEngine implements Engine {
  readonly name = 'single';
  readonly givesUpAfterMs = 2500;
  readonly losses = [];
  readonly canBeCut = false;
  readonly login: Engine['login'];
  readonly #server: PrivateTestServer;
  readonly #owned: boolean;

  private constructor(server: PrivateTestServer, login: Engine['login'], owned: boolean) {
    this.#server = server;
    this.login = login;
    this.#owned = owned;
  }

  static async start(flavor: Flavor): Promise<SingleEngine> {
    const server = await (flavor === 'mysql' ? startMysql : startMariadb)({ extraArgs: SERVER_ARGUMENTS });
    try {
      return await SingleEngine.over(server, true);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** A server of the caller's, who ends it. */
  static async over(server: PrivateTestServer, owned = false): Promise<SingleEngine> {
    const schema = await server.createDatabase();
    const { user, password } = await server.createUser();
    server.forgetConnections();
    return new SingleEngine(server, { user, password, schema }, owned);
  }

  promises(): EnginePromises {
    return { keepsAcknowledged: true, readsFresh: true, serializable: true };
  }

  beginRound(): void {}

  async writable(): Promise<number> {
    return 0;
  }

  get flavor(): Flavor {
    return this.#server.flavor;
  }

  get version(): string {
    return this.#server.version;
  }

  get nodes(): Engine['nodes'] {
    const { host, port } = this.#server;
    return [{ host, port }];
  }

  async query<Row extends object = Record<string, unknown>>(sql: string): Promise<Row[]> {
    const connection = await this.#connect();
    try {
      const [rows] = await connection.query<RowDataPacket[]>({ sql, timeout: ASK_TIMEOUT_MS });
      return Array.isArray(rows) ? (rows as unknown as Row[]) : [];
    } finally {
      connection.destroy();
    }
  }

  async asAdmin<T>(_node: number, run: (query: AdminQuery) => Promise<T>): Promise<T> {
    const connection = await this.#connect();
    try {
      return await run(async (sql) => {
        const [rows] = await connection.query<RowDataPacket[]>({ sql, timeout: ASK_TIMEOUT_MS });
        return Array.isArray(rows) ? rows : [];
      });
    } finally {
      connection.destroy();
    }
  }

  kill(_node: number, orderly: boolean): Promise<void> {
    return this.#server.kill(orderly ? 'SIGTERM' : 'SIGKILL');
  }

  start(): Promise<void> {
    return this.#server.start();
  }

  freeze(): Promise<void> {
    return this.#server.kill('SIGSTOP');
  }

  thaw(): Promise<void> {
    return this.#server.kill('SIGCONT');
  }

  async cut(): Promise<void> {}

  async join(): Promise<void> {}

  async promote(): Promise<void> {
    throw new RangeError('there is one server only');
  }

  async lag(): Promise<void> {}

  async heal(): Promise<void> {
    await this.thaw();
    await this.start();
    await this.query('SET GLOBAL read_only = 0');
    await this.query(`SET GLOBAL max_connections = ${CONNECTIONS}`);
  }

  async settle(): Promise<void> {
    await eventually('no transaction is open on the server', async () => {
      const rows = await this.query('SELECT trx_id FROM information_schema.innodb_trx');
      return rows.length === 0;
    });
  }

  finalRead<Row extends object = Record<string, unknown>>(sql: string): Promise<Row[]> {
    return this.query<Row>(sql);
  }

  async close(): Promise<void> {
    if (this.#owned) await this.#server.stop();
  }

  async #connect() {
    const connection = await createConnection({
      uri: this.#server.rootUrlFor(this.login.schema),
      connectTimeout: ASK_TIMEOUT_MS,
    });
    // A fault may end it at any time.
    connection.on('error', () => {});
    return connection;
  }
}
