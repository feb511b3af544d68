import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { CONNECT_WITHIN_MS } from '../support/patience.js';
import { eventually, Proxied } from '../support/proxied.js';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer } from '../support/servers.js';

/* `master: on`: new processes take over while clients come. RESTART_RATE=1000 RESTART_SECONDS=10 is the long version. */

/** Clients that connect in a second. */
const RATE = Number(process.env['RESTART_RATE'] ?? 100);
/** Of them at a time: on a busy machine there are fewer in a second. */
const MOST_OPEN = Math.max(16, RATE / 8);
/** Between two restarts. */
const SECONDS = Number(process.env['RESTART_SECONDS'] ?? 0.5);

const count = (proxy: ProxyProcess, msg: string): number =>
  proxy.lines.filter((line) => line.msg === msg).length;
const RESTARTED = 'restarted: the new process serves, the old one drains';
const OLD_ENDED = 'the old process has ended';

interface World {
  readonly proxy: ProxyProcess;
  readonly proxied: Proxied;
  readonly socketPath: string;
  readonly config: string;
  readonly directory: string;
}

async function mastered(t: Test, server: TestServer, flags: readonly string[] = []): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'mybouncer-restart-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const schema = await server.createDatabase();
  const socketPath = join(directory, 'proxy.sock');
  const config = join(directory, 'mybouncer.yaml');
  writeFileSync(config, 'pool_size: 4\n');
  const proxy = await startProxy(t, {
    upstream: server.url(schema),
    flags: ['--master', '--listen', `unix:${socketPath}`, '--config', config, ...flags],
  });
  return { proxy, proxied: new Proxied(t, server, proxy, schema), socketPath, config, directory };
}

async function restart({ proxy }: World): Promise<void> {
  const before = count(proxy, RESTARTED);
  proxy.signal('SIGUSR2');
  // It takes its time beside all those clients.
  while (count(proxy, RESTARTED) === before) {
    if (count(proxy, 'restart failed: the old process goes on') > 0) throw new Error(proxy.logs.join('\n'));
    await sleep(10);
  }
}

/** Clients that come one after the other, every other one over the unix socket: each logs in, asks, and leaves. */
class Stream {
  served = 0;
  readonly failures: string[] = [];
  readonly slowest = { ms: 0 };
  readonly #world: World;
  readonly #open = new Set<Promise<void>>();
  #ended = false;
  readonly #running: Promise<void>;

  constructor(world: World) {
    this.#world = world;
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#running;
    await Promise.all(this.#open);
  }

  async #run(): Promise<void> {
    const began = performance.now();
    for (let sent = 0; !this.#ended; ) {
      const due = Math.floor(((performance.now() - began) / 1_000) * RATE);
      for (; sent < due && this.#open.size < MOST_OPEN; sent++) {
        const one = this.#one(sent).finally(() => this.#open.delete(one));
        this.#open.add(one);
      }
      await sleep(1);
    }
  }

