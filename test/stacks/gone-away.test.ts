import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Proxied, proxied } from '../support/proxied.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';
import { type ClientReport, createTables, type KeptClients } from './support/kept-connections.js';
import { djangoClients } from './support/kept-django.js';
import { mysql2Clients } from './support/kept-mysql2.js';
import { PymysqlClients } from './support/kept-pymysql.js';
import { sideBySide } from './support/side-by-side.js';
import { withStack } from './support/stack.js';

const STACK = {
  name: 'PyMySQL, mysql2, and Django under gunicorn, with connections that they keep',
  modules: ['pymysql', 'django', 'MySQLdb', 'gunicorn'],
  packages: 'python3-pymysql python3-django python3-mysqldb python3-gunicorn',
};

const POOL = 6;
/** Of gunicorn. */
const WORKERS = 3;
const IDLE_MS = 5_000;
/** How long the server stays down when it was killed: longer than the first pauses between attempts. */
const DOWN_MS = 2_000;

/** What a client is told whose statement was under way; the last is MySQL's own. */
const CLEAR =
  /mybouncer: Lost connection to MySQL server.*(may or may not have been executed|was not (executed|committed))|Server shutdown in progress/;

class Load {
  readonly direct: readonly KeptClients[];
  readonly proxied: readonly KeptClients[];

  private constructor(direct: readonly KeptClients[], proxied: readonly KeptClients[]) {
    this.direct = direct;
    this.proxied = proxied;
  }

  static async start(t: Test, python: string, world: Proxied): Promise<Load> {
    const clients = { read: 2, write: 2, transaction: 2 };
    const all = (url: string, name: string): Promise<KeptClients[]> =>
      Promise.all([
        PymysqlClients.start(t, python, { url, name: `${name}-pymysql`, pauseMs: 5, clients }),
        mysql2Clients(t, { url, name: `${name}-mysql2`, pauseMs: 5, clients }),
        djangoClients(t, python, WORKERS, { url, name: `${name}-django`, pauseMs: 20, clients }),
      ]);
    return new Load(
      await all(world.server.url(world.schema), 'direct'),
      await all(world.proxy.url, 'proxied'),
    );
  }

  async go(): Promise<void> {
    await Promise.all([...this.direct, ...this.proxied].map((clients) => clients.go()));
  }

  async report(): Promise<{ direct: ClientReport[]; proxied: ClientReport[] }> {
    await Promise.all([...this.direct, ...this.proxied].map((clients) => clients.pause()));
    const of = async (all: readonly KeptClients[]): Promise<ClientReport[]> =>
      (await Promise.all(all.map((clients) => clients.report()))).flat();
    return { direct: await of(this.direct), proxied: await of(this.proxied) };
  }
}

