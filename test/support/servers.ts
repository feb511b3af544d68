import { access } from 'node:fs/promises';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Test } from 'tap';
import { PrivateServer } from '../../src/sandbox/private-server.js';
import { accountStatements } from '../../src/sandbox/sandbox.js';
import type { ServerFlavor } from '../../src/sandbox/server-program.js';
import { CONNECT_WITHIN_MS } from './patience.js';
import { APP_PASSWORD, APP_USER, type ServerLocation, TestServer } from './server-handle.js';
import { testProgram } from './server-programs.js';
import { copyTemplate } from './server-templates.js';

export { APP_PASSWORD, APP_USER, type SessionRow, TestServer, type TestUser } from './server-handle.js';
export { mysqlClientCommand } from './server-programs.js';

/** Both real servers; a test that says nothing else runs on each. */
export const FLAVORS = ['mariadb', 'mysql'] as const;
export type Flavor = ServerFlavor;

/** The administrator's password on the servers that the tests start. */
export const ROOT_PASSWORD = 'root-secret';

/** Names a server to use instead of a private one, by an account that may do everything on it. */
export const URL_VARIABLE = { mariadb: 'TEST_MARIADB_URL', mysql: 'TEST_MYSQL_URL' } as const;

export const MISSING = {
  mariadb: 'MariaDB is missing: install mariadb-server, or set TEST_MARIADB_URL',
  mysql: 'MySQL 8 or newer is missing: run .ci/install as root, or set TEST_MYSQL_URL',
} as const;

export interface StartOptions {
  /** More arguments for the server, such as `--max-connections=10`; the last of two wins. */
  readonly extraArgs?: readonly string[];
}

/** What makes a fresh data directory one of the tests': the administrator and the account `app`. */
export function setupStatements(): string[] {
  return [
    `ALTER USER root@localhost IDENTIFIED BY '${ROOT_PASSWORD}'`,
    `CREATE USER root@'%' IDENTIFIED BY '${ROOT_PASSWORD}'`,
    `GRANT ALL PRIVILEGES ON *.* TO root@'%' WITH GRANT OPTION`,
    ...accountStatements(APP_USER, APP_PASSWORD, 'app'),
    `GRANT PROCESS ON *.* TO '${APP_USER}'@'%'`,
  ];
}

/** A server that only one test uses: it may be killed, frozen and restarted. */
export class PrivateTestServer extends TestServer {
  declare readonly socketPath: string;
  readonly #server: PrivateServer;

  constructor(server: PrivateServer, location: ServerLocation) {
    super(location);
    this.#server = server;
  }

  /** Of the server process; null while it is down. */
  get pid(): number | null {
    return this.#server.pid;
  }

  /** The file with everything that the server process printed; gone after {@link stop}. */
  get logFile(): string {
    return this.#server.logFile;
  }

  /** See {@link PrivateServer.kill}: resolves when the process has ended, or with SIGSTOP stands still. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#server.kill(signal);
    if (this.pid === null) this.forgetConnections();
  }

  /** Starts the server again after {@link kill}, on the same port, socket and data. */
  start(): Promise<void> {
    return this.#server.start();
  }

  /** An orderly shutdown and a new start, on the same port, socket and data. */
  async restart(): Promise<void> {
    await this.kill('SIGTERM');
    await this.start();
  }

  /** Ends the server and removes all its files. */
  async stop(): Promise<void> {
    this.forgetConnections();
    await this.#server.stop();
  }
}

async function start(flavor: Flavor, options: StartOptions): Promise<PrivateTestServer> {
  const program = await testProgram(flavor);
  if (program === null) throw new Error(MISSING[flavor]);
  const server = await PrivateServer.start({
    program,
    prefix: 'mybouncer-test-',
    prepare: (data, account) => copyTemplate(program, setupStatements(), data, account),
    extraArgs: options.extraArgs ?? [],
  });
  const { host, port, socketPath, version } = server;
  const rootUrl = `mysql://root:${ROOT_PASSWORD}@${host}:${port}`;
  return new PrivateTestServer(server, { flavor, host, port, socketPath, rootUrl, version });
}

/** A private MariaDB; stop it, or it ends with this process. @throws when there is none on this machine */
export function startMariadb(options: StartOptions = {}): Promise<PrivateTestServer> {
  return start('mariadb', options);
}

/** A private MySQL; stop it, or it ends with this process. @throws when there is none on this machine */
export function startMysql(options: StartOptions = {}): Promise<PrivateTestServer> {
  return start('mysql', options);
}

async function reachable(path: string): Promise<string | null> {
  try {
    await access(path);
    return path;
  } catch {
    return null;
  }
}

/**
 * Looks at the server behind a URL of an account that may do everything on it, and makes the account and schema `app` where
 * they are missing.
 */
