import t, { type Test } from 'tap';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';
import { Load, type TeamWorld, teamOf } from './support/team.js';

/* The workers of one proxy are one member of the fleet, and have its share together. */

/** Less a reserve of 5: 26 for proxies. */
const MAX_CONNECTIONS = 31;
/** Half of that, less two connections of its own for each of two workers. */
const SHARE = 9;

const sharesOf = ({ lines }: TeamWorld['proxy']): unknown[] =>
  lines.filter(({ msg }) => msg === 'pool size').map(({ poolSize, proxies }) => [poolSize, proxies]);

async function together(t: Test, server: PrivateTestServer): Promise<void> {
  const flags = ['--pool-size', 'auto', '--query-wait-timeout', '60s'];
  const team = await teamOf(t, server, 2, flags);
  await eventually('it knows its share', () => sharesOf(team.proxy).length > 0);
  t.same(sharesOf(team.proxy), [[22, 1]], 'both workers are one proxy');
  const other = new Proxied(
    t,
    server,
    await startProxy(t, { upstream: server.url(), flags: ['--pool-size', 'auto'] }),
    'app',
  );
  await eventually('each has its share', () => sharesOf(team.proxy).length === 2);
  t.same(sharesOf(team.proxy)[1], [SHARE, 2]);
  const [a, b] = await team.connectToBoth(12);
  const loads = [new Load(a), new Load(b)] as const;
  let most = 0;
  const look = async (): Promise<number> => {
    const now = await team.sessions();
    most = Math.max(most, now);
    return now;
  };
  await eventually('they have it all', async () => (await look()) === SHARE);
  await loads[0].end();
  await eventually('one of them has it all', async () => (await look()) === SHARE && loads[1].all > 100);
  t.equal(most, SHARE);
  await loads[1].end();
  t.same(
    loads.map(({ failures }) => failures),
    [[], []],
  );
  await other.proxy.stop();
  // It waits until the other one must have given up its part.
  await eventually('the whole is there again', () => sharesOf(team.proxy).length === 4);
  t.same(sharesOf(team.proxy).slice(2), [
    [SHARE, 1],
    [22, 1],
  ]);
}

/** With the worker that looks for the others goes the lock that tells them of this proxy. */
async function leaderDies(t: Test, server: PrivateTestServer): Promise<void> {
  const team = await teamOf(t, server, 2, ['--pool-size', 'auto', '--query-wait-timeout', '60s']);
  const [a, b] = await team.connectToBoth(2);
  const loads = [new Load(a), new Load(b)] as const;
  const leader = team.pids.get(1);
  if (leader === undefined) throw new Error('there is a leader');
  await eventually('both are busy', () => loads.every(({ all }) => all > 20));
  process.kill(leader, 'SIGKILL');
  await eventually('another one leads', () => sharesOf(team.proxy).length === 2);
  t.same(sharesOf(team.proxy)[1], [22, 1]);
  const served = loads.map(({ all }) => all);
  await eventually('clients of the other one are served', () =>
    loads.some(({ all }, i) => all > (served[i] ?? 0) + 50),
  );
  await Promise.all(loads.map((load) => load.end()));
  t.equal(loads.filter(({ failures }) => failures.length > 0).length, 1, 'those of the dead one are lost');
}

await forEachPrivateServer(
  t,
  async (t, server) => {
    await t.test('one share for all workers', (t) => together(t, server));
    await t.test('the worker that looks for others dies', (t) => leaderDies(t, server));
  },
  { flavors: ['mariadb'], extraArgs: [`--max-connections=${MAX_CONNECTIONS}`], timeout: 300_000 },
);
