import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from 'mysql2/promise';
import type { Test } from 'tap';
import { allowProbes, type ClusterNode } from '../../support/clusters/cluster-node.js';
import type { ReplicaSet } from '../../support/clusters/replica-set.js';
import { type Client, eventually, Proxied } from '../../support/proxied.js';
import { type ProxyProcess, startProxy } from '../../support/proxy.js';

/**
 * Users of the configuration, each of a primary's pool of its own. `app`, the account itself, has its read-only transactions
 * served by replicas.
 */
const USERS = {
  /** The option is off. */
  plain: '',
  /** By replicas that have what was written. */
  careful: 'read_only_transactions: own',
  /** By replicas alone. */
  patient: 'read_only_transactions: alone',
  /** By replicas of which it is known how far behind they are. */
  current: 'read_only_transactions: near',
} as const;
type User = keyof typeof USERS | 'app';

/** Where a statement was run, as that server itself says. */
export type Place = 'primary' | 'replica' | 'nowhere known';

/** A proxy before a primary and one replica, with the table `written`. */
export class ReadOnlyWorld {
  readonly proxy: ProxyProcess;
  readonly set: ReplicaSet;
  readonly primary: ClusterNode;
  readonly replica: ClusterNode;
  readonly #proxied: Proxied;

  private constructor(t: Test, set: ReplicaSet, proxy: ProxyProcess) {
    this.proxy = proxy;
    this.set = set;
    this.primary = set.node(0);
    this.replica = set.node(1);
    this.#proxied = new Proxied(t, this.primary, proxy, 'app');
  }

  static async start(t: Test, set: ReplicaSet): Promise<ReadOnlyWorld> {
    const [primary, replica] = [set.node(0), set.node(1)];
    for (const user of Object.keys(USERS)) {
      await primary.ask(`CREATE USER ${user}@'%' IDENTIFIED BY 'p'`);
      await primary.ask(`GRANT ALL ON app.* TO ${user}@'%'`);
    }
    await allowProbes(primary);
    await primary.ask('CREATE TABLE app.written (id INT PRIMARY KEY AUTO_INCREMENT)');
    await set.untilCaughtUp();
    const file = join(t.testdir(), 'mybouncer.yaml');
    const users = Object.entries(USERS);
    const lines = [
      `servers: [{url: "${primary.url('app')}"}, {url: "mysql://${replica.host}:${replica.port}"}]`,
      'server_check_interval: 100ms',
      'admin_users: app',
      `users: [${users.map(([user]) => `{name: ${user}, password: p}`).join(', ')}]`,
      'pools:',
      '  shop: {read_only_transactions: any}',
      '  any: {role: replica}',
      '  own: {role: replica, read_your_writes: on}',
      '  near: {role: replica, max_lag: 1m}',
      '  alone: {role: replica, fallback_to_primary: off}',
      ...users.map(([user, option]) => `  of_${user}: {users: ${user}${option === '' ? '' : `, ${option}`}}`),
    ];
    await writeFile(file, lines.join('\n'));
    const proxy = await startProxy(t, {
      upstream: primary.url('app'),
      inFile: true,
      flags: ['--config', file],
    });
    const world = new ReadOnlyWorld(t, set, proxy);
    await world.untilReplicaServes();
    return world;
  }

  client(user: User = 'app', options: ConnectionOptions = {}): Promise<Client> {
    const login = user === 'app' ? {} : { user, password: 'p' };
    return this.#proxied.connect({ ...login, ...options });
  }

  console(): Promise<Client> {
    return this.#proxied.connect({ database: 'mybouncer' });
  }

  async place(client: Client): Promise<Place> {
    return this.placeOf(await client.value('SELECT @@port'));
  }

  placeOf(port: unknown): Place {
    if (Number(port) === this.primary.port) return 'primary';
    return Number(port) === this.replica.port ? 'replica' : 'nowhere known';
  }

  /** Where a transaction is that begins so. */
  async placeIn(client: Client, begin = 'START TRANSACTION READ ONLY'): Promise<Place> {
    await client.run(begin);
    const place = await this.place(client);
    await client.run('COMMIT');
    return place;
  }

  /** Transactions that each server has served, as the metric has them. */
  async counted(): Promise<Readonly<Record<'primary' | 'replica', number>>> {
    const of = ({ host, port }: ClusterNode): Promise<number> =>
      this.proxy.metric('mybouncer_read_only_transactions_total', `server="${host}:${port}"`);
    return { primary: await of(this.primary), replica: await of(this.replica) };
  }

  /** Resolves when the proxy has found out what the replica is, or that it is back. */
  async untilReplicaServes(): Promise<void> {
    const client = await this.client();
    await eventually('the replica serves', async () => (await this.placeIn(client)) === 'replica');
    await client.end();
  }
}
