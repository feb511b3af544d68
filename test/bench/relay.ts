/**
 * A bare TCP relay: the least that a proxy in Node can do, without pooling. A yardstick for the bench, not a
 * product: `node relay.js LISTEN_PORT SERVER_PORT`.
 */
import { connect, createServer, type Socket } from 'node:net';

const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);
const [listenPort, serverPort] = process.argv.slice(2).map(Number);

/** Copies, because the read buffer is shared and a write may be queued; false asks the source to pause. */
function forward(bytes: Buffer, from: Socket, to: Socket): boolean {
  const flushed = to.write(bytes);
  if (!flushed) {
    to.once('drain', () => from.resume());
  }
  return flushed;
}

const server = createServer({ noDelay: true }, (client) => {
  const upstream: Socket = connect({
    host: '127.0.0.1',
    port: serverPort ?? 0,
    noDelay: true,
    onread: {
      buffer: READ_BUFFER,
      callback: (length): boolean => forward(Buffer.from(READ_BUFFER.subarray(0, length)), upstream, client),
    },
  });
  client.on('data', (bytes) => {
    if (!forward(bytes, client, upstream)) {
      client.pause();
    }
  });
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.on('end', () => other.end());
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
});
server.listen({ host: '127.0.0.1', port: listenPort, backlog: 4096 });
process.once('SIGTERM', () => process.exit());
