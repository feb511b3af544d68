import t from 'tap';
import { forEachPrivateServer } from '../support/servers.js';
import { show } from '../support/show.js';
import { SERVER_ARGUMENTS, SingleEngine } from './engines/single.js';
import { runJepsen, WORKLOADS } from './run.js';

/** The long one is `npm run jepsen`. */
const SECONDS = 5;
const SEED = 3;

t.setTimeout(600_000);

await forEachPrivateServer(
  t,
  async (t, server) => {
    const engine = await SingleEngine.over(server);
    const { anomalies, done, report, folder } = await runJepsen(engine, {
      ...{ seconds: SECONDS, seed: SEED, workloads: WORKLOADS, pauseMs: 300 },
    });
    show(t, report);
    t.strictSame(anomalies, [], `--seed ${SEED} --server ${server.flavor}; history and log in ${folder}`);
    for (const workload of WORKLOADS) t.ok((done.get(workload) ?? 0) > 0, `${workload}: something was done`);
  },
  { timeout: 300_000, extraArgs: SERVER_ARGUMENTS },
);
