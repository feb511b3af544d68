import { Capability } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { SessionProfile } from '../session/profile.js';
import type { ServerInfo } from '../session/server-info.js';

/**
 * Seconds of `wait_timeout` that a client has set for itself; null where it has what the server gives everybody, for whom
 * the proxy keeps connections open however long they are idle.
 *
 * @param capabilities - what the client negotiated: an interactive one begins with the server's `interactive_timeout`
 */
export function ownWaitTimeout(profile: SessionProfile, capabilities: number): number | null {
  const own = profile.overrides.get('wait_timeout');
  if (own === undefined) return null;
  const isInteractive = (capabilities & Capability.Interactive) !== 0;
  if (isInteractive && own === profile.baseline.variables.get('interactive_timeout')) return null;
  return Number(own);
}

/**
 * One client's idleness, counted by a tick that all clients share. A tick counts as a second once the client was silent at
 * two of them, so a timeout strikes up to a second late and never early.
 */
export class IdleTimeout {
  #ticks = 0;

  /** Bytes came. */
  clientSpoke(): void {
    this.#ticks = 0;
  }

  /** A second has passed. @returns whether a client that waits for nothing has been idle for longer than it may */
  secondPassed(profile: SessionProfile, capabilities: number): boolean {
    this.#ticks++;
    const limit = ownWaitTimeout(profile, capabilities);
    return limit !== null && this.#ticks > limit;
  }
}

/** Since here MySQL says why it closes an idle connection. MariaDB never does. */
const TELLS_SINCE = 80024;

/** What the server sends before it closes a connection that was idle for too long; its sequence id is 0. */
export function idleError({ flavor, versionNumber }: ServerInfo): ErrPacket | null {
  if (flavor === 'mariadb' || versionNumber < TELLS_SINCE) return null;
  return {
    errno: 4031,
    sqlState: 'HY000',
    message:
      'The client was disconnected by the server because of inactivity. ' +
      'See wait_timeout and interactive_timeout for configuring this behavior.',
  };
}
