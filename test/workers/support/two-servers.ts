import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Client } from '../../support/proxied.js';
import { ProxiedUser } from '../../support/proxied-user.js';
import { type ProxyOptions, startProxy } from '../../support/proxy.js';
import { APP_PASSWORD, APP_USER, type PrivateTestServer, startMariadb } from '../../support/servers.js';
import { TeamWorld, workerOf } from './team.js';

const SCHEMA = 'app';

/** What clients of the second server log in with. */
const READS = { database: 'ro' };

/** Nothing here is about time, however slow the machine is. */
const ALWAYS = [
  'workers: 2',
  `admin_users: ${APP_USER}`,
  'query_wait_timeout: 5m',
  'failover_timeout: 5m',
  'drain_timeout: 5m',
  'idle_transaction_timeout: 0',
  'slow_start: 0s',
];

/** Two servers that know nothing of each other. */
export async function startTwo(
  t: Test,
  extraArgs: readonly (readonly string[])[] = [],
): Promise<readonly [PrivateTestServer, PrivateTestServer]> {
  const [one = [], other = []] = extraArgs;
  const both = await Promise.all([startMariadb({ extraArgs: one }), startMariadb({ extraArgs: other })]);
  t.teardown(() => Promise.all(both.map((server) => server.stop())));
  return both;
}

/** Sessions of the pool there now. */
export async function sessionsOn(server: PrivateTestServer): Promise<number> {
  return (await server.sessions(APP_USER)).filter(({ db }) => db === SCHEMA).length;
}

/**
 * A proxy of two workers, whose configuration is in a file.
 * @param start - by the file's folder, how it is started
 */
export async function fileTeam(
  t: Test,
  server: PrivateTestServer,
  lines: readonly string[],
  start: (folder: string) => Pick<ProxyOptions, 'nodeArgs' | 'env'> = () => ({}),
): Promise<FileTeam> {
  const folder = t.testdir({});
  const file = join(folder, 'my.yaml');
  const write = (now: readonly string[]): void => writeFileSync(file, [...now, ...ALWAYS].join('\n'));
  write(lines);
  const upstream = server.url(SCHEMA);
  const flags = ['--config', file];
  const proxy = await startProxy(t, { upstream, inFile: true, flags, ...start(folder) });
  const user = { user: APP_USER, password: APP_PASSWORD, url: (schema = SCHEMA) => server.url(schema) };
  return new FileTeam(new ProxiedUser(t, server, proxy, SCHEMA, user), write);
}

export class FileTeam extends TeamWorld {
  /** The lines of the file from now on. */
  readonly write: (lines: readonly string[]) => void;

  constructor(world: ProxiedUser, write: (lines: readonly string[]) => void) {
    super(world);
    this.write = write;
  }

  async console(): Promise<Client> {
    return this.world.connect({ database: 'mybouncer' });
  }

  /** How many sessions all workers together may have, by the server's name. */
  async sizes(): Promise<Readonly<Record<string, number>>> {
    const console = await this.console();
    const rows = await console.rows('SHOW UPSTREAMS');
    await console.end();
    return Object.fromEntries(rows.map((row) => [String(row['server']), Number(row['pool_size'])]));
  }

  /** Of each of two workers, so many clients of the first server, and as many of the second one. */
  async clientsOfBoth(each: number): Promise<readonly [WorkerClients, WorkerClients]> {
    const writers = await this.connectToBoth(each);
    const readers = await this.connectToBoth(each, READS);
    const [one, other] = writers.map((first): WorkerClients => {
      const second = readers.find(([client]) => workerAt(client) === workerAt(first[0]));
      if (second === undefined) throw new Error('there are two workers');
      return { first, second };
    });
    if (one === undefined || other === undefined) throw new Error('there are two workers');
    return [one, other];
  }
}

/** Clients of one worker. */
export interface WorkerClients {
  /** Of the first server. */
  readonly first: readonly Client[];
  readonly second: readonly Client[];
}

/** Which process a client is of. */
export function workerAt(client: Client | undefined): number {
  if (client === undefined) throw new Error('there is a client');
  return workerOf(client);
}

/** The second one is for those alone who ask for it. */
export function twoLines(
  [a, b]: readonly [PrivateTestServer, PrivateTestServer],
  more: readonly string[] = [],
): readonly string[] {
  return [
    'servers:',
    `  - {url: "${a.url(SCHEMA)}", role: primary}`,
    `  - {url: "mysql://${b.host}:${b.port}", role: replica}`,
    'pools: {shop: {}, reads: {role: replica, databases: [ro], fallback_to_primary: off}}',
    ...more,
  ];
}
