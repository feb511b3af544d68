import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';

/** A server's port on this machine. */
interface Target {
  readonly port: number;
}

/** Stands between the proxy and its servers, as balancers do. */
export class TcpSwitch {
  /** Connections so far. */
  count = 0;
  /** Where the next ones lead; null: nobody answers them, they are closed. */
  target: Target | null;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(server: Server, target: Target) {
    this.#server = server;
    this.target = target;
    server.on('connection', (socket) => this.#connected(socket));
  }

  static async open(t: Test, target: Target): Promise<TcpSwitch> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const tcpSwitch = new TcpSwitch(server, target);
    t.teardown(() => {
      server.close();
      for (const socket of tcpSwitch.#open) socket.destroy();
    });
    return tcpSwitch;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
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
    socket.on('error', () => {});
    if (this.target === null) {
      socket.destroy();
      return;
    }
    const onward = connect(this.target.port, '127.0.0.1');
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#open.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        this.#open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
