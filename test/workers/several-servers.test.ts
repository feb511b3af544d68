import t, { type Test } from 'tap';
import { type Client, eventually } from '../support/proxied.js';
import type { PrivateTestServer } from '../support/servers.js';
import { Load } from './support/team.js';
import {
  type FileTeam,
  fileTeam,
  sessionsOn,
  startTwo,
  twoLines,
  type WorkerClients,
  workerAt,
} from './support/two-servers.js';

/* One budget of sessions on each of several servers, over all workers; by what each server's own process list says. */

type Servers = readonly [PrivateTestServer, PrivateTestServer];

const SIZE = 6;
const CLIENTS = SIZE + 2;
const DRAINING = 'draining: clients are served until they have finished';
const RESTARTED = 'restarted: the new process serves, the old one drains';

/** Looks at both servers' process lists. */
class Lists {
  /** Sessions at any look. */
  readonly most = [0, 0];
  readonly #servers: Servers;

  constructor(servers: Servers) {
    this.#servers = servers;
  }

  async look(): Promise<readonly number[]> {
    const now = await Promise.all(this.#servers.map(sessionsOn));
    for (const [i, count] of now.entries()) this.most[i] = Math.max(this.most[i] ?? 0, count);
    return now;
  }

  async until(what: string, enough: (now: readonly number[]) => boolean): Promise<void> {
    await eventually(what, async () => enough(await this.look()));
  }

  /** Whatever a proxy before has had. */
  async untilNone(): Promise<void> {
    await this.until('there is no session', (now) => now.every((count) => count === 0));
    this.most.fill(0);
  }
}

const all = ({ first, second }: WorkerClients): readonly Client[] => [...first, ...second];

/** Each of them has been served a few times from now on. */
async function served(load: Load, clients: readonly Client[], lists: Lists): Promise<void> {
  const before = clients.map((client) => load.served(client));
  await lists.until('each client is served', () =>
    clients.every((client, i) => load.served(client) > (before[i] ?? 0) + 5),
  );
}

async function moves(t: Test, servers: Servers, team: FileTeam): Promise<void> {
  const lists = new Lists(servers);
  const [one, other] = await team.clientsOfBoth(CLIENTS);
  const writes = new Load(one.first);
  const reads = new Load(other.second);
  await lists.until('each worker has all of another server', (now) => now.every((count) => count === SIZE));
  const [more, most] = [new Load(one.second), new Load(other.first)];
  await served(more, one.second, lists);
  await served(most, other.first, lists);
  await writes.end();
  await more.end();
  await lists.until('the other worker has all of both', (now) => now.every((count) => count === SIZE));
  await reads.end();
  await most.end();
  t.same(lists.most, [SIZE, SIZE], 'never more than pool_size on either');
  t.same(
    [writes, reads, more, most].flatMap(({ failures }) => failures),
    [],
  );
  await Promise.all([...all(one), ...all(other)].map((client) => client.end()));
}

/** Its sessions are known by ids that another server may have given as well. */
async function death(t: Test, servers: Servers, team: FileTeam): Promise<void> {
  const lists = new Lists(servers);
  const [dying, other] = await team.clientsOfBoth(CLIENTS);
  const lost = new Load(all(dying));
  await lists.until('one worker has all of both', (now) => now.every((count) => count === SIZE));
  const pid = pidOf(team, dying.first[0]);
  process.kill(pid, 'SIGKILL');
  const load = new Load(all(other));
  await eventually('its clients are lost', () => lost.failures.length === all(dying).length);
  await lists.until('the other one has all of both', (now) => now.every((count) => count === SIZE));
  await served(load, all(other), lists);
  await load.end();
  t.same(lists.most, [SIZE, SIZE], 'never more than pool_size on either');
  t.same(load.failures, [], 'nobody else has noticed');
  await eventually('it is replaced', () => team.count('worker ready') === 3);
  await Promise.all(all(other).map((client) => client.end()));
  // Also with the one that was started in its place.
  await moves(t, servers, team);
}

function pidOf(team: FileTeam, client: Client | undefined): number {
  const worker = workerAt(client);
  const line = team.proxy.lines.find(({ msg, idSpace }) => msg === 'listening' && idSpace === worker);
  return Number(line?.['pid']);
}

/** The console of one worker changes the pools of all. */
async function anotherSize(t: Test, servers: Servers, team: FileTeam): Promise<void> {
  const lists = new Lists(servers);
  const clients = await team.clientsOfBoth(CLIENTS);
  const load = new Load(clients.flatMap(all));
  await lists.until('all sessions are open', (now) => now.every((count) => count === SIZE));
  const console = await team.console();
  await console.run('SET pool_size = 2');
  await lists.until('sessions are given up', (now) => now.every((count) => count <= 2));
  lists.most.fill(0);
  await served(load, clients.flatMap(all), lists);
  t.same(lists.most, [2, 2]);
  await eventually('both are shown', async () => Object.values(await team.sizes()).join() === '2,2');
  await eventually('in all', async () => (await team.proxy.metric('mybouncer_pool_size')) === 4);
  await console.run(`SET pool_size = ${SIZE}`);
  await lists.until('all sessions are open', (now) => now.every((count) => count === SIZE));
  await load.end();
  t.same(load.failures, []);
  await console.end();
  await Promise.all(clients.flatMap(all).map((client) => client.end()));
}

/** The next generation knows the first server alone. */
async function fewerServers(t: Test, servers: Servers, team: FileTeam): Promise<void> {
  const lists = new Lists(servers);
  const [one, other] = await team.clientsOfBoth(2);
  const [writer, reader] = [one.first[0], other.second[0]] as [Client, Client];
  for (const client of [writer, reader]) {
    await client.run('BEGIN');
    await client.value('SELECT 1');
  }
  await Promise.all(
    [...all(one), ...all(other)].filter((one) => one !== writer && one !== reader).map((one) => one.end()),
  );
  team.write([`upstream: "${servers[0].url('app')}"`, `pool_size: ${SIZE}`]);
  team.proxy.signal('SIGUSR2');
  await eventually('it has restarted', () => team.count(RESTARTED) === 1);
  // From then on they take nobody.
  await eventually('the old ones drain', () => team.count(DRAINING) === 2);
  const clients = (await team.connectToBoth(CLIENTS)).flat();
  const load = new Load(clients);
  await lists.until('all sessions of the first server are open', ([count]) => count === SIZE);
  await served(load, clients, lists);
  t.equal(await writer.value('SELECT 1'), 1, 'the old one goes on');
  t.equal(await reader.value('SELECT 1'), 1, 'on both');
  await writer.run('COMMIT');
  await reader.run('COMMIT');
  await eventually('the old ones have ended', () => team.count('the old process has ended') === 1);
  await lists.until('what they had is for the others', ([a, b]) => a === SIZE && b === 0);
  await load.end();
  t.equal(lists.most[0], SIZE, 'two generations have one pool');
  t.same(load.failures, []);
}

t.test('two workers, two servers', { timeout: 300_000 }, async (t) => {
  const servers = await startTwo(t);
  const lists = new Lists(servers);
  const lines = twoLines(servers, [`pool_size: ${SIZE}`]);
  const names = {
    moves: 'sessions go where they are needed, on each server',
    anotherSize: 'the size of both pools',
    death: 'what a dead worker had comes back on each server',
    fewerServers: 'a restart with one server less',
  };
  await t.test('of one proxy', async (t) => {
    const team = await fileTeam(t, servers[0], lines);
    await t.test(names.moves, (t) => moves(t, servers, team));
    await t.test(names.anotherSize, (t) => anotherSize(t, servers, team));
    await t.test(names.death, (t) => death(t, servers, team));
    await t.test(names.fewerServers, (t) => fewerServers(t, servers, team));
    await team.proxy.stop();
  });
  await lists.untilNone();
});
