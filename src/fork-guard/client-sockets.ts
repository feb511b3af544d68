import type { OpenSockets } from './open-sockets.js';
import { networkNamespace, readTcpTables } from './tcp-table.js';
import { readUnixPeers } from './unix-peers.js';

/** Network namespaces that clients are looked for in, at most. */
const MAX_NAMESPACES = 64;

/** A client's socket among those of a process. */
export interface ClientSocket {
  readonly endpoint: string;
  readonly inode: string;
  readonly fd: string;
}

/**
 * Which client a socket belongs to. The kernel's tables are long, and take milliseconds each: they are read when first asked for,
 * once for each network namespace, and forgotten with this object.
 */
export class ClientSockets {
  readonly #ports: ReadonlySet<number>;
  readonly #ss: string | null;
  readonly #own = networkNamespace('self');
  readonly #tcp = new Map<string, ReadonlyMap<string, string>>();
  #unix: ReadonlyMap<string, string> | null = null;

  /** @param ss null: there are no clients on unix sockets, or they cannot be looked at. */
  constructor(ports: ReadonlySet<number>, ss: string | null) {
    this.#ports = ports;
    this.#ss = ss;
  }

  among(pid: number, sockets: OpenSockets): ClientSocket[] {
    if (sockets.size === 0) return [];
    const tcp = this.#tcpOf(pid);
    const found: ClientSocket[] = [];
    for (const [inode, fd] of sockets) {
      const endpoint = tcp?.get(inode) ?? this.#unixPeers()?.get(inode);
      if (endpoint !== undefined) found.push({ endpoint, inode, fd });
    }
    return found;
  }

  /** Inode by endpoint, in our network namespace and those of the processes asked about so far. */
  inodes(): Map<string, string> {
    this.#tcpOf('self');
    const inodes = new Map<string, string>();
    for (const table of this.#tcp.values())
      for (const [inode, endpoint] of table) inodes.set(endpoint, inode);
    for (const [inode, endpoint] of this.#unixPeers() ?? []) inodes.set(endpoint, inode);
    return inodes;
  }

  #tcpOf(pid: number | 'self'): ReadonlyMap<string, string> | null {
    if (this.#ports.size === 0) return null;
    const namespace = pid === 'self' ? this.#own : networkNamespace(pid);
    if (namespace === null) return null;
    const known = this.#tcp.get(namespace);
    if (known !== undefined) return known;
    if (this.#tcp.size >= MAX_NAMESPACES) return null;
    const isOwn = namespace === this.#own;
    const table = readTcpTables(isOwn ? 'self' : pid, this.#ports, isOwn);
    this.#tcp.set(namespace, table);
    return table;
  }

  #unixPeers(): ReadonlyMap<string, string> | null {
    if (this.#ss !== null) this.#unix ??= readUnixPeers(this.#ss);
    return this.#unix;
  }
}
