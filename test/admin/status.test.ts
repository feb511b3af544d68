import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Status, statusSchema } from '../../src/admin/status-document.js';
import { projectFolder } from '../clients/conformance.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser, sessionOf } from '../support/proxied-user.js';
import { forEachServer } from '../support/servers.js';
import { ask } from './support/ask.js';

await forEachServer(
  t,
  async (t, server) => {
    const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
    await t.test('without clients', (t) => idle(t, world));
    await t.test('at work', (t) => atWork(t, world));
  },
  { flavors: ['mariadb'] },
);

t.test('the guide names every field', async (t) => {
  const readme = readFileSync(join(projectFolder(), 'deploy/guide/operations.md'), 'utf8');
  const [, section = ''] = /^\| field of \/status \|[^\n]*\n([\s\S]*?)\n\n/m.exec(readme) ?? [];
  for (const field of Object.keys(statusSchema.shape)) t.ok(section.includes(`\`${field}\``), field);
});

async function statusOf({ proxy }: ProxiedUser): Promise<Status> {
  return statusSchema.parse(JSON.parse((await ask(`${proxy.http}/status`)).body));
}

async function idle(t: Test, world: ProxiedUser): Promise<void> {
  const { proxy, server } = world;
  const status = await statusOf(world);
  t.match(status, {
    schemaVersion: 1,
    state: 'serving',
    listen: [`${proxy.host}:${proxy.port}`],
    server: { address: `${server.host}:${server.port}`, version: /^\d+\.\d+\.\d+/ },
    poolMode: 'transaction',
    clients: { total: 0, active: 0, waiting: 0, held: 0, idle: 0, login: 0 },
    sessions: { limit: 2, share: 2 },
    waiting: 0,
    longestWaitMs: 0,
    waiters: [],
    holds: [],
    holdsTotal: 0,
    holdsByReason: [],
    fleet: null,
  });
  const { time, intervalMs, points, ...columns } = status.history;
  t.match([intervalMs, points], [5_000, 180]);
  t.ok(time.length > 0, 'the first point is there at once');
  for (const [name, values] of Object.entries(columns)) t.equal(values.length, time.length, name);
  const schema = JSON.parse((await ask(`${proxy.http}/status/schema`)).body);
  t.same(schema.required, Object.keys(statusSchema.shape));
}

async function atWork(t: Test, world: ProxiedUser): Promise<void> {
  const { proxy, user } = world;
  const [holder, second, waiter] = [await world.connect(), await world.connect(), await world.connect()];
  const idle = await world.connect();
  const silent = connect(proxy.port, proxy.host).on('error', () => undefined);
  t.teardown(() => silent.destroy());
  await holder.run('CREATE TEMPORARY TABLE mine(v TEXT DEFAULT ("unheard of"))');
  await second.run('BEGIN');
  const session = await sessionOf(second);
  const waits = waiter.value('SELECT 1');
  await eventually('one waits, one logs in', async () => {
    const { clients } = await statusOf(world);
    return clients.waiting === 1 && clients.login === 1 && clients.held === 2;
  });
  const status = await statusOf(world);
  t.match(status, {
    clients: { total: 4, active: 0, waiting: 1, held: 2, idle: 1, login: 1 },
    sessions: { limit: 2, open: 2, lent: 0, held: 2, idle: 0 },
    waiting: 1,
    waiters: [{ client: waiter.id, user: user.user, address: '127.0.0.1' }],
    holdsTotal: 2,
    holdsByReason: [
      { reason: 'temporary_table', clients: 1 },
      { reason: 'transaction', clients: 1 },
    ],
  });
  t.ok(status.longestWaitMs > 0);
  t.match(
    status.holds.find(({ client }) => client === holder.id),
    { user: user.user, reason: 'temporary_table', statement: /^CREATE TEMPORARY TABLE `?mine/i },
  );
  t.match(
    status.holds.find(({ client }) => client === second.id),
    { server: session, reason: 'transaction', statement: 'BEGIN' },
  );
  t.notMatch(JSON.stringify(status), 'unheard of', 'no literals');
  const [busiest] = status.pools;
  t.match(busiest, { user: user.user, waiting: 1, held: 2, lent: 0, idle: 0 });
  for (const [state, count] of Object.entries({ active: 0, waiting: 1, held: 2, idle: 1, login: 1 }))
    t.equal(await proxy.metric('mybouncer_clients_by_state', `state="${state}"`), count, state);
  t.ok((await proxy.metric('mybouncer_longest_wait_seconds')) > 0);
  t.equal(await proxy.metric('mybouncer_pools'), status.poolsTotal);
  await second.run('COMMIT');
  t.equal(await waits, 1);
  await eventually('nobody waits', async () => (await statusOf(world)).waiting === 0);
  t.equal(await proxy.settled(0, 'mybouncer_longest_wait_seconds'), 0);
  await eventually('the next points are there', async () => {
    const { history, rates } = await statusOf(world);
    const rated = history.queriesPerSecond.some((rate) => rate !== null && rate > 0);
    const waited = history.waitP99.some((ms) => ms !== null && ms > 0);
    return rated && waited && rates.queriesPerSecond !== null;
  });
  for (const client of [holder, second, waiter, idle]) await client.end();
}
