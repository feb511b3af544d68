import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Random } from '../../oracle/random.js';
import type { Cluster, ClusterNode } from '../../support/clusters/cluster-node.js';
import { until } from '../../support/clusters/cluster-node.js';
import { APP_PASSWORD, APP_USER, type Flavor } from '../../support/servers.js';
import {
  type AdminQuery,
  type Engine,
  type EngineName,
  type EnginePromises,
  type LossWindow,
  NodesDiffer,
} from './engine.js';
import { CONNECTIONS } from './single.js';

const SCHEMA = 'app';
/** A statement that was under way when a client left may wait for a lock that long, and for a group that gives a member up. */
const ASK_TIMEOUT_MS = 30_000;
const SETTLE_LIMIT_MS = 60_000;

/** What engines of several servers have in common. */
export abstract class ClusterEngine<C extends Cluster> implements Engine {
  abstract readonly name: EngineName;
  abstract readonly givesUpAfterMs: number;
  abstract readonly canBeCut: boolean;
  readonly login = { user: APP_USER, password: APP_PASSWORD, schema: SCHEMA };
  protected readonly cluster: C;

  protected constructor(cluster: C) {
    this.cluster = cluster;
  }

  get flavor(): Flavor {
    return this.cluster.node(0).flavor;
  }

  get version(): string {
    return this.cluster.node(0).version;
  }

  get nodes(): Engine['nodes'] {
    return this.cluster.nodes.map(({ host, port }) => ({ host, port }));
  }

  get losses(): readonly LossWindow[] {
    return [];
  }

  abstract promises(faults: readonly string[]): EnginePromises;
  abstract writable(random: Random): Promise<number>;
  abstract start(node: number): Promise<void>;
  abstract cut(node: number): Promise<void>;
  abstract join(node: number): Promise<void>;
  abstract promote(forced: boolean, random: Random): Promise<void>;
  abstract lag(random: Random): Promise<void>;
  /** Where the administrator writes. */
  protected abstract anyWritable(): Promise<number>;
  /** A node is among the others again, whatever they have made of it meanwhile. */
  protected abstract back(node: number): Promise<void>;
  /** The nodes have the same data, when nobody writes. */
  protected abstract caughtUp(): Promise<void>;

  beginRound(_clock: () => number): void {}

  async query<Row extends object = Record<string, unknown>>(sql: string, node?: number): Promise<Row[]> {
    const at = node ?? (await this.anyWritable());
    return this.asAdmin(at, async (query) => (await query(sql)) as unknown as Row[]);
  }

  async asAdmin<T>(node: number, run: (query: AdminQuery) => Promise<T>): Promise<T> {
    const connection = await createConnection({
      uri: this.cluster.node(node).rootUrlFor(SCHEMA),
      connectTimeout: ASK_TIMEOUT_MS,
    });
    // A fault may end it at any time.
    connection.on('error', () => {});
    try {
      return await run(async (sql) => {
        const [rows] = await connection.query<RowDataPacket[]>({ sql, timeout: ASK_TIMEOUT_MS });
        return Array.isArray(rows) ? rows : [];
      });
    } finally {
      connection.destroy();
    }
  }

  kill(node: number, orderly: boolean): Promise<void> {
    return this.cluster.node(node).kill(orderly ? 'SIGTERM' : 'SIGKILL');
  }

  freeze(node: number): Promise<void> {
    return this.cluster.node(node).freeze();
  }

  async thaw(node: number): Promise<void> {
    await this.cluster.node(node).thaw();
    await this.back(node);
  }

  async heal(): Promise<void> {
    for (const { index, pid, isFrozen } of this.cluster.nodes) {
      if (isFrozen) await this.cluster.node(index).thaw();
      if (pid === null) await this.start(index);
      await this.join(index);
    }
    for (const { index } of this.cluster.nodes)
      await this.query(`SET GLOBAL max_connections = ${CONNECTIONS}`, index);
  }

  async settle(): Promise<void> {
    for (const node of this.cluster.nodes) {
      await until(`no transaction is open on node ${node.index}`, () => this.#isIdle(node), SETTLE_LIMIT_MS);
    }
    await this.caughtUp();
  }

  async finalRead<Row extends object = Record<string, unknown>>(sql: string): Promise<Row[]> {
    const answers = await Promise.all(this.cluster.nodes.map(({ index }) => this.query<Row>(sql, index)));
    const texts = answers.map((rows) => rows.map((row) => JSON.stringify(row)).sort());
    for (const [index, text] of texts.entries()) {
      const differs = difference(texts[0] ?? [], text);
      if (differs !== null) throw new NodesDiffer(`nodes 0 and ${index} differ in ${differs}: ${sql}`);
    }
    return answers[0] ?? [];
  }

  close(): Promise<void> {
    return this.cluster.stop();
  }

  /** Nothing of the clients' is open; what replicates has transactions of its own. */
  async #isIdle(node: ClusterNode): Promise<boolean> {
    const rows = await node.ask(
      `SELECT p.id FROM information_schema.processlist p JOIN information_schema.innodb_trx t
       ON t.trx_mysql_thread_id = p.id WHERE p.user = '${APP_USER}'`,
    );
    return rows.length === 0;
  }
}

/** The first thing that one has and the other one does not; null where there is none. */
function difference(one: readonly string[], other: readonly string[]): string | null {
  const [left, right] = [new Set(one), new Set(other)];
  return (
    one.find((text) => !right.has(text)) ??
    other.find((text) => !left.has(text)) ??
    (one.length === other.length ? null : `${one.length} and ${other.length} rows`)
  );
}
