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
 * Which client a socket belongs to. The kernel's tables are long, and take milliseconds each, or hundreds: they are read aside,
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

  /** Reads the table that a process is in. */
  async load(pid: number | 'self'): Promise<void> {
    if (this.#ports.size === 0) return;
    const namespace = pid === 'self' ? this.#own : networkNamespace(pid);
    if (namespace === null || this.#tcp.has(namespace) || this.#tcp.size >= MAX_NAMESPACES) return;
    const isOwn = namespace === this.#own;
    this.#tcp.set(namespace, await readTcpTables(isOwn ? 'self' : pid, this.#ports, isOwn));
  }

  /** Of a process whose table has been loaded; null when it has ended since, or there is no table of it. */
  among(pid: number, sockets: OpenSockets): ClientSocket[] | null {
    if (sockets.size === 0) return [];
    const tcp = this.#tcpOf(pid);
    if (tcp === null && this.#ports.size > 0) return null;
    const found: ClientSocket[] = [];
    for (const [inode, fd] of sockets) {
      const endpoint = tcp?.get(inode) ?? this.#unixPeers()?.get(inode);
      if (endpoint !== undefined) found.push({ endpoint, inode, fd });
    }
    return found;
  }

  /** Endpoint by inode, of all that has been loaded. */
  endpoints(): Map<string, string> {
    const endpoints = new Map(this.#unixPeers());
    for (const table of this.#tcp.values())
      for (const [inode, endpoint] of table) endpoints.set(inode, endpoint);
    return endpoints;
  }

  #tcpOf(pid: number): ReadonlyMap<string, string> | null {
    const namespace = networkNamespace(pid);
    return namespace === null ? null : (this.#tcp.get(namespace) ?? null);
  }

  #unixPeers(): ReadonlyMap<string, string> | null {
    if (this.#ss !== null) this.#unix ??= readUnixPeers(this.#ss);
    return this.#unix;
  }
}
