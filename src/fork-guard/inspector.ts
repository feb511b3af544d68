import { setImmediate, setTimeout } from 'node:timers/promises';
import { type ClientSocket, ClientSockets } from './client-sockets.js';
import { KnownInodes } from './known-inodes.js';
import {
  type Clientele,
  type IdRange,
  type Inheritance,
  type InspectorOptions,
  type Located,
  type Resolved,
  type Sought,
  type Survey,
  UNREAD,
} from './messages.js';
import type { Newcomers } from './newcomers.js';
import { type OpenSockets, openSockets, processIds } from './open-sockets.js';
import { isMissing, readStat } from './process-stat.js';
import { imageOf, ProgramImages } from './program-images.js';
import { isShortage } from './shortage.js';
import { networkNamespace } from './tcp-table.js';
import { UNBORN_MS } from './unborn-ids.js';

/** Where nothing could be opened, it is tried again after so long, in ms; later where nobody waits for it. */
const AGAIN_MS = 20;
const MUCH_LATER_MS = 500;
/** Of a survey that could not be made. */
const NOWHERE: IdRange = { from: -1, upTo: -1, ordered: false, limit: 0 };

/**
 * Looks at the processes of this machine. Everything here waits for the kernel, some of it for tens of milliseconds on a
 * large machine, so it runs in a thread of its own.
 */
export class Inspector {
  readonly #ports: ReadonlySet<number>;
  readonly #ss: string | null;
  readonly #newcomers: Pick<Newcomers, 'next'>;
  readonly #images = new ProgramImages();
  #imagesKnown = false;
  readonly #inodes = new KnownInodes();
  #unix = false;
  #logins = 0;
  #doubts: Doubt[] = [];
  /** Ids that were given and not to be seen, and since when: of what has ended already, or is only just being made. */
  #unborn: { readonly id: number; readonly since: number }[] = [];
  /** Processes that could not be looked at for want of descriptors, and whether new ones could not even be counted. */
  #unread: number[] = [];
  #behind = false;

  constructor({ ports, ss }: InspectorOptions, newcomers: Pick<Newcomers, 'next'>) {
    this.#ports = new Set(ports);
    this.#ss = ss;
    this.#newcomers = newcomers;
  }

  /** Which processes are new since the last survey, or could not be seen then, and have sockets of clients. */
  survey(clients: Clientele): Survey {
    const { unix, logins, placed } = clients;
    this.#unix = unix;
    this.#logins = logins;
    this.#imagesKnown = placed;
    try {
      const { range, ids } = this.#newcomers.next();
      const { inherited: late, doubts: lateDoubts } = this.lookAgain();
      const { inherited, doubts } = this.#look(ids);
      const unborn = this.#unborn.map(({ id }) => id);
      return { range, inherited, late, doubts: [...lateDoubts, ...doubts], unborn };
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.#behind = true;
      return { range: NOWHERE, inherited: [], late: [], doubts: [UNREAD], unborn: [] };
    }
  }

