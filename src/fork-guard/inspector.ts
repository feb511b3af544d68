import { setImmediate } from 'node:timers/promises';
import { ClientSockets } from './client-sockets.js';
import { KnownInodes } from './known-inodes.js';
import type {
  Clientele,
  Inheritance,
  InspectorOptions,
  Located,
  Resolved,
  Sought,
  Survey,
} from './messages.js';
import type { Newcomers } from './newcomers.js';
import { type OpenSockets, openSockets, processIds } from './open-sockets.js';
import { readStat } from './process-stat.js';
import { imageOf, ProgramImages } from './program-images.js';

/** An id that has had no process for so long, in ms, has none any more. */
const UNBORN_MS = 40;

/**
 * Looks at the processes of this machine. Everything here waits for the kernel, some of it for tens of milliseconds on a
 * large machine, so it runs in a thread of its own.
 */
export class Inspector {
  readonly #ports: ReadonlySet<number>;
  readonly #ss: string | null;
  readonly #newcomers: Newcomers;
  readonly #images = new ProgramImages();
  #imagesKnown = false;
  readonly #inodes = new KnownInodes();
  #unix = false;
  #logins = 0;
  #doubts: Doubt[] = [];
  /** Ids that were given and not to be seen, and since when: of what has ended already, or is only just being made. */
  #unborn: { readonly id: number; readonly since: number }[] = [];

  constructor({ ports, ss }: InspectorOptions, newcomers: Newcomers) {
    this.#ports = new Set(ports);
    this.#ss = ss;
    this.#newcomers = newcomers;
  }

  /** Which processes are new since the last survey and have sockets of clients. */
  survey(clients: Clientele): Survey {
    const { unix, logins, placed } = clients;
    this.#unix = unix;
    this.#logins = logins;
    this.#imagesKnown = placed;
    const { range, ids } = this.#newcomers.next();
    return { range, ...this.#look(ids) };
  }

  /**
   * Whose the sockets are that were unknown when they were seen. Reading the tables takes hundreds of milliseconds where
   * thousands of connections have just ended: that is done aside, and surveys go on.
   */
  async resolve(): Promise<Resolved> {
    const doubts = this.#doubts;
    this.#doubts = [];
    if (doubts.length === 0) return { inherited: [], innocent: [] };
    const begunAt = performance.now();
    const logins = this.#logins;
    const tables = new ClientSockets(this.#ports, this.#unix ? this.#ss : null);
    await tables.load('self');
    for (const { pid } of doubts) await tables.load(pid);
    const inherited: Inheritance[] = [];
    const innocent = new Set<string>();
    for (const { pid, image, sockets } of doubts) {
      const found = tables.among(pid, sockets);
      if (found === null) continue;
      if (found.length === 0) innocent.add(image);
      for (const socket of found) inherited.push({ pid, ...socket });
      for (const inode of sockets.keys())
        if (!found.some((one) => one.inode === inode)) this.#inodes.setOther(inode, begunAt, logins);
    }
    this.#inodes.setEndpoints(tables.endpoints());
    return { inherited, innocent: [...innocent] };
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
  async locate(sought: readonly Sought[]): Promise<Located[]> {
    const tables = new ClientSockets(this.#ports, this.#ss);
    const pids = new Map<string, number[]>(sought.map(({ endpoint }) => [endpoint, []]));
    const pidsOf = ({ endpoint }: Sought): readonly number[] => pids.get(endpoint) ?? [];
    const look = async (candidates: Iterable<number>): Promise<void> => {
      for (const pid of new Set(candidates)) {
        await tables.load(pid);
        const sockets = openSockets(pid);
        for (const { endpoint } of (sockets && tables.among(pid, sockets)) ?? [])
          pids.get(endpoint)?.push(pid);
        await setImmediate();
      }
    };
    await look(sought.flatMap(({ claimedPid }) => (claimedPid === null ? [] : [claimedPid])));
    if (sought.some((one) => pidsOf(one).length === 0)) await look(processIds());
    const images = new Map<number, string | null>();
    for (const pid of new Set(sought.flatMap(pidsOf))) images.set(pid, this.#images.add(pid));
    await tables.load('self');
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
      const image = this.#imageOfHeir(pid);
      const sockets = image === null ? null : openSockets(pid);
      if (image === null || sockets === null) continue;
      const unknown = new Map<string, string>();
      for (const [inode, fd] of sockets) {
        const endpoint = this.#inodes.endpoint(inode);
        if (endpoint !== null) inherited.push({ pid, endpoint, inode, fd });
        else if (!this.#inodes.isOther(inode, this.#logins)) unknown.set(inode, fd);
      }
      if (unknown.size === 0) continue;
      this.#doubts.push({ pid, image, sockets: unknown });
      doubts.add(image);
    }
    return { inherited, doubts: [...doubts] };
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

type Looked = Pick<Survey, 'inherited' | 'doubts'>;

/** A process with sockets of which it is not known whether they are clients'. */
interface Doubt {
  readonly pid: number;
  readonly image: string;
  readonly sockets: OpenSockets;
}