/** When the server's greeting can be read again, by the system's clock. */
async function servedAgain(server: PrivateTestServer): Promise<number> {
  for (;;) {
    const greeted = await new Promise<boolean>((resolve) => {
      const socket = connect(server.port, server.host);
      socket.once('data', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
      socket.once('data', () => socket.destroy());
    });
    if (greeted) return Date.now();
    await sleep(5);
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function counts(reports: readonly ClientReport[]): Record<string, number | string> {
  const failed = (kind: string): number =>
    sum(reports.filter((report) => report.kind === kind).map(({ failures }) => failures.length));
  return {
    'rounds done': sum(reports.map(({ succeededAt }) => succeededAt.length)),
    'reads failed': failed('read'),
    'writes failed': failed('write'),
    'transactions failed': failed('transaction'),
    'connections opened anew': sum(reports.map(({ connects }) => connects)),
  };
}

/** How long after the server's return each client had its first success: nobody can have any after its end before that. */
function servedAfter(
  reports: readonly ClientReport[],
  endedAt: number,
  backAt: number,
): Record<string, number> {
  const after = reports.map(({ succeededAt }) =>
    Math.round((succeededAt.find((time) => time >= endedAt) ?? Number.POSITIVE_INFINITY) - backAt),
  );
  return {
    'first served, ms after its return': Math.min(...after),
    'all served, ms after its return': Math.max(...after),
  };
}

function connectedAnew(t: Test, reports: readonly ClientReport[]): void {
  // Of the clients of an app some find a connection there that a worker has opened for another one.
  const [ofApp, own] = [true, false].map((isApp) =>
    reports.filter(({ client }) => client.includes('django') === isApp),
  );
  t.ok(
    own?.every(({ connects }) => connects >= 1),
    'directly each of them has to connect anew',
  );
  t.ok(
    ofApp?.some(({ connects }) => connects >= 1),
    'and so have the workers of an app',
  );
}

async function idle(t: Test, load: Load): Promise<void> {
  await load.go();
  await load.report();
  await sleep(IDLE_MS);
  await load.go();
  const { direct, proxied } = await load.report();
  sideBySide(t, 'idle for 5 s, wait_timeout 2 s', counts(direct), counts(proxied));
  for (const { client, failures, connects } of proxied) {
    t.strictSame(failures, [], `${client}: nothing has failed`);
    t.equal(connects, 0, `${client}: the connection lives`);
  }
  connectedAnew(t, direct);
  t.ok(
    direct.filter(({ client }) => client.includes('pymysql')).every(({ failures }) => failures.length >= 1),
    'and where the driver does not notice before, its statement has failed',
  );
}

async function restarted(
  t: Test,
  world: Proxied,
  server: PrivateTestServer,
  load: Load,
  how: NodeJS.Signals,
): Promise<void> {
  await load.go();
  await load.report();
  await server.query(`DELETE FROM ${world.schema}.work`);
  await load.go();
  await sleep(300);
  await server.kill(how);
  const endedAt = Date.now();
  if (how === 'SIGKILL') await sleep(DOWN_MS);
  const back = servedAgain(server);
  await server.start();
  await load.go();
  const { direct, proxied } = await load.report();
  const backAt = await back;
  sideBySide(
    t,
    `restarted by ${how} under load`,
    { ...counts(direct), ...servedAfter(direct, endedAt, backAt) },
    { ...counts(proxied), ...servedAfter(proxied, endedAt, backAt) },
  );
  for (const { client, kind, failures, connects } of proxied) {
    t.equal(connects, 0, `${client}: the connection lives`);
    // While MySQL shuts down it goes on refusing statements over the connections that it has, for two seconds.
    const inOrder = server.isMysql && how === 'SIGTERM';
    const most = kind === 'read' ? 0 : inOrder ? 2 : 1;
    t.ok(failures.length <= most, `${client}: ${most} at most`, { failures });
    t.equal(new Set(failures.map(({ n }) => n)).size, failures.length, `${client}: one error each`);
    for (const { n, errno, message } of failures) {
      t.match(message, CLEAR);
      t.comment(`${client}, round ${n}: ${errno} ${message}`);
    }
  }
  connectedAnew(t, direct);
  for (const report of proxied) await wasExecutedOnce(t, world, report);
}

interface Row {
  readonly n: number;
  readonly parts: string;
}

/** What succeeded is there once; what failed is there once or not at all, and a transaction whole. */
async function wasExecutedOnce(
  t: Test,
  world: Proxied,
  { client, kind, succeededAt, failures }: ClientReport,
): Promise<void> {
  if (kind === 'read') return;
  const rows = await world.server.query<Row>(
    `SELECT n, GROUP_CONCAT(part ORDER BY part) AS parts FROM ${world.schema}.work WHERE client = ? GROUP BY n`,
    [client],
  );
  const whole = kind === 'write' ? '1' : '1,2';
  t.strictSame(
    rows.filter(({ parts }) => parts !== whole),
    [],
    `${client}: once, and whole`,
  );
  const there = new Set(rows.map(({ n }) => n));
  const lost = new Set(failures.map(({ n }) => n));
  const succeeded = [...there].filter((n) => !lost.has(n)).length;
  t.equal(succeeded, succeededAt.length, `${client}: all that succeeded is there`);
}

await withStack(t, STACK, (t, { python }) =>
  forEachPrivateServer(
    t,
    async (t, server) => {
      const world = await proxied(t, server, ['--pool-size', String(POOL), '--query-wait-timeout', '60s']);
      await createTables(server, world.schema);
      await server.query('SET GLOBAL wait_timeout=2');
      const load = await Load.start(t, python, world);
      await t.test('idle connections', (t) => idle(t, load));
      for (const how of ['SIGTERM', 'SIGKILL'] as const) {
        await t.test(`the server is restarted by ${how}`, (t) => restarted(t, world, server, load, how));
      }
    },
    { timeout: 300_000 },
  ),
);
