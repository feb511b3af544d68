import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { createConnection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer } from '../support/servers.js';

/* What the service manager is told, by its own program, and sockets that it passes on. */

/** Prints what it is told, a line each, with ` | ` for the ends of lines. */
const MANAGER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    data, fds, flags, _ = socket.recv_fds(s, 4096, 16)
    print(data.decode().strip().replace("\\n", " | "), flush=True)
    # BARRIER=1: the sender waits until its descriptor is closed.
    for fd in fds:
        socket.close(fd)
`;

/** Binds two sockets, becomes their listener as systemd does (sd_listen_fds(3)), and runs the program. */
const ACTIVATION = `
import os, socket, sys
path, words = sys.argv[1], sys.argv[2:]
client = socket.socket(); client.bind(("127.0.0.1", 0)); client.listen()
unix = socket.socket(socket.AF_UNIX); unix.bind(path); unix.listen()
http = socket.socket(); http.bind(("127.0.0.1", 0)); http.listen()
os.set_blocking(0, True)
for number, s in ((53, client), (54, unix), (55, http)): os.dup2(s.fileno(), number)
for number in (3, 4, 5): os.dup2(number + 50, number, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="3", LISTEN_FDNAMES="clients:local:http")
os.execvp(words[0], words)
`;

const hasProgram = (name: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((directory) => existsSync(join(directory, name)));

/** On a contributor's machine they may be missing. */
function missing(): string | false {
  const names = ['systemd-notify', 'python3'].filter((name) => !hasProgram(name));
  if (names.length === 0 || process.env['CI'] === 'true') return false;
  return `no ${names.join(' and ')} in PATH`;
}

interface Manager {
  readonly socket: string;
  readonly told: string[];
  readonly child: ChildProcessWithoutNullStreams;
}

async function manager(t: Test): Promise<Manager> {
  const directory = await mkdtemp(join(tmpdir(), 'mybouncer-notify-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const socket = join(directory, 'notify');
  const child = spawn('python3', ['-c', MANAGER, socket]);
  t.teardown(() => child.kill('SIGKILL'));
  const told: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => told.push(line));
  await eventually('the manager listens', () => told.includes('bound'));
  return { socket, told, child };
}

const env = ({ socket }: Manager) => ({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: '400000' });
const watchdogs = ({ told }: Manager): number => told.filter((line) => line.includes('WATCHDOG=1')).length;

/** For five times as long as it takes one that lives to say so; what is told by then may have been on its way. */
async function silence(systemd: Manager, what: string): Promise<void> {
  await eventually(what, async () => {
    const before = watchdogs(systemd);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return watchdogs(systemd) === before;
  });
}

async function alone(t: Test, server: TestServer): Promise<void> {
  const systemd = await manager(t);
  const proxy = await startProxy(t, { upstream: server.url(), env: env(systemd) });
  await eventually('it is told that clients are served', () =>
    systemd.told.some((line) => line.includes(`READY=1 | MAINPID=${proxy.pid} | STATUS=Ready`)),
  );
  await eventually('and that the process lives', () => watchdogs(systemd) > 1);
  proxy.signal('SIGSTOP');
  await silence(systemd, 'one that stands still does not say that it lives');
  const before = watchdogs(systemd);
  proxy.signal('SIGCONT');
  await eventually('it goes on', () => watchdogs(systemd) > before + 1);
  proxy.signal('SIGTERM');
  t.equal(await proxy.ended(), 0);
  await eventually('it is told of the end', () => systemd.told.some((line) => /STOPPING=1/.test(line)));
}

async function withParent(t: Test, server: TestServer): Promise<void> {
  const systemd = await manager(t);
  const proxy = await startProxy(t, { upstream: server.url(), env: env(systemd), flags: ['--master'] });
  const told = (text: string): Promise<void> =>
    eventually(text, () => systemd.told.some((line) => line.includes(text)));
  await told(`READY=1 | MAINPID=${proxy.pid}`);
  await eventually('and that the worker lives', () => watchdogs(systemd) > 1);
  proxy.signal('SIGUSR2');
  await told('RELOADING=1');
  await proxy.logged('restarted: the new process serves, the old one drains');
  await told('READY=1 | STATUS=Ready');
  const before = watchdogs(systemd);
  await eventually('the new one says that it lives', () => watchdogs(systemd) > before + 1);
  proxy.signal('SIGTERM');
  t.equal(await proxy.ended(), 0);
  await told('STOPPING=1');
  t.notOk(
    systemd.told.some((line) => line.includes('MAINPID=') && !line.includes(`MAINPID=${proxy.pid}`)),
    'the main process is the parent, from the beginning to the end',
  );
}

/** Of several workers, all are ready, and all live. */
async function severalWorkers(t: Test, server: TestServer): Promise<void> {
  const systemd = await manager(t);
  const flags = ['--workers', '2'];
  const proxy = await startProxy(t, { upstream: server.url(), env: env(systemd), flags });
  await eventually('it is told that clients are served', () =>
    systemd.told.some((line) => line.includes(`READY=1 | MAINPID=${proxy.pid} | STATUS=Ready`)),
  );
  await eventually(
    'both are ready',
    () => proxy.lines.filter(({ msg }) => msg === 'worker ready').length === 2,
  );
  await eventually('and that they live', () => watchdogs(systemd) > 1);
  const worker = Number((await proxy.logged('serving process started'))['workerPid']);
  process.kill(worker, 'SIGSTOP');
  await silence(systemd, 'one that stands still is enough');
  const before = watchdogs(systemd);
  process.kill(worker, 'SIGCONT');
  await eventually('they go on', () => watchdogs(systemd) > before + 1);
  proxy.signal('SIGTERM');
  t.equal(await proxy.ended(), 0);
  t.equal(systemd.told.filter((line) => line.includes('READY=1')).length, 1);
}

async function notInPath(t: Test, server: TestServer): Promise<void> {
  const proxy = await startProxy(t, {
    upstream: server.url(),
    before: ['env', 'PATH=/nowhere', 'NOTIFY_SOCKET=/nowhere/notify'],
  });
  t.match(await proxy.logged('systemd cannot be told how the service is'), {
    reason: /^systemd-notify is not in PATH: install it/,
  });
}

async function activated(t: Test, server: TestServer): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'mybouncer-activation-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'clients.sock');
  for (const flags of [[], ['--master']]) {
    const proxy = await startProxy(t, {
      upstream: server.url(),
      flags,
      before: ['python3', '-c', ACTIVATION, path],
    });
    const line = proxy.lines.find(({ msg }) => msg === 'listening');
    t.match(
      line?.listen,
      [/^127\.0\.0\.1:\d+$/, `unix:${path}`],
      'those that were passed on, in their order',
    );
    const { username: user, password } = new URL(proxy.url);
    for (const where of [{ host: proxy.host, port: proxy.port }, { socketPath: path }]) {
      const client = await createConnection({ ...where, user, password });
      t.match(await client.query('SELECT 1 AS one'), [[{ one: 1 }]]);
      await client.end();
    }
    t.equal((await fetch(`${proxy.http}/readyz`)).status, 200);
    proxy.signal('SIGTERM');
    t.equal(await proxy.ended(), 0);
    t.ok(existsSync(path), 'the file of a socket belongs to whoever has made it');
    rmSync(path);
  }
}

await forEachServer(
  t,
  async (t, server) => {
    const skip = missing();
    await t.test('a service', { skip }, (t) => alone(t, server));
    await t.test('a service with master: on', { skip }, (t) => withParent(t, server));
    await t.test('a service with several workers', { skip }, (t) => severalWorkers(t, server));
    await t.test('systemd-notify is missing', (t) => notInPath(t, server));
    await t.test('sockets of a socket unit', { skip }, (t) => activated(t, server));
  },
  { flavors: ['mariadb'], timeout: 300_000 },
);
