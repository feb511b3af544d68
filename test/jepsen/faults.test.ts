import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t from 'tap';
import { Workspace } from '../bench/children.js';
import { MAIN } from '../oracle/proxy.js';
import { forEachPrivateServer } from '../support/servers.js';
import { SERVER_ARGUMENTS, SingleEngine } from './engines/single.js';
import { FAULTS } from './faults.js';
import { findFault } from './find-fault.js';

/** Those that show soonest, and what they show as; `npm run jepsen -- --fault all` looks for all. */
const SEARCHES = {
  'rerun-sent': /^run twice$/,
  // Also as 1568, of which nobody is told who is not in somebody else's transaction.
  'no-rollback': /^(G1a aborted read|torn transfer|failed and done|lost write|left open|unexplained error)$/,
  isolation: /^G(-single|2)/,
} as const;

t.setTimeout(600_000);

t.test('every fault has its place in the program', async (t) => {
  for (const [name, { file, find, replace }] of Object.entries(FAULTS)) {
    const text = await readFile(join(dirname(MAIN), file), 'utf8');
    t.equal(text.split(find).length - 1, 1, `${name}: one place in ${file}`);
    t.not(find, replace);
  }
});

await forEachPrivateServer(
  t,
  async (t, server) => {
    const workspace = new Workspace();
    t.teardown(() => workspace.close());
    const engine = await SingleEngine.over(server);
    await t.rejects(findFault(engine, workspace, 'nothing', { seed: 1, seconds: 1, rounds: 1 }), {
      code: 'fault_not_placed',
    });
    for (const [name, type] of Object.entries(SEARCHES)) {
      const found = await findFault(engine, workspace, name, { seed: 1, seconds: 2, rounds: 20 });
      t.ok(
        found.some((anomaly) => type.test(anomaly.type)),
        name,
        { found },
      );
    }
  },
  { flavors: ['mariadb'], timeout: 200_000, extraArgs: SERVER_ARGUMENTS },
);
