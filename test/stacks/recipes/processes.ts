import { readdir, readFile, readlink } from 'node:fs/promises';

const ESTABLISHED = '01';

/** The text of a file under /proc; empty when its process has gone meanwhile. */
function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

/** The processes of a group. */
async function membersOf(group: number): Promise<number[]> {
  const members: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const [, pgrp] = /\) \S \d+ (\d+) /.exec(await read(`/proc/${entry}/stat`)) ?? [];
    if (Number(pgrp) === group) members.push(Number(entry));
  }
  return members;
}

/** The inodes of established TCP connections to a port. */
async function connectionsTo(port: number): Promise<Set<string>> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of (await read(table)).split('\n')) {
      const [, , remote, state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === ESTABLISHED && remote?.endsWith(`:${hex}`) === true && inode !== undefined)
        inodes.add(inode);
    }
  }
  return inodes;
}

/** Which processes of a group hold each of its connections to a port. */
export async function holders(group: number, port: number): Promise<number[][]> {
  const inodes = await connectionsTo(port);
  const found = new Map<string, Set<number>>();
  for (const pid of await membersOf(group)) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const [, inode] =
        /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')) ?? [];
      if (inode === undefined || !inodes.has(inode)) continue;
      found.set(inode, (found.get(inode) ?? new Set()).add(pid));
    }
  }
  return [...found.values()].map((pids) => [...pids].sort());
}
