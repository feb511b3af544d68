import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Cluster, ClusterNode } from '../../support/clusters/cluster-node.js';
import { type Client, Proxied } from '../../support/proxied.js';
import { type ProxyProcess, startProxy } from '../../support/proxy.js';

/** Users of the configuration, each of a pool of its own: of replicas, with and without `read_your_writes`. */
export const READERS = ['careful', 'careless'] as const;
export type Reader = (typeof READERS)[number];

/** What a client says of its process. */
export const OWN_PID = '4711';
export const OTHER_PID = '4712';

/** A proxy before a primary and one replica: `app` writes, {@link READERS} read. */
export class OwnWritesWorld {
  readonly proxy: ProxyProcess;
  readonly primary: ClusterNode;
  readonly replica: ClusterNode;
  readonly #proxied: Proxied;
  #last = 0;

  private constructor(t: Test, proxy: ProxyProcess, [primary, replica]: readonly [ClusterNode, ClusterNode]) {
    this.proxy = proxy;
    this.primary = primary;
    this.replica = replica;
    this.#proxied = new Proxied(t, primary, proxy, 'app');
  }

  /** @param settled - resolves when the replica has what was made on the primary */
  static async start(
    t: Test,
    cluster: Cluster,
    settled: () => Promise<void>,
    more = '',
  ): Promise<OwnWritesWorld> {
    const [primary, replica] = [cluster.node(0), cluster.node(1)];
    for (const user of READERS) {
      await primary.ask(`CREATE USER ${user}@'%' IDENTIFIED BY 'p'`);
      await primary.ask(`GRANT ALL ON app.* TO ${user}@'%'`);
    }
    await primary.ask('CREATE TABLE app.written (id INT PRIMARY KEY AUTO_INCREMENT)');
    await settled();
    const file = join(t.testdir(), 'mybouncer.yaml');
    const users = READERS.map((user) => `  - {name: ${user}, password: p}\n`).join('');
    const config = `servers:
  - url: ${primary.url('app')}
  - url: mysql://${replica.host}:${replica.port}
server_check_interval: 100ms
admin_users: app
users:
${users}pools:
  writers: {role: primary}
  own: {role: replica, users: [careful], read_your_writes: true}
  any: {role: replica, users: [careless]}
${more}`;
    await writeFile(file, config);
    const proxy = await startProxy(t, {
      upstream: primary.url('app'),
      inFile: true,
      flags: ['--config', file],
    });
    return new OwnWritesWorld(t, proxy, [primary, replica]);
  }

  writer(pid = OWN_PID): Promise<Client> {
    return this.#proxied.connect({ connectAttributes: { _pid: pid } });
  }

  reader(user: Reader, pid = OWN_PID): Promise<Client> {
    return this.#proxied.connect({ user, password: 'p', connectAttributes: { _pid: pid } });
  }

  /** Writes one more row. @returns its id */
  async write(client: Client): Promise<number> {
    this.#last = (await client.run('INSERT INTO written VALUES ()')).insertId;
    return this.#last;
  }

  /** The last row, and where it was read. */
  async read(client: Client): Promise<{ readonly id: number; readonly port: number }> {
    const [row] = await client.rows('SELECT MAX(id) AS id, @@port AS port FROM written');
    return { id: Number(row?.['id']), port: Number(row?.['port']) };
  }

  /** The value of a key from now on. */
  async set(key: string, value: string): Promise<void> {
    const console = await this.#proxied.connect({ database: 'mybouncer' });
    await console.rows(`SET ${key} = ${value}`);
    await console.end();
  }
}
