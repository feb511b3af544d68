import type { Holder, Suspect, Suspicion } from './messages.js';
import type { BootClock } from './newcomers.js';
import { executable, hasSocket, openSockets, processIds } from './open-sockets.js';
import { readProgress, readStat } from './process-stat.js';

/** Suspects that are named for one client, at most, and for one of many clients: one is enough to tell. */
const MAX_SUSPECTS = 8;
const MAX_SUSPECTS_OF_MANY = 2;
/** Parents are followed up to this distance. */
const MAX_ANCESTORS = 32;
/** From so many clients at once on, all descriptors of all processes are read, rather than one of each for each client. */
const MANY = 8;

/**
 * Who has the sockets that are under suspicion. A suspect is asked for the one descriptor it was seen with. Only while it has
 * it does it matter who else has the socket: under the same number, as a rule, for a fork changes none.
 */
export function findHolders(suspicions: readonly Suspicion[], clock: BootClock): Holder[][] {
  const most = suspicions.length < MANY ? MAX_SUSPECTS : MAX_SUSPECTS_OF_MANY;
  const found = suspicions.map(({ suspects, claimedPid }) => {
    const present = presentOf(suspects, most);
    const pids = new Set(present.map(({ pid }) => pid));
    const [first] = present;
    if (first === undefined) return { pids, first: null };
    const opener = claimedPid !== null && hasSocket(claimedPid, first.fd, first.inode);
    if (opener) pids.add(claimedPid);
    // Only who is sure to be the opener tells a fork of it from others that have come by a descriptor.
    return { pids, first: opener ? null : first };
  });
  const open = found.flatMap(({ pids, first }) => (first === null ? [] : [{ pids, first }]));
  if (open.length > 0) addOthers(open);
  // A process is one object in all lists: thousands of connections may have the same few holders.
  const holders = new Map<number, Holder | null>();
  const describe = (pid: number): Holder[] => {
    let one = holders.get(pid);
    if (one === undefined) {
      one = holder(pid, clock);
      holders.set(pid, one);
    }
    return one === null ? [] : [one];
  };
  return found.map(({ pids }) => [...pids].flatMap(describe));
}

function presentOf(suspects: readonly Suspect[], most: number): Suspect[] {
  const present: Suspect[] = [];
  for (const suspect of suspects) {
    if (hasSocket(suspect.pid, suspect.fd, suspect.inode)) present.push(suspect);
    if (present.length === most) break;
  }
  return present;
}

interface OpenCase {
  /** Of the suspects; to be completed. */
  readonly pids: Set<number>;
  readonly first: Suspect;
}

function addOthers(cases: readonly OpenCase[]): void {
  const all = processIds();
  let deep = cases;
  if (cases.length < MANY) {
    for (const { pids, first } of cases)
      for (const pid of all) if (hasSocket(pid, first.fd, first.inode)) pids.add(pid);
    deep = cases.filter(({ pids, first }) => !ancestorsOf(first.pid).some((pid) => pids.has(pid)));
  }
  if (deep.length === 0) return;
  const byInode = new Map(deep.map(({ pids, first }) => [first.inode, pids]));
  for (const pid of all) for (const inode of openSockets(pid)?.keys() ?? []) byInode.get(inode)?.add(pid);
}

function ancestorsOf(pid: number): number[] {
  const ancestors: number[] = [];
  for (let next = readStat(pid)?.parent ?? 0; next > 1 && ancestors.length < MAX_ANCESTORS; ) {
    ancestors.push(next);
    next = readStat(next)?.parent ?? 0;
  }
  return ancestors;
}

/** Null when it has just ended. */
function holder(pid: number, clock: BootClock): Holder | null {
  const stat = readStat(pid);
  if (stat === null) return null;
  const { name, stackStart, startTicks, state, cpuTicks } = stat;
  const ageMs = clock.ageMs(startTicks);
  const progress = `${readProgress(pid)} ${cpuTicks}`;
  return { pid, name, executable: executable(pid), stackStart, startTicks, ageMs, state, cpuTicks, progress };
}
