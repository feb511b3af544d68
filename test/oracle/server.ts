import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { RawLogin } from '../support/raw-client.js';
import { type Flavor, startMariadb, startMysql, type TestServer } from '../support/servers.js';

const PASSWORD = 'secret';
const ROLE = 'oracle_role';

/** A server that an oracle runs against, with an account and a role of its own. */
export interface OracleServer {
  readonly flavor: Flavor;
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly role: string;
  /** The administrator's connection. */
  readonly root: Connection;
  /** Without a schema. */
  readonly url: string;
  close(): Promise<void>;
}

/** `mariadb` or `mysql`: starts a private one; else the URL of an account that may do everything. */
export async function openServer(which: string): Promise<OracleServer> {
  if (which === 'mariadb' || which === 'mysql') {
    const server = await (which === 'mysql' ? startMysql : startMariadb)();
    try {
      return await withAccount(server.rootUrl, () => server.stop());
    } catch (error) {
      await server.stop();
      throw error;
    }
  }
  return withAccount(which, async () => undefined);
}

/** The server of a test, which ends it. */
export function openTestServer(server: TestServer): Promise<OracleServer> {
  return withAccount(server.rootUrl, async () => undefined);
}

async function withAccount(rootUrl: string, stop: () => Promise<void>): Promise<OracleServer> {
  const root = await createConnection({ uri: rootUrl });
  const [rows] = await root.query<RowDataPacket[]>('SELECT VERSION() AS version');
  const version = String(rows[0]?.['version']);
  const flavor: Flavor = /mariadb/i.test(version) ? 'mariadb' : 'mysql';
  const { hostname, port } = new URL(rootUrl);
  const user = `oracle_${process.pid.toString(36)}_${Date.now().toString(36)}`;
  await root.query(`CREATE USER '${user}'@'%' IDENTIFIED BY '${PASSWORD}'`);
  await root.query(`GRANT ALL PRIVILEGES ON \`app\\_%\`.* TO '${user}'@'%'`);
  const role = `${ROLE}_${process.pid.toString(36)}`;
  await root.query(`CREATE ROLE IF NOT EXISTS ${role}`);
  await root.query(`GRANT ${role} TO '${user}'@'%'`);
  const serverPort = port === '' ? 3306 : Number(port);
  return {
    flavor,
    version,
    host: hostname,
    port: serverPort,
    user,
    password: PASSWORD,
    role,
    root,
    url: `mysql://${user}:${PASSWORD}@${hostname}:${serverPort}/`,
    close: async () => {
      await root.query(`DROP USER IF EXISTS '${user}'@'%'`);
      await root.query(`DROP ROLE IF EXISTS ${role}`);
      await root.end();
      await stop();
    },
  };
}

export function loginTo({ host, port, user, password }: OracleServer, schema: string): RawLogin {
  return { host, port, user, password, schema };
}
