import { closeSync, openSync, readSync, statfsSync } from 'node:fs';
import { isShortage } from './shortage.js';

/** PROC_SUPER_MAGIC: a file of /proc is the kernel's own, and not one that a container's runtime has put in its place. */
const PROC_MAGIC = 0x9fa0;

/** The first is read faster, the second is always there. Both end with the number that is wanted. */
const SOURCES = ['/proc/sys/kernel/ns_last_pid', '/proc/loadavg'];

/**
 * The id that the kernel gave last to a process or thread, in our pid namespace or one below it: while it stays the same,
 * nothing can have been forked. One read costs about a microsecond.
 */
export class LastProcessId {
  readonly #fd: number;
  readonly #buf = Buffer.alloc(128);

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Null where the system does not tell. @throws what {@link isShortage} knows */
  static open(): LastProcessId | null {
    for (const source of SOURCES) {
      const opened = openSource(source);
      if (opened === null) continue;
      const ids = new LastProcessId(opened);
      // Some systems that look like Linux show a number that never moves: 0.
      if (ids.read() > 0) return ids;
      ids.close();
    }
    return null;
  }

  /** 0 when it cannot be read. */
  read(): number {
    const buf = this.#buf;
    let length: number;
    try {
      length = readSync(this.#fd, buf, 0, buf.length, 0);
    } catch {
      return 0;
    }
    let at = length - 1;
    while (at >= 0 && !isDigit(buf[at])) at--;
    let value = 0;
    for (let unit = 1; at >= 0 && isDigit(buf[at]); at--, unit *= 10) value += ((buf[at] ?? 0) - ZERO) * unit;
    return value;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

const ZERO = 0x30;

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= ZERO + 9;
}

/** Whether a file of /proc is what it seems. */
export function isOfKernel(path: string): boolean {
  try {
    return statfsSync(path).type === PROC_MAGIC;
  } catch {
    return false;
  }
}

function openSource(path: string): number | null {
  try {
    return isOfKernel(path) ? openSync(path, 'r') : null;
  } catch (error) {
    if (isShortage(error)) throw error;
    return null;
  }
}
