import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { ServerFlavor } from '../../src/sandbox/server-program.js';
import { CONNECT_WITHIN_MS } from './patience.js';

/** The account that every test server has, with all rights on the schemas `app` and `app_...`. */
export const APP_USER = 'app';
export const APP_PASSWORD = 'secret';

/** Where a server is, and an account that may do everything on it. */
export interface ServerLocation {
  readonly flavor: ServerFlavor;
  readonly host: string;
  readonly port: number;
  /** Null where the server's socket is not on this machine. */
  readonly socketPath: string | null;
  readonly rootUrl: string;
  /** `SELECT VERSION()`. */
  readonly version: string;
}

/** One session, as the server's own process list shows it. */
export interface SessionRow {
  readonly id: number;
  readonly user: string;
  readonly db: string | null;
  readonly command: string;
  readonly time: number;
  readonly state: string | null;
  readonly info: string | null;
}

export interface TestUser {
  readonly user: string;
  readonly password: string;
  /** Of the schema given, `app` otherwise. */
  url(schema?: string): string;
}

let serial = 0;

/** Not taken by another test file, process or run on the same server. */
function uniqueName(prefix: string): string {
  return `${prefix}_${process.pid.toString(36)}_${Date.now().toString(36)}_${(serial++).toString(36)}`;
}

/** A test's own view of a server: what it makes through this is gone after {@link release}. */
export class TestServer implements ServerLocation {
  readonly flavor: ServerFlavor;
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | null;
  readonly rootUrl: string;
  readonly version: string;
  #root: Promise<Connection> | null = null;
  readonly #connections = new Set<Connection>();
  readonly #undo: string[] = [];

  constructor(location: ServerLocation) {
    this.flavor = location.flavor;
    this.host = location.host;
    this.port = location.port;
    this.socketPath = location.socketPath;
    this.rootUrl = location.rootUrl;
    this.version = location.version;
  }

  get isMysql(): boolean {
    return this.flavor === 'mysql';
  }

  /** Logs the account `app` in, over TCP. */
  url(schema = 'app'): string {
    return `mysql://${APP_USER}:${APP_PASSWORD}@${this.host}:${this.port}/${schema}`;
  }

  /** Logs the administrator in, over TCP. */
  rootUrlFor(schema: string): string {
    const url = new URL(this.rootUrl);
    url.pathname = `/${schema}`;
    return url.href;
  }

  /** A connection of the administrator's; closed at {@link release} at the latest. */
  async rootConnection(): Promise<Connection> {
    const connection = await createConnection({
      uri: this.rootUrl,
      multipleStatements: true,
      connectTimeout: CONNECT_WITHIN_MS,
    });
    this.#connections.add(connection);
    return connection;
  }

  async #rootConnection(): Promise<Connection> {
    this.#root ??= this.rootConnection();
    try {
      return await this.#root;
    } catch (error) {
      // The next one tries again: the server may have been down.
      this.#root = null;
      throw error;
    }
  }

  /** Runs a statement as the administrator, always on the same connection. Rows of a SELECT; nothing for the rest. */
  async query<Row extends object = Record<string, unknown>>(
    sql: string,
    values: readonly (string | number | null)[] = [],
  ): Promise<Row[]> {
    const connection = await this.#rootConnection();
    const [rows] = await connection.query<RowDataPacket[]>(sql, [...values]);
    return Array.isArray(rows) ? (rows as unknown as Row[]) : [];
  }

  /** After the server was restarted: the next {@link query} connects anew. */
  forgetConnections(): void {
    for (const connection of this.#connections) connection.destroy();
    this.#connections.clear();
    this.#root = null;
  }

  /** A new empty schema that the account `app` has all rights on. @returns its name */
  async createDatabase(): Promise<string> {
    const name = uniqueName('app');
    await this.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    this.#undo.push(`DROP DATABASE IF EXISTS ${name}`);
    return name;
  }

  /**
   * A new account with the rights of `app`, so that its sessions in the process list are this test's alone.
   * @param authentication what follows the name in CREATE USER instead of `IDENTIFIED BY` the password
   */
  async createUser(options: { password?: string; authentication?: string } = {}): Promise<TestUser> {
    const user = uniqueName('u');
    const password = options.password ?? 'secret';
    const authentication = options.authentication ?? 'IDENTIFIED BY ?';
    await this.query(`CREATE USER '${user}'@'%' ${authentication}`, options.authentication ? [] : [password]);
    this.#undo.push(`DROP USER IF EXISTS '${user}'@'%'`);
    await this.query(`GRANT ALL PRIVILEGES ON app.* TO '${user}'@'%'`);
    await this.query(`GRANT ALL PRIVILEGES ON \`app\\_%\`.* TO '${user}'@'%'`);
    await this.query(`GRANT PROCESS ON *.* TO '${user}'@'%'`);
    const login = `${user}:${encodeURIComponent(password)}`;
    return {
      user,
      password,
      url: (schema = 'app') => `mysql://${login}@${this.host}:${this.port}/${schema}`,
    };
  }

  /** The sessions of one account by id; without a name all but this one's own and the server's daemons. */
  async sessions(user?: string): Promise<SessionRow[]> {
    // Not the tables: MySQL's one in information_schema fails as a whole while anybody runs a statement with bytes that are
    // no text, and the one in performance_schema shows no waiting for the client.
    const own = (await this.#rootConnection()).threadId;
    const rows = await this.query('SHOW FULL PROCESSLIST');
    return rows
      .map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value])),
      )
      .map((row) => row as unknown as SessionRow)
      .filter(({ id, command }) => id !== own && command !== 'Daemon')
      .filter((row) => user === undefined || row.user === user)
      .sort((a, b) => a.id - b.id);
  }

  /** A counter of `SHOW GLOBAL STATUS`, such as `Threads_connected`. */
  async status(name: string): Promise<number> {
    const [row] = await this.query<{ Value: string }>('SHOW GLOBAL STATUS WHERE Variable_name = ?', [name]);
    if (row === undefined) throw new Error(`the server has no status counter ${name}`);
    return Number(row.Value);
  }

  /** A global system variable, as text. */
  async variable(name: string): Promise<string> {
    const [row] = await this.query<{ Value: string }>('SHOW GLOBAL VARIABLES WHERE Variable_name = ?', [
      name,
    ]);
    if (row === undefined) throw new Error(`the server has no variable ${name}`);
    return row.Value;
  }

  /** Closes all connections and drops all schemas and accounts made here. */
  async release(): Promise<void> {
    for (const statement of this.#undo.splice(0).reverse()) await this.query(statement);
    const open = [...this.#connections];
    this.#connections.clear();
    this.#root = null;
    await Promise.all(open.map((connection) => connection.end()));
  }
}
