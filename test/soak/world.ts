import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'mysql2/promise';
import { type App, startApp } from '../../src/app/app.js';
import { completeConfigWithUrl, loadSettings } from '../../src/config/load.js';
import type { KeyName } from '../../src/config/schema.js';
import { createLogger } from '../../src/observability/logger.js';
import type { PrivateTestServer, TestUser } from '../support/servers.js';
import { FaultProxy } from './fault-proxy.js';
import { ACCOUNTS, BALANCE, ITEMS } from './operations.js';

export const POOL_SIZE = 8;
export const WAIT_TIMEOUT_MS = 3000;

/** Log lines kept, for a look at what came before a violation. */
const LOG_LINES = 2000;

/** A proxy in this process, with faults on both of its sides, and a schema whose contents are known. */
export interface World {
  readonly app: App;
  readonly server: PrivateTestServer;
  readonly front: FaultProxy;
  readonly back: FaultProxy;
  readonly schema: string;
  readonly users: readonly TestUser[];
  /** Of each pool that clients may be in. */
  readonly logins: readonly ConnectionOptions[];
  /** The proxy's log, its last lines. */
  readonly log: readonly string[];
  close(): Promise<void>;
}

export async function openWorld(server: PrivateTestServer): Promise<World> {
  const schema = await server.createDatabase();
  const users = [await server.createUser(), await server.createUser()];
  await fill(server, schema);
  const [first, second] = users;
  if (first === undefined || second === undefined) throw new Error('there are two users');
  const back = await FaultProxy.open({ host: server.host, port: server.port });
  const log: string[] = [];
  const app = await open(back.url(first.url(schema)), second, (line) => {
    log.push(line);
    if (log.length > LOG_LINES) log.splice(0, LOG_LINES / 2);
  });
  const [listening] = app.addresses.listen;
  const front = await FaultProxy.open({ host: '127.0.0.1', port: Number(listening?.split(':').at(-1)) });
  const login = ({ user, password }: TestUser): ConnectionOptions => ({
    ...front.address,
    user,
    password,
    database: schema,
  });
  return {
    ...{ app, server, front, back, schema, users, log },
    logins: [login(first), { ...login(first), flags: ['-FOUND_ROWS'] }, login(second)],
    close: async () => {
      await front.close();
      app.kill();
      await app.closed;
      await back.close();
    },
  };
}

async function open(upstream: string, other: TestUser, logged: (line: string) => void): Promise<App> {
  const folder = await mkdtemp(join(tmpdir(), 'soak-'));
  try {
    const configFile = join(folder, 'mybouncer.yaml');
    await writeFile(configFile, `users:\n  - {name: ${other.user}, password: ${other.password}}\n`);
    const values = {
      listen: '127.0.0.1:0',
      http: '127.0.0.1:0',
      pool_size: String(POOL_SIZE),
      query_wait_timeout: `${WAIT_TIMEOUT_MS}ms`,
      server_connect_timeout: '2s',
      client_login_timeout: '10s',
    };
    const flags = Object.entries(values).map(
      ([key, value]) => [key as KeyName, { source: key, values: [value] }] as const,
    );
    const settings = loadSettings({ flags: new Map(flags), configFile, env: {} });
    const logger = createLogger('debug', { write: logged });
    return await startApp(completeConfigWithUrl(settings, upstream), { logger });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function fill(server: PrivateTestServer, schema: string): Promise<void> {
  const values = (count: number, value: (id: number) => number): string =>
    Array.from({ length: count }, (_, i) => `(${i + 1}, ${value(i + 1)})`).join();
  for (const statement of [
    `CREATE TABLE ${schema}.items (id INT PRIMARY KEY, v INT NOT NULL)`,
    `INSERT INTO ${schema}.items VALUES ${values(ITEMS, (id) => id * 7)}`,
    `CREATE TABLE ${schema}.accounts (id INT PRIMARY KEY, balance INT NOT NULL)`,
    `INSERT INTO ${schema}.accounts VALUES ${values(ACCOUNTS, () => BALANCE)}`,
    `CREATE TABLE ${schema}.facts (id INT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL, KEY (token))`,
  ])
    await server.query(statement);
}
