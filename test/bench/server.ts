import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { type PrivateTestServer, ROOT_PASSWORD, startMariadb, startMysql } from '../support/servers.js';
import { waitForPort } from './children.js';
import type { Credentials } from './load/wire.js';
import { listenersOn } from './proc.js';
import { TABLE_ROWS, TABLES } from './scenarios.js';

const DATABASE = 'app';
const PASSWORD = 'secret';

const SERVER_ARGUMENTS = [
  '--max-connections=6000',
  '--max-connect-errors=1000000',
  '--max-prepared-stmt-count=1000000',
  '--back-log=4096',
  '--thread-cache-size=256',
];

export type ServerFlavor = 'mariadb' | 'mysql';

/** The private server of a bench run, and a connection to look at it. */
export interface BenchServer {
  readonly host: string;
  readonly port: number;
  readonly pids: readonly number[];
  readonly version: string;
  /** An account of its own for each target, by which its sessions are told from the others'; made when missing. */
  account(target: string): Promise<Credentials>;
  /** How many server sessions an account has now. */
  sessions(user: string): Promise<number>;
  close(): Promise<void>;
}

/** Starts a server whose disk plays no part, as in the tests: what is compared is the way to it. */
export async function startServer(options: {
  readonly flavor: ServerFlavor;
  /** Any free one unless given. */
  readonly port: number | undefined;
  readonly signal: AbortSignal;
}): Promise<BenchServer> {
  const start = options.flavor === 'mysql' ? startMysql : startMariadb;
  const fixedPort = options.port === undefined ? [] : [`--port=${options.port}`];
  const server = await start({ extraArgs: [...SERVER_ARGUMENTS, ...fixedPort] });
  const port = options.port ?? server.port;
  try {
    await waitForPort(server.host, port, options.flavor, { signal: options.signal });
    return await openBenchServer(server, port, options.signal);
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function openBenchServer(
  server: PrivateTestServer,
  port: number,
  signal: AbortSignal,
): Promise<BenchServer> {
  const { host, socketPath } = server;
  const control = await createConnection({ socketPath, user: 'root', password: ROOT_PASSWORD });
  // Reported by the query that meets it; without a listener it would end the bench.
  control.on('error', () => undefined);
  await fillTables(control, signal);
  return {
    host,
    port,
    pids: listenersOn(port),
    version: `${server.flavor === 'mysql' ? 'MySQL' : 'MariaDB'} ${await firstValue(control, 'SELECT VERSION()')}`,
    account: async (target) => {
      const user = target.replaceAll(/[^a-z0-9_]/gi, '_').slice(0, 32);
      await control.query('CREATE USER IF NOT EXISTS ? IDENTIFIED BY ?', [user, PASSWORD]);
      await control.query(`GRANT ALL ON ${DATABASE}.* TO ?`, [user]);
      return { user, password: PASSWORD, database: DATABASE };
    },
    sessions: async (user) => {
      const count = 'SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ?';
      return Number(await firstValue(control, count, [user]));
    },
    close: async () => {
      control.destroy();
      await server.stop();
    },
  };
}

async function fillTables(control: Connection, signal: AbortSignal): Promise<void> {
  await control.query(`CREATE DATABASE IF NOT EXISTS ${DATABASE}`);
  await control.query(`USE ${DATABASE}`);
  for (let table = 1; table <= TABLES; table += 1) {
    signal.throwIfAborted();
    // The columns of sysbench's own tables, so that it finds what its `prepare` would have made.
    await control.query(`CREATE TABLE sbtest${table} (
      id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL DEFAULT 0,
      c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', KEY (k))`);
    await control.query(`INSERT INTO sbtest${table} (id, k, c, pad)
      WITH digit (d) AS (${Array.from({ length: 10 }, (_, digit) => `SELECT ${digit}`).join(' UNION ALL ')}),
        number (n) AS (
          SELECT 1 + ones.d + 10 * tens.d + 100 * hundreds.d + 1000 * thousands.d
          FROM digit ones, digit tens, digit hundreds, digit thousands)
      SELECT n, 1 + FLOOR(RAND() * ${TABLE_ROWS}), RPAD(SHA2(n, 256), 119, SHA2(-n, 256)), LEFT(SHA2(n, 256), 59)
      FROM number WHERE n <= ${TABLE_ROWS}`);
    await control.query(`ANALYZE TABLE sbtest${table}`);
  }
}

async function firstValue(control: Connection, sql: string, values: string[] = []): Promise<unknown> {
  const [rows] = await control.query<RowDataPacket[]>(sql, values);
  return Object.values(rows[0] ?? {})[0];
}
