import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { proxied } from '../support/proxied.js';
import { forEachServer, type TestServer } from '../support/servers.js';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** As Docker's HEALTHCHECK runs it. */
async function healthCheck(http: string): Promise<{ code: unknown; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, 'healthcheck'], {
    env: { ...process.env, MYBOUNCER_HTTP: http },
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, stderr };
}

async function job(t: Test, server: TestServer): Promise<void> {
  const world = await proxied(t, server, ['--exit-after-last-client', '--drain-delay', '1h']);
  const { proxy } = world;
  const http = proxy.http.replace('http://', '');
  t.same(await healthCheck(http), { code: 0, stderr: '' });
  const first = await world.connect();
  await first.end();
  const second = await world.connect();
  t.equal(await second.value('SELECT 1'), 1, 'a client that connects anew is waited for');
  proxy.signal('SIGTERM');
  await proxy.logged('draining: clients are served until they have finished');
  t.match(await healthCheck(http), { code: 1, stderr: /^mybouncer: stopping\n$/ });
  proxy.signal('SIGINT');
  t.equal(await proxy.ended(), 0);
  t.match(await healthCheck(http), { code: 1, stderr: /ECONNREFUSED/ });
  t.match(await healthCheck('off'), { code: 1, stderr: /http is off/ });
}

async function lastClient(t: Test, server: TestServer, flags: readonly string[]): Promise<void> {
  const world = await proxied(t, server, ['--exit-after-last-client', ...flags]);
  const client = await world.connect();
  t.equal(await client.value('SELECT 1'), 1);
  t.equal(world.proxy.exitCode, null);
  await client.end();
  t.equal(await world.proxy.ended(), 0, 'it ends by itself');
  t.ok(
    world.proxy.lines.some((line) => line['exit_after_last_client'] === 'on'),
    'and says why',
  );
}

await forEachServer(
  t,
  async (t, server) => {
    await t.test('healthcheck, and clients that connect anew', (t) => job(t, server));
    await Promise.all([
      t.test('the last client', (t) => lastClient(t, server, [])),
      t.test('the last client of two workers', (t) => lastClient(t, server, ['--workers', '2'])),
    ]);
  },
  { flavors: ['mariadb'], timeout: 300_000 },
);
