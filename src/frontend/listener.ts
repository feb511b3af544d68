import { chmodSync, lchownSync, readFileSync, readlinkSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import type { ClientSocket } from '../streams/client-socket.js';
import { acceptLean } from '../streams/lean-accept.js';
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

/** Who may connect to a unix socket. */
export interface SocketAccess {
  /** Permission bits of a unix socket, such as 0o777: whoever may write to it may try to log in. */
  readonly unixSocketMode: number;
  /** The process's own unless given. */
  readonly unixSocketOwner?: SocketOwner;
}

export interface ListenerOptions extends SocketAccess {
  /** Or the descriptor of a socket that somebody else has bound. */
  readonly address: ListenAddress | number;
  /** `socket` is paused, or flows as soon as somebody listens to its data. */
  readonly onConnection: (socket: ClientSocket, address: ListenAddress) => void;
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
    if (typeof address === 'number') return Listener.#inherit(address, options);
    // Node would cut the path off and listen somewhere else.
    if (address.kind === 'unix' && Buffer.byteLength(address.path) > MAX_SOCKET_PATH) {
      const reason = `the path has more than ${MAX_SOCKET_PATH} bytes`;
      throw new ListenError(`cannot listen on ${formatListenAddress(address)}: ${reason}`);
    }
    const server = newServer();
    try {
      await listen(server, address, options);
    } catch (error) {
      if (!(address.kind === 'unix' && codeOf(error) === 'EADDRINUSE')) throw listenError(address, error);
      await clearTheWay(address.path);
      await listen(server, address, options).catch((again: unknown) => {
        throw listenError(address, again);
      });
    }
    return Listener.#listening(server, address, options);
  }

  static async #inherit(fd: number, options: ListenerOptions): Promise<Listener> {
    const server = newServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(new ListenError(`cannot listen on the inherited socket ${fd}: ${cause.message}`, { cause })),
      );
      server.listen({ fd }, BACKLOG, resolve);
    });
    server.removeAllListeners('error');
    const bound = server.address();
    const address: ListenAddress =
      bound !== null && typeof bound === 'object'
        ? { kind: 'tcp', host: bound.address, port: bound.port }
        : { kind: 'unix', path: pathOf(fd) };
    return Listener.#listening(server, address, options, true);
  }

  static #listening(
    server: Server,
    address: ListenAddress,
    options: ListenerOptions,
    inherited = false,
  ): Listener {
    // None is accepted before the next turn of the event loop.
    const accept = (socket: ClientSocket): void => options.onConnection(socket, address);
    server.on('connection', accept);
    acceptLean(server, accept, KEEPALIVE_DELAY_MS, inherited);
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

  /**
   * No more clients are accepted, and the file of a unix socket that was bound here is gone; clients already accepted are not
   * touched.
   */
  close(): void {
    this.#server.close();
  }
}

function newServer(): Server {
  return createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_DELAY_MS });
}

/** Of an inherited unix socket, as far as the system tells. */
function pathOf(fd: number): string {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
    for (const line of readFileSync('/proc/self/net/unix', 'utf8').split('\n')) {
      const [, , , , , , own, ...path] = line.trim().split(' ').filter(Boolean);
      if (own !== undefined && own === inode) return path.join(' ');
    }
  } catch {
    // No /proc: only what is shown of the address suffers.
  }
  return `(descriptor ${fd})`;
}

function listen(server: Server, address: ListenAddress, access: SocketAccess): Promise<void> {
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
      listenOnPath(server, address.path, access, done);
    } catch (error) {
      server.close();
      reject(error);
    }
  });
}

/** Whoever could connect before the file has the owner, group and mode it is to have would stay connected. */
function listenOnPath(server: Server, path: string, access: SocketAccess, done: () => void): void {
  withUmask(access, () => server.listen({ path, backlog: BACKLOG }, done));
  // Where it could not be made, an 'error' follows.
  if (server.listening) giveTo(path, access);
}

function keeps({ uid, gid }: SocketOwner): boolean {
  return uid === null && gid === null;
}

/** Runs what makes a unix socket's file. */
export function withUmask<T>(
  { unixSocketMode: mode, unixSocketOwner: owner = OWN_SOCKETS }: SocketAccess,
  make: () => T,
): T {
  // The file is made within the call, with these permissions from its first moment: chmod alone would come too late. One that
  // changes hands is nobody's until it has.
  const umask = process.umask(keeps(owner) ? ~mode & 0o777 : 0o777);
  try {
    return make();
  } finally {
    process.umask(umask);
  }
}

/** After {@link withUmask}. @throws ListenError */
export function giveTo(
  path: string,
  { unixSocketMode: mode, unixSocketOwner: owner = OWN_SOCKETS }: SocketAccess,
): void {
  if (keeps(owner)) return;
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
export async function clearTheWay(path: string): Promise<void> {
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

export function codeOf(error: unknown): string | null {
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

export function listenError(address: ListenAddress, cause: unknown): ListenError {
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
