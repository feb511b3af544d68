import { execFile } from 'node:child_process';
import { access, chown, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  HOST,
  PrivateServer,
  type PrivateServerOptions,
  type ServerPlace,
} from '../../../src/sandbox/private-server.js';
import type { ServerAccount } from '../../../src/sandbox/server-account.js';
import type { ServerProgram } from '../../../src/sandbox/server-program.js';
import { copyTemplate, copyUsedTemplate } from '../server-templates.js';
import { setupStatements } from '../servers.js';
import {
  Cluster,
  type ClusterNode,
  clusterProgram,
  freePorts,
  networked,
  startNode,
  until,
} from './cluster-node.js';
import type { NodeNetwork } from './node-network.js';

const run = promisify(execFile);

type Prepare = PrivateServerOptions['prepare'];

/** Where the package galera-4 puts its library. */
const PROVIDERS = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera-4/libgalera_smm.so'];

/**
 * Of the group protocol. By default a node that does not answer is suspected after 5 s and out after 15 s, and let in again after 5 s.
 * `quick` is what a test can wait for; still shorter, a busy machine takes the whole group apart.
 */
const TIMEOUTS = {
  default: '',
  quick:
    'evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.2S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT5S;evs.install_timeout=PT5S;gmcast.time_wait=PT0.5S;',
} as const;

const MOST_ISOLATIONS = 3;

export interface GaleraOptions {
  readonly nodes?: number;
  readonly timeouts?: keyof typeof TIMEOUTS;
  readonly extraArgs?: readonly string[];
  /** So that nodes can be cut off from each other by more than the option of theirs that does so. */
  readonly network?: NodeNetwork | undefined;
}

