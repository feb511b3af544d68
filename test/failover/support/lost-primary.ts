import type { Test } from 'tap';
import { type Cluster, type ClusterNode, until } from '../../support/clusters/cluster-node.js';
import { show } from '../../support/show.js';
import { countFailures } from './load.js';
import { onlyInFlight, rowsAreThere, underLoad } from './under-load.js';

/** The node that takes writes is lost under load; whoever takes them next serves the same clients, soon after the engine lets it. */
export async function losesPrimary(
  t: Test,
  cluster: Cluster,
  primary: ClusterNode,
  { lose, end = async () => undefined }: { lose: () => Promise<void>; end?: () => Promise<void> },
): Promise<void> {
  const others = cluster.nodes.filter((node) => node !== primary);
  await primary.ask('CREATE TABLE IF NOT EXISTS app.probe (a INT PRIMARY KEY AUTO_INCREMENT)');
  const result = await underLoad(t, cluster, primary, async ({ load }) => {
    const begin = performance.now();
    await lose();
    const served = load.firstWriteAfter(performance.now());
    const elected = await takesWrites(others, 'INSERT INTO app.probe VALUES ()');
    const took = (await served) - elected;
    show(
      t,
      `another node took writes after ${(elected - begin).toFixed(0)} ms, and clients had theirs done ${took.toFixed(0)} ms later`,
    );
    await end();
  });
  const failed = result.failedStatements;
  t.equal(countFailures(failed.filter(({ isLost }) => isLost)), 'none', 'clients stay connected');
  t.equal(countFailures(failed.filter(({ sql }) => sql.startsWith('SELECT'))), 'none', 'a read is run again');
  onlyInFlight(t, result, 1);
  const [next] = others;
  if (next !== undefined) await rowsAreThere(t, next, result);
}

/** When one of these nodes takes a write for the first time, asked by itself: the engine's own part of a failover. */
async function takesWrites(nodes: readonly ClusterNode[], sql: string): Promise<number> {
  await until(
    'a node takes writes',
    async () => {
      const answers = await Promise.allSettled(nodes.map((node) => node.ask(sql, 20_000)));
      return answers.some(({ status }) => status === 'fulfilled');
    },
    60_000,
    20,
  );
  return performance.now();
}
