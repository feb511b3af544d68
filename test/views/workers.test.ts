import t, { type Test } from 'tap';
import { statusSchema } from '../../src/admin/status-document.js';
import { admin, administered } from '../admin/console/support/administered.js';
import { ask } from '../admin/support/ask.js';
import { type Client, eventually } from '../support/proxied.js';
import type { ProxiedUser } from '../support/proxied-user.js';
import { forEachServer } from '../support/servers.js';

/* Two processes behind one address: whichever answers, it answers for both. */

const STATEMENT = "SELECT 'seen'";

await forEachServer(
  t,
  async (t, server) => {
    const world = await administered(t, server, [
      '--workers',
      '2',
      '--pool-size',
      '4',
      '--query-wait-timeout',
      '60s',
    ]);
    const clients = await onBoth(world);
    await t.test('rows, counts and metrics', (t) => shown(t, world, clients));
    await t.test('PAUSE and RESUME', (t) => pauses(t, world, clients));
    await t.test('KILL CLIENT', (t) => kills(t, world, clients));
    await t.test('a worker dies and is replaced, while all are paused', (t) => replaced(t, world));
    await t.test('/quitquitquit', async (t) => {
      t.match(await ask(`${world.proxy.http}/quitquitquit`, { method: 'POST' }), { status: 200 });
      t.equal(await world.proxy.ended(), 0, 'both have ended');
    });
  },
  { flavors: ['mariadb'] },
);

/** Part of the ids of one process' clients. */
function processOf({ id }: Client): number {
  return (id >> 24) & 0x3f;
}

/** Clients of both processes: the kernel chooses. */
async function onBoth(world: ProxiedUser): Promise<readonly Client[]> {
  const clients: Client[] = [];
  await eventually('both processes have two clients', async () => {
    clients.push(await world.connect());
    const counts = new Map<number, number>();
    for (const client of clients) counts.set(processOf(client), (counts.get(processOf(client)) ?? 0) + 1);
    return counts.size === 2 && [...counts.values()].every((count) => count >= 2);
  });
  return clients;
}

async function status(world: ProxiedUser) {
  return statusSchema.parse(JSON.parse((await ask(`${world.proxy.http}/status`)).body));
}

async function shown(t: Test, world: ProxiedUser, clients: readonly Client[]): Promise<void> {
  for (const client of clients) for (let i = 0; i < 3; i++) t.equal(await client.value(STATEMENT), 'seen');
  const consoles = await onConsoles(world);
  for (const console of consoles) {
    let rows: Awaited<ReturnType<Client['rows']>> = [];
    await eventually('both have answered', async () => {
      rows = await console.rows('SHOW CLIENTS');
      return new Set(rows.map((row) => Number(row['worker']))).size === 2;
    });
    t.same(rows.map(({ id }) => Number(id)).sort(), clients.map(({ id }) => id).sort());
    t.same([...new Set(rows.map((row) => Number(row['worker'])))].sort(), [1, 2]);
    const pools = await console.rows('SHOW POOLS');
    t.equal(new Set(pools.map(({ pool }) => pool)).size, pools.length, 'a row for each pool');
    const servers = await console.rows('SHOW SERVERS');
    const open = pools.reduce((sum, row) => sum + Number(row['sv_idle']) + Number(row['sv_active']), 0);
    t.equal(open, servers.length);
    await eventually('all statements are counted', async () => {
      const rows = await console.rows('SHOW TOP QUERIES');
      return Number(rows.find((row) => row['statement'] === 'SELECT ?')?.['count']) === 3 * clients.length;
    });
    const users = await console.rows('SHOW USERS');
    t.equal(
      users.reduce((sum, row) => sum + Number(row['clients']), 0),
      clients.length,
    );
    t.ok((await console.rows('SHOW ADVICE')).length > 0);
    t.equal((await console.rows('SHOW FLEET')).length, 1);
    t.ok((await console.rows('SHOW PROFILES')).length > 0);
    t.equal(
      Number((await console.rows('SHOW STATS')).find((row) => row['name'] === 'commands')?.['value']) > 0,
      true,
    );
  }
  await eventually(
    'metrics are those of both',
    async () => (await world.proxy.metric('mybouncer_clients')) === clients.length,
  );
  t.equal(await world.proxy.metric('mybouncer_workers'), 2);
  t.equal(await world.proxy.settled(2, 'mybouncer_workers_answering'), 2);
  for (const worker of [1, 2])
    t.ok(
      (await world.proxy.metric('mybouncer_commands_total', `worker="${worker}"`)) > 0,
      `worker ${worker}`,
    );
  t.equal(await world.proxy.metric('mybouncer_pool_size'), 4, 'one budget');
  const now = await status(world);
  t.match(now, {
    clients: { total: clients.length },
    workersTotal: 2,
    workers: [{ worker: 1 }, { worker: 2 }],
  });
  t.equal(
    now.workers.reduce((sum, one) => sum + one.clients, 0),
    clients.length,
  );
  t.equal(new Set(now.workers.map(({ pid }) => pid)).size, 2);
  t.ok((now.topQueries ?? []).some(({ text, count }) => text === 'SELECT ?' && count >= 3 * clients.length));
}

