import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openFilesLimit, openFilesNeeded } from '../../src/observability/open-files.js';

const HEAD = 'Limit                     Soft Limit           Hard Limit           Units     \n';

t.test('the soft limit counts', async (t) => {
  const limit = (line: string) => openFilesLimit(join(t.testdir({ limits: `${HEAD}${line}\n` }), 'limits'));
  t.equal(limit('Max open files            1024                 524288               files'), 1024);
  t.equal(
    limit('Max open files            unlimited            unlimited            files'),
    Number.POSITIVE_INFINITY,
  );
  t.equal(limit('Max processes             1024                 524288               processes'), null);
});

t.test('where there is no such file, nothing is known', async (t) => {
  t.equal(openFilesLimit(join(t.testdir({}), 'limits')), null);
});

t.test('it is that of the process', { skip: !existsSync('/proc/self/limits') }, async (t) => {
  const module = new URL('../../src/observability/open-files.js', import.meta.url).href;
  const script = `import { openFilesLimit } from ${JSON.stringify(module)}; process.stdout.write(String(openFilesLimit()));`;
  const command = 'ulimit -n 321 && exec "$0" --input-type=module -e "$1"';
  t.equal(execFileSync('sh', ['-c', command, process.execPath, script], { encoding: 'utf8' }), '321');
});

t.test('clients, sessions and some more are needed', async (t) => {
  t.ok(openFilesNeeded(1_000, 20) > 1_020);
});

/** What a proxy logs under a limit until it listens. */
async function logUnder(t: Test, limit: number, maxClients: number): Promise<Record<string, unknown>[]> {
  const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
  const flags = ['--listen', '127.0.0.1:0', '--http', 'off', '--max-client-conn', String(maxClients)];
  const args = [
    '-c',
    `ulimit -n ${limit} && exec "$0" "$@"`,
    process.execPath,
    main,
    'mysql://u:p@127.0.0.1:1/',
    ...flags,
  ];
  const proxy = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => proxy.kill('SIGKILL'));
  const found: Record<string, unknown>[] = [];
  for await (const line of createInterface({ input: proxy.stdout })) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === 'object' && entry !== null) found.push({ ...entry });
    if (found.at(-1)?.['msg'] === 'listening') break;
  }
  return found;
}

t.test(
  'a limit that is too low is told at the start',
  { skip: !existsSync('/proc/self/limits') },
  async (t) => {
    const [warning, ...others] = await logUnder(t, 500, 1_000);
    t.match(warning, {
      level: 'warn',
      limit: 500,
      maxClientConn: 1_000,
      msg: /^the limit of open files .* is too low/,
    });
    t.same(
      others.map(({ msg }) => msg),
      ['listening'],
    );
    t.match(await logUnder(t, 500, 100), [{ msg: 'listening' }]);
  },
);
