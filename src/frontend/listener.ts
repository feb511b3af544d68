import { chmodSync, lchownSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { ListenError } from './errors.js';
import { type FrontendLog, LogThrottle } from './log.js';

export type ListenAddress =
  | {
      readonly kind: 'tcp';
      /** A name or an address, IPv6 without brackets. */
      readonly host: string;
      /** 0: any free port. */
      readonly port: number;
    }
  | { readonly kind: 'unix'; readonly path: string };

/** Whom unix sockets belong to; null: whom the system gives them to, which is the process's own user and group. */
export interface SocketOwner {
  readonly uid: number | null;
  readonly gid: number | null;
}

const OWN_SOCKETS: SocketOwner = { uid: null, gid: null };

export interface ListenerOptions {
  readonly address: ListenAddress;
  /** Permission bits of a unix socket, such as 0o777: whoever may write to it may try to log in. */
  readonly unixSocketMode: number;
  /** The process's own unless given. */
  readonly unixSocketOwner?: SocketOwner;
  readonly onConnection: (socket: Socket, kind: ListenAddress['kind']) => void;
  readonly log: FrontendLog;
}

/** Connections that may wait in the kernel to be accepted; it cuts this down to its own limit (net.core.somaxconn). */
const BACKLOG = 4_096;
/** Idle time after which the kernel asks whether the peer still lives, in milliseconds. */
const KEEPALIVE_DELAY_MS = 60_000;

/** `sockaddr_un` has 108 bytes, the last of them NUL. */
const MAX_SOCKET_PATH = 107;

/** One address that clients connect to. */
export class Listener {
  readonly #server: Server;
  readonly #address: ListenAddress;

  private constructor(server: Server, address: ListenAddress) {
    this.#server = server;
    this.#address = address;
  }

  /** @throws ListenError */
  static async open(options: ListenerOptions): Promise<Listener> {
    const { address } = options;
    // Node would cut the path off and listen somewhere else.
    if (address.kind === 'unix' && Buffer.byteLength(address.path) > MAX_SOCKET_PATH) {
      const reason = `the path has more than ${MAX_SOCKET_PATH} bytes`;
      throw new ListenError(`cannot listen on ${formatListenAddress(address)}: ${reason}`);
    }
    const server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_DELAY_MS,
    });
    server.on('connection', (socket) => options.onConnection(socket, address.kind));
    try {
      await listen(server, options);
    } catch (error) {
      if (!(address.kind === 'unix' && codeOf(error) === 'EADDRINUSE')) throw listenError(address, error);
      await removeStaleSocket(address.path);
      await listen(server, options).catch((again: unknown) => {
        throw listenError(address, again);
      });
    }
    const throttle = new LogThrottle();
    // The server goes on listening after an error. (Out of file descriptors is none: libuv then closes new clients unheard.)
    server.on('error', (err) => {
      const more = throttle.pass();
      if (more === null) return;
      options.log.error(
        { err, address: formatListenAddress(address), more },
        'a client could not be accepted',
      );
    });
    return new Listener(server, address);
  }

  /** Where it listens; with the real port where any was asked for. */
  get address(): ListenAddress {
    const bound = this.#server.address();
    return bound !== null && typeof bound === 'object'
      ? { kind: 'tcp', host: bound.address, port: bound.port }
      : this.#address;
  }

  /** No more clients are accepted and a unix socket's file is gone; clients already accepted are not touched. */
  close(): void {
    this.#server.close();
  }
}

function listen(server: Server, options: ListenerOptions): Promise<void> {
  const { address } = options;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const done = (): void => {
      server.off('error', reject);
      resolve();
    };
    if (address.kind === 'tcp') {
      server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, done);
      return;
    }
    try {
      listenOnPath(server, address.path, options, done);
    } catch (error) {
      server.close();
      reject(error);
    }
  });
}

/** Whoever could connect before the file has the owner, group and mode it is to have would stay connected. */
function listenOnPath(server: Server, path: string, options: ListenerOptions, done: () => void): void {
  const { unixSocketMode: mode, unixSocketOwner: owner = OWN_SOCKETS } = options;
  const kept = owner.uid === null && owner.gid === null;
  // The file is made within the call, with these permissions from its first moment: chmod alone would come too late. One that
  // changes hands is nobody's until it has.
  const umask = process.umask(kept ? ~mode & 0o777 : 0o777);
  try {
    server.listen({ path, backlog: BACKLOG }, done);
  } finally {
    process.umask(umask);
  }
  // Where it could not be made, an 'error' follows.
  if (kept || !server.listening) return;
  handOver(path, owner);
  chmodSync(path, mode);
}

function handOver(path: string, { uid, gid }: SocketOwner): void {
  try {
    lchownSync(path, uid ?? -1, gid ?? -1);
  } catch (cause) {
    const to = [uid === null ? [] : [`user ${uid}`], gid === null ? [] : [`group ${gid}`]]
      .flat()
      .join(' and ');
    const rule =
      uid === null
        ? 'only root may give it to a group that the process is not in'
        : 'only root may give it to another user';
    const known = codeOf(cause) === 'EPERM' ? `${rule} (EPERM)` : String(cause);
    throw new ListenError(`cannot listen on unix:${path}: it cannot be given to ${to}: ${known}`, { cause });
  }
}

/**
 * A socket file stays behind when its process is killed. It is removed only if it is a socket and nobody answers on it. (Two
 * processes that start in the same instant could both find it dead; the later one then wins.)
 */
async function removeStaleSocket(path: string): Promise<void> {
  const address: ListenAddress = { kind: 'unix', path };
  const stat = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw listenError(address, error);
  });
  // Its owner has just removed it.
  if (stat === null) return;
  if (!stat.isSocket())
    throw new ListenError(
      `cannot listen on ${formatListenAddress(address)}: the file exists and is no socket`,
    );
  if (await answers(path)) {
    throw new ListenError(
      `cannot listen on ${formatListenAddress(address)}: another process is listening there`,
    );
  }
  await unlink(path).catch((error: unknown) => {
    throw listenError(address, error);
  });
}

/** Whether somebody listens there; anything but a plain refusal counts as yes. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      // Leaves politely: a reset would be an error in the other's log.
      probe.resume().end().unref();
      resolve(true);
    });
    probe.on('error', (error) => resolve(codeOf(error) !== 'ECONNREFUSED'));
  });
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

const NO_DIRECTORY = 'permission denied, or the directory does not exist';
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is already in use by another process',
  EADDRNOTAVAIL: 'no network interface of this machine has that address',
  EACCES: 'permission denied',
  ENOTDIR: 'the directory does not exist',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up',
};

function listenError(address: ListenAddress, cause: unknown): ListenError {
  if (cause instanceof ListenError) return cause;
  const code = codeOf(cause);
  const text = cause instanceof Error ? cause.message : String(cause);
  // libuv reports a directory that is not there as EACCES.
  const known = code === 'EACCES' && address.kind === 'unix' ? NO_DIRECTORY : REASONS[code ?? ''];
  const reason = known === undefined ? text : `${known} (${code})`;
  return new ListenError(`cannot listen on ${formatListenAddress(address)}: ${reason}`, { cause });
}

export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
