import type { Test } from 'tap';
import { testProgram } from '../server-programs.js';
import { MISSING } from '../servers.js';
import type { Cluster } from './cluster-node.js';
import { GaleraCluster, type GaleraOptions, galeraProvider } from './galera.js';
import { GroupCluster, type GroupOptions, hasGroupReplication } from './group-replication.js';
import { ReplicaSet, type ReplicaSetOptions } from './replica-set.js';

async function withCluster<C extends Cluster>(
  t: Test,
  name: string,
  missing: string | null,
  start: () => Promise<C>,
  run: (t: Test, cluster: C) => Promise<void>,
): Promise<void> {
  // In CI everything is there, so that something missing is a failure.
  const skip = missing !== null && process.env['CI'] !== 'true' ? { skip: missing } : {};
  await t.test(`on ${name}`, { timeout: 300_000, ...skip }, async (t) => {
    if (missing !== null) {
      t.fail(missing);
      return;
    }
    const begin = performance.now();
    const cluster = await start();
    t.teardown(() => cluster.stop());
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    t.comment(`${name} started in ${seconds} s, ${(await cluster.rssMib()).join(' + ')} MiB`);
    await run(t, cluster);
  });
}

/** Runs a subtest on a Galera cluster of its own. */
export async function withGalera(
  t: Test,
  run: (t: Test, cluster: GaleraCluster) => Promise<void>,
  options: GaleraOptions = {},
): Promise<void> {
  const provider = await galeraProvider();
  const hasServer = (await testProgram('mariadb')) !== null;
  const missing =
    hasServer && provider !== null ? null : 'Galera is missing: install mariadb-server and galera-4';
  await withCluster(t, 'a Galera cluster', missing, () => GaleraCluster.start(options), run);
}

/** Runs a subtest on a replication group of its own. */
export async function withGroup(
  t: Test,
  run: (t: Test, cluster: GroupCluster) => Promise<void>,
  options: GroupOptions = {},
): Promise<void> {
  const missing = (await hasGroupReplication()) ? null : MISSING.mysql;
  await withCluster(t, 'a replication group', missing, () => GroupCluster.start(options), run);
}

/** Runs a subtest on a primary and replicas of its own. */
export async function withReplicas(
  t: Test,
  run: (t: Test, set: ReplicaSet) => Promise<void>,
  options: ReplicaSetOptions = {},
): Promise<void> {
  const flavor = options.flavor ?? 'mariadb';
  const missing = (await testProgram(flavor)) === null ? MISSING[flavor] : null;
  await withCluster(t, `${flavor} replicas`, missing, () => ReplicaSet.start(options), run);
}
