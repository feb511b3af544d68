import t from 'tap';
import { Workspace } from '../bench/children.js';
import { forEachServer } from '../support/servers.js';
import { runPlan } from './lab.js';
import { makePlan } from './plan.js';
import { MAIN } from './proxy.js';
import { reportDifference } from './report.js';
import { openTestServer } from './server.js';

const SEED = 20_000;
const ROUNDS = 4;
const SHAPE = { clients: 5, poolSize: 2, steps: 400 } as const;

t.setTimeout(600_000);

const workspace = new Workspace();
t.teardown(() => workspace.close());

/** With a proxy, and with none: what differs there is the oracle's own fault. */
for (const main of [null, MAIN]) {
  const rounds = main === null ? 1 : ROUNDS;
  t.test(main === null ? 'two direct connections' : 'the proxy and a direct connection', async (t) => {
    await forEachServer(
      t,
      async (t, testServer) => {
        const server = await openTestServer(testServer);
        t.teardown(() => server.close());
        for (let round = 0; round < rounds; round++) {
          const seed = SEED + round;
          const { flavor } = server;
          const plan = makePlan({ ...SHAPE, flavor, seed });
          let steps = 0;
          const lab = { server, workspace, main, poolSize: SHAPE.poolSize };
          const { difference } = await runPlan(lab, plan, {
            // One step after the other, so that what fails once fails again; `npm run oracle` lets them race.
            serial: true,
            onStep: () => steps++,
          });
          if (difference === null) t.equal(steps, SHAPE.steps, `seed ${seed}: all steps were compared`);
          else
            t.fail(`--seed ${seed} --server ${flavor}`, {
              report: reportDifference(plan, difference),
            });
        }
      },
      { timeout: 300_000, atOnce: true },
    );
  });
}
