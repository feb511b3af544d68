import {
  type Connection,
  type ConnectionOptions,
  createConnection,
  type ResultSetHeader,
  type RowDataPacket,
} from 'mysql2/promise';
import type { Test } from 'tap';
import { CONNECT_WITHIN_MS, PATIENCE_MS } from './patience.js';
import { type ProxyProcess, startProxy } from './proxy.js';
import type { TestServer } from './server-handle.js';

/** A proxy in front of a real server, with a schema of the test's own, and connections that end with the test. */
export class Proxied {
  readonly t: Test;
  readonly server: TestServer;
  readonly proxy: ProxyProcess;
  readonly schema: string;

  constructor(t: Test, server: TestServer, proxy: ProxyProcess, schema: string) {
    this.t = t;
    this.server = server;
    this.proxy = proxy;
    this.schema = schema;
  }

  /** A client of the proxy's. */
  async connect(options: ConnectionOptions = {}): Promise<Client> {
    const tls = process.env['TEST_CLIENTS_TLS'] === '1' ? { ssl: { rejectUnauthorized: false } } : {};
    return this.#open({ ...login(this.proxy.url), ...tls, ...options });
  }

  /** A client of the server itself, as the same user. */
  async direct(options: ConnectionOptions = {}): Promise<Client> {
    return this.#open({ ...login(this.server.url(this.schema)), ...options });
  }

  async #open(options: ConnectionOptions): Promise<Client> {
    const connection = await createConnection({ connectTimeout: CONNECT_WITHIN_MS, ...options });
    // A connection that the test cuts off reports it here as well.
    connection.on('error', () => {});
    this.t.teardown(() => connection.destroy());
    return new Client(connection);
  }
}

function login(text: string): ConnectionOptions {
  const { hostname, port, username, password, pathname } = new URL(text);
  return { host: hostname, port: Number(port), user: username, password, database: pathname.slice(1) };
}

/** The few things that tests ask of a connection. */
export class Client {
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** The id that the greeting said. */
  get id(): number {
    return this.connection.threadId;
  }

  async rows(sql: string): Promise<RowDataPacket[]> {
    const [rows] = await this.connection.query<RowDataPacket[]>(sql);
    return rows;
  }

  /** First column of the first row. */
  async value(sql: string): Promise<unknown> {
    const [row] = await this.rows(sql);
    return row === undefined ? undefined : Object.values(row)[0];
  }

  async run(sql: string): Promise<ResultSetHeader> {
    const [result] = await this.connection.query<ResultSetHeader>(sql);
    return result;
  }

  /** Through the binary protocol. */
  async execute(sql: string, values: (string | number | null | Buffer)[] = []): Promise<RowDataPacket[]> {
    const [rows] = await this.connection.execute<RowDataPacket[]>(sql, values);
    return rows;
  }

  async error(sql: string): Promise<{ errno: number; sqlState: string; message: string }> {
    try {
      await this.connection.query(sql);
    } catch (error) {
      const { errno, sqlState, message } = error as { errno: number; sqlState: string; message: string };
      return { errno, sqlState, message };
    }
    throw new Error(`no error from ${sql}`);
  }

  end(): Promise<void> {
    return this.connection.end();
  }

  /** Cuts the connection off, as a killed process does. */
  destroy(): void {
    this.connection.destroy();
  }
}

/** A proxy over a fresh schema of a server. */
export async function proxied(t: Test, server: TestServer, flags: readonly string[] = []): Promise<Proxied> {
  const schema = await server.createDatabase();
  const proxy = await startProxy(t, { upstream: server.url(schema), flags });
  return new Proxied(t, server, proxy, schema);
}

/** Each client uses a session at the same time, so that there is one for each, however slow logins are. */
export async function useAtOnce(clients: readonly Client[]): Promise<void> {
  await Promise.all(clients.map((client) => client.run('BEGIN')));
  await Promise.all(clients.map((client) => client.run('COMMIT')));
}

/** Waits until `condition` holds; fails the test when it does not come to. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
