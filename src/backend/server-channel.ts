import net from 'node:net';
import type tls from 'node:tls';
import { readDirectly } from '../streams/direct-reads.js';
import { DirectWrites, handleOf } from '../streams/direct-writes.js';

/** Where a server listens. */
export type ServerAddress =
  | {
      readonly host: string;
      readonly port: number;
      /** The name that `host` is one of the addresses of, where it is known by that: what its certificate must be for. */
      readonly name?: string;
    }
  | { readonly socketPath: string };

/** Text of an address for logs and errors, such as `db:3306`, `[::1]:3306` or `/run/mysqld/mysqld.sock`. */
export function addressText(address: ServerAddress): string {
  if ('socketPath' in address) return address.socketPath;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Who receives what a server session sends. One at a time; swapping it is a plain assignment. */
export interface ChannelHandler {
  /**
   * Bytes `[start, end)` of `buf` as they came, at any split. `buf` is the channel's read buffer: it is overwritten by
   * the next read unless {@link ServerChannel.retainReadBuffer} is called before this returns.
   */
  onBytes(buf: Buffer, start: number, end: number): void;
  /** All that {@link ServerChannel.write} queued has gone; called once after it returned false. */
  onDrain(): void;
  /**
   * The server or the network ended the session: null for an orderly end, else the socket's error. Called at most
   * once, never after the owner's own {@link ServerChannel.destroy} or {@link ServerChannel.quit}.
   */
  onClosed(error: Error | null): void;
}

/** Bytes of one read. As large as the kernel usually hands over at once on loopback; untouched pages cost nothing. */
const READ_BUFFER_SIZE = 64 * 1024;

const KEEP_ALIVE_MS = 30_000;

/** A server that does not close within this time is cut off. */
const QUIT_PATIENCE_MS = 2_000;

const QUIT_PACKET = Buffer.from([1, 0, 0, 0, 1]);

/**
 * A raw connection to a server: bytes in, bytes out, and nothing else on the way (no stream events per read, no
 * allocation per read, no promise).
 *
 * Each channel owns its read buffer. One buffer for all channels would not do: libuv reads into the buffer a socket
 * was *last* given, and a socket gets another one only at the end of its own read. If one channel's receiver kept the
 * common buffer, all other channels would still read into it. The buffer is allocated uninitialised, so of an idle or
 * small-reply channel only the touched pages are resident.
 */
export class ServerChannel {
  /** Replaced by the one that encrypts when {@link secure} is called. */
  #socket: net.Socket;
  /** Bytes that may wait in user space before {@link write} answers false; at this mark the socket arms 'drain'. */
  readonly #highWater: number;
  /** Null while it connects, and where it is encrypted. */
  #writes: DirectWrites | null = null;
  #readBuffer: Buffer = newReadBuffer();
  #reading = false;
  #congested = false;
  #closed = false;
  /** Such as `TLSv1.3`; null where the connection is not encrypted. */
  tlsVersion: string | null = null;

  /**
   * Receives bytes and the end. While it is null nobody expects anything: bytes that arrive then mean the session is
   * dead or out of step, and the channel is destroyed. Look at {@link closed} after setting it.
   */
  handler: ChannelHandler | null = null;

  /** Starts to connect. A failure to connect is reported through {@link ChannelHandler.onClosed}. */
  constructor(address: ServerAddress) {
    const onread = {
      // Asked for once at the start and again after every read: what is returned here is read into next.
      buffer: (): Uint8Array => this.#readBuffer,
      callback: (length: number): boolean => {
        this.#onRead(length);
        return true;
      },
    };
    const options =
      'socketPath' in address
        ? { path: address.socketPath, onread }
        : {
            host: address.host,
            port: address.port,
            noDelay: true,
            keepAlive: true,
            keepAliveInitialDelay: KEEP_ALIVE_MS,
            onread,
          };
    this.#socket = net.connect(options);
    this.#highWater = this.#socket.writableHighWaterMark;
    this.#listen(this.#socket);
    this.#socket.once('connect', () => this.#goDirectly());
  }

  /**
   * Goes on in TLS: `wrap` begins the handshake on the socket. Calls back when it is done; its failure is told as any other
   * end. From then on each read brings a buffer of its own (16 KiB at most, a TLS record): the runtime decrypts into no other.
   * What came before and has not been passed on yet is lost, and what comes from now on must be TLS.
   */
  secure(wrap: (socket: net.Socket) => tls.TLSSocket, done: () => void): void {
    this.#writes = null;
    const secure = wrap(this.#socket);
    this.#socket = secure;
    this.#listen(secure);
    secure.on('data', (bytes: Buffer) => {
      this.#readBuffer = bytes;
      this.#onRead(bytes.length);
    });
    secure.once('secureConnect', () => {
      if (this.#closed) return;
      this.tlsVersion = secure.getProtocol();
      done();
    });
  }

  /** Nothing more will be read or written, by whoever's doing. */
  get closed(): boolean {
    return this.#closed;
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Bytes written so far, those still waiting included. */
  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }

  /** Bytes handed to {@link write} that the kernel has not taken yet. At 0 every written buffer may be reused. */
  get pendingBytes(): number {
    return this.#writes === null ? this.#socket.writableLength : this.#writes.pending;
  }

  /**
   * Sends `buf`. False: too much waits, stop until {@link ChannelHandler.onDrain}. Usually the kernel takes everything
   * at once; only when {@link pendingBytes} is not 0 afterwards is `buf` still in use (whatever was answered here).
   */
  write(buf: Buffer): boolean {
    if (this.#closed) return true;
    if (this.#writes !== null) {
      if (this.#writes.write(buf)) return true;
    } else {
      this.#socket.write(buf);
      if (this.#socket.writableLength < this.#highWater) return true;
    }
    this.#congested = true;
    return false;
  }

  /** No further bytes until {@link resume}, from within `onBytes` as well. The end is then not noticed either. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /**
   * Within `onBytes` only: the receiver keeps the buffer it was given (a write of it is still under way), the channel
   * reads on into a fresh one.
   */
  retainReadBuffer(): void {
    if (!this.#reading)
      throw new Error('retainReadBuffer() outside onBytes: the buffer may be overwritten already');
    if (this.tlsVersion === null) this.#readBuffer = newReadBuffer();
  }

  /** Closes at once; the server rolls back what was open. */
  destroy(): void {
    this.#closed = true;
    this.handler = null;
    this.#socket.destroy();
  }

  /**
   * Says COM_QUIT and lets the server close: an orderly end that it does not log as aborted. `gone` is called when it has
   * closed, so when the session no longer counts there. A channel whose writes are stuck is destroyed instead: waiting for
   * them could take for ever.
   */
  quit(gone: () => void = () => {}): void {
    if (this.#closed) {
      gone();
      return;
    }
    if (this.#stuck) {
      this.destroy();
      gone();
      return;
    }
    this.#closed = true;
    this.handler = null;
    const impatient = setTimeout(() => this.#socket.destroy(), QUIT_PATIENCE_MS);
    this.#socket.once('close', () => {
      clearTimeout(impatient);
      gone();
    });
    if (this.#writes === null) this.#socket.write(QUIT_PACKET);
    else this.#writes.write(QUIT_PACKET);
    // Bytes that were on their way are read past, else the end behind them would not be seen.
    this.#socket.resume();
  }

  /** Encrypted writes are never done at once, as far as can be seen. */
  get #stuck(): boolean {
    return this.tlsVersion === null ? this.pendingBytes > 0 : this.#congested;
  }

  #listen(socket: net.Socket): void {
    // Of one that TLS has taken over, errors are told by that, and its end may come before the reason.
    const onEnd = (error: Error | null): void => {
      if (this.#socket === socket) this.#onEnd(error);
    };
    socket.on('error', onEnd);
    socket.on('end', () => onEnd(null));
    socket.on('close', () => onEnd(null));
    socket.on('drain', () => this.#onDrain());
  }

  /** Past the streams, where the runtime is one in which that is known to work. */
  #goDirectly(): void {
    const socket = this.#socket;
    const handle = handleOf(socket);
    if (handle === null || socket.writableLength > 0 || this.tlsVersion !== null) return;
    this.#writes = new DirectWrites(socket, handle, () => this.#onDrain());
    readDirectly(handle, (length) => {
      const buffer = this.#readBuffer;
      this.#onRead(length);
      return this.#readBuffer === buffer ? undefined : this.#readBuffer;
    });
  }

  #onRead(length: number): void {
    if (this.#closed) return;
    const { handler } = this;
    if (handler === null) {
      this.destroy();
      return;
    }
    this.#reading = true;
    try {
      handler.onBytes(this.#readBuffer, 0, length);
    } finally {
      this.#reading = false;
    }
  }

  #onDrain(): void {
    if (!this.#congested) return;
    this.#congested = false;
    this.handler?.onDrain();
  }

  #onEnd(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    const { handler } = this;
    this.handler = null;
    this.#socket.destroy();
    handler?.onClosed(error);
  }
}

function newReadBuffer(): Buffer {
  // Not from Node's shared slab: the whole buffer must belong to one owner.
  return Buffer.allocUnsafeSlow(READ_BUFFER_SIZE);
}
