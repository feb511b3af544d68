import t from 'tap';
import { withGroup } from '../support/clusters/for-cluster.js';
import { losesPrimary } from './support/lost-primary.js';

t.setTimeout(110_000);

t.test('SIGKILL of the primary of a replication group', async (t) => {
  await withGroup(t, async (t, group) => {
    const primary = group.node(0);
    await losesPrimary(t, group, primary, { lose: () => primary.kill('SIGKILL') });
  });
});
