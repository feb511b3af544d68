import { readFileSync } from 'node:fs';
import { LastProcessId } from './process-ids.js';
import { findSs } from './unix-peers.js';

/** What a fork guard could see here; for the log at the start and for diagnosis. */
export interface ForkGuardCapabilities {
  /** Null: it can look. Else why it cannot at all. */
  readonly unable: string | null;
  /** What it will not see, each as half a sentence. */
  readonly limits: readonly string[];
}

/** Looks at the system, not at any process. Synchronous, well under a millisecond. */
export function describeForkGuard(): ForkGuardCapabilities {
  const unable = reasonItCannotLook();
  return { unable, limits: unable === null ? limits() : [] };
}

function reasonItCannotLook(): string | null {
  if (process.platform !== 'linux') return `${process.platform} does not show which sockets a process has`;
  const ids = LastProcessId.open();
  if (ids === null)
    return '/proc does not tell the last process id (is it mounted, and the kernel a real Linux?)';
  ids.close();
  return null;
}

function limits(): string[] {
  const found: string[] = [];
  const uid = process.geteuid?.() ?? 0;
  if (uid !== 0) found.push(`only processes of the same user (${uid}) can be looked at`);
  const hidepid = hidepidOf(mounts());
  if (hidepid !== null) found.push(`/proc is mounted with hidepid=${hidepid}`);
  if (findSs() === null)
    found.push('clients on unix sockets cannot be looked at: `ss` (iproute2) is not installed');
  return found;
}

function mounts(): string {
  try {
    return readFileSync('/proc/self/mounts', 'utf8');
  } catch {
    return '';
  }
}

/** Of the text of /proc/self/mounts; null when processes of others are not hidden. */
export function hidepidOf(text: string): string | null {
  const value = /^\S+ \/proc proc (?:\S*,)?hidepid=(\w+)/m.exec(text)?.[1];
  return value === undefined || value === '0' || value === 'off' ? null : value;
}
