import t from 'tap';
import { galeraProvider } from '../support/clusters/galera.js';
import { testProgram } from '../support/server-programs.js';
import { show } from '../support/show.js';
import { openEngine } from './engines/open.js';
import { runJepsen, WORKLOADS } from './run.js';

t.setTimeout(600_000);

/** The long ones are `npm run jepsen -- --engine NAME`. */
const SECONDS = 6;
const SEED = 3;
/** Those of clusters, and those that bring out most of what is wrong in the proxy. */
const FAULTS = [
  ...['server-kill', 'server-freeze', 'partition', 'promotion', 'promotion-forced', 'replica-lag'],
  ...['proxy-kill', 'link-lost-reply', 'link-reset'],
];

const hasAll = (await testProgram('mariadb')) !== null && (await galeraProvider()) !== null;
// In CI everything is there, so that something missing is a failure.
const skip = hasAll || process.env['CI'] === 'true' ? {} : { skip: 'MariaDB or Galera is missing' };

for (const name of ['galera', 'replicas'] as const) {
  t.test(`${name}: nothing is lost, nothing is done twice`, { timeout: 300_000, ...skip }, async (t) => {
    const engine = await openEngine(name, 'mariadb');
    t.teardown(() => engine.close());
    const { anomalies, done, report, folder } = await runJepsen(engine, {
      ...{ seconds: SECONDS, seed: SEED, workloads: WORKLOADS, faults: FAULTS, pauseMs: 300 },
    });
    show(t, report);
    t.strictSame(anomalies, [], `--seed ${SEED} --engine ${name}; history and log in ${folder}`);
    for (const workload of WORKLOADS) t.ok((done.get(workload) ?? 0) > 0, `${workload}: something was done`);
  });
}
