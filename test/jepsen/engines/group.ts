import type { Random } from '../../oracle/random.js';
import { allowProbes, until } from '../../support/clusters/cluster-node.js';
import { GroupCluster } from '../../support/clusters/group-replication.js';
import { NodeNetwork } from '../../support/clusters/node-network.js';
import { ClusterEngine } from './cluster-engine.js';
import type { EnginePromises } from './engine.js';
import { SERVER_ARGUMENTS } from './single.js';

/** After these the former primary may answer reads for a while, and not know what it has become. */
const LEAVES_A_PRIMARY = ['server-freeze', 'partition', 'promotion'];

const BACK_LIMIT_MS = 90_000;

/**
 * Three members with one primary. A commit is acknowledged when a majority has it; a new primary applies all that it has before
 * it serves (group_replication_consistency=BEFORE_ON_PRIMARY_FAILOVER, the default).
 */
export class GroupEngine extends ClusterEngine<GroupCluster> {
  readonly name = 'group';
  /** 5 s, which is fixed, and some time to get over it. */
  readonly givesUpAfterMs = 9000;

  readonly #network: NodeNetwork | null;

  private constructor(cluster: GroupCluster, network: NodeNetwork | null) {
    super(cluster);
    this.#network = network;
  }

  static async start(): Promise<GroupEngine> {
    const network = await NodeNetwork.start(3);
    try {
      const options = { extraArgs: SERVER_ARGUMENTS, ...(network === null ? {} : { network }) };
      const cluster = await GroupCluster.start(options);
      await allowProbes(cluster.node(0));
      return new GroupEngine(cluster, network);
    } catch (error) {
      network?.close();
      throw error;
    }
  }

  get canBeCut(): boolean {
    return this.#network !== null;
  }

  promises(faults: readonly string[]): EnginePromises {
    const readsFresh = !faults.some((name) => LEAVES_A_PRIMARY.includes(name));
    return { keepsAcknowledged: true, readsFresh, serializable: true };
  }

  writable(): Promise<number> {
    return this.anyWritable();
  }

  /** The others must have given up what it was before. */
  async start(node: number): Promise<void> {
    const { port } = this.cluster.node(node);
    await until(
      `the others have given up member ${node}`,
      async () => {
        const members = await this.cluster.members((node + 1) % this.cluster.nodes.length);
        return !members.some((one) => one.port === port);
      },
      BACK_LIMIT_MS,
      100,
    );
    await this.cluster.rejoin(node);
  }

  async cut(node: number): Promise<void> {
    await this.#network?.cut(node);
  }

  async join(node: number): Promise<void> {
    await this.#network?.heal();
    await this.back(node);
  }

  /** A planned move; after the loss of a primary the group elects one by itself. */
  async promote(forced: boolean, random: Random): Promise<void> {
    if (forced) throw new RangeError('the group elects by itself');
    const before = await this.anyWritable();
    await this.cluster.promote(random.pick(this.#running().filter((index) => index !== before)));
  }

  /** A member that stops applying would stop the others at flow control; that one is a matter of the engine's. */
  async lag(): Promise<void> {}

  override async close(): Promise<void> {
    await super.close();
    this.#network?.close();
  }

  protected async anyWritable(): Promise<number> {
    const primary = await this.cluster.primary();
    if (primary === null) throw new Error('the group has no primary');
    return primary.index;
  }

  /** One that was put out joins again by itself, but for one that was told to stay out. */
  protected async back(node: number): Promise<void> {
    await until(
      `member ${node} is online again`,
      async () => {
        const members = await this.cluster.members(node);
        const own = members.find(({ port }) => port === this.cluster.node(node).port);
        if (own?.state === 'ERROR' || own?.state === 'OFFLINE' || own === undefined)
          await this.cluster.rejoin(node);
        return own?.state === 'ONLINE';
      },
      BACK_LIMIT_MS,
      100,
    );
    await this.cluster.untilOnline();
  }

  /** All members have executed the same. */
  protected async caughtUp(): Promise<void> {
    await until('all members have executed the same', async () => {
      const sets = await Promise.all(
        this.cluster.nodes.map(async (node) => {
          const [row] = await node.ask<{ done: string }>('SELECT @@global.gtid_executed AS done');
          return String(row?.done);
        }),
      );
      return new Set(sets).size === 1;
    });
  }

  #running(): number[] {
    return this.cluster.nodes
      .filter(({ pid, isFrozen }) => pid !== null && !isFrozen)
      .map(({ index }) => index);
  }
}
