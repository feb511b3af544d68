import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, cp, lstat, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { projectFolder } from './clients/conformance.js';
import { startProxy, withoutHooks } from './support/proxy.js';
import { forEachServer } from './support/servers.js';

/* The program needs no rights: here it runs as a user that has none. */

const NOBODY = 65_534;

/** What is installed with the package, where everybody may read it: the checkout may be in root's own home. */
async function installed(t: Test): Promise<{ main: string; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-nobody-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await chown(folder, NOBODY, NOBODY);
  const project = projectFolder();
  const lock = JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>;
  };
  for (const [path, { dev, optional }] of Object.entries(lock.packages)) {
    if (path === '' || dev === true || optional === true) continue;
    await cp(join(project, path), join(folder, path), { recursive: true });
  }
  await cp(join(project, 'package.json'), join(folder, 'package.json'));
  await mkdir(join(folder, 'dist'));
  const compiled = fileURLToPath(new URL('../src', import.meta.url));
  await cp(compiled, join(folder, 'dist/src'), { recursive: true });
  return { main: join(folder, 'dist/src/main.js'), folder };
}

/** Runs it to its end. */
async function refusal(main: string, flags: readonly string[]): Promise<{ code: unknown; said: string }> {
  const args = ['mysql://app:secret@127.0.0.1:1/app', '--http', 'off', ...flags];
  const [program, ...words] = withoutHooks([process.execPath, main, ...args]);
  const child = spawn(program, words, { uid: NOBODY, gid: NOBODY, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const [code] = await once(child, 'close');
  return { code, said: said.trim() };
}

const needsRoot = process.getuid?.() === 0 ? false : 'only root can become another user';

t.test('as an ordinary user', { skip: needsRoot, timeout: 300_000 }, async (t) => {
  const { main, folder } = await installed(t);

  await forEachServer(t, async (t, server) => {
    const path = join(folder, `${server.flavor}.sock`);
    const flags = [
      '--listen',
      `unix:${path}`,
      '--unix-socket-mode',
      '0660',
      '--unix-socket-group',
      String(NOBODY),
    ];
    const proxy = await startProxy(t, { upstream: server.url(), flags, main, runAs: NOBODY });
    const stat = await lstat(path);
    t.same([stat.uid, stat.gid, stat.mode & 0o777], [NOBODY, NOBODY, 0o660]);
    t.match(await readFile(`/proc/${proxy.pid}/status`, 'utf8'), new RegExp(`^Uid:\\t${NOBODY}\\t`, 'm'));
    const { hostname, port, username, password, pathname } = new URL(proxy.url);
    const login = { user: username, password, database: pathname.slice(1) };
    for (const where of [{ host: hostname, port: Number(port) }, { socketPath: path }]) {
      const client = await createConnection({ ...login, ...where });
      const [[row]] = await client.query<RowDataPacket[]>('SELECT CURRENT_USER() AS me');
      t.equal(row?.['me'], 'app@%');
      await client.end();
    }
    t.equal((await fetch(`${proxy.http}/readyz`)).status, 200);
    t.notOk(proxy.lines.some(({ msg }) => msg.startsWith('running as root')));
    await proxy.stop();
    t.equal(proxy.exitCode, 0);
    await t.rejects(lstat(path), { code: 'ENOENT' });
  });

  await t.test('a socket that it may not give away', async (t) => {
    const path = join(folder, 'other.sock');
    const listen = ['--listen', `unix:${path}`];
    for (const [flags, to] of [
      [['--unix-socket-owner', 'root'], 'user 0: only root may give it to another user'],
      [['--unix-socket-group', '0'], 'group 0: only root may give it to a group that the process is not in'],
    ] as const) {
      t.same(await refusal(main, [...listen, ...flags]), {
        code: 1,
        said: `mybouncer: cannot listen on unix:${path}: it cannot be given to ${to} (EPERM)`,
      });
      await t.rejects(lstat(path), { code: 'ENOENT' }, 'nothing is left behind');
    }
  });
});
