import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Random } from '../../oracle/random.js';
import { FaultProxy } from '../../soak/fault-proxy.js';
import { allowProbes, type ClusterNode } from '../../support/clusters/cluster-node.js';
import { ReplicaSet, transactionsOf } from '../../support/clusters/replica-set.js';
import { ClusterEngine } from './cluster-engine.js';
import type { EnginePromises, LossWindow } from './engine.js';
import { SERVER_ARGUMENTS } from './single.js';

const SAMPLE_MS = 20;
/** A replica lags that long at most. */
const MOST_LAG_SECONDS = 3;
/** What the primary does unseen by its replicas before it is lost, in ms. */
const MOST_UNSEEN_MS = 300;

/** How far the primary was, at least, before this moment. */
interface Sample {
  readonly when: number;
  readonly transactions: number;
}

/**
 * A primary and two replicas that follow it asynchronously. It keeps what it acknowledges but for one case: it is lost for good, and
 * a replica is made the primary that did not have all yet. What that replica did not have is lost, and nothing else.
 */
export class ReplicasEngine extends ClusterEngine<ReplicaSet> {
  readonly name = 'replicas';
  readonly givesUpAfterMs = 2500;
  readonly canBeCut = true;
  readonly #ways: Ways;
  #clock = (): number => 0;
  #losses: LossWindow[] = [];
  #samples: Sample[] = [];
  #closed = false;

  private constructor(set: ReplicaSet, ways: Ways) {
    super(set);
    this.#ways = ways;
    void this.#watch();
  }

  static async start(): Promise<ReplicasEngine> {
    const ways = new Ways();
    try {
      const set = await ReplicaSet.start({
        extraArgs: SERVER_ARGUMENTS,
        way: (replica, source) => ways.port(replica, source),
      });
      await allowProbes(set.primary);
      return new ReplicasEngine(set, ways);
    } catch (error) {
      await ways.close();
      throw error;
    }
  }

  promises(faults: readonly string[]): EnginePromises {
    // The old primary answers reads, and is nobody's primary any more.
    return { keepsAcknowledged: true, readsFresh: !faults.includes('promotion'), serializable: true };
  }

  override get losses(): readonly LossWindow[] {
    return this.#losses;
  }

  override beginRound(clock: () => number): void {
    this.#clock = clock;
    this.#losses = [];
    this.#samples = [];
  }

  writable(): Promise<number> {
    return this.anyWritable();
  }

  async start(node: number): Promise<void> {
    await this.cluster.rejoin(node);
  }

  async cut(node: number): Promise<void> {
    await this.#ways.cut(node);
  }

  async join(node: number): Promise<void> {
    await this.#ways.join(node);
    await this.back(node);
  }

  async promote(forced: boolean, random: Random): Promise<void> {
    const before = this.cluster.primary;
    const [first, second] = this.cluster.replicas.map(({ index }) => index);
    if (first === undefined || second === undefined) throw new RangeError('there are two replicas');
    if (!forced) {
      await this.cluster.promote(random.pick([first, second]));
      return;
    }
    // Both stop at about the same place, and what comes then is on the primary alone.
    await Promise.all([first, second].map((index) => this.cluster.stopReceiving(index)));
    await sleep(random.below(MOST_UNSEEN_MS));
    await before.kill('SIGKILL');
    const lost = this.#clock();
    const [one, other] = [await this.cluster.applyReceived(first), await this.cluster.applyReceived(second)];
    const reached = Math.max(one, other);
    const after = this.#samples.findLast(({ transactions }) => transactions <= reached)?.when ?? 0;
    this.#losses.push({ after, until: lost });
    await this.cluster.promote(one >= other ? first : second);
    this.#samples = [{ when: lost, transactions: 0 }];
    await this.cluster.rebuild(before.index);
    await this.cluster.untilCaughtUp();
  }

  async lag(random: Random): Promise<void> {
    const { index } = random.pick(this.cluster.replicas);
    await this.cluster.delay(index, 1 + random.below(MOST_LAG_SECONDS));
    await sleep(random.below(MOST_LAG_SECONDS * 1000));
    await this.cluster.delay(index, 0);
  }

  override async close(): Promise<void> {
    this.#closed = true;
    await this.#ways.close();
    await super.close();
  }

  protected async anyWritable(): Promise<number> {
    return this.cluster.primary.index;
  }

  protected async back(_node: number): Promise<void> {
    await this.cluster.untilCaughtUp();
  }

  protected async caughtUp(): Promise<void> {
    await this.cluster.untilCaughtUp();
  }

  /** Looks again and again how far the primary is; who was acknowledged before a question is in its answer. */
  async #watch(): Promise<void> {
    while (!this.#closed) {
      await this.#sample(this.cluster.primary).catch(() => {
        // It is down, stands still, or is not the primary any more.
      });
      await sleep(SAMPLE_MS);
    }
  }

  async #sample(primary: ClusterNode): Promise<void> {
    const connection = await createConnection({ uri: primary.rootUrl, connectTimeout: 1000 });
    connection.on('error', () => {});
    try {
      for (; !this.#closed && primary === this.cluster.primary; await sleep(SAMPLE_MS)) {
        const when = this.#clock();
        const sql = 'SELECT @@gtid_binlog_pos AS position';
        const [rows] = await connection.query<RowDataPacket[]>({ sql, timeout: 1000 });
        const transactions = transactionsOf(String(rows[0]?.['position']));
        if (primary === this.cluster.primary) this.#samples.push({ when, transactions });
      }
    } finally {
      connection.destroy();
    }
  }
}

/** Between each replica and each source, so that every pair can be cut apart. */
class Ways {
  readonly #open = new Map<string, FaultProxy>();

  async port(replica: number, source: ClusterNode): Promise<number> {
    const name = `${replica}>${source.index}`;
    let way = this.#open.get(name);
    if (way === undefined) {
      way = await FaultProxy.open({ host: source.host, port: source.port });
      this.#open.set(name, way);
    }
    return way.address.port;
  }

  /** Nothing goes through any more, and nobody is told. */
  async cut(node: number): Promise<void> {
    for (const way of this.#of(node)) {
      await way.setDoor('silent');
      for (const { toFar, toNear } of way.links) {
        toFar.stall();
        toNear.stall();
      }
    }
  }

  async join(node: number): Promise<void> {
    for (const way of this.#of(node)) {
      if (way.door === 'open') continue;
      for (const link of way.links) link.reset();
      await way.setDoor('open');
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((way) => way.close()));
  }

  #of(node: number): FaultProxy[] {
    return [...this.#open].filter(([name]) => name.split('>').includes(String(node))).map(([, way]) => way);
  }
}
