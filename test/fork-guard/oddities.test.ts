import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { ForkGuard } from '../../src/fork-guard/fork-guard.js';
import { findSs } from '../../src/fork-guard/unix-peers.js';
import type { ForkFinding } from '../../src/relay/fork-check.js';
import { ask, canFork, ForkingClient, GuardedServer } from './support/forking-client.js';

const isCI = process.env['CI'] === 'true';
const options = canFork || isCI ? {} : { skip: 'needs Linux and Python 3' };
const unixOptions =
  (canFork && findSs() !== null) || isCI ? {} : { skip: 'needs Linux, Python 3 and ss (iproute2)' };

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'fork-guard-'));
  t.teardown(() => rm(path, { recursive: true }));
  return path;
}

async function certificate(path: string): Promise<{ readonly key: Buffer; readonly cert: Buffer }> {
  const [keyFile, certFile] = [join(path, 'key.pem'), join(path, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', keyFile, '-out', certFile, '-subj', '/CN=localhost', '-days', '1'];
  await promisify(execFile)('openssl', [...request, ...files]);
  return { key: await readFile(keyFile), cert: await readFile(certFile) };
}

const HANDSHAKE = `
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connections[0] = context.wrap_socket(connections[0])`;

t.test('TLS over a unix socket', unixOptions, async (t) => {
  const path = await folder(t);
  const { key, cert } = await certificate(path);
  const server = await GuardedServer.start(t, join(path, 'socket'));
  const client = await ForkingClient.start(t, server.address);
  const socket = new TLSSocket(await server.accept(), { isServer: true, key, cert });
  t.teardown(() => socket.destroy());
  await Promise.all([once(socket, 'secure'), client.run(HANDSHAKE)]);
  const watch = server.guard.watch(socket, new Map());
  if (watch === null) throw new Error('nobody watches it');
  t.same(await ask(watch), { kind: 'single' });
  await client.run('out = child(linger)');
  t.match(await ask(watch), { kind: 'shared', openerPid: client.pid }, 'is looked at as any other');
  t.equal(server.guard.blindClients, 0);
});

t.test('a guard whose thread has ended by a fault', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, socket } = await server.client(t);
  const failures: Error[] = [];
  // What no proxy says of its ports: its thread falls over the first table that it reads.
  const ports = [null as unknown as number];
  const guard = ForkGuard.open({
    ports: () => ports,
    onBlind: () => {},
    onFailed: (error) => failures.push(error),
  });
  if (guard === null) throw new Error('no guard on this system');
  t.teardown(() => guard.close());
  const watch = guard.watch(socket, new Map());
  if (watch === null) throw new Error('the client cannot be watched');
  await client.run('out = child(linger)');
  const finding = await new Promise<ForkFinding>((resolve) => {
    t.notOk(watch.check(resolve), 'a command waits for it');
  });
  t.same(finding, { kind: 'unknown' }, 'and is served in the end');
  t.equal(failures.length, 1, 'that is told once');
  t.equal(guard.blindClients, null, 'all clients are unguarded from now on');
  t.equal(guard.watch(socket, new Map()), null);
  const next = await new Promise<ForkFinding>((resolve) => {
    if (watch.check(resolve)) resolve({ kind: 'unknown' });
  });
  t.same(next, { kind: 'unknown' }, 'nobody waits for it any more');
});

t.test('what is forked while nobody asks', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  t.same(await ask(watch), { kind: 'single' });
  const before = server.guard.surveys;
  await client.run('out = child(linger)');
  // No command comes, and the look at it is made all the same.
  while (server.guard.surveys === before || !watch.isSuspicious) await new Promise(setImmediate);
  t.ok(watch.isSuspicious, 'is known before the next command');
  watch.close();
  const after = server.guard.surveys;
  await client.run('for _ in range(5): child(linger); time.sleep(0.1)');
  t.ok(server.guard.surveys <= after + 1, 'without clients there is nothing to look for');
});

const RESTLESS = `
def restless():
    while True: time.sleep(0.008)
out = child(restless)`;

t.test('a worker that is never still', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t, (pid) => ({ _pid: String(pid) }));
  t.same(await ask(watch), { kind: 'single' });
  await client.run(RESTLESS);
  const before = server.guard.examinations;
  t.match(await ask(watch), { kind: 'shared' });
  const looks = server.guard.examinations - before;
  // It would be judged by its age after a second, which is 40 looks.
  t.ok(looks >= 3 && looks < 30, 'was asleep often enough', { looks });
});
