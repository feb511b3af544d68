import t from 'tap';
import { SERVER_ARGUMENTS } from '../soak/soak.js';
import { forEachPrivateServer } from '../support/servers.js';
import { show } from '../support/show.js';
import { neverMix } from './never-mix.js';

/** The long one is `npm run never-mix`. */
const SECONDS = 4;
const SEED = 6;
const ENOUGH_CHECKS = 20;
/** On a machine that is busy with other things, few of 200 clients get as far as a statement within the time. */
const MOST_ROUNDS = 10;

t.setTimeout(600_000);

await forEachPrivateServer(
  t,
  async (t, server) => {
    let checks = 0;
    for (let seed = SEED; checks < ENOUGH_CHECKS && seed < SEED + MOST_ROUNDS; seed++) {
      const { findings, report } = await neverMix(server, { seconds: SECONDS, seed, clients: 200 });
      show(t, report);
      t.strictSame(findings.violations, [], `--seed ${seed} --server ${server.flavor}`);
      t.ok(findings.countsOf('fault ') !== '', 'there were faults');
      checks += findings.counted('checks');
    }
    t.ok(checks >= ENOUGH_CHECKS, `${checks} answers were checked`);
  },
  { timeout: 300_000, extraArgs: SERVER_ARGUMENTS },
);
