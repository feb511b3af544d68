import { readFileSync } from 'node:fs';

/** What the process opens beside clients and server sessions: listeners, control connections, logs, the runtime's own. */
const OTHERS = 64;

/**
 * How many files and sockets this process may have open, Infinity for any number. Null where the system does not tell in
 * Linux's way.
 */
export function openFilesLimit(path = '/proc/self/limits'): number | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null;
  }
  const soft = /^Max open files\s+(\d+|unlimited)\s/m.exec(text)?.[1];
  if (soft === undefined) return null;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/** Clients for which there is room under a limit; at least 1. */
export function clientsThatFit(limit: number, poolSize: number): number {
  return Math.max(1, limit - poolSize - OTHERS);
}

/** What may be open at once under this configuration. */
export function openFilesNeeded(maxClients: number, poolSize: number): number {
  return maxClients + poolSize + OTHERS;
}
