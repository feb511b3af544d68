import type { GuardedSocket } from '../relay/fork-check.js';
import { tcpEndpoint, unixEndpoint } from './endpoint.js';
import { ownSocketInode } from './open-sockets.js';
import type { WatchedClient } from './socket-watch.js';

/** Null for a socket that has just been closed. */
export function describeClient(
  socket: GuardedSocket,
  attributes: ReadonlyMap<string, string>,
): WatchedClient | null {
  const { remoteAddress: address, remotePort, localPort } = socket;
  const claimed = Number(attributes.get('_pid'));
  const claimedPid = Number.isSafeInteger(claimed) && claimed > 0 ? claimed : null;
  const program = attributes.get('program_name') ?? attributes.get('_client_name') ?? null;
  if (address === undefined || remotePort === undefined || localPort === undefined) {
    const inode = ownSocketInode(descriptorOf(socket));
    return inode === null ? null : { endpoint: unixEndpoint(inode), claimedPid, program, address: null };
  }
  const endpoint = tcpEndpoint(address, remotePort, localPort);
  return endpoint === null ? null : { endpoint, claimedPid, program, address };
}

/** Node tells the number of a descriptor only to those who look for it; -1 when it has none. */
function descriptorOf(socket: GuardedSocket): number {
  if ('fd' in socket) return typeof socket.fd === 'number' ? socket.fd : -1;
  const handle: unknown = '_handle' in socket ? socket._handle : null;
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) return -1;
  return typeof handle.fd === 'number' ? handle.fd : -1;
}
