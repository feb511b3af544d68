import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Client, eventually } from '../support/proxied.js';
import { forEachServer, type TestServer } from '../support/servers.js';
import { Load, type TeamWorld, teamOf } from './support/team.js';

/* One budget of server sessions over several workers, by what the server's own process list says. */

/** The most sessions of the pool at any look, until `enough` says so. */
async function mostSessions(team: TeamWorld, enough: (now: number) => boolean): Promise<number> {
  let most = 0;
  await eventually('there has been enough', async () => {
    const now = await team.sessions();
    most = Math.max(most, now);
    return enough(now);
  });
  return most;
}

/** For some looks, whatever is found. */
async function watch(team: TeamWorld, looks = 40): Promise<number> {
  let most = 0;
  for (let i = 0; i < looks; i++) {
    most = Math.max(most, await team.sessions());
    await sleep(10);
  }
  return most;
}

async function moves(t: Test, server: TestServer): Promise<void> {
  const team = await teamOf(t, server, 2, ['--pool-size', '6', '--query-wait-timeout', '60s']);
  const [a, b] = await team.connectToBoth(8);
  const one = new Load(a);
  t.equal(await mostSessions(team, (now) => now === 6), 6, 'the busy one gets all of them');
  const other = new Load(b);
  t.ok((await watch(team)) <= 6, 'never more, with both busy');
  const before = b.map((client) => other.served(client));
  await eventually('each client of the second is served', () =>
    b.every((client, i) => other.served(client) > (before[i] ?? 0) + 5),
  );
  await one.end();
  t.equal(await mostSessions(team, (now) => now === 6), 6, 'the other one gets all of them');
  await other.end();
  t.same([...one.failures, ...other.failures], []);
  await sleep(50);
  t.ok((await watch(team, 10)) <= 6);
}

/** Fewer sessions than workers: they take turns. */
async function oneSession(t: Test, server: TestServer): Promise<void> {
  const team = await teamOf(t, server, 2, ['--pool-size', '1', '--query-wait-timeout', '60s']);
  const [a, b] = await team.connectToBoth(2);
  const clients = [...a, ...b];
  const load = new Load(clients);
  let most = 0;
  await eventually('each client has been served', async () => {
    most = Math.max(most, await team.sessions());
    return clients.every((client) => load.served(client) > 20);
  });
  t.equal(most, 1, 'there is never more than one session');
  await load.end();
  t.same(load.failures, []);
  // A transaction keeps it, and those of the other worker wait.
  const [holder] = a as [Client];
  const [waiter] = b as [Client];
  await holder.run('BEGIN');
  await holder.value('SELECT 1');
  const waiting = waiter.value('SELECT 2');
  await sleep(50);
  t.equal(await holder.value('SELECT 3'), 3);
  await holder.run('COMMIT');
  t.equal(await waiting, 2);
}

/** The console of one worker changes the pool of all. */
async function anotherSize(t: Test, server: TestServer): Promise<void> {
  const team = await teamOf(t, server, 3, ['--pool-size', '6', '--query-wait-timeout', '60s']);
  const clients = await Promise.all(Array.from({ length: 24 }, () => team.world.connect()));
  const load = new Load(clients);
  t.equal(await mostSessions(team, (now) => now === 6), 6);
  const console = await team.world.connect({ database: 'mybouncer' });
  await console.run('SET pool_size = 2');
  await eventually('sessions are given up', async () => (await team.sessions()) <= 2);
  t.ok((await watch(team, 20)) <= 2);
  const before = clients.map((client) => load.served(client));
  await eventually('clients of all workers are served', () =>
    clients.every((client, i) => load.served(client) > (before[i] ?? 0)),
  );
  await console.run('SET pool_size = 5');
  t.equal(await mostSessions(team, (now) => now === 5), 5);
  await load.end();
  t.same(load.failures, []);
}

await forEachServer(t, async (t, server) => {
  await t.test('sessions go where they are needed', (t) => moves(t, server));
  await t.test('one session for two workers', (t) => oneSession(t, server));
  if (server.flavor === 'mariadb')
    await t.test('another size for three workers', (t) => anotherSize(t, server));
});
