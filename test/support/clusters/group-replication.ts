import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { HOST } from '../../../src/sandbox/private-server.js';
import { MYSQL_ROOT } from '../server-programs.js';
import { ROOT_PASSWORD } from '../servers.js';
import { Cluster, type ClusterNode, clusterProgram, freePorts, startNode, until } from './cluster-node.js';
import type { NodeNetwork } from './node-network.js';

const GROUP = '6d792062-6f75-11ee-8e63-65722f746573';

/** How the donor of what a joining node lacks is logged in to. */
const LOGIN = `USER = 'root', PASSWORD = '${ROOT_PASSWORD}'`;

const JOIN_TIMEOUT_MS = 30_000;

export interface GroupOptions {
  readonly nodes?: number;
  /**
   * A member that does not answer is suspected after 5 s (fixed), and out after so many seconds more; MySQL's default is 5.
   */
  readonly expelTimeoutSeconds?: number;
  readonly extraArgs?: readonly string[];
  /** So that members can be cut off from each other. */
  readonly network?: NodeNetwork | undefined;
}

export interface GroupMember {
  readonly port: number;
  /** ONLINE, RECOVERING, UNREACHABLE, ERROR, OFFLINE */
  readonly state: string;
  /** PRIMARY, SECONDARY, or nothing */
  readonly role: string;
}

/** Whether the MySQL that `.ci/install` puts aside has the plugin. */
export function hasGroupReplication(): Promise<boolean> {
  return access(join(MYSQL_ROOT, 'usr/lib/mysql/plugin/group_replication.so')).then(
    () => true,
    () => false,
  );
}

/** Three (or so) MySQL servers in a group with one primary. */
export class GroupCluster extends Cluster {
  /** @throws where this machine has no MySQL; nothing is left behind */
  static async start(options: GroupOptions = {}): Promise<GroupCluster> {
    const program = await clusterProgram('mysql');
    const count = options.nodes ?? 3;
    const { network } = options;
    const ports = await freePorts(count);
    const places = ports.map((port, index) => `${network?.host(index) ?? HOST}:${port}`);
    const extraArgs = (index: number) => groupArguments(places, index, options);
    const launched = await Promise.allSettled(
      ports.map((_, index) => startNode({ index, program, extraArgs: extraArgs(index), network })),
    );
    const nodes = launched.flatMap((result) => (result.status === 'fulfilled' ? [result.value.node] : []));
    try {
      for (const result of launched) if (result.status === 'rejected') throw result.reason;
      const cluster = new GroupCluster(nodes);
      const first = await cluster.#bootstrap(0);
      const others = nodes.slice(1).map((node) => joinGroup(node));
      await Promise.all([first, ...others].map(({ started }) => started));
      await cluster.untilOnline();
      return cluster;
    } catch (error) {
      await Promise.all(nodes.map((node) => node.stop()));
      throw error;
    }
  }

  /** Makes a node that runs the first and only member of the group, when all others are gone. */
  async bootstrap(index: number): Promise<void> {
    await (await this.#bootstrap(index)).started;
  }

  async #bootstrap(index: number): Promise<Joining> {
    const node = this.node(index);
    await node.ask('SET GLOBAL group_replication_bootstrap_group = ON');
    const joining = joinGroup(node);
    await joining.online;
    await node.ask('SET GLOBAL group_replication_bootstrap_group = OFF');
    return joining;
  }

  /** The group as one node sees it. */
  members(index: number): Promise<GroupMember[]> {
    return this.node(index).ask<{ port: number; state: string; role: string }>(
      'SELECT member_port AS port, member_state AS state, member_role AS role FROM performance_schema.replication_group_members',
    );
  }

  /** The primary, as one of the others (or itself) sees it; null while a node that can be asked knows none. */
  async primary(): Promise<ClusterNode | null> {
    for (const asked of this.#running()) {
      const members = await this.members(asked).catch(() => []);
      const found = members.find(({ role, state }) => role === 'PRIMARY' && state === 'ONLINE');
      const node = this.nodes.find(({ port }) => port === found?.port);
      if (node?.pid != null && !node.isFrozen) return node;
    }
    return null;
  }

  /** Resolves when each of these nodes (all that run, unless named) sees all of them online. */
  async untilOnline(indexes: readonly number[] = this.#running()): Promise<void> {
    for (const index of indexes) {
      await until(`node ${index} sees ${indexes.length} online`, async () => {
        const members = await this.members(index);
        return members.filter(({ state }) => state === 'ONLINE').length >= indexes.length;
      });
    }
  }

  /** Starts a node again that was ended (or was expelled), and has it join the group. Resolves when it is online. */
  async rejoin(index: number): Promise<void> {
    const node = this.node(index);
    await node.start();
    await node.ask('STOP GROUP_REPLICATION', 20_000).catch(() => undefined);
    await joinGroup(node).started;
    await this.untilOnline();
  }

  /** A planned move of the primary. */
  async promote(index: number): Promise<void> {
    const node = this.node(index);
    await node.ask('SELECT group_replication_set_as_primary(@@server_uuid)', 20_000);
  }

  #running(): number[] {
    return this.nodes.filter((node) => node.pid !== null && !node.isFrozen).map(({ index }) => index);
  }
}

interface Joining {
  /** The member is in the group, online or about to be. */
  readonly online: Promise<void>;
  /** START has returned, a second later; until then neither START nor STOP are taken. */
  readonly started: Promise<void>;
}

function joinGroup(node: ClusterNode): Joining {
  const started = node.ask(`START GROUP_REPLICATION ${LOGIN}`, JOIN_TIMEOUT_MS).then(() => undefined);
  const shown = until(
    `node ${node.index} is in the group`,
    async () => {
      const [row] = await node.ask<{ state: string }>(
        'SELECT member_state AS state FROM performance_schema.replication_group_members WHERE member_id = @@server_uuid',
      );
      return row?.state === 'ONLINE' || row?.state === 'RECOVERING';
    },
    JOIN_TIMEOUT_MS,
  );
  const online = Promise.race([started, shown]);
  // Each is heard of by whoever waits for it, and not everybody waits for all.
  for (const promise of [started, shown, online]) promise.catch(() => undefined);
  return { online, started };
}

function groupArguments(places: readonly string[], index: number, options: GroupOptions): string[] {
  return [
    `--server-id=${index + 1}`,
    '--gtid-mode=ON',
    '--enforce-gtid-consistency=ON',
    '--log-bin=binlog',
    '--sync-binlog=0',
    `--report-host=${options.network?.host(index) ?? HOST}`,
    '--plugin-load-add=group_replication.so',
    `--group-replication-group-name=${GROUP}`,
    '--group-replication-start-on-boot=OFF',
    `--group-replication-local-address=${places[index]}`,
    `--group-replication-group-seeds=${places.join(',')}`,
    ...(options.network === undefined ? [] : [`--group-replication-ip-allowlist=${options.network.range}`]),
    '--group-replication-recovery-get-public-key=ON',
    // The least there is; 1 GB by default.
    '--group-replication-message-cache-size=134217728',
    `--group-replication-member-expel-timeout=${options.expelTimeoutSeconds ?? 0}`,
    ...(options.extraArgs ?? []),
  ];
}
