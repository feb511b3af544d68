import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import { HOST } from '../../../src/sandbox/private-server.js';
import { type Flavor, ROOT_PASSWORD } from '../servers.js';
import { Cluster, type ClusterNode, clusterProgram, startNode, until } from './cluster-node.js';

const run = promisify(execFile);

const MOST_DUMP_BYTES = 256 * 1024 * 1024;

export interface ReplicaSetOptions {
  readonly flavor?: Flavor;
  /** Two unless given. */
  readonly replicas?: number;
  readonly extraArgs?: readonly string[];
  /** The port by which a replica reaches another node; the node's own unless given. */
  readonly way?: (replica: number, source: ClusterNode) => Promise<number>;
}

/** What the two servers call the same. */
interface Words {
  /** @param demoted - it has written transactions of its own before */
  follow(port: number, demoted: boolean): string;
  readonly start: string;
  readonly stop: string;
  readonly forget: string;
  readonly stopReceiving: string;
  readonly stopApplying: string;
  readonly startApplying: string;
  readonly status: string;
  delay(seconds: number): string;
  readonly readOnly: string;
  readonly position: string;
  /** Waits for a {@link position}; its first column is 0 in both. */
  reach(position: string, seconds: number): string;
}

const WORDS: Readonly<Record<Flavor, Words>> = {
  mariadb: {
    follow: (port, demoted) =>
      `CHANGE MASTER TO MASTER_HOST = '${HOST}', MASTER_PORT = ${port}, MASTER_USER = 'root',
       MASTER_PASSWORD = '${ROOT_PASSWORD}', MASTER_CONNECT_RETRY = 1, MASTER_HEARTBEAT_PERIOD = 1,
       MASTER_USE_GTID = slave_pos${demoted ? ', MASTER_DEMOTE_TO_SLAVE = 1' : ''}`,
    start: 'START SLAVE',
    stop: 'STOP SLAVE',
    forget: 'RESET SLAVE ALL',
    stopReceiving: 'STOP SLAVE IO_THREAD',
    stopApplying: 'STOP SLAVE SQL_THREAD',
    startApplying: 'START SLAVE SQL_THREAD',
    status: 'SHOW SLAVE STATUS',
    delay: (seconds) => `CHANGE MASTER TO MASTER_DELAY = ${seconds}`,
    readOnly: 'read_only',
    position: 'SELECT @@gtid_current_pos AS position',
    reach: (position, seconds) => `SELECT MASTER_GTID_WAIT('${position}', ${seconds}) AS reached`,
  },
  mysql: {
    follow: (port) =>
      `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '${HOST}', SOURCE_PORT = ${port}, SOURCE_USER = 'root',
       SOURCE_PASSWORD = '${ROOT_PASSWORD}', SOURCE_CONNECT_RETRY = 1, SOURCE_HEARTBEAT_PERIOD = 1,
       SOURCE_RETRY_COUNT = 86400, SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1`,
    start: 'START REPLICA',
    stop: 'STOP REPLICA',
    forget: 'RESET REPLICA ALL',
    stopReceiving: 'STOP REPLICA IO_THREAD',
    stopApplying: 'STOP REPLICA SQL_THREAD',
    startApplying: 'START REPLICA SQL_THREAD',
    status: 'SHOW REPLICA STATUS',
    delay: (seconds) => `CHANGE REPLICATION SOURCE TO SOURCE_DELAY = ${seconds}`,
    readOnly: 'super_read_only',
    position: 'SELECT @@global.gtid_executed AS position',
    reach: (position, seconds) => `SELECT WAIT_FOR_EXECUTED_GTID_SET('${position}', ${seconds}) AS reached`,
  },
};

/** A primary and replicas that follow it asynchronously, by GTID. Who is what is decided here, as an operator would. */
export class ReplicaSet extends Cluster {
  readonly #words: Words;
  readonly #roles: Roles;
  readonly #way: NonNullable<ReplicaSetOptions['way']>;

