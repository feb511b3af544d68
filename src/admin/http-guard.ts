import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/*
 * The HTTP port has no login, and a browser on this machine reaches it in the name of whatever site it shows. A site whose name
 * suddenly means 127.0.0.1 (DNS rebinding) is of the same origin as the proxy to the browser, and is told from it by the name
 * alone; so a name has to be one of the proxy's. An IP address in its place cannot be rebound.
 */

type Headed = Pick<IncomingMessage, 'headers'>;

/** Whether the request was made to an address of the proxy, not to a stranger's name that leads here. `own`: the host listened on. */
export function isForThisHost({ headers: { host } }: Headed, own: string): boolean {
  // No browser leaves it out.
  if (host === undefined) return true;
  const name = host
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return (
    isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost') || name === own.toLowerCase()
  );
}

/** Whether no other site made a browser send this. */
export function isSameOrigin({ headers }: Headed): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  return headers.origin === undefined || headers.origin === `http://${headers.host}`;
}

/** Whether the peer is on this machine, or in this pod: it has the address that it has reached, or loopback's. */
export function isFromThisMachine({
  remoteAddress: remote,
  localAddress: local,
}: {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
}): boolean {
  if (remote === undefined) return false;
  const address = remote.replace(/^::ffff:/, '');
  return remote === local || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}
