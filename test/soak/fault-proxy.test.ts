import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { listening } from '../support/listening.js';
import { eventually } from '../support/proxied.js';
import { FaultProxy, type Link } from './fault-proxy.js';

/** A client, the server's end of its connection, and what lies between. */
interface Pair {
  readonly proxy: FaultProxy;
  readonly link: Link;
  readonly client: Socket;
  readonly server: Socket;
  /** What the server and the client have got. */
  readonly got: { server: string; client: string };
}

async function pair(t: Test): Promise<Pair> {
  const sockets: Socket[] = [];
  const proxy = await FaultProxy.open(await listening(t, (socket) => sockets.push(socket)));
  t.teardown(() => proxy.close());
  const client = connect(proxy.address);
  client.on('error', () => {});
  t.teardown(() => client.destroy());
  await eventually('both ends are connected', () => sockets.length === 1 && proxy.links.size === 1);
  const [server] = sockets;
  const [link] = proxy.links;
  if (server === undefined || link === undefined) throw new Error('there is no connection');
  const got = { server: '', client: '' };
  server.on('data', (bytes) => {
    got.server += bytes.toString();
  });
  client.on('data', (bytes) => {
    got.client += bytes.toString();
  });
  return { proxy, link, client, server, got };
}

const LONG = 'x'.repeat(3_000_000);

t.test('without a fault all bytes get through, both ways, and so does the end', async (t) => {
  const { proxy, client, server, got } = await pair(t);
  client.write(LONG);
  server.write(LONG);
  await eventually('all is there', () => got.server === LONG && got.client === LONG);
  client.end('the end');
  await eventually('the end is there', () => got.server === `${LONG}the end` && server.destroyed);
  await eventually('nothing is left of it', () => proxy.links.size === 0);
  t.pass('all bytes, both ends');
});

t.test('reset: both ends get one', async (t) => {
  const { link, client, server } = await pair(t);
  const codes: (string | undefined)[] = [];
  for (const socket of [client, server])
    socket.on('error', ({ code }: NodeJS.ErrnoException) => codes.push(code));
  link.reset();
  await eventually('both have heard', () => client.destroyed && server.destroyed);
  t.strictSame(codes, ['ECONNRESET', 'ECONNRESET']);
});

t.test('stall: nothing gets through, then everything', async (t) => {
  const { link, client, server, got } = await pair(t);
  link.stall(2_000);
  client.write('to the server');
  server.write('to the client');
  await sleep(100);
  t.strictSame(got, { server: '', client: '' });
  await eventually('it goes on', () => got.server === 'to the server' && got.client === 'to the client');
});

t.test('trickle: in pieces, in order, then as usual', async (t) => {
  const { link, client, server, got } = await pair(t);
  let pieces = 0;
  server.on('data', () => pieces++);
  link.trickle(100);
  const text = Array.from({ length: 1000 }, (_, i) => String(i)).join();
  client.end(text);
  await eventually('all is there', () => got.server === text);
  t.ok(pieces > 5, `${pieces} pieces`);
});

t.test('half close: one side is told the end, and can still be heard', async (t) => {
  const { link, client, got } = await pair(t);
  const ended = once(client, 'end');
  link.halfClose(true, 1000);
  await ended;
  t.equal(got.client, '');
  await once(client, 'close');
});

t.test('a reset after a half close ends it, too', async (t) => {
  const { proxy, link, client } = await pair(t);
  link.halfClose(false, 60_000);
  link.halfClose(true, 60_000);
  link.reset();
  await eventually('nothing is left of it', () => client.destroyed && proxy.links.size === 0);
  t.pass('all sockets are closed');
});

t.test('cut: the first part arrives and no more', async (t) => {
  const { link, server, got, client } = await pair(t);
  link.cut(true, 0.5, 'fin');
  server.write('0123456789');
  await once(client, 'close');
  t.equal(got.client, '01234');
});

t.test('the door: reset, silent, closed, and open again on the same port', async (t) => {
  const { proxy } = await pair(t);
  /** `patience`: long where something is to happen. */
  const attempt = async (patience = 30_000): Promise<string> => {
    const socket = connect(proxy.address);
    t.teardown(() => socket.destroy());
    const failed = once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code ?? '');
    const closed = once(socket, 'close').then(() => 'closed');
    return Promise.race([failed, closed.catch(() => 'failed'), sleep(patience, 'open', { ref: false })]);
  };
  t.equal(await attempt(200), 'open');
  await proxy.setDoor('reset');
  t.equal(await attempt(), 'ECONNRESET');
  await proxy.setDoor('silent');
  const before = proxy.links.size;
  t.equal(await attempt(200), 'open');
  t.equal(proxy.links.size, before, 'but it leads nowhere');
  await proxy.setDoor('closed');
  t.equal(await attempt(), 'ECONNREFUSED');
  await proxy.setDoor('open');
  t.equal(await attempt(200), 'open');
});

t.test("a server's greeting tells the id of the connection", async (t) => {
  const { link, server } = await pair(t);
  server.write(Buffer.concat([Buffer.of(30, 0, 0, 0, 10), Buffer.from('8.0\0'), Buffer.of(7, 1, 0, 0, 9)]));
  await eventually('the greeting has passed', () => link.serverId !== null);
  t.equal(link.serverId, 263);
});