/** Null where this machine has none. */
export async function galeraProvider(): Promise<string | null> {
  for (const path of PROVIDERS) {
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return null;
}

interface Ports {
  readonly host: string;
  readonly group: number;
  readonly ist: number;
  readonly sst: number;
}

/** A node that may start as the first of a new cluster, or from the position that a killed one has in its files. */
class GaleraNode {
  readonly #program: ServerProgram;
  readonly #shared: readonly string[];
  bootstraps = false;
  position: string | null = null;
  data = '';

  constructor(program: ServerProgram, shared: readonly string[]) {
    this.#program = program;
    this.#shared = shared;
  }

  arguments({ folder }: ServerPlace): string[] {
    this.data = join(folder, 'data');
    const more = this.bootstraps ? ['--wsrep-new-cluster'] : [];
    if (this.position !== null) more.push(`--wsrep-start-position=${this.position}`);
    return [...this.#shared, ...more];
  }

  /** Finds the position of a killed node, as the service of Debian's package does: else it fetches all data anew. */
  async recover(): Promise<void> {
    const [command, ...first] = this.#program.command;
    const { uid } = await stat(this.data);
    const user = process.getuid?.() === 0 ? [`--user=${uid === 0 ? 'root' : 'mysql'}`] : [];
    const { stderr, stdout } = await run(command, [
      ...first,
      '--no-defaults',
      ...(this.#program.defaults ?? []),
      ...user,
      `--datadir=${this.data}`,
      '--innodb-log-file-size=8M',
      '--innodb-buffer-pool-size=16M',
      '--skip-networking',
      `--socket=${join(this.data, 'recover.sock')}`,
      ...this.#shared,
      '--wsrep-recover',
    ]);
    this.position = /Recovered position:\s*(\S+)/.exec(`${stderr}${stdout}`)?.[1] ?? null;
  }
}

/** Three (or so) MariaDB servers in a Galera cluster; each takes writes. */
export class GaleraCluster extends Cluster {
  readonly #sides: readonly GaleraNode[];

  private constructor(nodes: readonly ClusterNode[], sides: readonly GaleraNode[]) {
    super(nodes);
    this.#sides = sides;
  }

  /** @throws where this machine has no MariaDB or no Galera; nothing is left behind */
  static async start(options: GaleraOptions = {}): Promise<GaleraCluster> {
    const program = await clusterProgram('mariadb');
    const provider = await galeraProvider();
    if (provider === null) throw new Error('Galera is missing: install galera-4');
    const count = options.nodes ?? 3;
    const { network } = options;
    const free = await freePorts(count * 3);
    const ports = Array.from({ length: count }, (_, i): Ports => {
      const [group = 0, ist = 0, sst = 0] = free.slice(i * 3, i * 3 + 3);
      return { host: network?.host(i) ?? HOST, group, ist, sst };
    });
    const sides = ports.map(
      (own, i) =>
        new GaleraNode(
          network === undefined ? program : networked(program, network, i),
          galeraArguments(provider, ports, own, i, options),
        ),
    );
    const nodes: ClusterNode[] = [];
    const launch = async (index: number): Promise<void> => {
      const side = sides[index] as GaleraNode;
      const prepare: Prepare = async (data, account) => {
        await copyMember(program, provider, data, account);
        await writeView(data, index, count);
      };
      const extraArgs = (place: ServerPlace) => side.arguments(place);
      nodes[index] = (await startNode({ index, program, prepare, extraArgs, network })).node;
    };
    try {
      const launched = await Promise.allSettled(ports.map((_, i) => launch(i)));
      for (const result of launched) if (result.status === 'rejected') throw result.reason;
      const cluster = new GaleraCluster(nodes, sides);
      await cluster.untilSynced();
      return cluster;
    } catch (error) {
      // Without holes: a node that did not start is not there.
      await Promise.all(nodes.flatMap((node) => [node.stop()]));
      throw error;
    }
  }

  /** Resolves when these nodes (all that run, unless named) are synced with each other. */
  async untilSynced(indexes: readonly number[] = this.#running()): Promise<void> {
    for (const index of indexes) {
      await until(`node ${index} is synced with ${indexes.length}`, async () => {
        const status = await this.wsrep(index);
        return (
          status['wsrep_ready'] === 'ON' &&
          status['wsrep_local_state_comment'] === 'Synced' &&
          Number(status['wsrep_cluster_size']) >= indexes.length
        );
      });
    }
  }

  /** `SHOW GLOBAL STATUS LIKE 'wsrep%'` of a node. */
  async wsrep(index: number): Promise<Record<string, string>> {
    const rows = await this.node(index).ask<{ Variable_name: string; Value: string }>(
      "SHOW GLOBAL STATUS LIKE 'wsrep%'",
    );
    return Object.fromEntries(rows.map((row) => [row.Variable_name, row.Value]));
  }

  /**
   * Cuts a node off from all the others, as a network that drops its packets; all are still there for their clients. The others go
   * on without it: on a busy machine they may lose each other at the same moment, which is not what is asked for.
   */
  async isolate(index: number): Promise<void> {
    const others = this.#running().filter((one) => one !== index);
    for (let tries = 1; ; tries++) {
      await this.node(index).ask("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'");
      try {
        await until(`the others go on without node ${index}`, () => this.#goOn(others), 20_000);
        return;
      } catch (error) {
        if (tries === MOST_ISOLATIONS) throw error;
        await this.heal(index);
        await this.untilSynced();
      }
    }
  }

  async #goOn(indexes: readonly number[]): Promise<boolean> {
    const all = await Promise.all(indexes.map((index) => this.wsrep(index)));
    return all.every(
      (status) =>
        status['wsrep_cluster_status'] === 'Primary' &&
        Number(status['wsrep_cluster_size']) === indexes.length,
    );
  }

  /** The end of {@link isolate}. */
  async heal(index: number): Promise<void> {
    await this.node(index).ask("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'");
  }

  /**
   * Starts a node again that was killed or shut down; it joins those that run. Resolves when it is synced.
   * @param how - `shut down`: its files say by themselves where it was
   * @param how - `fresh`: without looking for the position of a killed node, so that a donor sends it all data
   * @param how - `alone`: as the first of a new cluster, when no other one is left
   */
  async rejoin(index: number, how: 'as it is' | 'shut down' | 'fresh' | 'alone' = 'as it is'): Promise<void> {
    const side = this.#sides[index];
    if (side === undefined) throw new RangeError(`there is no node ${index}`);
    side.position = null;
    side.bootstraps = how === 'alone';
    if (how === 'as it is' || how === 'alone') await side.recover();
    if (how === 'alone') await allowBootstrap(side.data);
    await this.node(index).start();
    side.bootstraps = false;
    await this.untilSynced(how === 'alone' ? [index] : this.#running());
  }

  #running(): number[] {
    return this.nodes.filter((node) => node.pid !== null && !node.isFrozen).map(({ index }) => index);
  }
}

function galeraArguments(
  provider: string,
  ports: readonly Ports[],
  own: Ports,
  index: number,
  options: GaleraOptions,
): string[] {
  const members = ports.map(({ host, group }) => `${host}:${group}`).join(',');
  const timeouts = TIMEOUTS[options.timeouts ?? 'quick'];
  return [
    '--wsrep-on=ON',
    `--wsrep-provider=${provider}`,
    '--wsrep-cluster-name=mybouncer-test',
    `--wsrep-cluster-address=gcomm://${members}`,
    `--wsrep-node-name=node${index}`,
    `--wsrep-node-address=${own.host}`,
    '--wsrep-sst-method=rsync',
    `--wsrep-sst-receive-address=${own.host}:${own.sst}`,
    // The whole cache is written to disk when it is made: 128 MB by default.
    `--wsrep-provider-options=gmcast.listen_addr=tcp://${own.host}:${own.group};ist.recv_addr=${own.host}:${own.ist};gcache.size=8M;${timeouts}`,
    '--binlog-format=ROW',
    '--innodb-autoinc-lock-mode=2',
    ...(options.extraArgs ?? []),
  ];
}

/**
 * The data of a node that was once the only one of its cluster. All nodes begin with it, so that none has to fetch more than
 * the changes of membership: a position that is only written into `grastate.dat` is not believed, storage has to know it too.
 */
function copyMember(
  program: ServerProgram,
  provider: string,
  data: string,
  account: ServerAccount | null,
): Promise<void> {
  const statements = setupStatements();
  return copyUsedTemplate(program, { galera: statements }, data, account, async (publish) => {
    const server = await PrivateServer.start({
      program,
      prefix: 'mybouncer-galera-template-',
      prepare: (own, of) => copyTemplate(program, statements, own, of),
      extraArgs: [
        '--wsrep-on=ON',
        `--wsrep-provider=${provider}`,
        '--wsrep-cluster-name=mybouncer-test',
        '--wsrep-cluster-address=gcomm://',
        '--wsrep-new-cluster',
        `--wsrep-node-address=${HOST}`,
        `--wsrep-provider-options=gmcast.listen_addr=tcp://${HOST}:${(await freePorts(1))[0]};gcache.size=1M`,
        '--binlog-format=ROW',
        '--innodb-autoinc-lock-mode=2',
      ],
    });
    try {
      await server.kill('SIGTERM');
      const used = join(server.folder, 'data');
      // The first node of a test continues it, alone at first.
      await rm(join(used, 'gvwstate.dat'), { force: true });
      await rm(join(used, 'galera.cache'), { force: true });
      await publish(used);
    } finally {
      await server.stop();
    }
  });
}

function memberId(index: number): string {
  return `0000000${index + 1}-0000-11ee-8000-00000000000${index + 1}`;
}

/**
 * What a node has in its files of the group that it is in, as if all had lost their power at once: they then wait for each other,
 * and go on where they were. None has to be the first, and none fetches anything: a second in place of ten.
 */
async function writeView(data: string, index: number, count: number): Promise<void> {
  const members = Array.from({ length: count }, (_, i) => `member: ${memberId(i)} 0`);
  const lines = [
    `my_uuid: ${memberId(index)}`,
    '#vwbeg',
    `view_id: 3 ${memberId(0)} ${count}`,
    'bootstrap: 0',
    ...members,
    '#vwend',
    '',
  ];
  const file = join(data, 'gvwstate.dat');
  await writeFile(file, lines.join('\n'));
  const { uid, gid } = await stat(data);
  await chown(file, uid, gid);
}

/** An administrator's word that this node has the newest data: it may be the first of its cluster. */
async function allowBootstrap(data: string): Promise<void> {
  const file = join(data, 'grastate.dat');
  const state = await readFile(file, 'latin1');
  await writeFile(file, state.replace(/safe_to_bootstrap: 0/, 'safe_to_bootstrap: 1'));
}
