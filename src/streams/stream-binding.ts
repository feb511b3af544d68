import { getSystemErrorName } from 'node:util';

/*
 * What the runtime's own sockets are made of. None of it is documented, so whatever is not exactly as expected means null, and
 * the documented way is taken in its place.
 */

/** A stream of libuv. */
export interface StreamHandle {
  /** Called with itself as `this`; how much was read is in `streamBaseState`. What it returns is read into from then on. */
  onread: (this: StreamHandle) => Uint8Array | undefined;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
  readonly fd: number;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  /** 0, or the negative number of an error. Keeps nothing of the request where all could be written at once. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  shutdown(request: ShutdownRequest): number;
  close(done: (this: StreamHandle) => void): void;
  /** TCP only, as the next two. */
  getpeername?(into: { address?: string; port?: number }): number;
  setNoDelay?(on: boolean): number;
  setKeepAlive?(on: boolean, seconds: number): number;
}

export interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | null;
}
export interface ShutdownRequest {
  oncomplete: ((this: ShutdownRequest, status: number) => void) | null;
}

/** A handle that listens. */
export interface ServerHandle {
  onconnection: (this: ServerHandle, error: number, handle: StreamHandle | undefined) => void;
  setNoDelay?(on: boolean): number;
  setKeepAlive?(on: boolean, seconds: number): number;
}

export interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly ShutdownWrap: new () => ShutdownRequest;
  /** Of the last call in either direction. */
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

export const streamBinding: StreamBinding | null = open();

/** What is behind a `net.Server` that listens; null where nothing is. */
export function serverHandle(server: object): ServerHandle | null {
  const handle: unknown = Reflect.get(server, '_handle');
  return typeof handle === 'object' && handle !== null && 'onconnection' in handle
    ? (handle as ServerHandle)
    : null;
}

/** Whether a handle does all that is asked of one. */
export function isStreamHandle(handle: object): handle is StreamHandle {
  const methods = ['useUserBuffer', 'readStart', 'readStop', 'writeBuffer', 'shutdown', 'close'] as const;
  const numbers = ['bytesRead', 'bytesWritten', 'writeQueueSize', 'fd'] as const;
  return (
    'onread' in handle &&
    methods.every((name) => typeof Reflect.get(handle, name) === 'function') &&
    numbers.every((name) => typeof Reflect.get(handle, name) === 'number')
  );
}

function open(): StreamBinding | null {
  try {
    const binding: unknown = Reflect.get(process, 'binding')?.call(process, 'stream_wrap');
    return isStreamBinding(binding) ? binding : null;
  } catch {
    return null;
  }
}

function isStreamBinding(binding: unknown): binding is StreamBinding {
  if (typeof binding !== 'object' || binding === null) return false;
  const of = (name: string): unknown => Reflect.get(binding, name);
  const state = of('streamBaseState');
  const isIndex = (name: string): boolean => {
    const index = of(name);
    return typeof index === 'number' && state instanceof Int32Array && index in state;
  };
  return (
    typeof of('WriteWrap') === 'function' &&
    typeof of('ShutdownWrap') === 'function' &&
    isIndex('kReadBytesOrError') &&
    isIndex('kLastWriteWasAsync')
  );
}

/** Untouched by a write that the kernel takes at once, as nearly all are: then it serves for the next one, too. */
let spare: WriteRequest | null = null;

/**
 * Writes.
 * @returns null where the kernel has taken all, as it nearly always does; else the request that tells when it has, whose
 * `oncomplete` is the caller's to set, or the negative number of an error
 */
export function writeNow(
  handle: StreamHandle,
  binding: StreamBinding,
  bytes: Uint8Array,
): WriteRequest | number | null {
  spare ??= new binding.WriteWrap();
  const request = spare;
  const status = handle.writeBuffer(request, bytes);
  if (status !== 0) return status;
  if (binding.streamBaseState[binding.kLastWriteWasAsync] === 0) return null;
  spare = null;
  return request;
}

/** As the runtime's own sockets say it. */
export function systemError(syscall: string, errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno, syscall });
}