  async #one(serial: number): Promise<void> {
    const began = performance.now();
    const { username, password, hostname, port, pathname } = new URL(this.#world.proxy.url);
    const where =
      serial % 2 === 0 ? { host: hostname, port: Number(port) } : { socketPath: this.#world.socketPath };
    try {
      const client = await createConnection({
        ...where,
        user: username,
        password,
        database: pathname.slice(1),
        connectTimeout: CONNECT_WITHIN_MS,
      });
      try {
        const [rows] = await client.query(`SELECT ${serial} AS n`);
        if ((rows as { n: number }[])[0]?.n !== serial) throw new Error('another row');
        this.served++;
      } finally {
        await client.end();
      }
    } catch (error) {
      this.failures.push(`${serial}: ${error instanceof Error ? error.message : error}`);
    }
    this.slowest.ms = Math.max(this.slowest.ms, performance.now() - began);
  }
}

/** Greeted by the old process, and logged in after the new one has taken over, while all that the old one has left is held. */
async function latecomer(t: Test, server: TestServer): Promise<void> {
  // It may take a while until the new one serves.
  const world = await mastered(t, server, ['--drain-timeout', '1h', '--client-login-timeout', '5m']);
  const { proxy, proxied } = world;
  const writer = await proxied.connect();
  await writer.run('BEGIN');
  await writer.value('SELECT 1');
  const { hostname, port, username, password, pathname } = new URL(proxy.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'readable');
  await restart(world);
  // Until the old one has looked at what its clients need.
  await sleep(200);
  const login = { user: username, password, database: pathname.slice(1) };
  const late = await createConnection({ ...login, stream: socket, connectTimeout: CONNECT_WITHIN_MS });
  const [rows] = await late.query('SELECT 2 AS n');
  t.same(rows, [{ n: 2 }]);
  await late.end();
  await writer.run('COMMIT');
  await eventually('the old one has ended', () => count(proxy, OLD_ENDED) === 1);
}

async function restarts(t: Test, server: TestServer): Promise<void> {
  const world = await mastered(t, server, ['--drain-timeout', '1h']);
  const { proxy, proxied } = world;
  const { http, port } = proxy;
  const writer = await proxied.connect();
  await writer.run('CREATE TABLE kept (n INT) ENGINE=InnoDB');
  await writer.run('BEGIN');
  await writer.run('INSERT INTO kept VALUES (1)');
  const stream = new Stream(world);
  for (let i = 0; i < 3; i++) {
    await sleep(SECONDS * 1_000);
    await restart(world);
    t.equal((await fetch(`${http}/readyz`)).status, 200, 'the http address is served by the new one');
  }
  await sleep(SECONDS * 1_000);
  await eventually('there were clients', () => stream.served > 50);
  await stream.end();
  t.same(stream.failures.slice(0, 5), [], `of ${stream.served} clients`);
  t.comment(
    `${stream.served} clients, ${stream.failures.length} failed, the slowest took ${Math.round(stream.slowest.ms)} ms`,
  );
  t.equal(count(proxy, 'serving process started'), 4);
  await eventually('the old ones that nobody needs have ended', () => count(proxy, OLD_ENDED) === 2);
  await writer.run('INSERT INTO kept VALUES (2)');
  await writer.run('COMMIT');
  await eventually('and the one with the transaction', () => count(proxy, OLD_ENDED) === 3);
  t.equal(await (await proxied.connect()).value('SELECT COUNT(*) FROM kept'), 2);
  t.equal(proxy.port, port);
  const direct = await createConnection({ socketPath: world.socketPath, user: 'app', password: 'secret' });
  t.ok(await direct.query('SELECT 1'), 'the file of the unix socket is still there');
  await direct.end();
  proxy.signal('SIGTERM');
  t.equal(await proxy.ended(), 0);
  await t.rejects(
    createConnection({ socketPath: world.socketPath, user: 'app', password: 'secret' }),
    { code: 'ENOENT' },
    'and is gone in the end',
  );
}

async function troubles(t: Test, server: TestServer): Promise<void> {
  const world = await mastered(t, server, ['--admin-users', 'app', '--exit-after-last-client', 'off']);
  const { proxy, proxied, config } = world;
  const client = await proxied.connect();
  writeFileSync(config, 'pool_sise: 4\n');
  proxy.signal('SIGUSR2');
  t.match(await proxy.logged('restart failed: the old process goes on'), { failure: /configuration/ });
  t.match(proxy.stderr.join('\n'), /pool_sise: is not a known key/);
  t.equal(await client.value('SELECT 1'), 1, 'the old process goes on');
  writeFileSync(config, 'pool_size: 5\n');
  const console = await proxied.connect({ database: 'mybouncer' });
  await console.run('RESTART');
  await proxy.logged(RESTARTED);
  await eventually('the configuration is the new one', async () => {
    const again = await proxied.connect({ database: 'mybouncer' });
    const row = (await again.rows('SHOW CONFIG')).find(({ key }) => key === 'pool_size');
    await again.end();
    return row?.['value'] === '5';
  });
  const died = 'a serving process has died';
  const restarted = proxy.lines.filter(({ msg }) => msg === RESTARTED).at(-1);
  const [worker] = (restarted?.['workerPids'] ?? []) as number[];
  if (worker === undefined) throw new Error('no worker is named');
  process.kill(worker, 'SIGKILL');
  await proxy.logged(died);
  const after = await proxied.connect();
  t.equal(await after.value('SELECT 3'), 3, 'one that dies is started anew, and clients wait for it');
  await after.run('BEGIN');
  const running = after.error('SELECT SLEEP(100)');
  await eventually('it runs', async () => (await proxy.metric('mybouncer_server_sessions', 'active')) === 1);
  proxy.signal('SIGINT');
  t.match(await running, { errno: 1053 }, 'signals are passed on');
  t.equal(await proxy.ended(), 0);
}

/** Nobody would control the worker any more, and a new parent could not have its addresses. */
async function orphaned(t: Test, server: TestServer): Promise<void> {
  const { proxy, proxied } = await mastered(t, server);
  const worker = Number((await proxy.logged('serving process started'))['workerPid']);
  const client = await proxied.connect();
  await client.run('BEGIN');
  proxy.signal('SIGKILL');
  await proxy.ended();
  await eventually('nobody listens any more', async () => {
    const refused = await proxied.connect().catch((error: unknown) => error);
    return refused instanceof Error && 'code' in refused && refused.code === 'ECONNREFUSED';
  });
  t.equal(await client.value('SELECT 1'), 1, 'a transaction may finish');
  await client.run('COMMIT');
  await client.end();
  await eventually('the worker has ended', () => {
    try {
      return !process.kill(worker, 0);
    } catch {
      return true;
    }
  });
}

await forEachServer(
  t,
  async (t, server) => {
    await t.test('a client that logs in late', (t) => latecomer(t, server));
    await t.test('three restarts while clients come', (t) => restarts(t, server));
    await t.test('what goes wrong', (t) => troubles(t, server));
    await t.test('a parent that is killed', (t) => orphaned(t, server));
  },
  { flavors: ['mariadb'], timeout: 300_000 },
);
