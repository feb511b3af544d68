import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { ClientSocket } from './client-socket.js';
import { giveBack, READ_SIZE, readChunk } from './read-chunks.js';
import {
  type ShutdownRequest,
  type StreamBinding,
  type StreamHandle,
  streamBinding,
  systemError,
  type WriteRequest,
  writeNow,
} from './stream-binding.js';

/** Bytes that may wait before {@link LeanSocket.write} says so: as with the runtime's own. */
const HIGH_WATER = 16 * 1024;
/** Up to so many bytes are copied faster by a loop than by a call. */
const COPIED_BY_LOOP = 128;
/** libuv's name for the end of a stream, and for what was not done because the stream was closed. */
const UV_EOF = -4095;
const UV_ECANCELED = -constants.errno.ECANCELED;
const UV_ENOTCONN = -constants.errno.ENOTCONN;

/** Who has sent so many bytes may go on like that. */
const MUCH = 1 << 20;

/** All read into the same bytes, which nobody needs once their listeners have returned: each gets a copy of what came. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_SIZE);

const SOCKET = Symbol('LeanSocket');
type OwnedHandle = StreamHandle & { [SOCKET]?: LeanSocket | undefined };
type OwnedWrite = WriteRequest & { socket?: LeanSocket | null; bytes?: Uint8Array | null };
type OwnedShutdown = ShutdownRequest & { socket?: LeanSocket };
type EventName = 'data' | 'drain' | 'end' | 'error' | 'close';
type Listener<T> = (value: T) => void;
/** Nearly always one. */
type Listeners<T> = Listener<T> | readonly Listener<T>[] | null;

/**
 * A socket that has been accepted, straight on the runtime's stream handle. It does what `net.Socket` does for a client, in the
 * same order, but has neither of its two stream machines: 3 KiB less memory for each client, and 29 % less CPU for a connection
 * that lives for one query (173 in place of 243 µs). It begins paused, and an error that nobody listens to is dropped.
 */
export class LeanSocket implements ClientSocket {
  readonly localPort: number | undefined;
  readonly #binding: StreamBinding;
  /** Null: destroyed. */
  #handle: OwnedHandle | null;
  #peer: { readonly address?: string; readonly port?: number } | null = null;
  #error: Error | null = null;
  /** What came while it was paused: the handle goes on reading until something does. */
  #held: Buffer | null = null;
  /** What is read into while very much comes, in place of {@link READ_BUFFER}: its listeners get it as it is. */
  #bulk: Buffer | null = null;
  #paused = true;
  #reading = false;
  /** The other end has said that it sends no more; told as soon as nothing is held. */
  #over = false;
  #overTold = false;
  #needDrain = false;
  /** Writes that the kernel has not taken whole. */
  #writes = 0;
  #ending = false;
  #finished = false;
  #destroysWhenFinished = false;
  #onFinished: (() => void) | null = null;
  #onData: Listeners<Buffer> = null;
  #onDrain: Listeners<void> = null;
  #onEnd: Listeners<void> = null;
  #onError: Listeners<Error> = null;
  #onClose: Listeners<void> = null;

  /** @param localPort what it was connected to; undefined for a unix socket */
  constructor(handle: StreamHandle, binding: StreamBinding, localPort: number | undefined) {
    this.#handle = handle;
    this.#binding = binding;
    this.localPort = localPort;
    const owned: OwnedHandle = handle;
    owned[SOCKET] = this;
    handle.useUserBuffer(READ_BUFFER);
    handle.onread = LeanSocket.#onRead;
  }

  get destroyed(): boolean {
    return this.#handle === null;
  }

  get bytesRead(): number {
    return this.#handle?.bytesRead ?? 0;
  }

  get bytesWritten(): number {
    return this.#handle?.bytesWritten ?? 0;
  }

  get writableLength(): number {
    return this.#writes === 0 ? 0 : (this.#handle?.writeQueueSize ?? 0);
  }

  get writableNeedDrain(): boolean {
    return this.#needDrain;
  }

  get writableEnded(): boolean {
    return this.#ending;
  }

  get readableLength(): number {
    return this.#held?.length ?? 0;
  }

  get remoteAddress(): string | undefined {
    return this.#peerName.address;
  }

  get remotePort(): number | undefined {
    return this.#peerName.port;
  }

  /** The number of its descriptor; -1 when it has none. */
  get fd(): number {
    return this.#handle?.fd ?? -1;
  }

