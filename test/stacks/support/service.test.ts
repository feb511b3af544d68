import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually } from '../../support/proxied.js';
import { freePort, Service } from './service.js';
import { anyAlive } from './workers.js';

/** Serves a port, as does its child; neither minds a SIGTERM. Their process ids go to the file PIDS. */
const STUBBORN = `
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
process.on('SIGTERM', () => {});
const child = spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); console.log(); setInterval(() => {}, 1000)"]);
child.stdout.once('data', () => {
  writeFileSync(process.env.PIDS, JSON.stringify([process.pid, child.pid]));
  createServer().listen(Number(process.env.PORT), '127.0.0.1');
});
`;

/** A test that starts a service, and is killed. */
const KILLED_TEST = `
import t from '${import.meta.resolve('tap')}';
import { Service } from '${import.meta.resolve('./service.js')}';
const port = Number(process.env.PORT);
await Service.start(t, { name: 'stubborn', words: [process.execPath, process.env.SERVICE], port });
process.kill(process.pid, 'SIGKILL');
`;

interface Setting {
  readonly port: number;
  readonly service: string;
  readonly test: string;
  readonly env: Readonly<Record<string, string>>;
  pids(): Promise<number[]>;
}

async function setting(t: Test): Promise<Setting> {
  const folder = t.testdir({ 'service.mjs': STUBBORN, 'test.mjs': KILLED_TEST });
  const port = await freePort();
  const [service, test, pids] = ['service.mjs', 'test.mjs', 'pids'].map((name) => join(folder, name));
  if (service === undefined || test === undefined || pids === undefined) throw new TypeError('no path');
  return {
    port,
    service,
    test,
    env: { PORT: String(port), PIDS: pids, SERVICE: service },
    pids: async () => JSON.parse(await readFile(pids, 'utf8')) as number[],
  };
}

t.test('a service and what it has started end when they are stopped', async (t) => {
  const { port, service, env, pids } = await setting(t);
  const words = [process.execPath, service] as const;
  const started = await Service.start(t, { name: 'stubborn', words, env, port, stopSignal: 'SIGKILL' });
  const processes = await pids();
  t.equal(processes[0], started.pid, 'the program is what was started');
  t.ok(await anyAlive(processes));
  await started.stop();
  await eventually('both have ended', async () => !(await anyAlive(processes)));
  t.ok(started.ended);
});

t.test('and when their test is killed', async (t) => {
  const { test, env, pids } = await setting(t);
  const killed = spawn(process.execPath, [test], { stdio: 'ignore', env: { ...process.env, ...env } });
  const [, signal] = await once(killed, 'exit');
  t.equal(signal, 'SIGKILL');
  const processes = await pids();
  t.equal(processes.length, 2);
  await eventually('both have ended', async () => !(await anyAlive(processes)));
});

t.test('a program that ends at once is an error that tells what it has said', async (t) => {
  const port = await freePort();
  const script = 'console.error("out of order"); process.exitCode = 1';
  const broken = Service.start(t, { name: 'broken', words: [process.execPath, '-e', script], port });
  await t.rejects(broken, /broken does not listen on \d+:\nout of order/);
  const missing = Service.start(t, { name: 'missing', words: ['/nowhere/program'], port });
  await t.rejects(missing, /missing does not listen on \d+:\n.*\/nowhere\/program/);
});

t.test('a free port is none that an outgoing connection may take meanwhile', async (t) => {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  const [first = Number.NaN, last = Number.NaN] = range.split(/\s+/).map(Number);
  const ports = await Promise.all(Array.from({ length: 20 }, freePort));
  t.same(
    ports.filter((port) => !(port < first || port > last)),
    [],
  );
});
