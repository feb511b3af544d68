import type { ClientSocket } from '../streams/client-socket.js';
import type { RemoteAddress } from './login-result.js';

const IPV4_MAPPED = '::ffff:';

export function remoteOf(socket: ClientSocket, kind: RemoteAddress['kind']): RemoteAddress {
  if (kind === 'unix') return { kind };
  // Gone already, when there is none.
  const address = socket.remoteAddress ?? 'unknown';
  const v4 = address.startsWith(IPV4_MAPPED) && address.includes('.');
  return { kind, address: v4 ? address.slice(IPV4_MAPPED.length) : address, port: socket.remotePort ?? 0 };
}

/**
 * Whether a password may come in clear (full authentication only). MySQL takes it over a unix socket; over loopback it has been
 * read by nobody either, and MariaDB's library sends it so wherever TLS was wished for and not offered.
 */
export function isSecure(remote: RemoteAddress): boolean {
  return remote.kind === 'unix' || remote.address.startsWith('127.') || remote.address === '::1';
}

/** As the servers name a client's host in errors when they don't resolve names. */
export function hostName(remote: RemoteAddress): string {
  return remote.kind === 'unix' ? 'localhost' : remote.address;
}

/** As log lines have it. */
export function addressText(remote: RemoteAddress): string {
  return remote.kind === 'unix' ? 'unix' : `${remote.address}:${remote.port}`;
}
