import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import t from 'tap';
import { type Sandbox, SandboxError, startSandbox } from '../../src/sandbox/index.js';
import { findOrInstallServer } from '../../src/sandbox/install-server.js';

async function rows(url: string, sql: string): Promise<RowDataPacket[]> {
  const connection = await createConnection(url);
  try {
    return (await connection.query<RowDataPacket[]>(sql))[0];
  } finally {
    await connection.end();
  }
}

async function folderExists(sandbox: Pick<Sandbox, 'socketPath'>): Promise<boolean> {
  const folder = dirname(sandbox.socketPath);
  return (await readdir(tmpdir())).some((name) => folder.endsWith(`/${name}`));
}

function listens(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => undefined).unref();
    socket.once('connect', () => socket.destroy());
  });
}

/** Polls; the test's own time limit ends a wait that is in vain. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20);
}

t.test('a sandbox is a seeded server, and nothing is left of it', async (t) => {
  const said: string[] = [];
  const sandbox = await startSandbox({ log: (message) => said.push(message) });
  t.teardown(() => sandbox.stop());

  t.match(sandbox.url, /^mysql:\/\/app:secret@127\.0\.0\.1:\d+\/app$/);
  t.match(said.at(-1), new RegExp(`private M[a-zA-Z]+ ${sandbox.version.slice(0, 5)}`));
  const greetings = await rows(sandbox.url, 'SELECT id, language, greeting FROM greetings ORDER BY id');
  t.equal(greetings.length, 6);
  t.same(greetings[2], { id: 3, language: 'Deutsch', greeting: 'Grüß Gott' });

  const socket = await createConnection({
    socketPath: sandbox.socketPath,
    user: 'app',
    password: 'secret',
    database: 'app',
  });
  await socket.query('CREATE TABLE t (a INT)');
  await socket.query('CREATE DATABASE app_other');
  await socket.end();
  t.same(
    await rows(sandbox.url, 'SELECT COUNT(*) AS n FROM t'),
    [{ n: 0 }],
    'TCP and socket lead to one server',
  );

  t.ok(await folderExists(sandbox));
  await sandbox.stop();
  t.notOk(await folderExists(sandbox));
  t.notOk(await listens(sandbox.url));
  await sandbox.stop();
});

t.test('the administrator of a sandbox has a password that nobody knows', async (t) => {
  const sandbox = await startSandbox();
  t.teardown(() => sandbox.stop());
  const login = { socketPath: sandbox.socketPath, user: 'root', password: '' };
  await t.rejects(createConnection(login), { code: 'ER_ACCESS_DENIED_ERROR' });
});

t.test('two sandboxes do not share anything', async (t) => {
  const [one, two] = await Promise.all([startSandbox(), startSandbox()]);
  t.teardown(() => Promise.all([one.stop(), two.stop()]));
  t.not(one.url, two.url);
  await rows(one.url, "INSERT INTO greetings (language, greeting) VALUES ('x', 'y')");
  t.same(await rows(two.url, 'SELECT COUNT(*) AS n FROM greetings'), [{ n: 6 }]);
  await one.stop();
  t.same(await rows(two.url, 'SELECT 1 AS n'), [{ n: 1 }]);
});

async function startChild(): Promise<{ child: ChildProcess; sandbox: Sandbox }> {
  const script = fileURLToPath(new URL('child.js', import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, sandbox: JSON.parse((await lines.next()).value) as Sandbox };
}

for (const signal of ['SIGKILL', 'SIGINT'] as const) {
  t.test(`a process that is ended by ${signal} takes its sandbox with it`, async (t) => {
    const { child, sandbox } = await startChild();
    t.teardown(() => child.kill('SIGKILL'));
    t.same(await rows(sandbox.url, 'SELECT 1 AS n'), [{ n: 1 }]);
    child.kill(signal);
    await once(child, 'exit');
    await until(async () => !(await folderExists(sandbox)));
    t.notOk(await listens(sandbox.url));
  });
}

t.test('a process that is killed while it makes the data directory leaves nothing', async (t) => {
  const script = fileURLToPath(new URL('child-preparing.js', import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const socketPath = `${dirname((await lines.next()).value)}/mysqld.sock`;
  t.ok(await folderExists({ socketPath }));
  child.kill('SIGKILL');
  await once(child, 'exit');
  await until(async () => !(await folderExists({ socketPath })));
});

t.test('without any server program a sentence says what to install', async (t) => {
  const found = findOrInstallServer(['mariadb', 'mysql'], () => undefined, {
    directories: [t.testdir({})],
    install: false,
  });
  const error: unknown = await found.catch((error: unknown) => error);
  t.ok(error instanceof SandboxError);
  t.match(error, { code: 'SANDBOX_NO_SERVER', message: /apt-get install mariadb-server/ });
});