  /**
   * Whose the sockets are that were unknown when they were seen. Reading the tables takes hundreds of milliseconds where
   * thousands of connections have just ended: that is done aside, and surveys go on. What could not be read is read now, or as
   * soon as that is possible.
   */
  async resolve(): Promise<Resolved> {
    const inherited: Inheritance[] = [];
    while (!this.#readUnread(inherited)) await setTimeout(AGAIN_MS);
    const doubts = this.#doubts;
    this.#doubts = [];
    if (doubts.length === 0) return { inherited, innocent: [] };
    const { begunAt, logins, found, endpoints } = await untilRead(AGAIN_MS, () => this.#readTables(doubts));
    const innocent = new Set<string>();
    doubts.forEach(({ pid, image, sockets }, i) => {
      const own = found[i] ?? null;
      if (own === null) return;
      if (own.length === 0) innocent.add(image);
      // Who has ended shares nothing, but its sockets may be others' as well, and are known now.
      if (!isMissing(pid)) for (const socket of own) inherited.push({ pid, ...socket });
      for (const inode of sockets.keys())
        if (!own.some((one) => one.inode === inode)) this.#inodes.setOther(inode, begunAt, logins);
    });
    this.#inodes.setEndpoints(endpoints);
    return { inherited, innocent: [...innocent] };
  }

  async #readTables(doubts: readonly Doubt[]): Promise<Tables> {
    const begunAt = performance.now();
    const logins = this.#logins;
    const tables = new ClientSockets(this.#ports, this.#unix ? this.#ss : null);
    await tables.loadOwn();
    for (const { pid, namespace } of doubts) await tables.load(pid, namespace);
    const found = doubts.map(({ namespace, sockets }) => tables.among(namespace, sockets));
    return { begunAt, logins, found, endpoints: tables.endpoints() };
  }

  /** Whether nothing is unread any more. */
  #readUnread(inherited: Inheritance[]): boolean {
    const ids = this.#unread;
    this.#unread = [];
    try {
      if (this.#behind) for (const id of this.#newcomers.next().ids) ids.push(id);
      this.#behind = false;
    } catch (error) {
      if (!isShortage(error)) throw error;
    }
    inherited.push(...this.#look(ids).inherited);
    return !this.#behind && this.#unread.length === 0;
  }

  /** Ids that another has found without a process. */
  missing(ids: readonly number[]): void {
    const since = performance.now();
    for (const id of ids) this.#unborn.push({ id, since });
  }

  /** Whether {@link lookAgain} has something to look at. */
  get hasUnborn(): boolean {
    return this.#unborn.length > 0;
  }

  /**
   * The kernel gives an id some microseconds before its process can be seen (copy_process: alloc_pid, then attach_pid), and
   * it may be interrupted in between. So an id without a process is looked at again, a few times, for the commands to come.
   */
  lookAgain(): Looked {
    const before = this.#unborn;
    this.#unborn = [];
    const ids = before.map(({ id }) => id);
    const looked = this.#look(ids);
    const missing = new Set(this.#unborn.map(({ id }) => id));
    const oldest = performance.now() - UNBORN_MS;
    this.#unborn = before.filter(({ id, since }) => missing.has(id) && since > oldest);
    return looked;
  }

  /**
   * Which processes these clients are. All that can be seen are looked at where the clients themselves do not say it. Nobody waits
   * for it, so whatever is more urgent comes in between.
   */
  locate(sought: readonly Sought[]): Promise<Located[]> {
    return untilRead(MUCH_LATER_MS, () => this.#locate(sought));
  }

  async #locate(sought: readonly Sought[]): Promise<Located[]> {
    const tables = new ClientSockets(this.#ports, this.#ss);
    const pids = new Map<string, number[]>(sought.map(({ endpoint }) => [endpoint, []]));
    const pidsOf = ({ endpoint }: Sought): readonly number[] => pids.get(endpoint) ?? [];
    const look = async (candidates: Iterable<number>): Promise<void> => {
      for (const pid of new Set(candidates)) {
        const namespace = networkNamespace(pid);
        await tables.load(pid, namespace);
        const sockets = openSockets(pid);
        for (const { endpoint } of (sockets && tables.among(namespace, sockets)) ?? [])
          pids.get(endpoint)?.push(pid);
        await setImmediate();
      }
    };
    await look(sought.flatMap(({ claimedPid }) => (claimedPid === null ? [] : [claimedPid])));
    if (sought.some((one) => pidsOf(one).length === 0)) await look(processIds());
    const images = new Map<number, string | null>();
    for (const pid of new Set(sought.flatMap(pidsOf))) images.set(pid, this.#images.add(pid));
    await tables.loadOwn();
    const seen = new Set(tables.endpoints().values());
    return sought.map((one) => ({
      socketSeen: seen.has(one.endpoint),
      pids: pidsOf(one),
      images: pidsOf(one).flatMap((pid) => images.get(pid) ?? []),
    }));
  }

  #look(ids: readonly number[]): Looked {
    const inherited: Inheritance[] = [];
    const doubts = new Set<string>();
    for (const pid of ids) {
      const [image, sockets] = this.#heir(pid) ?? [];
      if (image === undefined || sockets === undefined) continue;
      if (sockets === UNREAD) {
        this.#unread.push(pid);
        doubts.add(UNREAD);
        continue;
      }
      const unknown = new Map<string, string>();
      for (const [inode, fd] of sockets) {
        const endpoint = this.#inodes.endpoint(inode);
        if (endpoint !== null) inherited.push({ pid, endpoint, inode, fd });
        else if (!this.#inodes.isOther(inode, this.#logins)) unknown.set(inode, fd);
      }
      if (unknown.size === 0) continue;
      this.#doubts.push({ pid, image, namespace: networkNamespace(pid), sockets: unknown });
      doubts.add(image);
    }
    return { inherited, doubts: [...doubts] };
  }

  /** The image of what may have inherited something, and its sockets. */
  #heir(pid: number): readonly [image: string, sockets: OpenSockets | typeof UNREAD] | null {
    try {
      const image = this.#imageOfHeir(pid);
      const sockets = image === null ? null : openSockets(pid);
      return image === null || sockets === null ? null : [image, sockets];
    } catch (error) {
      if (!isShortage(error)) throw error;
      if (!isMissing(pid)) return [UNREAD, UNREAD];
      this.#unborn.push({ id: pid, since: performance.now() });
      return null;
    }
  }

  /**
   * Null when it can have inherited nothing, which costs little to tell of most: threads, and who runs another program than the
   * clients do, by now or ever.
   */
  #imageOfHeir(pid: number): string | null {
    const stat = readStat(pid);
    if (stat === null) {
      this.#unborn.push({ id: pid, since: performance.now() });
      return null;
    }
    if (!stat.forkedOnly || stat.isThread || pid === process.pid || stat.parent === process.pid) return null;
    const image = imageOf(pid, stat);
    return !this.#imagesKnown || this.#images.mayBe(image) ? image : null;
  }
}

/** What `read` tells as soon as it has what it needs for that. */
async function untilRead<T>(pauseMs: number, read: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!isShortage(error)) throw error;
      await setTimeout(pauseMs);
    }
  }
}

/** What the kernel's tables have told of doubts. */
interface Tables {
  /** When their reading began, as `performance.now()`, and how many clients had logged in by then. */
  readonly begunAt: number;
  readonly logins: number;
  /** The clients' sockets of each; null where that could not be told. */
  readonly found: readonly (readonly ClientSocket[] | null)[];
  /** {@link ClientSockets.endpoints} */
  readonly endpoints: ReadonlyMap<string, string>;
}

type Looked = Pick<Survey, 'inherited' | 'doubts'>;

/** A process with sockets of which it is not known whether they are clients'. */
interface Doubt {
  readonly pid: number;
  readonly image: string;
  /** Its network namespace: it may have ended when the tables are read. */
  readonly namespace: string | null;
  readonly sockets: OpenSockets;
}
