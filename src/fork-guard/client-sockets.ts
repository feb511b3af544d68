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

  /** Reads the table of our own namespace. */
  loadOwn(): Promise<void> {
    return this.load('self', this.#own);
  }

  /** Reads the table of a process's namespace, unless it has ended and no other one of that has been seen. */
  async load(pid: number | 'self', namespace: string | null): Promise<void> {
    if (this.#ports.size === 0) return;
    if (namespace === null || this.#tcp.has(namespace) || this.#tcp.size >= MAX_NAMESPACES) return;
    const isOwn = namespace === this.#own;
    // Its id may be another process's by now, in another namespace.
    if (!isOwn && networkNamespace(pid) !== namespace) return;
    this.#tcp.set(namespace, await readTcpTables(isOwn ? 'self' : pid, this.#ports, isOwn));
  }

  /** Of a process in that namespace; null when the table of it has not been loaded. */
  among(namespace: string | null, sockets: OpenSockets): ClientSocket[] | null {
    if (sockets.size === 0) return [];
    const tcp = namespace === null ? undefined : this.#tcp.get(namespace);
    if (tcp === undefined && this.#ports.size > 0) return null;
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

  #unixPeers(): ReadonlyMap<string, string> | null {
    if (this.#ss !== null) this.#unix ??= readUnixPeers(this.#ss);
    return this.#unix;
  }
}
