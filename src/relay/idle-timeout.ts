import { Capability, ServerError } from '../protocol/constants.js';
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

/** Since here MySQL says why it closes an idle connection. MariaDB never does. */
const TELLS_SINCE = 80024;

/** Whether clients of this server expect an error before an idle connection is closed. */
export function tellsIdle({ flavor, versionNumber }: ServerInfo): boolean {
  return flavor === 'mysql' && versionNumber >= TELLS_SINCE;
}

/** What the server sends before it closes a connection that was idle for too long; its sequence id is 0. */
export function idleError(info: ServerInfo): ErrPacket | null {
  if (!tellsIdle(info)) return null;
  return {
    ...ServerError.ClientInteractionTimeout,
    message:
      'The client was disconnected by the server because of inactivity. ' +
      'See wait_timeout and interactive_timeout for configuring this behavior.',
  };
}