async function locate(flavor: Flavor, rootUrl: string): Promise<ServerLocation> {
  const connection = await createConnection({ uri: rootUrl, connectTimeout: CONNECT_WITHIN_MS });
  try {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT VERSION() AS version, @@socket AS socket');
    const version = String(rows[0]?.['version']);
    if (/mariadb/i.test(version) !== (flavor === 'mariadb')) {
      throw new Error(`${URL_VARIABLE[flavor]} names another kind of server: ${version}`);
    }
    for (const statement of accountStatements(APP_USER, APP_PASSWORD, 'app')) {
      await connection.query(statement.replace(/^CREATE (USER|DATABASE) /, 'CREATE $1 IF NOT EXISTS '));
    }
    await connection.query(`GRANT PROCESS ON *.* TO '${APP_USER}'@'%'`);
    const { hostname, port } = new URL(rootUrl);
    const socketPath = await reachable(String(rows[0]?.['socket']));
    return { flavor, host: hostname, port: port === '' ? 3306 : Number(port), socketPath, rootUrl, version };
  } finally {
    await connection.end();
  }
}

const located = new Map<Flavor, Promise<ServerLocation | null>>();

async function find(flavor: Flavor): Promise<ServerLocation | null> {
  const url = process.env[URL_VARIABLE[flavor]];
  if (url !== undefined && url !== '') return locate(flavor, url);
  if ((await testProgram(flavor)) === null) return null;
  // It ends with this process.
  return start(flavor, {});
}

/** The server of a flavor that all tests of this process share; null where this machine has none. */
export async function sharedServer(flavor: Flavor): Promise<TestServer | null> {
  let location = located.get(flavor);
  if (location === undefined) {
    location = find(flavor);
    located.set(flavor, location);
  }
  const found = await location;
  return found === null ? null : new TestServer(found);
}

/** What there is to test with: one server of each flavor that this machine has, shared by all tests of this process. */
export async function servers(): Promise<TestServer[]> {
  const found = await Promise.all(FLAVORS.map((flavor) => sharedServer(flavor)));
  return found.filter((server) => server !== null);
}

/** Where it says "skip", it says what is missing; in CI everything is there, so a missing server is a failure. */
async function missing(t: Test, flavor: Flavor): Promise<void> {
  await t.test(`on ${flavor}`, process.env['CI'] === 'true' ? {} : { skip: MISSING[flavor] }, async (t) => {
    t.fail(MISSING[flavor]);
  });
}

/** Of what is there to end what hangs, not to measure: in ms. */
const LIMIT_MS = 300_000;

export interface ForEachOptions {
  readonly flavors?: readonly Flavor[];
  /** Of each subtest, in ms. */
  readonly timeout?: number;
  /** All flavors at the same time: for tests that mostly wait. */
  readonly atOnce?: boolean;
}

/** One subtest a flavor, one after the other or at the same time. */
async function forEachFlavor<T extends { readonly flavor: Flavor }>(
  t: Test,
  found: readonly T[],
  { atOnce = false }: ForEachOptions,
  test: (one: T, buffered: boolean) => Promise<unknown>,
): Promise<void> {
  if (!atOnce) {
    for (const one of found) await test(one, false);
    return;
  }
  t.jobs = Math.max(t.jobs, found.length);
  await Promise.all(found.map((one) => test(one, true)));
}

/**
 * Runs a subtest on each flavor's shared server. What it makes with `createDatabase()`, `createUser()` and
 * `rootConnection()` is gone afterwards. The server is not its own: other test files use it at the same time.
 */
export async function forEachServer(
  t: Test,
  run: (t: Test, server: TestServer) => Promise<void>,
  options: ForEachOptions = {},
): Promise<void> {
  // All at once and first: where the file has a teardown of its own, tap ends it as soon as nothing is under way for
  // two turns of the timers, which starting the second server after the first one's tests would be.
  const flavors = options.flavors ?? FLAVORS;
  const found = await Promise.all(
    flavors.map(async (flavor) => ({ flavor, server: await sharedServer(flavor) })),
  );
  const { timeout = LIMIT_MS } = options;
  await forEachFlavor(t, found, options, async ({ flavor, server }, buffered) => {
    if (server === null) return missing(t, flavor);
    await t.test(`on ${flavor} ${server.version}`, { timeout, buffered }, async (t) => {
      t.teardown(() => server.release());
      await run(t, server);
    });
  });
}

/** Runs a subtest on a fresh private server of each flavor: for tests that kill, restart, freeze or configure it. */
export async function forEachPrivateServer(
  t: Test,
  run: (t: Test, server: PrivateTestServer) => Promise<void>,
  options: ForEachOptions & StartOptions = {},
): Promise<void> {
  const flavors = options.flavors ?? FLAVORS;
  // First, as above.
  const found = await Promise.all(
    flavors.map(async (flavor) => ({ flavor, program: await testProgram(flavor) })),
  );
  const { timeout = LIMIT_MS } = options;
  await forEachFlavor(t, found, options, async ({ flavor, program }, buffered) => {
    if (program === null) return missing(t, flavor);
    await t.test(`on a private ${flavor}`, { timeout, buffered }, async (t) => {
      const server = await start(flavor, options);
      t.teardown(() => server.stop());
      await run(t, server);
    });
  });
}
