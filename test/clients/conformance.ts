import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, realpathSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { proxied } from '../support/proxied.js';
import { type Flavor, forEachServer, type TestServer } from '../support/servers.js';
import { Bystander } from './bystander.js';

/** The words of a command, its program first. */
export type Command = readonly [string, ...string[]];

/**
 * A real client, and the script that puts it through its checks: against MYBOUNCER_TEST_URL (`mysql://USER:PASSWORD@HOST:PORT/SCHEMA`),
 * with tables whose names begin with MYBOUNCER_TEST_PREFIX. It prints `ok NAME` or `not ok NAME: WHY` for each check.
 */
export interface Client {
  readonly name: string;
  /** What to install where it is missing. */
  readonly packages: string;
  /**
   * Gives the script's command; null where the client is missing. Called once.
   * @param folder for what has to be built first; gone after the tests
   */
  readonly prepare: (folder: string) => Promise<Command | null>;
  /** How many checks the script makes at least: a script that stops early is not a success. */
  readonly checks: number;
  readonly flavors?: readonly Flavor[];
}

/** The project's folder; compiled tests may be elsewhere, beside a link to its package.json. */
export function projectFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) return dirname(realpathSync(manifest));
    if (dirname(folder) === folder) throw new Error('the tests run inside the project');
  }
}

/** A script of another language, which is not compiled to where the tests run. */
export function scriptPath(name: string): string {
  return join(projectFolder(), 'test/clients', name);
}

/** A compiled program that stands beside this. */
export function programPath(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Runs a command to its end without caring for what it prints. @returns whether it could and succeeded */
export async function succeeds([program, ...args]: Command, env: NodeJS.ProcessEnv = {}): Promise<boolean> {
  const child = spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...env } });
  try {
    const [code] = await once(child, 'exit');
    return code === 0;
  } catch {
    return false; // there is no such program
  }
}

/** Runs a build step. @throws with everything it printed when it fails */
export async function build([program, ...args]: Command, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      output += data.toString();
    });
  }
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} failed with ${code}:\n${output}`);
}

/** Runs the script and makes an assertion of each line that it prints. */
async function runScript(t: Test, client: Client, [program, ...args]: Command, url: string): Promise<void> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8', MYBOUNCER_TEST_URL: url, MYBOUNCER_TEST_PREFIX: 'conf_' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let complaints = '';
  child.stderr.on('data', (data: Buffer) => {
    complaints += data.toString();
  });
  let checks = 0;
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    const [, result, name = '', why = ''] = /^(ok|not ok) ([^:]+)(?:: (.*))?$/.exec(line) ?? [];
    checks += 1;
    if (result === 'ok') t.pass(name);
    else t.fail(result === undefined ? `the script printed: ${line}` : `${name}: ${why}`);
  }
  const [code, signal] = await closed;
  t.equal(code, 0, `${client.name} ends with success`, { signal, stderr: complaints.slice(-2000) });
  t.ok(checks >= client.checks, `${checks} checks of ${client.checks}`);
}

/**
 * Two server sessions for a client's two connections (and sometimes a third) and a bystander that takes one away again and
 * again, so that statements run on changing sessions. Connections that keep a session until they end are closed in the same
 * check. With
 * MYBOUNCER_TEST_DIRECT=1 the script speaks to the server itself: what it wants there is what a client of the proxy must get.
 */
async function runClient(t: Test, client: Client, command: Command, server: TestServer): Promise<void> {
  if (process.env['MYBOUNCER_TEST_DIRECT'] === '1') {
    await runScript(t, client, command, server.url(await server.createDatabase()));
    return;
  }
  const { proxy } = await proxied(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  const bystander = await Bystander.start(proxy.url);
  try {
    await runScript(t, client, command, proxy.url);
  } finally {
    const { rounds, faults } = await bystander.stop();
    t.same(faults, [], `a bystander saw only its own state in ${rounds} rounds`);
    t.ok(rounds > 0, 'a bystander was served');
  }
}

/** A missing client is a skip that says what to install; in CI everything is there, so there it is a failure. */
async function missing(t: Test, client: Client): Promise<void> {
  const what = `${client.name} is missing: install ${client.packages}`;
  await t.test(client.name, process.env['CI'] === 'true' ? {} : { skip: what }, async (t) => {
    t.fail(what);
  });
}

/** All clients of one file, against both servers. */
const FILE_TIMEOUT_MS = 540_000;
/** One client against one server: Connector/J takes 25 s on a machine that is not busy. */
const CLIENT_TIMEOUT_MS = 240_000;

/** Runs each client against each server, one after the other. */
export async function testClients(t: Test, clients: readonly Client[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-clients-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  // One test around all: the file's own would end while the next client is being built.
  await t.test('conformance', { timeout: FILE_TIMEOUT_MS }, async (t) => {
    for (const client of clients) {
      const command = await client.prepare(folder);
      if (command === null) {
        await missing(t, client);
        continue;
      }
      await t.test(client.name, { timeout: FILE_TIMEOUT_MS }, async (t) => {
        const run = (t: Test, server: TestServer) => runClient(t, client, command, server);
        const { flavors } = client;
        await forEachServer(t, run, {
          timeout: CLIENT_TIMEOUT_MS,
          atOnce: true,
          ...(flavors === undefined ? {} : { flavors }),
        });
      });
    }
  });
}
