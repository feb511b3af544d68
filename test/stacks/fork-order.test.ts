/**
 * Two processes with one connection, in every order of events that makes a difference: without a pause after the fork, with one,
 * with the process that has opened the connection among them, or gone. And processes that only look as if they shared one.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer } from '../support/servers.js';
import { createItems } from './support/items.js';
import { sideBySide } from './support/side-by-side.js';
import { stackFolder, withStack } from './support/stack.js';

const PYTHON = {
  name: 'forked processes of Python',
  modules: ['pymysql', 'MySQLdb'],
  packages: 'python3-pymysql python3-mysqldb',
};

type Driver = 'pymysql' | 'mysqldb';

/** See fork_race.py. */
const SHARING: readonly (readonly [Driver, string])[] = [
  ['pymysql', 'at_once'],
  ['pymysql', 'idle'],
  ['pymysql', 'with_parent'],
  ['pymysql', 'grandchild'],
  ['pymysql', 'orphans'],
  ['pymysql', 'from_thread'],
  ['mysqldb', 'at_once'],
  ['mysqldb', 'with_parent'],
];
/** Tried without the guard as well. */
const UNGUARDED: readonly (readonly [Driver, string])[] = [
  ['pymysql', 'at_once'],
  ['mysqldb', 'at_once'],
];
/** What is the same wherever the rows come from. */
const SHARING_ON_MYSQL = SHARING.filter(([, mode]) => mode === 'at_once' || mode === 'with_parent');

const ROUNDS = 10;
const POOL = 4;
/** In seconds. Directly, replies are read by the wrong process again and again. */
const DIRECT_TIMEOUT = 1;
const PROXIED_TIMEOUT = 30;

type Counts = Readonly<Record<string, number>>;

const execute = promisify(execFile);

async function run(
  python: string,
  url: string,
  driver: Driver,
  mode: string,
  timeout = PROXIED_TIMEOUT,
): Promise<Counts> {
  const script = join(stackFolder(), 'fork_race.py');
  const { stdout } = await execute(python, [script, driver, mode, String(ROUNDS), String(timeout)], {
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', MYBOUNCER_TEST_URL: url },
  });
  return JSON.parse(stdout) as Counts;
}

/** Without the texts of the errors, which are as wide as a page. */
function table(counts: Counts): Record<string, number> {
  return Object.fromEntries(
    ['right', 'wrong', 'empty', 'failed', 'failed twice'].map((name) => [name, counts[name] ?? 0]),
  );
}

function onlyRightRows(t: Test, counts: Counts, processes: number): void {
  t.equal(counts['wrong'] ?? 0, 0, 'no wrong row', counts);
  t.equal(counts['empty'] ?? 0, 0, 'no empty row', counts);
  t.equal(counts['failed twice'] ?? 0, 0, 'no process fails twice', counts);
  t.equal(counts['processes'], processes, 'no process hangs or crashes', counts);
}

/** Nothing is promised here: what is printed is what noticing it afterwards is worth. */
async function unguarded(t: Test, python: string, upstream: string): Promise<void> {
  const flags = ['--pool-size', String(POOL), '--fork-guard'];
  const without = await startProxy(t, { upstream, flags: [...flags, 'off'] });
  for (const [driver, mode] of UNGUARDED) {
    const counts = await run(python, without.url, driver, mode, DIRECT_TIMEOUT);
    sideBySide(t, `${driver}, ${mode}, fork_guard: off`, {}, table(counts));
    t.equal(counts['processes'], 2 * ROUNDS, 'no process hangs or crashes', counts);
  }
  // A transaction is not given up for a look.
  const guarded = await startProxy(t, { upstream, flags: [...flags, 'on'] });
  const counts = await run(python, guarded.url, 'pymysql', 'transaction', DIRECT_TIMEOUT);
  sideBySide(t, 'pymysql, within a transaction', {}, table(counts));
  t.equal(counts['processes'], 2 * ROUNDS, 'no process hangs or crashes', counts);
}

async function compare(t: Test, python: string, server: TestServer): Promise<void> {
  const upstream = await createItems(server);
  const proxy = await startProxy(t, { upstream, flags: ['--pool-size', String(POOL), '--fork-guard', 'on'] });
  for (const [driver, mode] of server.flavor === 'mariadb' ? SHARING : SHARING_ON_MYSQL) {
    const direct = await run(python, upstream, driver, mode, DIRECT_TIMEOUT);
    const proxied = await run(python, proxy.url, driver, mode);
    sideBySide(t, `${driver}, ${mode}`, table(direct), table(proxied));
    t.ok((direct['wrong'] ?? 0) > 0, 'directly, rows of others are read');
    onlyRightRows(t, proxied, 2 * ROUNDS);
  }
  const programs = await run(python, proxy.url, 'pymysql', 'subprocess');
  onlyRightRows(t, programs, ROUNDS);
  t.equal(programs['failed'] ?? 0, 0, 'who runs other programs shares nothing', programs);
  const bystander = await run(python, proxy.url, 'pymysql', 'bystander');
  sideBySide(t, 'a child that has the connection and does not use it', { failed: 0 }, table(bystander));
  onlyRightRows(t, bystander, ROUNDS);
  if (server.flavor === 'mariadb') await unguarded(t, python, upstream);
}

await withStack(t, PYTHON, (t, { python }) =>
  forEachServer(t, (t, server) => compare(t, python, server), { timeout: 260_000 }),
);
