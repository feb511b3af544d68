import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions, RowDataPacket } from 'mysql2/promise';
import type { Test } from 'tap';
import { type Client, eventually } from '../support/proxied.js';
import { ProxiedUser } from '../support/proxied-user.js';
import { type ProxyOptions, type ProxyProcess, startProxy } from '../support/proxy.js';
import type { TestServer, TestUser } from '../support/server-handle.js';

export const ADMIN = { user: 'operator', password: 'of the pool' };

/** The keys of a configuration file, as they are written there. */
export type Keys = Readonly<Record<string, string>>;

/** Reloadable keys that have a test file of their own. */
export const KEYS_OF_CONNECTIONS: readonly string[] = [
  ...['tls_cert', 'tls_key', 'tls_client_ca'],
  ...['server_tls_ca', 'server_tls_cert', 'server_tls_key'],
  ...['server_connect_timeout', 'server_login_retry'],
];

/** And those that are about several servers: test/relay/several-servers-*.test.ts. */
export const KEYS_OF_SEVERAL: readonly string[] = [
  'server_check_interval',
  'server_check_timeout',
  'failover_timeout',
  'slow_start',
  'read_your_writes_timeout',
];

/** What RELOAD says of a key that has another value now. */
export const applied = (key: string): { readonly key: string; readonly effect: string } => ({
  key,
  effect: 'applied',
});

export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no error',
    (error: unknown) => error,
  );
}

/** A proxy whose configuration file changes while it runs. */
export class Reloading extends ProxiedUser {
  readonly file: string;
  readonly #clients: Client[] = [];

  constructor(
    t: Test,
    server: TestServer,
    proxy: ProxyProcess,
    schema: string,
    user: TestUser,
    file: string,
  ) {
    super(t, server, proxy, schema, user);
    this.file = file;
  }

  override async connect(options: ConnectionOptions = {}): Promise<Client> {
    const client = await super.connect(options);
    this.#clients.push(client);
    return client;
  }

  /** Of everybody who is there still. */
  async leave(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.destroy();
    await eventually('nobody is left', async () => (await this.proxy.metric('mybouncer_clients')) === 0);
  }

  admin(login: { readonly user: string; readonly password: string } = ADMIN): Promise<Client> {
    return this.connect({ ...login, database: 'mybouncer' });
  }

  /** What the file says from now on, beside its users. */
  write(keys: Keys, users = ''): Promise<void> {
    return writeFile(this.file, textOf(this.user, keys, users));
  }

  /** {@link write}, then RELOAD. */
  async reload(console: Client, keys: Keys, users = ''): Promise<readonly RowDataPacket[]> {
    await this.write(keys, users);
    return console.rows('RELOAD');
  }
}

function textOf(user: TestUser, keys: Keys, users: string): string {
  return [
    'users:',
    `  - {name: ${ADMIN.user}, password: ${ADMIN.password}, server_user: ${user.user}, server_password: ${user.password}}`,
    users,
    ...Object.entries({ admin_users: ADMIN.user, ...keys }).map(([key, value]) => `${key}: ${value}`),
    '',
  ].join('\n');
}

/** `way`: what the proxy is told of the server's URL. */
export async function reloading(
  t: Test,
  server: TestServer,
  keys: Keys = {},
  {
    way = (url: string) => url,
    ...options
  }: Partial<ProxyOptions> & { readonly way?: (url: string) => string } = {},
): Promise<Reloading> {
  const schema = await server.createDatabase();
  const user = await server.createUser();
  const file = join(t.testdir({}), 'mybouncer.yaml');
  await writeFile(file, textOf(user, keys, ''));
  const flags = ['--config', file, ...(options.flags ?? [])];
  const proxy = await startProxy(t, { plainLog: true, ...options, upstream: way(user.url(schema)), flags });
  return new Reloading(t, server, proxy, schema, user, file);
}
