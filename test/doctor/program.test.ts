import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startProxy } from '../support/proxy.js';
import { forEachServer } from '../support/servers.js';
import { lonelyUser } from './support/examined.js';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `mybouncer doctor`, as its users run it. */
function doctor(...args: readonly string[]): Promise<Ended> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL' && !name.startsWith('MYBOUNCER_')),
  );
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'doctor', ...args], { env }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

const FREE = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0'];

/** A line for each finding, in columns. */
const LINE = /^(ok {2}|warn|fail) {2}\S.*? {2}\S.*$/;

t.test('bad usage or configuration, as check has it', async (t) => {
  const bad = await doctor('--pool-size', 'x', '--bogus', 'mysql://app:hunter2@h:x');
  t.match(bad, { code: 2, stdout: '', stderr: /^--bogus: .*\nargument: upstream: .*\n--pool-size: .*\n$/ });
  t.notMatch(bad.stderr, /hunter2/);
  t.match(await doctor('mysql://u@h/', 'mysql://u@h/'), { code: 2, stderr: /only one upstream URL/ });
});

t.test('without a server', async (t) => {
  const none = await doctor(...FREE);
  t.match(none, {
    code: 0,
    stdout: /^ok {4}configuration +no mistakes; no upstream is set, so a sandbox/,
    stderr: '',
  });
  const off = await doctor(...FREE, '--fork-guard', 'off');
  t.match(off, { code: 0, stdout: /^warn {2}fork guard +fork_guard is off: /m, stderr: '' });
});

t.test('a server that is not there', async (t) => {
  const { code, stdout, stderr } = await doctor(...FREE, 'mysql://app:hunter2@127.0.0.1:1/shop');
  t.same([code, stderr], [1, '']);
  t.match(stdout, /^fail {2}server +Can't connect .*\. Is the server running/m);
  t.notMatch(stdout, /hunter2/);
});

await forEachServer(t, async (t, server) => {
  const { user, url } = await lonelyUser(server, 'ALL PRIVILEGES');

  await t.test('exit codes and lines', async (t) => {
    const good = await doctor(...FREE, '--pool-size', '2', url);
    t.same([good.code, good.stderr], [0, '']);
    const lines = good.stdout.trimEnd().split('\n');
    for (const line of lines) t.match(line, LINE);
    const columns = lines.map((line) => /^.{6}.+? {2,}(?=\S)/.exec(line)?.[0].length);
    t.equal(new Set(columns).size, 1, 'aligned');
    const json = await doctor(...FREE, '--json', '--pool-size', '2', url);
    const { findings } = JSON.parse(json.stdout) as { findings: { level: string; about: string }[] };
    t.equal(json.code, 0);
    t.strictSame(
      findings.map(({ level, about }) => `${level} ${about}`),
      lines.map((line) => line.replace(/^(\w+) +(.+?) {2,}\S.*$/, '$1 $2')),
    );
    const bad = await doctor(...FREE, '--upstream', url.replace(':secret@', ':hunter2@'));
    t.equal(bad.code, 1);
    t.match(bad.stdout, new RegExp(`^fail  login ${user.user} +Access denied`, 'm'));
    t.notMatch(bad.stdout, /hunter2/);
  });

  await t.test('beside a MyBouncer that runs there', async (t) => {
    const proxy = await startProxy(t, { upstream: url });
    const http = proxy.http.replace('http://', '');
    const { code, stdout } = await doctor('--listen', `${proxy.host}:${proxy.port}`, '--http', http, url);
    t.equal(code, 0);
    t.match(stdout, /^ok {4}listen .* is in use: a MyBouncer with the same http address runs already$/m);
    t.match(stdout, /^ok {4}http .* is in use: a MyBouncer/m);
  });
});
