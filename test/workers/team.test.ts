import t, { type Test } from 'tap';
import { type Client, eventually } from '../support/proxied.js';
import { forEachServer, type TestServer } from '../support/servers.js';
import { Load, type TeamWorld, teamOf, workerOf } from './support/team.js';

/* Several processes that serve the same clients: what one of them is told reaches the others. */

const DRAINING = 'draining: clients are served until they have finished';

async function consoleOf(team: TeamWorld): Promise<Client> {
  return team.world.connect({ database: 'mybouncer' });
}

async function kills(t: Test, team: TeamWorld): Promise<void> {
  const [[a], [b]] = (await team.connectToBoth(1)) as [[Client], [Client]];
  t.not(workerOf(a), workerOf(b));
  t.not(a.id, b.id);
  const sleeping = b.value('SELECT SLEEP(100)').catch(({ errno }) => errno);
  await eventually('it runs', async () =>
    (await team.world.sessions()).some(({ info }) => info?.includes('SLEEP(100)') === true),
  );
  await a.run(`KILL QUERY ${b.id}`);
  t.ok([1, 1317].includes(Number(await sleeping)), 'a statement of a client of the other worker');
  t.equal(await b.value('SELECT 1'), 1);
  const session = Number(await b.value('SELECT @@pseudo_thread_id'));
  t.match(await a.error(`KILL ${session}`), { errno: 1094, message: /a server session of mybouncer's/ });
  await a.run(`KILL ${b.id}`);
  await t.rejects(b.value('SELECT 1'), 'a client of the other worker');
  t.match(await a.error(`KILL ${b.id}`), { errno: 1094, message: `Unknown thread id: ${b.id}` });
  t.equal(await a.value('SELECT 1'), 1);
  await a.end();
}

async function settings(t: Test, team: TeamWorld): Promise<void> {
  const waits = (): Promise<string[]> => timeoutsOf(team);
  const console = await consoleOf(team);
  await console.run('SET query_wait_timeout = 41s');
  await eventually('SET reaches all', async () => (await waits()).every((value) => value === '41s'));
  const [[, pid] = []] = team.pids;
  if (pid === undefined) throw new Error('there are workers');
  await console.end();
  process.kill(pid, 'SIGKILL');
  await eventually('it is replaced', () => team.count('worker ready') === 3);
  t.same(await waits(), ['41s', '41s'], 'one that is started anew has it, too');
  const again = await consoleOf(team);
  await again.run('RELOAD');
  await eventually('RELOAD reaches all', async () => (await waits()).every((value) => value === '1m'));
  await again.end();
}

/** As SHOW CONFIG has it at each of two workers. */
async function timeoutsOf(team: TeamWorld): Promise<string[]> {
  const found = new Map<number, string>();
  const open: Client[] = [];
  for (let tries = 0; tries < 100 && found.size < 2; tries++) {
    const console = await consoleOf(team);
    open.push(console);
    const row = (await console.rows('SHOW CONFIG')).find(({ key }) => key === 'query_wait_timeout');
    found.set(workerOf(console), String(row?.['value']));
  }
  await Promise.all(open.map((one) => one.end()));
  return [...found.values()];
}

/** Its clients are lost, and nobody else's; it is replaced, and what it had of the pool comes back. */
async function death(t: Test, team: TeamWorld): Promise<void> {
  const [a, b] = await team.connectToBoth(4);
  const loads = [new Load(a), new Load(b)] as const;
  await eventually('both are busy', () => loads.every(({ all }) => all > 20));
  const dead = workerPidOf(team, a);
  const ready = team.count('worker ready');
  process.kill(dead, 'SIGKILL');
  let most = 0;
  const look = async (): Promise<void> => {
    most = Math.max(most, await team.sessions());
  };
  await eventually('its clients are lost', () => loads[0].failures.length === 4);
  await eventually('it is replaced', async () => {
    await look();
    return team.count('worker ready') === ready + 1;
  });
  const more = await team.connectToBoth(4);
  const all = new Load(more.flat());
  await eventually('the new one serves', async () => {
    await look();
    return more.flat().every((client) => all.served(client) > 5);
  });
  await eventually('all permits are there again', async () => {
    await look();
    return (await team.sessions()) === 4;
  });
  t.ok(most <= 4, `never more sessions than pool_size: ${most}`);
  await all.end();
  await loads[1].end();
  t.same([...loads[1].failures, ...all.failures], [], 'nobody else has noticed');
  await Promise.all([...b, ...more.flat()].map((client) => client.end()));
}

/** Ids have a part that each process has of its own: which one it is, its log says by its last client. */
function workerPidOf(team: TeamWorld, [client]: readonly Client[]): number {
  if (client === undefined) throw new Error('there is a client');
  const line = team.proxy.lines.find(
    ({ msg, idSpace }) => msg === 'listening' && idSpace === workerOf(client),
  );
  return Number(line?.['pid']);
}

async function restart(t: Test, team: TeamWorld): Promise<void> {
  const { proxy, world } = team;
  const inTransaction = async (): Promise<Client> => {
    const client = await world.connect();
    await client.run('BEGIN');
    await client.value('SELECT 1');
    return client;
  };
  const [old, another, last] = [await inTransaction(), await inTransaction(), await inTransaction()];
  const failures: string[] = [];
  let served = 0;
  let ended = false;
  const stream = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!ended) {
        try {
          const client = await world.connect();
          await client.value('SELECT 1');
          await client.end();
          served++;
        } catch (error) {
          failures.push(error instanceof Error ? error.message : String(error));
        }
      }
    }),
  );
  let most = 0;
  proxy.signal('SIGUSR2');
  await eventually('it has restarted', async () => {
    most = Math.max(most, await team.sessions());
    return team.count('restarted: the new process serves, the old one drains') === 1;
  });
  const before = served;
  await eventually('clients are served', async () => {
    most = Math.max(most, await team.sessions());
    return served > before + 50;
  });
  ended = true;
  await stream;
  t.same(failures.slice(0, 3), [], `of ${served} clients`);
  t.ok(most <= 4, `two generations have one pool: ${most}`);
  const killer = await world.connect();
  t.not(workerOf(killer), workerOf(old));
  t.equal(team.count('the old process has ended'), 0);
  await killer.run(`KILL ${old.id}`);
  await t.rejects(old.value('SELECT 2'), 'a client of a worker that drains can be killed');
  await consoleReaches(t, team, another, last);
  await eventually('the old ones have ended', () => team.count('the old process has ended') === 1);
  await killer.end();
}

