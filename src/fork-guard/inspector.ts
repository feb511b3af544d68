import { setImmediate } from 'node:timers/promises';
import { type ClientSocket, ClientSockets } from './client-sockets.js';
import type { Clientele, Inheritance, InspectorOptions, Located, Sought, Survey } from './messages.js';
import type { Newcomers } from './newcomers.js';
import { openSockets, processIds } from './open-sockets.js';
import { readStat } from './process-stat.js';
import { ProgramImages } from './program-images.js';

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
  #tables: ClientSockets;
  #logins = 0;
  /** Ids that were given and not to be seen, and since when: of what has ended already, or is only just being made. */
  #unborn: { readonly id: number; readonly since: number }[] = [];

  constructor({ ports, ss }: InspectorOptions, newcomers: Newcomers) {
    this.#ports = new Set(ports);
    this.#ss = ss;
    this.#newcomers = newcomers;
    this.#tables = new ClientSockets(this.#ports, null);
  }

  /** Which processes are new since the last survey and have sockets of clients. */
  survey(clients: Clientele): Survey {
    const { unix, logins, placed, pids } = clients;
    if (logins !== this.#logins) {
      this.#logins = logins;
      this.#tables = new ClientSockets(this.#ports, unix ? this.#ss : null);
    }
    const known = pids.map((pid) => this.#images.add(pid));
    this.#imagesKnown = placed && known.every((isKnown) => isKnown);
    const { range, ids } = this.#newcomers.next();
    return { range, inherited: this.#inherited(ids) };
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
  lookAgain(): Inheritance[] {
    const before = this.#unborn;
    this.#unborn = [];
    const ids = before.map(({ id }) => id);
    const inherited = this.#inherited(ids);
    const missing = new Set(this.#unborn.map(({ id }) => id));
    const oldest = performance.now() - UNBORN_MS;
    this.#unborn = before.filter(({ id, since }) => missing.has(id) && since > oldest);
    return inherited;
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
        for (const { endpoint } of clientSockets(tables, pid)) pids.get(endpoint)?.push(pid);
        await setImmediate();
      }
    };
    await look(sought.flatMap(({ claimedPid }) => (claimedPid === null ? [] : [claimedPid])));
    if (sought.some((one) => pidsOf(one).length === 0)) await look(processIds());
    for (const pid of new Set(sought.flatMap(pidsOf))) this.#images.add(pid);
    const inodes = tables.inodes();
    return sought.map((one) => ({ socketSeen: inodes.has(one.endpoint), pids: pidsOf(one) }));
  }

  #inherited(ids: readonly number[]): Inheritance[] {
    const inherited: Inheritance[] = [];
    for (const pid of ids) {
      if (!this.#mayInherit(pid)) continue;
      for (const socket of clientSockets(this.#tables, pid)) inherited.push({ pid, ...socket });
    }
    return inherited;
  }

  /** It costs little to tell that most cannot: threads, and who runs another program than the clients do, by now or ever. */
  #mayInherit(pid: number): boolean {
    const stat = readStat(pid);
    if (stat === null) {
      this.#unborn.push({ id: pid, since: performance.now() });
      return false;
    }
    if (!stat.forkedOnly || stat.isThread || pid === process.pid || stat.parent === process.pid) return false;
    return !this.#imagesKnown || this.#images.mayBe(pid, stat);
  }
}

function clientSockets(tables: ClientSockets, pid: number): ClientSocket[] {
  const sockets = openSockets(pid);
  return sockets === null ? [] : tables.among(pid, sockets);
}