/** Consoles of both processes. */
async function onConsoles(world: ProxiedUser): Promise<readonly Client[]> {
  const found = new Map<number, Client>();
  await eventually('a console of each', async () => {
    const console = await admin(world);
    const process = processOf(console);
    if (found.has(process)) await console.end();
    else found.set(process, console);
    return found.size === 2;
  });
  return [...found.values()];
}

async function pauses(t: Test, world: ProxiedUser, clients: readonly Client[]): Promise<void> {
  const [one, two] = (await onConsoles(world)) as [Client, Client];
  await one.run('PAUSE');
  t.strictSame(await two.rows('SHOW SERVERS'), [], 'no session is left, at neither');
  t.match(await two.error('PAUSE'), { errno: 1105, message: 'all pools are paused already' });
  const waiting = clients.map((client) => client.value(STATEMENT));
  await eventually('all wait', async () => (await two.rows('SHOW WAITERS')).length === clients.length);
  await two.run('RESUME');
  t.same(
    await Promise.all(waiting),
    clients.map(() => 'seen'),
  );
  t.match(await one.error('RESUME'), { errno: 1105, message: 'no pool is paused' });
  await one.run('RECONNECT');
  t.match(await one.error('PAUSE nowhere'), { errno: 1105, message: /^Unknown pool 'nowhere': there are / });
  const holder = clients[0] as Client;
  await holder.run('BEGIN');
  const paused = one.error('PAUSE');
  await eventually('it pauses', async () => (await world.proxy.metric('mybouncer_pool_paused')) > 0);
  await two.run('RESUME');
  t.match(await paused, { errno: 1105, message: /^RESUME has ended the pause/ });
  await holder.run('COMMIT');
}

async function kills(t: Test, world: ProxiedUser, clients: readonly Client[]): Promise<void> {
  const console = await admin(world);
  for (const { id } of clients) await console.run(`KILL CLIENT ${id}`);
  await eventually('all have gone', async () => (await console.rows('SHOW CLIENTS')).length === 0);
  t.match(await console.error('KILL CLIENT 1'), { errno: 1094 });
}

async function replaced(t: Test, world: ProxiedUser): Promise<void> {
  const console = await admin(world);
  await console.run('PAUSE');
  let [first, second] = (await status(world)).workers;
  await eventually('both have answered', async () => {
    [first, second] = (await status(world)).workers;
    return second !== undefined;
  });
  const counted = await world.proxy.metric('mybouncer_logins_total', 'worker="1"');
  t.ok(counted > 0);
  process.kill(second?.pid ?? -1, 'SIGKILL');
  await eventually('another one answers in its place', async () => {
    const [stays, next] = (await status(world)).workers;
    return stays?.pid === first?.pid && next !== undefined && next.pid !== second?.pid;
  });
  await eventually(
    'nothing of it has fallen',
    async () => (await world.proxy.metric('mybouncer_logins_total', 'worker="1"')) >= counted,
  );
  const said = (msg: string, pid: number | undefined) =>
    eventually(`process ${pid} says: ${msg}`, () =>
      world.proxy.lines.some((line) => line.msg === msg && line['pid'] === pid),
    );
  let next: number | undefined;
  await eventually('it has answered', async () => {
    next = (await status(world)).workers[1]?.pid;
    return next !== undefined;
  });
  await said('paused: no server session is left', next);
  await said('worker ready', next);
  await (await admin(world)).run('RESUME');
  await said('resumed', next);
  for (const client of await onBoth(world)) {
    t.equal(await client.value(STATEMENT), 'seen');
    await client.end();
  }
}
