import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { watched } from '../watched.js';
import { until } from './cluster-node.js';

const run = promisify(execFile);

let serial = 0;

/** Of the routing rules of a cut, before all others. */
const CUT = 'pref 100';

/** A process that keeps a network namespace, and ends with this one. */
class Namespace {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(): Promise<Namespace> {
    const [program, ...words] = watched(['unshare', '--net', 'sleep', 'infinity']);
    const child = spawn(program, words, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    const own = await readlink('/proc/self/ns/net');
    await until(
      'there is a namespace',
      async () => (await readlink(`/proc/${child.pid}/ns/net`)) !== own,
      5000,
    );
    return new Namespace(child);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** What runs a command within it. */
  get words(): readonly [string, ...string[]] {
    return ['nsenter', `--net=/proc/${this.pid}/ns/net`, '--'];
  }

  async run(script: string): Promise<void> {
    const [program, ...first] = this.words;
    await run(program, [...first, 'sh', '-ec', script]);
  }

  end(): void {
    if (this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL');
  }
}

/**
 * A network of its own for each node of a cluster, with a router between them that can drop what goes from one to the others, as a
 * broken network does: without a word. This machine is connected to that router as well, so that clients reach all of them, always.
 * Needs root, and a kernel that lets it make network namespaces; all of it goes with this process.
 */
export class NodeNetwork {
  readonly #router: Namespace;
  readonly #nodes: readonly Namespace[];
  /** Of the addresses: no other one of this machine's has it, as long as there are few. */
  readonly #block = `10.${64 + (process.pid % 128)}`;

  private constructor(router: Namespace, nodes: readonly Namespace[]) {
    this.#router = router;
    this.#nodes = nodes;
  }

  /** Null where this machine does not allow it. */
  static async start(count: number): Promise<NodeNetwork | null> {
    if (process.getuid?.() !== 0) return null;
    const made: Namespace[] = [];
    try {
      for (let i = 0; i <= count; i++) made.push(await Namespace.start());
      const [router, ...nodes] = made;
      if (router === undefined) return null;
      const network = new NodeNetwork(router, nodes);
      await network.#connect();
      return network;
    } catch {
      for (const one of made) one.end();
      return null;
    }
  }

  /** All hosts of it. */
  get range(): string {
    return `${this.#block}.0.0/16`;
  }

  host(node: number): string {
    return `${this.#block}.${node}.2`;
  }

  /** What runs the server of a node within its network. */
  words(node: number): readonly [string, ...string[]] {
    const own = this.#nodes[node];
    if (own === undefined) throw new RangeError(`there is no node ${node}`);
    return own.words;
  }

  /** Nothing gets from this node to the others any more, or back. */
  async cut(node: number): Promise<void> {
    const others = [...this.#nodes.keys()].filter((one) => one !== node);
    const rules = others.flatMap((other) => [
      `ip rule add ${CUT} iif v${node} to ${this.#block}.${other}.0/24 blackhole`,
      `ip rule add ${CUT} iif v${other} to ${this.#block}.${node}.0/24 blackhole`,
    ]);
    await this.#router.run(rules.join('\n'));
  }

  /** The end of all cuts. */
  async heal(): Promise<void> {
    await this.#router.run(`while ip rule del ${CUT} 2>/dev/null; do :; done`);
  }

  close(): void {
    for (const one of [this.#router, ...this.#nodes]) one.end();
  }

  async #connect(): Promise<void> {
    const own = `mb${process.pid}x${serial++}`;
    await this.#router.run(
      `ip link set lo up
      echo 1 > /proc/sys/net/ipv4/ip_forward
      ip link add out type veth peer name ${own} netns ${process.pid}
      ip addr add ${this.#block}.255.1/24 dev out
      ip link set out up`,
    );
    await run('sh', [
      '-ec',
      `ip addr add ${this.#block}.255.2/24 dev ${own}
      ip link set ${own} up
      ip route add ${this.range} via ${this.#block}.255.1`,
    ]);
    for (const [i, node] of this.#nodes.entries()) {
      await this.#router.run(
        `ip link add v${i} type veth peer name eth0 netns ${node.pid}
        ip addr add ${this.#block}.${i}.1/24 dev v${i}
        ip link set v${i} up`,
      );
      await node.run(
        `ip link set lo up
        ip addr add ${this.#block}.${i}.2/24 dev eth0
        ip link set eth0 up
        ip route add default via ${this.#block}.${i}.1`,
      );
    }
  }
}
