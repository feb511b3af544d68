import { spawn } from 'node:child_process';
import { chmod, lstat, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { ListenError } from '../../src/frontend/errors.js';
import { formatListenAddress, type ListenAddress, Listener } from '../../src/frontend/listener.js';
import { RawClient } from './support/raw-client.js';

const log = { debug: () => undefined, warn: () => undefined, error: () => undefined };

async function open(t: Test, address: ListenAddress, unixSocketMode = 0o777): Promise<Listener> {
  const listener = await Listener.open({
    address,
    unixSocketMode,
    log,
    onConnection: (socket, { kind }) => socket.end(Buffer.from(kind)),
  });
  t.teardown(() => listener.close());
  return listener;
}

async function refusal(t: Test, address: ListenAddress): Promise<string> {
  try {
    await open(t, address);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    t.equal(error.code, 'LISTEN_FAILED');
    return error.message;
  }
  throw new Error(`${formatListenAddress(address)} could be listened on`);
}

function talk(target: { port: number; host: string } | { path: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    connect(target)
      .on('data', (chunk) => {
        text += chunk.toString();
      })
      .on('error', reject)
      .on('close', () => resolve(text));
  });
}

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'mybouncer-listener-'));
  t.teardown(() => rm(path, { recursive: true }));
  return path;
}

t.test('TCP, IPv4 and IPv6', async (t) => {
  for (const host of ['127.0.0.1', '::1']) {
    const { address } = await open(t, { kind: 'tcp', host, port: 0 });
    if (address.kind !== 'tcp') throw new Error('not TCP');
    t.ok(address.port > 0, 'the port that was found is told');
    t.equal(await talk({ host, port: address.port }), 'tcp');
    t.equal(
      await refusal(t, { kind: 'tcp', host, port: address.port }),
      `cannot listen on ${host === '::1' ? '[::1]' : host}:${address.port}: the address is already in use by another process (EADDRINUSE)`,
    );
  }
});

t.test('addresses that cannot be', async (t) => {
  t.equal(
    await refusal(t, { kind: 'tcp', host: '192.0.2.1', port: 6033 }),
    'cannot listen on 192.0.2.1:6033: no network interface of this machine has that address (EADDRNOTAVAIL)',
  );
  t.match(await refusal(t, { kind: 'tcp', host: 'no.such.host.invalid', port: 6033 }), /the host name/);
  t.match(await refusal(t, { kind: 'unix', path: '/no/such/folder/s.sock' }), /the directory does not exist/);
  t.match(
    await refusal(t, { kind: 'unix', path: `/tmp/${'x'.repeat(120)}` }),
    /^cannot listen on unix:\/tmp\/x+: the path has more than 107 bytes/,
  );
});

t.test('a unix socket: its mode, and gone when closed', async (t) => {
  const path = join(await folder(t), 's.sock');
  const umask = process.umask();
  for (const mode of [0o777, 0o660, 0o600]) {
    const listener = await open(t, { kind: 'unix', path }, mode);
    const stat = await lstat(path);
    t.ok(stat.isSocket());
    t.equal(stat.mode & 0o777, mode);
    t.equal(await talk({ path }), 'unix');
    listener.close();
    await t.rejects(lstat(path), { code: 'ENOENT' });
  }
  t.equal(process.umask(), umask);
});

const root = process.getuid?.() === 0;

t.test('a unix socket of another owner and group', { skip: root ? false : 'needs root' }, async (t) => {
  const path = join(await folder(t), 's.sock');
  for (const [unixSocketOwner, uid, gid] of [
    [{ uid: 4711, gid: 4712 }, 4711, 4712],
    [{ uid: null, gid: 4712 }, 0, 4712],
    [{ uid: 4711, gid: null }, 4711, process.getgid?.()],
  ] as const) {
    const mode = 0o620;
    const address = { kind: 'unix', path } as const;
    const listener = await Listener.open({
      address,
      unixSocketMode: mode,
      unixSocketOwner,
      log,
      onConnection: (socket, { kind }) => socket.end(Buffer.from(kind)),
    });
    const stat = await lstat(path);
    t.same([stat.uid, stat.gid, stat.mode & 0o777], [uid, gid, mode]);
    t.equal(await talk({ path }), 'unix');
    listener.close();
    await t.rejects(lstat(path), { code: 'ENOENT' });
  }
});

t.test('a socket file left behind by a killed process is taken over', async (t) => {
  const path = join(await folder(t), 's.sock');
  const child = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  await new Promise((resolve) => child.once('exit', resolve));
  t.ok((await lstat(path)).isSocket(), 'it was left behind');
  await open(t, { kind: 'unix', path });
  t.equal(await talk({ path }), 'unix');
});

t.test('one in use, or no socket at all, is left alone', async (t) => {
  const path = join(await folder(t), 's.sock');
  const other = createServer((socket) => socket.end('other'));
  await new Promise<void>((resolve) => other.listen(path, resolve));
  t.equal(
    await refusal(t, { kind: 'unix', path }),
    `cannot listen on unix:${path}: another process is listening there`,
  );
  t.equal(await talk({ path }), 'other', 'its owner is not disturbed');
  await new Promise((resolve) => other.close(resolve));

  await writeFile(path, 'precious');
  await chmod(path, 0o644);
  t.equal(
    await refusal(t, { kind: 'unix', path }),
    `cannot listen on unix:${path}: the file exists and is no socket`,
  );
  t.ok((await lstat(path)).isFile());
});

t.test('running out of file descriptors costs the clients it happens to, and nobody else', async (t) => {
  const script = fileURLToPath(new URL('support/few-descriptors.js', import.meta.url));
  const child = spawn(
    'sh',
    ['-c', 'unset NODE_OPTIONS; ulimit -n 40; exec "$0" "$1"', process.execPath, script],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  t.teardown(() => child.kill('SIGKILL'));
  const port = await new Promise<number>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => resolve(Number(chunk.toString().slice('port '.length))));
  });
  const clients = Array.from({ length: 60 }, () => new RawClient({ port }));
  const greeted = (await Promise.all(clients.map((client) => client.packet()))).filter(
    (packet) => packet !== null,
  );
  t.ok(greeted.length > 0 && greeted.length < 60, `${greeted.length} of 60 clients were greeted`);
  for (const client of clients) client.socket.destroy();
  // Descriptors come free as the child notices; until then a client may find itself closed at once.
  for (;;) {
    const client = new RawClient({ port });
    const packet = await client.packet();
    client.socket.destroy();
    if (packet !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.equal(child.exitCode, null, 'it is still there, and greets');
});
