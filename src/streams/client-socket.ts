/**
 * A client's socket, as far as it is used: `net.Socket` and `tls.TLSSocket` are ones, and so is what the frontend has in their
 * place. A chunk of 'data' belongs to the listener.
 */
export interface ClientSocket {
  readonly destroyed: boolean;
  readonly bytesRead: number;
  /** With those that wait. */
  readonly bytesWritten: number;
  /** Bytes that wait because the kernel has not taken them; nobody may touch them. */
  readonly writableLength: number;
  /** 'drain' is to come. */
  readonly writableNeedDrain: boolean;
  /** Nothing more can be written. */
  readonly writableEnded: boolean;
  readonly readableLength: number;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localPort?: number | undefined;
  /** TLS. */
  readonly encrypted?: boolean;
  isPaused(): boolean;
  pause(): this;
  resume(): this;
  /** Of a socket that is paused: what has come in the meantime. */
  read(): unknown;
  /** False: more is to be written only after 'drain'. */
  write(bytes: Uint8Array): boolean;
  /** Nothing more is to be written; `done` is called once all is with the kernel, if it ever is. */
  end(done?: () => void): this;
  end(last: Uint8Array): this;
  destroy(error?: Error): this;
  /** As soon as all has been written. */
  destroySoon(): void;
  on(event: 'data', listener: (chunk: Buffer) => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: 'drain' | 'end' | 'close', listener: () => void): this;
  once(event: 'close', listener: () => void): this;
  off(event: 'data', listener: (chunk: Buffer) => void): this;
  off(event: 'close', listener: () => void): this;
}
