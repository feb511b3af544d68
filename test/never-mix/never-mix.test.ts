import t from 'tap';
import { SERVER_ARGUMENTS } from '../soak/soak.js';
import { forEachPrivateServer } from '../support/servers.js';
import { show } from '../support/show.js';
import { neverMix } from './never-mix.js';

/** The long one is `npm run never-mix`. */
const SECONDS = 4;
const SEED = 6;

t.setTimeout(240_000);

await forEachPrivateServer(
  t,
  async (t, server) => {
    const { findings, report } = await neverMix(server, { seconds: SECONDS, seed: SEED, clients: 200 });
    show(t, report);
    t.strictSame(findings.violations, [], `--seed ${SEED} --server ${server.flavor}`);
    t.ok(findings.counted('checks') > 0, 'answers were checked');
    t.ok(findings.countsOf('fault ') !== '', 'there were faults');
  },
  { timeout: 120_000, extraArgs: SERVER_ARGUMENTS },
);
