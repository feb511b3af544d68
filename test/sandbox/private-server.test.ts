import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import t from 'tap';
import { initializeDataDirectory } from '../../src/sandbox/data-directory.js';
import { SandboxError } from '../../src/sandbox/error.js';
import { PrivateServer } from '../../src/sandbox/private-server.js';
import { findServerPrograms, identifyProgram, type ServerProgram } from '../../src/sandbox/server-program.js';
import { testProgram } from '../support/server-programs.js';
import { FLAVORS, forEachPrivateServer } from '../support/servers.js';

const run = promisify(execFile);

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

async function leftovers(prefix: string): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith(prefix));
}

/** A server without anything in it. */
function startBare(program: ServerProgram, prefix: string, extraArgs: string[] = []): Promise<PrivateServer> {
  return PrivateServer.start({
    program,
    prefix,
    extraArgs,
    prepare: (data, account) => initializeDataDirectory(program, data, [], account),
  });
}

t.test('programs are known by what they say, not by their names', async (t) => {
  for (const program of await findServerPrograms(['mariadb', 'mysql'])) {
    t.match(program.version, /^\d+\.\d+\.\d+/);
    t.match(await identifyProgram(program.command), program);
  }
  t.match(await rejection(identifyProgram(['/bin/echo'])), {
    code: 'SANDBOX_NO_SERVER',
    message: /is not a database server: it says "--no-defaults --version"/,
  });
  t.match(await rejection(identifyProgram(['/no/such/program'])), {
    code: 'SANDBOX_NO_SERVER',
    message: /does not run/,
  });
});

t.test('a server outlives nothing, keeps its port and data across its ends', async (t) => {
  await forEachPrivateServer(t, async (t, server) => {
    await server.query('CREATE TABLE app.t (a INT)');
    const { port, pid } = server;
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await server.query('INSERT INTO app.t VALUES (1)');
      await server.kill(signal);
      t.equal(server.pid, null, `${signal} ends it`);
      await t.rejects(server.query('SELECT 1'), { code: 'ECONNREFUSED' });
      await server.start();
    }
    t.equal(server.port, port);
    t.not(server.pid, pid);
    t.same(await server.query('SELECT COUNT(*) AS n FROM app.t'), [{ n: 2 }]);
    await server.restart();
    t.same(await server.query('SELECT COUNT(*) AS n FROM app.t'), [{ n: 2 }]);
  });
});

t.test('it can be frozen, go on, and be stopped even when frozen', async (t) => {
  await forEachPrivateServer(t, async (t, server) => {
    const { pid, logFile } = server;
    const group = async (id: number): Promise<string> =>
      (await run('ps', ['-o', 'pgid=', '-p', String(id)])).stdout.trim();
    t.not(await group(pid ?? 0), await group(process.pid), "a Ctrl-C for this process is not the server's");

    await server.query('SELECT 1');
    await server.kill('SIGSTOP');
    let answered = false;
    const answer = server.query('SELECT 1').then(() => {
      answered = true;
    });
    t.match(await readFile(`/proc/${pid}/stat`, 'utf8'), /\) T /, 'it stands still');
    t.equal(answered, false);
    await server.kill('SIGCONT');
    await answer;

    await server.kill('SIGSTOP');
    await server.stop();
    t.equal(server.pid, null);
    await t.rejects(stat(logFile), { code: 'ENOENT' });
    await t.rejects(stat(`/proc/${pid}`), { code: 'ENOENT' });
    await server.stop();
  });
});

t.test('a server that cannot start says why in its own words', async (t) => {
  for (const flavor of FLAVORS) {
    const program = await testProgram(flavor);
    if (program === null) continue;
    const prefix = `mybouncer-bad-${process.pid}-`;
    const error = await rejection(startBare(program, prefix, ['--no-such-option']));
    t.ok(error instanceof SandboxError);
    t.match(error, { code: 'SANDBOX_START_FAILED', message: /no-such-option/ });
    t.same(await leftovers(prefix), [], 'and leaves nothing');
  }
});

t.test('a wrong statement at the beginning is an error', async (t) => {
  for (const flavor of FLAVORS) {
    const program = await testProgram(flavor);
    if (program === null) continue;
    const prefix = `mybouncer-bad-${process.pid}-`;
    const started = PrivateServer.start({
      program,
      prefix,
      prepare: (data, account) => initializeDataDirectory(program, data, ['CREATE NONSENSE'], account),
    });
    const error = await rejection(started);
    t.ok(error instanceof SandboxError);
    t.match(error, { code: 'SANDBOX_INITIALIZE_FAILED', message: /NONSENSE/ });
    t.same(await leftovers(prefix), [], 'and leaves nothing');
  }
});

t.test('a temporary folder with too long a path is refused at once', async (t) => {
  const [program] = await findServerPrograms(['mariadb', 'mysql']);
  if (program === undefined) {
    await t.test('it is there', { skip: 'no server program on PATH' }, async () => undefined);
    return;
  }
  const error = await rejection(startBare(program, `mybouncer-${'x'.repeat(100)}-`));
  t.match(error, { code: 'SANDBOX_START_FAILED', message: /too long for a unix socket/ });
});
