import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** Where a function answers connections, the first of which has serial 0; all of it ends with the test. Any free port unless given. */
export async function listening(
  t: Test,
  answer: (socket: Socket, serial: number) => void,
  { host, port }: TcpAddress = { host: '127.0.0.1', port: 0 },
): Promise<TcpAddress> {
  const sockets = new Set<Socket>();
  let serial = 0;
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    answer(socket, serial++);
  });
  listener.listen(port, host);
  await once(listener, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return { host, port: (listener.address() as AddressInfo).port };
}

/** The way on for what comes in on a socket; it is gone when the socket is. */
export function onward(from: Socket, { port, host }: TcpAddress): Socket {
  const socket = connect(port, host);
  socket.on('error', () => {});
  from.on('close', () => socket.destroy());
  return socket;
}
