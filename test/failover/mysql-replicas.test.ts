import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SteadyClients } from '../relay/support/steady-clients.js';
import type { ClusterNode } from '../support/clusters/cluster-node.js';
import { withReplicas } from '../support/clusters/for-cluster.js';
import type { ReplicaSet } from '../support/clusters/replica-set.js';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { restartsReplicas } from './support/restarts-replicas.js';

/** Asynchronous replicas of MySQL; those of MariaDB are in rolling-restart. */

/** What MySQL says to reads under way when it is shut down: nobody can tell it from a KILL QUERY. */
const BY_SHUTDOWN = /^1317 Query execution was interrupted$/;

t.setTimeout(300_000);

t.test('a primary and its replicas, under load', async (t) => {
  await withReplicas(
    t,
    async (t, set) => {
      await t.test('restarted one after the other, and the primary moved', (t) => restartsReplicas(t, set));
      await t.test('reads from replicas that go, stand still and lag', (t) => readsElsewhere(t, set));
    },
    { flavor: 'mysql' },
  );
});

async function readsElsewhere(t: Test, set: ReplicaSet): Promise<void> {
  const { primary } = set;
  const [one, other] = set.replicas as [ClusterNode, ClusterNode];
  const upstream = primary.url('app');
  const file = join(t.testdir({}), 'my.yaml');
  await writeFile(
    file,
    `servers: [${[upstream, ...[one, other].map(({ host, port }) => `mysql://${host}:${port}`)].map((url) => `{url: "${url}"}`).join(', ')}]
pools: {shop: {}, shop_ro: {role: replica, databases: [ro], max_lag: 2s}}
server_check_interval: 100ms
slow_start: 0s
`,
  );
  const proxy = await startProxy(t, { upstream, inFile: true, flags: ['--config', file] });
  const world = new Proxied(t, primary, proxy, 'app');
  const probe = await world.connect({ database: 'ro' });
  const from = new Set<number>();
  /** Where reads are answered, of the next ten. */
  const places = async (): Promise<readonly number[]> => {
    from.clear();
    for (let i = 0; i < 10; i++) from.add(Number(await probe.value('SELECT @@port FROM done LIMIT 1')));
    return [...from];
  };
  const isRead = async ({ port }: ClusterNode): Promise<boolean> => (await places()).includes(port);
  await eventually('both replicas are read', async () => (await isRead(one)) || (await isRead(other)));
  const readers = await SteadyClients.start(world, 4, () => 'SELECT COUNT(*) FROM done', { database: 'ro' });
  const writers = await SteadyClients.start(world, 1, (n) => `REPLACE INTO done VALUES (1000, ${n}, 0)`);
  await readers.progress(20);

  await one.shutdown();
  await readers.progress(20);
  t.notOk(await isRead(one));
  await set.rejoin(one.index);

  await set.stopApplying(other.index);
  await eventually('its lag is not known', async () => !(await isRead(other)));
  await readers.progress(20);
  await set.startApplying(other.index);
  await set.untilCaughtUp([other.index]);

  await set.delay(other.index, 3600);
  const name = `server="${other.host}:${other.port}"`;
  await eventually('it lags', async () => (await proxy.metric('mybouncer_server_lag_seconds', name)) > 2);
  t.notOk(await isRead(other));
  await readers.progress(20);
  await one.kill('SIGKILL');
  await readers.progress(20);
  t.same(await places(), [primary.port], 'the primary, where no replica will do');
  await set.delay(other.index, 0);
  await eventually('it is read again', () => isRead(other));
  await readers.progress(20);
  const failed = (await readers.stop()).filter((error) => !BY_SHUTDOWN.test(error));
  t.same(failed, [], 'no read has failed');
  t.same(await writers.stop(), [], 'nor has any write');
}
