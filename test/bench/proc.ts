import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';

/**
 * What Linux tells about processes (proc(5)). Everything that vanishes between two looks reads as absent: a
 * process that ends while it is looked at is normal here.
 */

/** USER_HZ is 100 on every Linux that Node runs on; /proc counts CPU time in these ticks. */
const MICROS_PER_TICK = 10_000;

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (isGone(error)) {
      return undefined;
    }
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM';
}

/** The process and everything it started that is alive. */
export function processTree(pid: number): number[] {
  const found = [pid];
  for (const parent of found) {
    for (const thread of listDirectory(`/proc/${parent}/task`)) {
      const children = readProc(`/proc/${parent}/task/${thread}/children`) ?? '';
      found.push(...children.split(' ').filter(Boolean).map(Number));
    }
  }
  return found;
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (isGone(error)) {
      return [];
    }
    throw error;
  }
}

/** CPU time (user and system, all threads) of one process, in µs; 0 when it is gone. */
export function cpuMicros(pid: number): number {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === undefined) {
    return 0;
  }
  // The command name, in brackets, may itself contain spaces and brackets: count fields from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
}

/** Resident memory of one process in bytes; 0 when it is gone. */
export function residentBytes(pid: number): number {
  const status = readProc(`/proc/${pid}/status`) ?? '';
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Whether a process has a handler for a signal; false when it is gone. */
export function handlesSignal(pid: number, signal: NodeJS.Signals): boolean {
  const mask = /^SigCgt:\s+([0-9a-f]+)$/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1];
  return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}

export interface MachineTime {
  /** CPU time of all processes, of the whole machine and of every core, in µs. */
  readonly busy: number;
  /** Time that the hypervisor gave to somebody else. */
  readonly stolen: number;
  readonly total: number;
}

export function machineTime(): MachineTime {
  const line = (readProc('/proc/stat') ?? '').split('\n', 1)[0] ?? '';
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  const [user = 0, nice = 0, system = 0, , , , , steal = 0] = ticks;
  return {
    // Interrupt time is left out: over loopback it is work for the processes under test.
    busy: (user + nice + system) * MICROS_PER_TICK,
    stolen: steal * MICROS_PER_TICK,
    total: ticks.reduce((sum, value) => sum + value, 0) * MICROS_PER_TICK,
  };
}

/** The processes of this machine that listen on a TCP port, as far as we may look; empty when it is elsewhere. */
export function listenersOn(port: number): number[] {
  const inodes = listeningInodes(port);
  const pids: number[] = [];
  for (const name of listDirectory('/proc')) {
    if (/^\d+$/.test(name) && holdsOne(Number(name), inodes)) {
      pids.push(Number(name));
    }
  }
  return pids;
}

function listeningInodes(port: number): Set<string> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of (readProc(table) ?? '').split('\n')) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === '0A' && local?.endsWith(`:${hexPort}`) && inode !== undefined) {
        inodes.add(`socket:[${inode}]`);
      }
    }
  }
  return inodes;
}

function holdsOne(pid: number, inodes: ReadonlySet<string>): boolean {
  return listDirectory(`/proc/${pid}/fd`).some((fd) => {
    try {
      return inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch (error) {
      if (isGone(error)) {
        return false;
      }
      throw error;
    }
  });
}
