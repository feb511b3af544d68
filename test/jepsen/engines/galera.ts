import type { Random } from '../../oracle/random.js';
import { until } from '../../support/clusters/cluster-node.js';
import { GaleraCluster } from '../../support/clusters/galera.js';
import { NodeNetwork } from '../../support/clusters/node-network.js';
import { ClusterEngine } from './cluster-engine.js';
import type { EnginePromises } from './engine.js';
import { SERVER_ARGUMENTS } from './single.js';

const BACK_LIMIT_MS = 60_000;

/**
 * Three nodes that all take writes. A commit that two of them make to the same row is undone on one of them (1213). They keep what
 * was acknowledged as long as one of them lives, and reads wait for what was committed elsewhere (wsrep_sync_wait=1). Locks are
 * those of one node, so that SERIALIZABLE means less than it says.
 */
export class GaleraEngine extends ClusterEngine<GaleraCluster> {
  readonly name = 'galera';
  readonly givesUpAfterMs = 5000;

  readonly canBeCut = true;
  readonly #network: NodeNetwork | null;

  private constructor(cluster: GaleraCluster, network: NodeNetwork | null) {
    super(cluster);
    this.#network = network;
  }

  static async start(): Promise<GaleraEngine> {
    const extraArgs = [...SERVER_ARGUMENTS, '--wsrep-sync-wait=1'];
    const network = await NodeNetwork.start(3);
    try {
      const options = { extraArgs, ...(network === null ? {} : { network }) };
      return new GaleraEngine(await GaleraCluster.start(options), network);
    } catch (error) {
      network?.close();
      throw error;
    }
  }

  promises(): EnginePromises {
    return { keepsAcknowledged: true, readsFresh: true, serializable: false };
  }

  async writable(random: Random): Promise<number> {
    const found: number[] = [];
    for (const { index, pid, isFrozen } of this.cluster.nodes)
      if (pid !== null && !isFrozen && (await this.#isSynced(index).catch(() => false))) found.push(index);
    if (found.length === 0) throw new Error('no node is synced');
    return random.pick(found);
  }

  start(node: number): Promise<void> {
    return this.cluster.rejoin(node);
  }

  async cut(node: number): Promise<void> {
    if (this.#network === null) await this.cluster.isolate(node);
    else await this.#network.cut(node);
  }

  async join(node: number): Promise<void> {
    if (this.#network === null) await this.cluster.heal(node);
    else await this.#network.heal();
    await this.back(node);
  }

  async promote(): Promise<void> {
    throw new RangeError('each node takes writes');
  }

  async lag(): Promise<void> {}

  override async close(): Promise<void> {
    await super.close();
    this.#network?.close();
  }

  protected async anyWritable(): Promise<number> {
    for (const { index, pid, isFrozen } of this.cluster.nodes)
      if (pid !== null && !isFrozen && (await this.#isSynced(index).catch(() => false))) return index;
    throw new Error('no node is synced');
  }

  protected async back(node: number): Promise<void> {
    await until(`node ${node} is synced again`, () => this.#isSynced(node), BACK_LIMIT_MS);
    await this.cluster.untilSynced();
  }

  /** Whoever reads with wsrep_sync_wait has all that was committed before. */
  protected async caughtUp(): Promise<void> {
    await this.cluster.untilSynced();
  }

  async #isSynced(index: number): Promise<boolean> {
    const status = await this.cluster.wsrep(index);
    return status['wsrep_ready'] === 'ON' && status['wsrep_local_state_comment'] === 'Synced';
  }
}
