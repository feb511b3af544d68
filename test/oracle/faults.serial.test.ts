import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t from 'tap';
import { Workspace } from '../bench/children.js';
import { forEachServer } from '../support/servers.js';
import { brokenCopy, FAULTS } from './faults.js';
import { findFault } from './find-fault.js';
import { MAIN } from './proxy.js';
import { openTestServer } from './server.js';

t.setTimeout(300_000);

/** Two faults, with kinds of statement that have to do with them: it is to be quick here. */
const SEARCHES = [
  ['sql-mode', ['set.', 'select.']],
  ['transaction', ['tx.', 'insert.']],
] as const;

const workspace = new Workspace();
t.teardown(() => workspace.close());

t.test('every fault has its place in the program', async (t) => {
  for (const [name, { file, find, replace }] of Object.entries(FAULTS)) {
    const text = await readFile(join(dirname(MAIN), file), 'utf8');
    t.equal(text.split(find).length - 1, 1, `${name}: one place in ${file}`);
    t.not(find, replace);
  }
});

t.test('a fault that has no place is an error', async (t) => {
  await t.rejects(brokenCopy(workspace, MAIN, 'nothing'), { code: 'fault_not_placed' });
});

t.test('faults are found', async (t) => {
  await forEachServer(
    t,
    async (t, testServer) => {
      const server = await openTestServer(testServer);
      t.teardown(() => server.close());
      for (const [name, only] of SEARCHES) {
        const lab = { server, workspace, main: MAIN, poolSize: 2 };
        const until = Number.POSITIVE_INFINITY;
        const found = await findFault(lab, name, { clients: 5, steps: 150, seed: 1, rounds: 8, until, only });
        t.ok(found, name);
      }
    },
    { flavors: ['mariadb'], timeout: 300_000 },
  );
});
