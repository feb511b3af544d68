import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer } from '../support/servers.js';

const FAILED = 'restart failed: the old process goes on';
const RESTARTED = 'restarted: the new process serves, the old one drains';

/** Workers that do not understand their parent would serve without a session. */
async function restarts(t: Test, server: TestServer): Promise<void> {
  const file = join(t.testdir({}), 'older');
  const setOlder = (who: 'nobody' | 'parent' | 'plan'): void => writeFileSync(file, who);
  setOlder('nobody');
  const schema = await server.createDatabase();
  const proxy = await startProxy(t, {
    upstream: server.url(schema),
    flags: ['--workers', '2'],
    main: fileURLToPath(new URL('support/older-program.js', import.meta.url)),
    env: { TEST_OLDER_FILE: file },
  });
  const client = await new Proxied(t, server, proxy, schema).connect();
  const failures = (): readonly unknown[] =>
    proxy.lines.filter(({ msg }) => msg === FAILED).map(({ failure }) => failure);

  setOlder('plan');
  proxy.signal('SIGUSR2');
  await eventually('it has failed', () => failures().length === 1);
  t.match(failures()[0], /workers of the program on disk do not understand this parent process/);
  setOlder('parent');
  proxy.signal('SIGUSR2');
  await eventually('it has failed', () => failures().length === 2);
  t.match(failures()[1], /the new process has ended/);
  t.match(proxy.stderr.join('\n'), /the parent process was started from an older program/);
  t.equal(await client.value('SELECT 1'), 1, 'the old processes go on');
  setOlder('nobody');
  proxy.signal('SIGUSR2');
  await proxy.logged(RESTARTED);
}

await forEachServer(
  t,
  async (t, server) => {
    await t.test('restarts with a program of another version', (t) => restarts(t, server));
  },
  { flavors: ['mariadb'] },
);
