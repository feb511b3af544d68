import t, { type Test } from 'tap';
import { listening, onward } from '../support/listening.js';
import { eventually } from '../support/proxied.js';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer } from '../support/servers.js';

/* SIGTERM while one of several workers is not there yet: it has nobody to serve, and keeps nobody waiting. */

const startedPids = (proxy: ProxyProcess): number[] =>
  proxy.lines
    .filter(({ msg }) => msg === 'serving process started')
    .map(({ workerPid }) => Number(workerPid));

/** Kills one of two workers. @returns the process in its place, as soon as it has been started */
async function replaceOne(proxy: ProxyProcess): Promise<number> {
  const before = startedPids(proxy);
  const [, second = 0] = before;
  process.kill(second, 'SIGKILL');
  await eventually('it is started anew', () => startedPids(proxy).length === before.length + 1);
  return startedPids(proxy).at(-1) ?? 0;
}

/** What takes over does not listen before it has reached the server. */
async function deadServer(t: Test, server: TestServer): Promise<void> {
  let isDead = false;
  const forwarder = await listening(t, (socket) => {
    if (isDead) {
      socket.destroy();
      return;
    }
    const on = onward(socket, server);
    socket.pipe(on).pipe(socket);
  });
  const url = new URL(server.url(await server.createDatabase()));
  url.hostname = forwarder.host;
  url.port = String(forwarder.port);
  const proxy = await startProxy(t, { upstream: url.href, flags: ['--workers', '2'] });
  isDead = true;
  const pid = await replaceOne(proxy);
  await eventually('it looks for the server in vain', () =>
    proxy.lines.some((line) => line['pid'] === pid && line.msg.startsWith('cannot reach the server')),
  );
  proxy.signal('SIGTERM');
  t.equal(await proxy.ended(), 0);
}

/** It cannot take a signal for what it is yet. */
async function atItsStart(t: Test, server: TestServer): Promise<void> {
  const upstream = server.url(await server.createDatabase());
  const proxy = await startProxy(t, { upstream, flags: ['--workers', '2'] });
  await replaceOne(proxy);
  proxy.signal('SIGTERM');
  t.equal(await proxy.ended(), 0);
}

await forEachServer(
  t,
  async (t, server) => {
    await t.test('a worker that looks for a dead server', (t) => deadServer(t, server));
    await t.test('a worker that has just been started', (t) => atItsStart(t, server));
  },
  { flavors: ['mariadb'] },
);
