/** An inode that was seen so long before a reading of the tables is not about to be connected to us, in ms. */
const CONNECTS_WITHIN_MS = 3_000;
const MAX_KNOWN = 50_000;

interface Other {
  readonly firstSeen: number;
  /** How many clients had logged in when it was no client's; infinitely many when it never will be. */
  logins: number;
}

/**
 * What the tables have said of inodes so far. A socket that is no client's can become one's only by connecting: so that holds
 * until somebody logs in, or for good when it was there long before the tables were read.
 */
export class KnownInodes {
  #endpoints: ReadonlyMap<string, string> = new Map();
  readonly #others = new Map<string, Other>();

  endpoint(inode: string): string | null {
    return this.#endpoints.get(inode) ?? null;
  }

  /** Whether it is no client's. It is noted as seen. */
  isOther(inode: string, logins: number): boolean {
    const other = this.#others.get(inode);
    if (other !== undefined) return other.logins >= logins;
    if (this.#others.size >= MAX_KNOWN) this.#others.clear();
    this.#others.set(inode, { firstSeen: performance.now(), logins: -1 });
    return false;
  }

  /** Of all clients, as read just now. */
  setEndpoints(endpoints: ReadonlyMap<string, string>): void {
    this.#endpoints = endpoints;
  }

  /** The tables do not have it as a client's. @param begunAt When their reading began, as `performance.now()`. */
  setOther(inode: string, begunAt: number, logins: number): void {
    const other = this.#others.get(inode);
    if (other === undefined) return;
    other.logins = begunAt - other.firstSeen >= CONNECTS_WITHIN_MS ? Number.POSITIVE_INFINITY : logins;
  }
}
