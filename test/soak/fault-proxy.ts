import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TcpAddress } from '../support/listening.js';
import { Flow } from './flow.js';

/** How new connections are met: as usual; with a reset; with silence; by nobody, since nothing listens. */
export type Door = 'open' | 'reset' | 'silent' | 'closed';

/** Whether a side of a link is told of its end by a FIN or an RST. */
export type Ending = 'fin' | 'rst';

/** Connections and servers that nobody should wait for. */
function quiet(socket: Socket): Socket {
  // 'close' follows.
  return socket.setNoDelay(true).on('error', () => {});
}

/** One connection through a {@link FaultProxy}: `near` has come in, `far` is the way on. */
export class Link {
  readonly near: Socket;
  readonly far: Socket;
  readonly toFar: Flow;
  readonly toNear: Flow;
  /** The connection's id as the server behind it has greeted; null before that. */
  serverId: number | null = null;
  /** Clock time (ms) until which it is known to be stalled: nobody learns meanwhile that the other side has gone. */
  stalledUntil = 0;

  constructor(near: Socket, far: Socket) {
    this.near = quiet(near);
    this.far = quiet(far);
    this.toFar = new Flow(near, far);
    this.toNear = new Flow(far, near);
    this.toNear.onFirst = (bytes) => {
      this.serverId = greetedId(bytes);
    };
    near.on('close', (broken) => end(far, broken ? 'rst' : 'fin'));
    far.on('close', (broken) => end(near, broken ? 'rst' : 'fin'));
  }

  /** What stands between two hosts loses all memory of the connection. */
  reset(): void {
    end(this.near, 'rst');
    end(this.far, 'rst');
  }

  /** Nothing gets through, in either direction, for so long. */
  stall(ms: number): void {
    this.stalledUntil = Math.max(this.stalledUntil, Date.now() + ms);
    for (const flow of [this.toFar, this.toNear]) flow.stall();
    setTimeout(() => {
      for (const flow of [this.toFar, this.toNear]) flow.release();
    }, ms).unref();
  }

  /** The next `bytes` get through a few at a time. */
  trickle(bytes: number): void {
    for (const flow of [this.toFar, this.toNear]) flow.trickle(bytes);
  }

  /** One side is told that nothing more will come; the other can still be written to, until all is cut off after `ms`. */
  halfClose(toNear: boolean, ms: number): void {
    (toNear ? this.near : this.far).end();
    setTimeout(() => this.reset(), ms).unref();
  }

  /** Of the next bytes in one direction only the first part arrives (`share` of it, never all), and then the end. */
  cut(toNear: boolean, share: number, how: Ending): void {
    (toNear ? this.toNear : this.toFar).cut(share, () => {
      end(this.near, how);
      end(this.far, how);
    });
  }
}

function end(socket: Socket, how: Ending): void {
  if (socket.destroyed) return;
  // After end() a reset can fail in the runtime, and the handle then never closes, which keeps the process from ending.
  if (how === 'rst' && !socket.writableEnded) socket.resetAndDestroy();
  else if (how === 'rst') socket.destroy();
  // What was written before still leaves.
  else socket.destroySoon();
}

/** The connection id in a server's greeting; null when this is none. */
function greetedId(bytes: Buffer): number | null {
  const VERSION_AT = 5;
  const versionEnd = bytes.indexOf(0, VERSION_AT);
  if (bytes[4] !== 10 || versionEnd < 0 || bytes.length < versionEnd + 5) return null;
  return bytes.readUInt32LE(versionEnd + 1);
}

/** Stands between two parties that speak TCP, and does to their connections what networks do. */
export class FaultProxy {
  readonly links = new Set<Link>();
  readonly #target: TcpAddress;
  readonly #waiting = new Set<Socket>();
  #server: Server;
  #port = 0;
  #door: Door = 'open';
  #turning: Promise<void> = Promise.resolve();

  private constructor(target: TcpAddress) {
    this.#target = target;
    this.#server = this.#newServer();
  }

  static async open(target: TcpAddress): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await proxy.#listen();
    return proxy;
  }

  get address(): TcpAddress {
    return { host: '127.0.0.1', port: this.#port };
  }

  get door(): Door {
    return this.#door;
  }

  /** For connections from now on; those left in silence are cut off as it changes. */
  setDoor(door: Door): Promise<void> {
    this.#turning = this.#turning.then(() => this.#turn(door));
    return this.#turning;
  }

  /** A URL of the target's by way of this. */
  url(upstream: string): string {
    const url = new URL(upstream);
    url.hostname = this.address.host;
    url.port = String(this.#port);
    return url.href;
  }

  async close(): Promise<void> {
    await this.setDoor('closed');
    for (const link of this.links) link.reset();
  }

  async #turn(door: Door): Promise<void> {
    const was = this.#door;
    this.#door = door;
    for (const socket of this.#waiting) socket.resetAndDestroy();
    this.#waiting.clear();
    if (door === 'closed' && was !== 'closed') this.#server.close();
    if (door !== 'closed' && was === 'closed') {
      this.#server = this.#newServer();
      await this.#listen();
    }
  }

  #newServer(): Server {
    return createServer({ allowHalfOpen: true }, (socket) => this.#connected(socket));
  }

  async #listen(): Promise<void> {
    this.#server.listen({ port: this.#port, host: '127.0.0.1', backlog: 4096 });
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #connected(near: Socket): void {
    if (this.#door === 'silent') {
      this.#waiting.add(quiet(near).on('close', () => this.#waiting.delete(near)));
      return;
    }
    if (this.#door !== 'open') {
      quiet(near).resetAndDestroy();
      return;
    }
    const far = connect({ ...this.#target, allowHalfOpen: true });
    const link = new Link(near, far);
    this.links.add(link);
    let open = 2;
    const closed = (): void => {
      if (--open === 0) this.links.delete(link);
    };
    near.on('close', closed);
    far.on('close', closed);
  }
}
