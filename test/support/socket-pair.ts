import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Two ends of one TCP connection; neither is read. */
export interface SocketPair {
  readonly ours: Socket;
  readonly theirs: Socket;
  close(): void;
}

export async function socketPair(): Promise<SocketPair> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const theirs = connect((server.address() as AddressInfo).port, '127.0.0.1');
  theirs.pause();
  const [[ours]] = (await Promise.all([once(server, 'connection'), once(theirs, 'connect')])) as [
    [Socket],
    unknown,
  ];
  for (const socket of [ours, theirs]) socket.on('error', () => {});
  return {
    ours,
    theirs,
    close: () => {
      ours.destroy();
      theirs.destroy();
      server.close();
    },
  };
}

/** All that comes until the end. */
export async function readToEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
