import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { ListenError } from './errors.js';
import {
  clearTheWay,
  codeOf,
  giveTo,
  type ListenAddress,
  listenError,
  type SocketAccess,
  withUmask,
} from './listener.js';

/** A socket that is bound, for other processes to listen on: this one accepts nobody. */
export interface BoundSocket {
  readonly fd: number;
  /** Ends it here; where it is listened on elsewhere, it goes on, but a unix socket's file is gone. */
  close(): void;
}

/** What the runtime has for its own clusters, too: there is no other way to bind without accepting. */
interface ServerHandle {
  readonly fd: number;
  getsockname?(out: object): number;
  close(): void;
}
type CreateServerHandle = (
  address: string,
  port: number,
  family: 4 | 6 | -1,
  fd: undefined,
  flags: 0,
) => ServerHandle | number;

const createServerHandle = Reflect.get(net, '_createServerHandle') as CreateServerHandle | undefined;

/** @throws ListenError */
export async function bindSocket(address: ListenAddress, access: SocketAccess): Promise<BoundSocket> {
  try {
    return await bind(address, access);
  } catch (error) {
    if (!(address.kind === 'unix' && codeOf(error) === 'EADDRINUSE')) throw listenError(address, error);
  }
  await clearTheWay(address.path);
  return bind(address, access).catch((again: unknown) => {
    throw listenError(address, again);
  });
}

async function bind(address: ListenAddress, access: SocketAccess): Promise<BoundSocket> {
  if (createServerHandle === undefined)
    throw new ListenError(
      `this version of Node (${process.version}) cannot bind a socket for others: set master: off`,
    );
  if (address.kind === 'unix') {
    const handle = withUmask(access, () => created(createServerHandle(address.path, -1, -1, undefined, 0)));
    try {
      giveTo(address.path, access);
    } catch (error) {
      handle.close();
      throw error;
    }
    return handle;
  }
  const { address: host, family } = await lookup(address.host);
  return created(createServerHandle(host, address.port, family === 6 ? 6 : 4, undefined, 0));
}

function created(handle: ServerHandle | number): ServerHandle {
  if (typeof handle === 'number') throw systemError(handle);
  // That somebody else listens there is told late.
  const failure = handle.getsockname?.({}) ?? 0;
  if (failure === 0) return handle;
  handle.close();
  throw systemError(failure);
}

function systemError(errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`bind ${code}`), { code });
}