  private constructor(
    nodes: readonly ClusterNode[],
    { flavor, roles, way }: { flavor: Flavor; roles: Roles; way: ReplicaSetOptions['way'] },
  ) {
    super(nodes);
    this.#words = WORDS[flavor];
    this.#roles = roles;
    this.#way = way ?? (async (_, { port }) => port);
  }

  /** @throws where this machine has no such server; nothing is left behind */
  static async start(options: ReplicaSetOptions = {}): Promise<ReplicaSet> {
    const flavor = options.flavor ?? 'mariadb';
    const program = await clusterProgram(flavor);
    const count = 1 + (options.replicas ?? 2);
    const roles: Roles = { primary: 0, demoted: new Set() };
    const launched = await Promise.allSettled(
      Array.from({ length: count }, (_, index) => {
        const own = nodeArguments(flavor, index, options);
        const readOnly = `--${WORDS[flavor].readOnly.replaceAll('_', '-')}=1`;
        // A node that comes back does not know what has become of it, and so takes no writes.
        const extraArgs = () => (roles.primary === index ? own : [...own, readOnly]);
        return startNode({ index, program, extraArgs });
      }),
    );
    const nodes = launched.flatMap((result) => (result.status === 'fulfilled' ? [result.value.node] : []));
    try {
      for (const result of launched) if (result.status === 'rejected') throw result.reason;
      const set = new ReplicaSet(nodes, { flavor, roles, way: options.way });
      await Promise.all(nodes.slice(1).map(({ index }) => set.#follow(index)));
      await set.untilCaughtUp();
      return set;
    } catch (error) {
      await Promise.all(nodes.map((node) => node.stop()));
      throw error;
    }
  }

  get primary(): ClusterNode {
    return this.node(this.#roles.primary);
  }

  get replicas(): ClusterNode[] {
    return this.nodes.filter(({ index }) => index !== this.#roles.primary);
  }

  /** `SHOW REPLICA STATUS` in the server's own spelling; null where it is no replica. */
  async status(index: number): Promise<Record<string, unknown> | null> {
    const [row] = await this.node(index).ask(this.#words.status);
    return row ?? null;
  }

  /** Stops applying what it still receives; its lag is then unknown. */
  async stopApplying(index: number): Promise<void> {
    await this.node(index).ask(this.#words.stopApplying);
  }

  async startApplying(index: number): Promise<void> {
    await this.node(index).ask(this.#words.startApplying);
  }

  async stopReceiving(index: number): Promise<void> {
    await this.node(index).ask(this.#words.stopReceiving);
  }

  /** Resolves when it has applied all that it has received (MariaDB). @returns how far it is, in transactions */
  async applyReceived(index: number): Promise<number> {
    const received = String((await this.status(index))?.['Gtid_IO_Pos'] ?? '');
    if (received !== '') {
      await until(`replica ${index} has applied ${received}`, async () => {
        const [answer] = await this.node(index).ask<{ reached: number }>(this.#words.reach(received, 2));
        return Number(answer?.reached) === 0;
      });
    }
    const [row] = await this.node(index).ask<{ position: string }>(this.#words.position);
    return transactionsOf(String(row?.position));
  }

  /** From now on it applies everything so much later. */
  async delay(index: number, seconds: number): Promise<void> {
    const node = this.node(index);
    await node.ask(this.#words.stop);
    await node.ask(this.#words.delay(seconds));
    await node.ask(this.#words.start);
  }

  /** Resolves when these replicas (all that run, unless named) have all that the primary has now. */
  async untilCaughtUp(indexes: readonly number[] = this.#runningReplicas()): Promise<void> {
    const [row] = await this.primary.ask<{ position: string }>(this.#words.position);
    const position = String(row?.position ?? '').replaceAll('\n', '');
    for (const index of indexes) {
      await until(`replica ${index} has reached ${position}`, async () => {
        const [answer] = await this.node(index).ask<{ reached: number }>(this.#words.reach(position, 2));
        const status = await this.status(index);
        const running = Object.entries(status ?? {}).filter(([name]) => /_(IO|SQL)_Running$/.test(name));
        return Number(answer?.reached) === 0 && running.every(([, value]) => value === 'Yes');
      });
    }
  }

  /**
   * Makes a replica the primary, by hand. A primary that still runs is made read-only first, and waited for: nothing is lost then.
   * From one that does not, what it did not send is lost.
   */
  async promote(index: number): Promise<void> {
    const before = this.primary;
    const { readOnly, stop, forget } = this.#words;
    const planned = before.pid !== null && !before.isFrozen;
    if (planned) {
      await before.ask(`SET GLOBAL ${readOnly} = ON`);
      await this.untilCaughtUp([index]);
    }
    const node = this.node(index);
    await node.ask(stop);
    await node.ask(forget);
    this.#roles.demoted.add(before.index);
    this.#roles.primary = index;
    await node.ask('SET GLOBAL read_only = OFF');
    await Promise.all(this.#runningReplicas().map((other) => this.#follow(other)));
  }

  /** Starts a node again that was ended; it follows whoever is the primary now. */
  async rejoin(index: number): Promise<void> {
    await this.node(index).start();
    if (index !== this.#roles.primary) await this.#follow(index);
  }

  /**
   * Starts a node that may have transactions of which nobody else knows: it gets the primary's data in place of its own, and follows
   * (MariaDB).
   */
  async rebuild(index: number): Promise<void> {
    const node = this.node(index);
    await node.start();
    const { host, port } = this.primary;
    const account = ['-uroot', `-p${ROOT_PASSWORD}`];
    const { stdout } = await run(
      'mariadb-dump',
      ['--no-defaults', `-h${host}`, `-P${port}`, ...account, ...DUMP_ARGUMENTS, '--databases', 'app'],
      { maxBuffer: MOST_DUMP_BYTES },
    );
    const connection = await createConnection({ uri: node.rootUrl, multipleStatements: true });
    try {
      await connection.query(`${this.#words.stop}; ${this.#words.forget}; RESET MASTER; SET sql_log_bin = 0`);
      await connection.query(`DROP DATABASE app; ${stdout}`);
    } finally {
      connection.destroy();
    }
    this.#roles.demoted.delete(index);
    await this.#follow(index);
  }

  async #follow(index: number): Promise<void> {
    const node = this.node(index);
    const { follow, stop, start, readOnly } = this.#words;
    const port = await this.#way(index, this.primary);
    await node.ask(`SET GLOBAL ${readOnly} = ON`);
    await node.ask(stop);
    await node.ask(follow(port, this.#roles.demoted.delete(index)));
    await node.ask(start);
  }

  #runningReplicas(): number[] {
    return this.replicas.filter((node) => node.pid !== null && !node.isFrozen).map(({ index }) => index);
  }
}

/** All at one moment, which is told as a GTID. */
const DUMP_ARGUMENTS = ['--single-transaction', '--master-data=1', '--gtid', '--skip-comments'];

/** The last number of MariaDB's `domain-server-number`; transactions of one domain are numbered on and on. */
export function transactionsOf(position: string): number {
  return Number(position.slice(position.lastIndexOf('-') + 1));
}

interface Roles {
  primary: number;
  /** Have been the primary, and not followed anybody since. */
  readonly demoted: Set<number>;
}

function nodeArguments(flavor: Flavor, index: number, options: ReplicaSetOptions): string[] {
  const own =
    flavor === 'mariadb'
      ? ['--log-slave-updates=1', '--binlog-format=ROW']
      : ['--gtid-mode=ON', '--enforce-gtid-consistency=ON', '--skip-replica-start=0'];
  return [
    `--server-id=${index + 1}`,
    '--log-bin=binlog',
    '--sync-binlog=0',
    `--report-host=${HOST}`,
    ...own,
    ...(options.extraArgs ?? []),
  ];
}
