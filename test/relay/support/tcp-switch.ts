import type { Socket } from 'node:net';
import type { Test } from 'tap';
import { listening, onward, type TcpAddress } from '../../support/listening.js';

/** Stands between the proxy and its servers, as balancers do. */
export class TcpSwitch {
  /** Connections so far. */
  count = 0;
  /** Where the next ones lead; null: nobody answers them, they are closed. */
  target: TcpAddress | null;
  readonly port: number;
  readonly #open = new Set<Socket>();

  private constructor(port: number, target: TcpAddress) {
    this.port = port;
    this.target = target;
  }

  static async open(t: Test, target: TcpAddress): Promise<TcpSwitch> {
    const { port } = await listening(t, (socket) => tcpSwitch.#connected(socket));
    const tcpSwitch = new TcpSwitch(port, target);
    return tcpSwitch;
  }

  /** A server's URL by way of the switch. */
  url(upstream: string): string {
    const url = new URL(upstream);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  /** What is sent over the connections there are now gets nowhere, and nobody is told. */
  swallow(): void {
    for (const socket of this.#open) socket.unpipe().on('data', () => {});
  }

  #connected(socket: Socket): void {
    this.count++;
    if (this.target === null) {
      socket.destroy();
      return;
    }
    const server = onward(socket, this.target);
    server.on('close', () => socket.destroy());
    for (const one of [socket, server]) this.#open.add(one.on('close', () => this.#open.delete(one)));
    socket.pipe(server).pipe(socket);
  }
}