/** What is said at a console of the new workers concerns those that drain as well. */
async function consoleReaches(t: Test, team: TeamWorld, victim: Client, last: Client): Promise<void> {
  const console = await consoleOf(team);
  t.not(workerOf(console), workerOf(last));
  await console.run(`KILL CLIENT ${victim.id}`);
  await t.rejects(victim.value('SELECT 2'), 'KILL CLIENT');
  const pid = workerPidOf(team, [last]);
  const has = (msg: string): boolean =>
    team.proxy.lines.some((line) => line.msg === msg && line['pid'] === pid);
  const paused = console.run('PAUSE');
  await eventually('the old one pauses', () =>
    has('pausing: sessions are closed as they are given back, and requests wait'),
  );
  await last.run('COMMIT');
  await paused;
  await console.run('RESUME');
  await console.end();
}

async function end(t: Test, team: TeamWorld): Promise<void> {
  const { proxy } = team;
  const [[a], [b]] = (await team.connectToBoth(1)) as [[Client], [Client]];
  await a.run('BEGIN');
  await a.value('SELECT 1');
  const console = await consoleOf(team);
  await console.run('SHUTDOWN WAIT_FOR_CLIENTS');
  // The old ones of the restart have done so before.
  await eventually('all of them drain', () => team.count(DRAINING) === 4);
  await t.rejects(b.connection.ping(), 'one that has nothing open is closed');
  t.equal(await a.value('SELECT 1'), 1, 'a transaction may finish');
  await a.run('COMMIT');
  t.equal(await proxy.ended(), 0);
}

await forEachServer(
  t,
  async (t, server: TestServer) => {
    const team = await teamOf(t, server, 2, [
      ...['--pool-size', '4', '--query-wait-timeout', '60s', '--drain-timeout', '1h'],
    ]);
    t.equal(team.count('ready'), 1, 'the parent says when all of them are ready');
    t.equal(team.count('worker ready'), 2);
    await t.test('KILL', (t) => kills(t, team));
    await t.test('SET and RELOAD', (t) => settings(t, team));
    await t.test('a worker that is killed', (t) => death(t, team));
    await t.test('restart', (t) => restart(t, team));
    await t.test('SHUTDOWN', (t) => end(t, team));
  },
  { flavors: ['mariadb'], timeout: 300_000 },
);
