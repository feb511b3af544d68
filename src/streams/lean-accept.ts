import type { Server } from 'node:net';
import type { ClientSocket } from './client-socket.js';
import { leanSocket } from './lean-socket.js';
import { isStreamHandle, type ServerHandle, type StreamHandle, serverHandle } from './stream-binding.js';

/** Elsewhere, an accepted socket need not have the options of the one that listens. */
const INHERITS = process.platform === 'linux';

/**
 * Has a server that listens hand over {@link LeanSocket}s in place of `net.Socket`s, where the runtime is one in which that is
 * known to work; else it goes on as before. Errors are the server's own still. `early`: clients may have come before this.
 */
export function acceptLean(
  server: Server,
  accept: (socket: ClientSocket) => void,
  keepAliveMs: number,
  early = false,
): void {
  const listening = serverHandle(server);
  if (listening === null) return;
  const seconds = Math.trunc(keepAliveMs / 1_000);
  const own = listening.onconnection;
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : undefined;
  // Once for all that will be accepted: five system calls less for each.
  if (INHERITS) setOptions(listening, seconds);
  let isKnown = false;
  listening.onconnection = function onConnection(this: ServerHandle, error, handle): void {
    isKnown ||= handle !== undefined && isStreamHandle(handle);
    const socket = isKnown && error === 0 && handle !== undefined ? leanSocket(handle, port) : null;
    if (socket === null || handle === undefined) {
      own.call(this, error, handle);
      return;
    }
    if (early || !INHERITS) setOptions(handle, seconds);
    accept(socket);
  };
}

function setOptions(handle: ServerHandle | StreamHandle, seconds: number): void {
  handle.setNoDelay?.(true);
  handle.setKeepAlive?.(true, seconds);
}
