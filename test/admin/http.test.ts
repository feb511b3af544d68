import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { statusSchema } from '../../src/admin/status-document.js';
import { eventually, type Proxied, proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { forEachServer } from '../support/servers.js';
import { ask } from './support/ask.js';

const SAFE = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': /^default-src 'none'; script-src 'self'; /,
  'x-frame-options': 'DENY',
};

/** Path, type, text. */
const ENDPOINTS = [
  ['/livez', 'text/plain; charset=utf-8', /^alive\n$/],
  ['/readyz', 'text/plain; charset=utf-8', /^ready\n$/],
  ['/startupz', 'text/plain; charset=utf-8', /^ready\n$/],
  ['/metrics', 'text/plain; version=0.0.4; charset=utf-8', /^mybouncer_clients 0$/m],
  ['/status', 'application/json; charset=utf-8', /^\{"schemaVersion":1,.*\}\n$/],
  ['/status/schema', 'application/schema+json; charset=utf-8', /^\{\n {2}"\$schema": /],
  ['/', 'text/html; charset=utf-8', /^<!doctype html>/],
  ['/page/style.css', 'text/css; charset=utf-8', /^:root \{/],
  ['/page/icon.svg', 'image/svg+xml', /^<svg /],
  ['/page/main.js', 'text/javascript; charset=utf-8', /poll/],
  ['/page/uplot.js', 'text/javascript; charset=utf-8', /uPlot/],
] as const;

await forEachServer(
  t,
  async (t, server) => {
    const world = await proxied(t, server);
    await t.test('what each endpoint answers', (t) => endpoints(t, world));
    await t.test('methods and paths that there are not', (t) => refusals(t, world));
    await t.test('other names, other sites', (t) => strangers(t, world));
    await t.test('/quitquitquit', (t) => quit(t, world));
  },
  { flavors: ['mariadb'] },
);

t.test('before the server was reached', async (t) => {
  const proxy = await startProxy(t, {
    upstream: 'mysql://app:secret@127.0.0.1:1/app',
    untilListening: true,
  });
  t.match(await ask(`${proxy.http}/livez`), { status: 200 });
  for (const path of ['/readyz', '/startupz'])
    await eventually(`${path} says why`, async () => {
      const { status, body } = await ask(`${proxy.http}${path}`);
      return status === 503 && body.includes('ECONNREFUSED');
    });
  const status = statusSchema.parse(JSON.parse((await ask(`${proxy.http}/status`)).body));
  t.match(status, { state: 'starting', reason: /ECONNREFUSED/, server: { version: null } });
  t.match(await ask(`${proxy.http}/quitquitquit`, { method: 'POST' }), { status: 200 });
  t.equal(await proxy.ended(), 0);
});

async function endpoints(t: Test, { proxy }: Proxied): Promise<void> {
  for (const [path, type, text] of ENDPOINTS) {
    const answer = await ask(`${proxy.http}${path}?a=b`);
    t.match(answer, { status: 200, headers: { 'content-type': type, ...SAFE }, body: text }, path);
    t.equal(Number(answer.headers['content-length']), Buffer.byteLength(answer.body), path);
    const head = await ask(`${proxy.http}${path}`, { method: 'HEAD' });
    t.match(head, { status: 200, headers: { 'content-type': type }, body: '' }, `HEAD ${path}`);
    t.ok(Number(head.headers['content-length']) > 0, `HEAD ${path}: a length`);
  }
  const scripts = [...(await ask(`${proxy.http}/`)).body.matchAll(/(?:src|href)="(page\/[^"]+)"/g)];
  t.equal(scripts.length, 5);
  for (const [, path = ''] of scripts) t.match(await ask(`${proxy.http}/${path}`), { status: 200 }, path);
}

async function refusals(t: Test, { proxy }: Proxied): Promise<void> {
  for (const path of [
    '/nothing',
    '/page/',
    '/page/../package.json',
    '/page/%2e%2e/html.js',
    '/page/html.js',
    '//',
  ]) {
    const answer = await ask(`${proxy.http}${path}`);
    t.match(answer, { status: 404, headers: SAFE, body: /^not found; there are \/, \/status, / }, path);
  }
  for (const [path] of ENDPOINTS) {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await ask(`${proxy.http}${path}`, { method });
      t.match(answer, { status: 405, headers: { allow: 'GET, HEAD', ...SAFE } }, `${method} ${path}`);
    }
  }
  for (const method of ['GET', 'HEAD', 'PUT']) {
    const answer = await ask(`${proxy.http}/quitquitquit`, { method });
    t.match(answer, { status: 405, headers: { allow: 'POST' } }, `${method} /quitquitquit`);
  }
}

async function strangers(t: Test, { proxy }: Proxied): Promise<void> {
  const { port } = new URL(proxy.http);
  const rebound = { host: `evil.example:${port}` };
  for (const path of ['/', '/status', '/status/schema', '/page/main.js'])
    t.match(
      await ask(`${proxy.http}${path}`, { headers: rebound }),
      { status: 403, body: /^refused: / },
      path,
    );
  for (const path of ['/metrics', '/livez', '/readyz', '/startupz'])
    t.match(
      await ask(`${proxy.http}${path}`, { headers: rebound }),
      { status: 200 },
      `${path}: only numbers`,
    );
  for (const host of [`localhost:${port}`, `[::1]:${port}`])
    t.match(await ask(`${proxy.http}/status`, { headers: { host } }), { status: 200 }, host);
  for (const headers of [
    rebound,
    { ...rebound, origin: `http://evil.example:${port}` },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
  ])
    t.match(
      await ask(`${proxy.http}/quitquitquit`, { method: 'POST', headers }),
      { status: 403, body: /^refused: / },
      JSON.stringify(headers),
    );
  t.match(await ask(`${proxy.http}/readyz`), { status: 200 }, 'and goes on');
}

async function quit(t: Test, world: Proxied): Promise<void> {
  const { proxy } = world;
  const client = await world.connect();
  await client.run('CREATE TABLE kept(v INT)');
  await client.run('BEGIN');
  await client.run('INSERT INTO kept VALUES (1)');
  // What must not keep the process: a connection between two requests, and one that does not finish its own.
  const idle = await opened(t, proxy.http, 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await once(idle, 'data');
  const unfinished = await opened(t, proxy.http, 'GET /livez HTTP/1.1\r\nhost: local');
  const ended = [once(idle, 'close'), once(unfinished, 'close')];
  const asked = await ask(`${proxy.http}/quitquitquit`, { method: 'POST' });
  t.match(asked, { status: 200, headers: SAFE, body: /^stopping/ });
  await proxy.logged('draining: clients are served until they have finished');
  t.match(await ask(`${proxy.http}/readyz`), {
    status: 503,
    headers: { connection: 'close' },
    body: 'stopping\n',
  });
  t.match(await ask(`${proxy.http}/startupz`), { status: 200 });
  t.match(await ask(`${proxy.http}/livez`), { status: 200 });
  t.match(JSON.parse((await ask(`${proxy.http}/status`)).body), {
    state: 'draining',
    clients: { total: 1, held: 1 },
  });
  t.match(await ask(`${proxy.http}/quitquitquit`, { method: 'POST' }), { status: 200 }, 'once more');
  t.equal(proxy.exitCode, null, 'the client may finish');
  await client.run('COMMIT');
  t.equal(await proxy.ended(), 0);
  await Promise.all(ended);
  t.same(await (await world.direct()).rows('SELECT v FROM kept'), [{ v: 1 }]);
}

async function opened(t: Test, http: string, text: string): Promise<Socket> {
  const { hostname, port } = new URL(http);
  const socket = connect(Number(port), hostname);
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined).write(text);
  await once(socket, 'connect');
  return socket;
}
