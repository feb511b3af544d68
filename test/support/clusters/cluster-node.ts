import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { HOST, PrivateServer, type PrivateServerOptions } from '../../../src/sandbox/private-server.js';
import type { ServerProgram } from '../../../src/sandbox/server-program.js';
import { PROBE_PRIVILEGES } from '../../../src/servers/server-probe.js';
import { testProgram } from '../server-programs.js';
import { copyTemplate } from '../server-templates.js';
import {
  APP_USER,
  type Flavor,
  MISSING,
  PrivateTestServer,
  ROOT_PASSWORD,
  setupStatements,
} from '../servers.js';
import type { NodeNetwork } from './node-network.js';

/** A node that was ended by a signal says so within this time; else it is asked in vain, in ms. */
const ASK_TIMEOUT_MS = 3000;

/** What keeps the nodes of a cluster small: several of them run at once, beside other tests. */
const SMALL: Readonly<Record<Flavor, readonly string[]>> = {
  mariadb: ['--innodb-buffer-pool-size=16M', '--max-connections=120', '--key-buffer-size=1M'],
  mysql: [
    '--innodb-buffer-pool-size=16M',
    '--max-connections=120',
    '--key-buffer-size=1M',
    '--innodb-redo-log-capacity=16M',
    '--performance-schema-max-thread-instances=200',
    '--performance-schema-max-table-instances=200',
    '--performance-schema-max-sql-text-length=256',
    '--performance-schema-max-digest-length=256',
  ],
};

/** Ports of {@link HOST} that nobody has, each another one. */
export async function freePorts(count: number): Promise<number[]> {
  const probes: Server[] = [];
  for (let i = 0; i < count; i++) {
    const probe = createServer().listen(0, HOST);
    await once(probe, 'listening');
    probes.push(probe);
  }
  const ports = probes.map((probe) => {
    const address = probe.address();
    if (address === null || typeof address === 'string') throw new TypeError('a TCP listener has a port');
    return address.port;
  });
  await Promise.all(probes.map((probe) => new Promise((done) => probe.close(done))));
  return ports;
}

/** @throws where this machine has none */
export async function clusterProgram(flavor: Flavor): Promise<ServerProgram> {
  const program = await testProgram(flavor);
  if (program === null) throw new Error(MISSING[flavor]);
  return program;
}

/** The rows of a statement on a connection of its own. @throws what the server says, or that it says nothing in time */
export async function askOnce<Row extends object = Record<string, unknown>>(
  url: string,
  sql: string,
  timeoutMs: number = ASK_TIMEOUT_MS,
): Promise<Row[]> {
  let connection: Connection | null = null;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms to: ${sql}`)), timeoutMs);
  });
  const answer = (async () => {
    connection = await createConnection({ uri: url, connectTimeout: timeoutMs });
    connection.on('error', () => undefined);
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    return (Array.isArray(rows) ? rows : []) as unknown as Row[];
  })();
  // It may fail after it was given up.
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
    (connection as Connection | null)?.destroy();
  }
}

/** Resolves once the condition holds; an error of it counts as "not yet". @throws with the last error, or what was told last */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  limitMs = 60_000,
  pollMs = 20,
): Promise<void> {
  let last: unknown = null;
  for (const deadline = performance.now() + limitMs; ; ) {
    try {
      if (await condition()) return;
      last = null;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`, { cause: last });
    await new Promise((done) => setTimeout(done, pollMs));
  }
}

/** One server of a cluster. `query()` and the like are the administrator's, on a connection that is kept. */
export class ClusterNode extends PrivateTestServer {
  /** 0.. */
  readonly index: number;
  #frozen = false;

  constructor(index: number, server: PrivateServer, host: string) {
    const { flavor, port, socketPath, version } = server;
    const rootUrl = `mysql://root:${ROOT_PASSWORD}@${host}:${port}`;
    super(server, { flavor, host, port, socketPath, rootUrl, version });
    this.index = index;
  }

  /** Stops it where it stands (SIGSTOP): its sockets stay open and nobody answers. Resolves when each thread stands still. */
  async freeze(): Promise<void> {
    this.#frozen = true;
    await this.kill('SIGSTOP');
  }

  /** Lets it go on after {@link freeze}. */
  async thaw(): Promise<void> {
    this.#frozen = false;
    await this.kill('SIGCONT');
  }

  get isFrozen(): boolean {
    return this.#frozen;
  }

  /** An orderly shutdown; folder and port stay for the next start. */
  async shutdown(): Promise<void> {
    await this.kill('SIGTERM');
  }

  /** The administrator's question on a connection of its own, with a time limit: for a node that may not answer. */
  ask<Row extends object = Record<string, unknown>>(sql: string, timeoutMs?: number): Promise<Row[]> {
    return askOnce<Row>(this.rootUrl, sql, timeoutMs);
  }

  /** Memory of the process, in MiB; 0 while it is down. */
  async rssMib(): Promise<number> {
    if (this.pid === null) return 0;
    const status = await readFile(`/proc/${this.pid}/status`, 'latin1');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }
}

export interface NodeOptions {
  readonly index: number;
  readonly program: ServerProgram;
  /** Makes the data directory; a copy of the tests' template unless given. */
  readonly prepare?: PrivateServerOptions['prepare'];
  readonly extraArgs: PrivateServerOptions['extraArgs'];
  /** Where it is in a network of its own. */
  readonly network?: NodeNetwork | undefined;
}

/** The application's account may see what the proxy asks for; the node must take writes. */
export async function allowProbes(node: ClusterNode): Promise<void> {
  for (const grant of PROBE_PRIVILEGES[node.flavor]) await node.ask(`${grant} TO '${APP_USER}'@'%'`);
}

/** Starts one node from a copy of the tests' data directory. */
export async function startNode(options: NodeOptions): Promise<{ node: ClusterNode; server: PrivateServer }> {
  const { index, program, extraArgs = [], network } = options;
  const server = await PrivateServer.start({
    program: network === undefined ? program : networked(program, network, index),
    prefix: `mybouncer-node${index}-`,
    prepare: options.prepare ?? ((data, account) => copyTemplate(program, setupStatements(), data, account)),
    extraArgs: (place) => [
      ...SMALL[program.flavor],
      ...(network === undefined ? [] : ['--bind-address=*']),
      ...(typeof extraArgs === 'function' ? extraArgs(place) : extraArgs),
    ],
  });
  return { node: new ClusterNode(index, server, network?.host(index) ?? HOST), server };
}

/** The program, run within a node's own network. */
export function networked(program: ServerProgram, network: NodeNetwork, index: number): ServerProgram {
  return { ...program, command: [...network.words(index), ...program.command] };
}

/** Several servers that belong together. */
export abstract class Cluster {
  readonly nodes: readonly ClusterNode[];

  constructor(nodes: readonly ClusterNode[]) {
    this.nodes = nodes;
  }

  /** @throws RangeError */
  node(index: number): ClusterNode {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  /** The application's URLs, of the schema `app`. */
  get urls(): string[] {
    return this.nodes.map((node) => node.url());
  }

  async rssMib(): Promise<number[]> {
    return Promise.all(this.nodes.map((node) => node.rssMib()));
  }

  /** Ends all and removes all files; frozen ones too. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}
