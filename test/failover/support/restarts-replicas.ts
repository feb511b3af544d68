import type { Test } from 'tap';
import type { ReplicaSet } from '../../support/clusters/replica-set.js';
import { countFailures } from './load.js';
import { onlyInFlight, rowsAreThere, underLoad } from './under-load.js';

/** Each of them under load, and with a planned move in between: one after the other, as an operator would. */
export async function restartsReplicas(t: Test, set: ReplicaSet): Promise<void> {
  const result = await underLoad(t, set, set.primary, async ({ load }) => {
    for (const { index } of set.replicas) {
      await set.node(index).shutdown();
      await set.rejoin(index);
    }
    const { index } = set.primary;
    await set.promote(1);
    await load.untilServed(100);
    await set.node(index).shutdown();
    await set.rejoin(index);
  });
  t.equal(countFailures(result.failedStatements), 'none', 'no statement outside of transactions has failed');
  onlyInFlight(t, result, 1);
  await set.untilCaughtUp();
  for (const node of set.nodes) await rowsAreThere(t, node, result);
}
