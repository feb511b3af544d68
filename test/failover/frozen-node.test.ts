import t from 'tap';
import { withGalera } from '../support/clusters/for-cluster.js';
import { losesPrimary } from './support/lost-primary.js';

t.setTimeout(300_000);

t.test('the Galera node that takes writes stands still', async (t) => {
  await withGalera(t, async (t, cluster) => {
    const node = cluster.node(0);
    await losesPrimary(t, cluster, node, {
      lose: () => node.freeze(),
      end: async () => {
        await node.thaw();
        await cluster.untilSynced();
      },
    });
  });
});
