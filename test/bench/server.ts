import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { makeSelfSigned } from '../../src/frontend/self-signed.js';
import { type PrivateTestServer, ROOT_PASSWORD, startMariadb, startMysql } from '../support/servers.js';
import { waitForAddress } from './children.js';
import type { Credentials } from './load/wire.js';
import { listenersOn } from './proc.js';
import { BIG_TABLES, TABLE_ROWS, TABLES } from './scenarios.js';

const DATABASE = 'app';
const PASSWORD = 'secret';

export const MAX_CONNECTIONS = 6000;

const SERVER_ARGUMENTS = [
  `--max-connections=${MAX_CONNECTIONS}`,
  '--max-connect-errors=1000000',
  '--max-prepared-stmt-count=1000000',
  '--back-log=4096',
  '--max-allowed-packet=64M',
  '--thread-cache-size=256',
  '--local-infile=1',
];

export type ServerFlavor = 'mariadb' | 'mysql';

/** A certificate that any account of this machine may read, key and all: it protects nothing. */
export interface BenchCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** The private server of a bench run, and a connection to look at it. */
export interface BenchServer {
  readonly flavor: ServerFlavor;
  readonly host: string;
  readonly port: number;
  readonly socketPath: string;
  readonly pids: readonly number[];
  readonly version: string;
  /** Undefined where no scenario needs it: then a MariaDB does not offer TLS either. */
  readonly certificate: BenchCertificate | undefined;
  /** An account of its own for each target, by which its sessions are told from the others'; made when missing. */
  account(target: string): Promise<Credentials>;
  /** How many server sessions an account has now. */
  sessions(user: string): Promise<number>;
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly flavor: ServerFlavor;
  /** Any free one unless given. */
  readonly port: number | undefined;
  /** Where a certificate is made, if there shall be one. */
  readonly certificateFolder: string | undefined;
  /** Whether there shall be tables with 10 MiB each. */
  readonly bigTables: boolean;
  readonly signal: AbortSignal;
}

/** Starts a server whose disk plays no part, as in the tests: what is compared is the way to it. */
export async function startServer(options: ServerOptions): Promise<BenchServer> {
  const start = options.flavor === 'mysql' ? startMysql : startMariadb;
  const fixedPort = options.port === undefined ? [] : [`--port=${options.port}`];
  const certificate = makeCertificate(options.certificateFolder);
  const tls =
    certificate === undefined
      ? []
      : [`--ssl-cert=${certificate.certFile}`, `--ssl-key=${certificate.keyFile}`];
  const server = await start({ extraArgs: [...SERVER_ARGUMENTS, ...fixedPort, ...tls] });
  const port = options.port ?? server.port;
  try {
    await waitForAddress({ host: server.host, port }, options.flavor, { signal: options.signal });
    return await openBenchServer(server, { ...options, port, certificate });
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function makeCertificate(folder: string | undefined): BenchCertificate | undefined {
  if (folder === undefined) {
    return undefined;
  }
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  const { cert, key } = makeSelfSigned();
  writeFileSync(files.certFile, cert, { mode: 0o644 });
  writeFileSync(files.keyFile, key, { mode: 0o644 });
  return files;
}

async function openBenchServer(
  server: PrivateTestServer,
  given: ServerOptions & { port: number; certificate: BenchCertificate | undefined },
): Promise<BenchServer> {
  const { host, socketPath } = server;
  const { port, certificate } = given;
  const control = await createConnection({ socketPath, user: 'root', password: ROOT_PASSWORD });
  // Reported by the query that meets it; without a listener it would end the bench.
  control.on('error', () => undefined);
  await fillTables(control, given.signal);
  if (given.bigTables) {
    await fillBigTables(control, given.signal);
  }
  const name = server.flavor === 'mysql' ? 'MySQL' : 'MariaDB';
  return {
    flavor: server.flavor,
    host,
    port,
    socketPath,
    pids: listenersOn(port),
    version: `${name} ${await firstValue(control, 'SELECT VERSION()')}`,
    certificate,
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

/** Each row of them is its number, repeated: as hard for the server as any, and no two are the same. */
async function fillBigTables(control: Connection, signal: AbortSignal): Promise<void> {
  for (const [name, { rowBytes, rows }] of Object.entries(BIG_TABLES)) {
    signal.throwIfAborted();
    await control.query(
      `CREATE TABLE big_${name} (id INT NOT NULL PRIMARY KEY, c VARCHAR(${rowBytes}) NOT NULL)`,
    );
    await control.query(`INSERT INTO big_${name} (id, c)
      SELECT n, LEFT(REPEAT(LPAD(n, 10, '0'), ${Math.ceil(rowBytes / 10)}), ${rowBytes}) FROM (
        SELECT tens.id + ${TABLE_ROWS} * (ones.id - 1) AS n FROM sbtest1 ones, sbtest1 tens
        WHERE ones.id <= ${Math.ceil(rows / TABLE_ROWS)}) numbers
      WHERE n <= ${rows}`);
    await control.query(`ANALYZE TABLE big_${name}`);
  }
}

async function firstValue(control: Connection, sql: string, values: string[] = []): Promise<unknown> {
  const [rows] = await control.query<RowDataPacket[]>(sql, values);
  return Object.values(rows[0] ?? {})[0];
}
