import t from 'tap';
import { type ClusterNode, until } from '../support/clusters/cluster-node.js';
import { withGalera, withReplicas } from '../support/clusters/for-cluster.js';
import { APP_USER } from '../support/servers.js';
import { countFailures } from './support/load.js';
import { restartsReplicas } from './support/restarts-replicas.js';
import { onlyInFlight, rowsAreThere, underLoad } from './support/under-load.js';

/** Of the application's on a node that the proxy keeps for itself: one that asks how the server is, one that kills. */
const NOT_FOR_CLIENTS = 2;

async function untilLeft(node: ClusterNode): Promise<void> {
  await until(`nobody works on node ${node.index}`, async () => {
    const [row] = await node.ask<{ sessions: number }>(
      `SELECT COUNT(*) AS sessions FROM information_schema.processlist WHERE user = '${APP_USER}'`,
    );
    return Number(row?.sessions) <= NOT_FOR_CLIENTS;
  });
}

t.setTimeout(300_000);

t.test('a Galera cluster is restarted node by node, each read-only before', async (t) => {
  await withGalera(t, async (t, cluster) => {
    const result = await underLoad(t, cluster, cluster.node(0), async ({ load }) => {
      for (const node of cluster.nodes) {
        await node.ask('SET GLOBAL read_only = ON');
        await untilLeft(node);
        await node.shutdown();
        await cluster.rejoin(node.index, 'shut down');
        await load.untilServed(100);
      }
    });
    t.equal(
      countFailures(result.failedStatements),
      'none',
      'no statement outside of transactions has failed',
    );
    onlyInFlight(t, result, cluster.nodes.length);
    await rowsAreThere(t, cluster.node(0), result);
  });
});

t.test('replicas are restarted, then one becomes the primary, and the old one is restarted', async (t) => {
  await withReplicas(t, restartsReplicas);
});
