import t, { type Test } from 'tap';
import type { ClusterNode } from '../support/clusters/cluster-node.js';
import { withGroup } from '../support/clusters/for-cluster.js';
import type { GroupCluster } from '../support/clusters/group-replication.js';
import { countFailures } from './support/load.js';
import { losesPrimary } from './support/lost-primary.js';
import { onlyInFlight, rowsAreThere, underLoad } from './support/under-load.js';

t.setTimeout(300_000);

t.test('the primary of a replication group', async (t) => {
  await withGroup(t, async (t, group) => {
    await t.test('is moved there and back, on purpose', (t) => moved(t, group));
    await t.test('stands still', async (t) => {
      const primary = await primaryOf(group);
      await losesPrimary(t, group, primary, {
        lose: () => primary.freeze(),
        end: () => primary.thaw(),
      });
      await group.rejoin(primary.index);
    });
    await t.test('SIGKILL', async (t) => {
      const primary = await primaryOf(group);
      await losesPrimary(t, group, primary, { lose: () => primary.kill('SIGKILL') });
    });
  });
});

async function primaryOf(group: GroupCluster): Promise<ClusterNode> {
  const primary = await group.primary();
  if (primary === null) throw new Error('the group has no primary');
  return primary;
}

async function moved(t: Test, group: GroupCluster): Promise<void> {
  const result = await underLoad(t, group, group.node(0), async ({ load }) => {
    for (const index of [1, 0]) {
      await group.promote(index);
      await load.untilServed(100);
    }
  });
  t.equal(countFailures(result.failedStatements), 'none', 'no statement outside of transactions has failed');
  onlyInFlight(t, result, 2);
  await rowsAreThere(t, group.node(0), result);
}
