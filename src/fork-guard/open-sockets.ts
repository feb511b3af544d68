import { readdirSync, readlinkSync } from 'node:fs';
import { isShortage } from './shortage.js';

/** A socket's inode, and the descriptor it has in a process. */
export type OpenSockets = ReadonlyMap<string, string>;

/**
 * The sockets that a process has open. Null when it may not be seen, or has ended. Takes microseconds for each descriptor.
 * @throws what {@link isShortage} knows
 */
export function openSockets(pid: number): OpenSockets | null {
  const folder = `/proc/${pid}/fd`;
  const sockets = new Map<string, string>();
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (isShortage(error)) throw error;
    return null;
  }
  for (const name of names) {
    try {
      const inode = socketInode(readlinkSync(`${folder}/${name}`));
      if (inode !== null) sockets.set(inode, name);
    } catch (error) {
      // Closed meanwhile; or the folder may be read and what is in it may not.
      if (isDenied(error)) return null;
    }
  }
  return sockets;
}

/** Whether a process has this socket under that descriptor. */
export function hasSocket(pid: number, fd: string, inode: string): boolean {
  try {
    return socketInode(readlinkSync(`/proc/${pid}/fd/${fd}`)) === inode;
  } catch {
    return false;
  }
}

/** The inode of a socket of this process; null when it has none. */
export function ownSocketInode(fd: number): string | null {
  try {
    return socketInode(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    return null;
  }
}

/** The file that a process runs; null when it may not be seen. */
export function executable(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return null;
  }
}

/** Ids of all processes that can be seen. @throws what {@link isShortage} knows */
export function processIds(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((id) => id > 0);
}

function socketInode(link: string): string | null {
  return link.startsWith('socket:[') ? link.slice('socket:['.length, -1) : null;
}

function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM');
}
