import t from 'tap';
import { forEachPrivateServer } from '../support/servers.js';
import { show } from '../support/show.js';
import { SERVER_ARGUMENTS, soak } from './soak.js';

/** The long one is `npm run soak`. */
const SECONDS = 20;
const SEED = 5;

t.setTimeout(300_000);

await forEachPrivateServer(
  t,
  async (t, server) => {
    const options = { seconds: SECONDS, seed: SEED, clients: 30, restartEverySeconds: 10 };
    const { findings, report, log } = await soak(server, options);
    if (findings.failed) t.comment(log.slice(-300).join(''));
    show(t, report);
    t.strictSame(findings.violations, [], `--seed ${SEED} --server ${server.flavor}`);
    t.ok(findings.counted('checks') > 0, 'answers were checked');
    t.ok(findings.countsOf('fault ') !== '', 'there were faults');
  },
  { timeout: 300_000, extraArgs: SERVER_ARGUMENTS },
);