  get #peerName(): { readonly address?: string; readonly port?: number } {
    if (this.#peer !== null) return this.#peer;
    const peer = {};
    if (this.#handle?.getpeername?.(peer) !== 0) return {};
    this.#peer = peer;
    return peer;
  }

  isPaused(): boolean {
    return this.#paused;
  }

  /** The handle is stopped when something comes: it costs two system calls, and most pauses are over before. */
  pause(): this {
    this.#paused = true;
    return this;
  }

  resume(): this {
    if (!this.#paused) return this;
    this.#paused = false;
    if (this.#held !== null) process.nextTick(LeanSocket.#flow, this);
    else this.#read();
    return this;
  }

  read(): Buffer | null {
    const held = this.#held;
    this.#held = null;
    if (held !== null && this.#over) process.nextTick(LeanSocket.#flow, this);
    return held;
  }

  write(bytes: Uint8Array): boolean {
    const handle = this.#handle;
    if (handle === null || this.#ending) return false;
    const outcome = writeNow(handle, this.#binding, bytes);
    if (outcome === null) return !this.#needDrain;
    if (typeof outcome === 'number') {
      this.destroy(systemError('write', outcome));
      return false;
    }
    const request: OwnedWrite = outcome;
    request.socket = this;
    request.bytes = bytes;
    request.oncomplete = LeanSocket.#onWritten;
    this.#writes++;
    if (handle.writeQueueSize >= HIGH_WATER) this.#needDrain = true;
    return !this.#needDrain;
  }

  end(last?: Uint8Array | (() => void)): this {
    if (typeof last === 'function') {
      if (this.#finished) process.nextTick(last);
      else this.#onFinished = last;
    } else if (last !== undefined) this.write(last);
    if (this.#ending) return this;
    const handle = this.#handle;
    this.#ending = true;
    if (handle === null) return this;
    const request: OwnedShutdown = new this.#binding.ShutdownWrap();
    request.socket = this;
    request.oncomplete = LeanSocket.#onShutDown;
    const status = handle.shutdown(request);
    // 1: it was at once, and nobody will be called.
    if (status === 1 || status === UV_ENOTCONN) process.nextTick(LeanSocket.#finish, this);
    else if (status !== 0) this.destroy(systemError('shutdown', status));
    return this;
  }

  /** 'error', if there is one, and 'close' come later. */
  destroy(error?: Error): this {
    const handle = this.#handle;
    if (handle === null) return this;
    this.#handle = null;
    this.#error = error ?? null;
    this.#held = null;
    this.#ending = true;
    handle.onread = ignoreRead;
    handle.close(LeanSocket.#onClosed);
    return this;
  }

  destroySoon(): void {
    if (this.#finished) {
      this.destroy();
      return;
    }
    this.#destroysWhenFinished = true;
    if (!this.#ending) this.end();
  }

  /** Its connection in a socket of the runtime's, paused, for TLS to be put around it; this one is of no use any more. */
  surrender(): Socket {
    const handle = this.#handle;
    if (handle === null) throw new TypeError('a socket that is closed has nothing to surrender');
    this.#handle = null;
    this.#ending = true;
    handle.readStop();
    handle.onread = ignoreRead;
    handle[SOCKET] = undefined;
    // The type of options says nothing of a handle.
    const options = { handle, pauseOnCreate: true, readable: true, writable: true, allowHalfOpen: false };
    const socket = new Socket(options);
    // What the handle was told to read into last has to stay.
    if (this.#bulk !== null) Reflect.set(socket, SOCKET, this);
    return socket;
  }

  on(event: EventName, listener: Listener<never>): this {
    switch (event) {
      case 'data':
        this.#onData = joined(this.#onData, listener as Listener<Buffer>);
        break;
      case 'drain':
        this.#onDrain = joined(this.#onDrain, listener as Listener<void>);
        break;
      case 'end':
        this.#onEnd = joined(this.#onEnd, listener as Listener<void>);
        break;
      case 'error':
        this.#onError = joined(this.#onError, listener as Listener<Error>);
        break;
      case 'close':
        this.#onClose = joined(this.#onClose, listener as Listener<void>);
        break;
    }
    return this;
  }

  /** It happens once anyway. */
  once(event: 'close', listener: () => void): this {
    return this.on(event, listener);
  }

  off(event: 'data' | 'close', listener: Listener<never>): this {
    if (event === 'data') this.#onData = without(this.#onData, listener as Listener<Buffer>);
    else this.#onClose = without(this.#onClose, listener as Listener<void>);
    return this;
  }

  #read(): void {
    const handle = this.#handle;
    if (handle === null || this.#reading || this.#over) return;
    this.#reading = true;
    const status = handle.readStart();
    if (status !== 0) this.destroy(systemError('read', status));
  }

  #stopReading(): void {
    if (!this.#reading) return;
    this.#reading = false;
    this.#handle?.readStop();
  }

  static readonly #onRead = function onRead(this: OwnedHandle): Uint8Array | undefined {
    const socket = this[SOCKET];
    if (socket === undefined) return;
    const { streamBaseState, kReadBytesOrError } = socket.#binding;
    const length = streamBaseState[kReadBytesOrError] as number;
    if (length > 0) {
      if (length < READ_SIZE && socket.#bulk === null) socket.#received(copied(length));
      else return socket.#receivedMuch(length);
    } else if (length === UV_EOF) socket.#ended();
    else if (length < 0) socket.destroy(systemError('read', length));
    return undefined;
  };

  /** A read that has filled its buffer, or behind one. @returns what is read into next; undefined for what it was */
  #receivedMuch(length: number): Uint8Array | undefined {
    const bulk = this.#bulk;
    // The last read is a shorter one nearly always: who sends nothing more keeps no buffer.
    const goesOn = length === READ_SIZE && this.bytesRead >= MUCH;
    this.#bulk = goesOn ? readChunk() : null;
    const next = this.#bulk ?? (bulk === null ? undefined : READ_BUFFER);
    if (bulk === null) {
      this.#received(copied(length));
    } else if (length * 2 > READ_SIZE) {
      this.#received(bulk.subarray(0, length));
    } else {
      // It might be kept for long.
      const chunk = Buffer.from(bulk.subarray(0, length));
      giveBack(bulk);
      this.#received(chunk);
    }
    return next;
  }

  #received(chunk: Buffer): void {
    if (this.#paused) {
      this.#stopReading();
      this.#held = this.#held === null ? chunk : Buffer.concat([this.#held, chunk]);
      return;
    }
    const onData = this.#onData;
    // Not through call(): all kinds of listeners go through there.
    if (typeof onData === 'function') onData(chunk);
    else call(onData, chunk);
  }

  #ended(): void {
    this.#reading = false;
    this.#over = true;
    // Also while it is paused.
    if (this.#held === null) this.#tellEnd();
  }

  /** As the runtime's own without `allowHalfOpen`: when one end has said that it sends no more, so does the other. */
  #tellEnd(): void {
    if (this.#overTold) return;
    this.#overTold = true;
    call(this.#onEnd, undefined);
    if (this.#handle === null) return;
    if (!this.#ending) this.end();
    else if (this.#finished) this.destroy();
  }

  /** What was held is told, and what comes behind it. */
  static readonly #flow = (socket: LeanSocket): void => {
    const held = socket.#held;
    if (held !== null && !socket.#paused) {
      socket.#held = null;
      call(socket.#onData, held);
    }
    if (socket.#handle === null || socket.#held !== null) return;
    if (socket.#over) socket.#tellEnd();
    else if (!socket.#paused) socket.#read();
  };

  static readonly #onWritten = function onWritten(this: OwnedWrite, status: number): void {
    const { socket } = this;
    this.socket = null;
    this.bytes = null;
    if (socket === null || socket === undefined) return;
    socket.#writes--;
    if (status < 0) {
      if (status !== UV_ECANCELED) socket.destroy(systemError('write', status));
      return;
    }
    if (!socket.#needDrain || socket.writableLength > 0 || socket.#handle === null) return;
    socket.#needDrain = false;
    call(socket.#onDrain, undefined);
  };

  static readonly #onShutDown = function onShutDown(this: OwnedShutdown, status: number): void {
    const { socket } = this;
    if (socket === undefined || status === UV_ECANCELED) return;
    if (status === 0 || status === UV_ENOTCONN) LeanSocket.#finish(socket);
    else socket.destroy(systemError('shutdown', status));
  };

  static readonly #finish = (socket: LeanSocket): void => {
    if (socket.#finished || socket.#handle === null) return;
    socket.#finished = true;
    const done = socket.#onFinished;
    socket.#onFinished = null;
    done?.();
    if (socket.#destroysWhenFinished || socket.#overTold) socket.destroy();
  };

  static readonly #onClosed = function onClosed(this: OwnedHandle): void {
    const socket = this[SOCKET];
    if (socket === undefined) return;
    const error = socket.#error;
    if (error !== null) call(socket.#onError, error);
    call(socket.#onClose, undefined);
  };
}

/** A socket on a handle that has just been accepted; null where the runtime is not one of those that this was written for. */
export function leanSocket(handle: StreamHandle, localPort: number | undefined): LeanSocket | null {
  return streamBinding === null ? null : new LeanSocket(handle, streamBinding, localPort);
}

function ignoreRead(): undefined {}

/** A copy of what was read. A loop is the faster way up to some hundred bytes: a call out of compiled code costs as much. */
function copied(length: number): Buffer {
  const chunk = Buffer.allocUnsafe(length);
  if (length <= COPIED_BY_LOOP) for (let i = 0; i < length; i++) chunk[i] = READ_BUFFER[i] as number;
  else READ_BUFFER.copy(chunk, 0, 0, length);
  return chunk;
}

function joined<T>(there: Listeners<T>, listener: Listener<T>): Listeners<T> {
  if (there === null) return listener;
  return typeof there === 'function' ? [there, listener] : [...there, listener];
}

function without<T>(there: Listeners<T>, listener: Listener<T>): Listeners<T> {
  if (there === null || there === listener) return null;
  if (typeof there === 'function') return there;
  const others = there.filter((other) => other !== listener);
  return others.length === 1 ? (others[0] ?? null) : others;
}

function call<T>(listeners: Listeners<T>, value: T): void {
  if (listeners === null) return;
  if (typeof listeners === 'function') listeners(value);
  else for (const listener of listeners) listener(value);
}
