import { once } from 'node:events';
import net from 'node:net';
import type { Test } from 'tap';
import type { ServerAddress } from '../../../src/backend/server-channel.js';
import { HEADER_SIZE } from '../../../src/protocol/constants.js';

/** Stands between a client and a real server, passes every byte on and remembers it. */
export class RecordingRelay {
  readonly address: ServerAddress;
  readonly #fromServer: Buffer[] = [];
  readonly #fromClient: Buffer[] = [];

  private constructor(address: ServerAddress) {
    this.address = address;
  }

  /** Ends with the test. */
  static async start(t: Test, server: ServerAddress): Promise<RecordingRelay> {
    const sockets = new Set<net.Socket>();
    const listener = net.createServer((client) => {
      const target = 'socketPath' in server ? { path: server.socketPath } : server;
      const upstream = net.connect(target);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => {});
      }
      client.on('data', (data: Buffer) => relay.#fromClient.push(data));
      upstream.on('data', (data: Buffer) => relay.#fromServer.push(data));
      client.pipe(upstream).pipe(client);
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      listener.close();
    });
    const { port } = listener.address() as net.AddressInfo;
    const relay = new RecordingRelay({ host: '127.0.0.1', port });
    return relay;
  }

  /** Payloads of all whole packets the client has sent so far, then forgets them. */
  takeClientPackets(): Buffer[] {
    return payloads(Buffer.concat(this.#fromClient.splice(0)));
  }

  takeServerPackets(): Buffer[] {
    return payloads(Buffer.concat(this.#fromServer.splice(0)));
  }
}

function payloads(bytes: Buffer): Buffer[] {
  const found = [];
  for (let pos = 0; pos + HEADER_SIZE <= bytes.length; ) {
    const end = pos + HEADER_SIZE + bytes.readUIntLE(pos, 3);
    found.push(bytes.subarray(pos + HEADER_SIZE, end));
    pos = end;
  }
  return found;
}
