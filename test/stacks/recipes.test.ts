import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { forEachPrivateServer } from '../support/servers.js';
import { RECIPES } from './recipes/app-servers.js';
import { openShop } from './recipes/shop.js';
import {
  type Counts,
  killWorker,
  leavesNothing,
  leftovers,
  open,
  openProxied,
  reopen,
  type Scene,
  serves,
  servesWithFew,
  sharedConnections,
  type Trial,
} from './recipes/trial.js';
import { sideBySide } from './support/side-by-side.js';
import { withStack } from './support/stack.js';
import type { WorkerStatement } from './support/workers.js';

/** Time for whoever cares to have noticed a death, in ms; what must be gone is waited for. */
const A_MOMENT = 100;

/** @returns what there is of a worker's a moment after it has died */
async function afterDeath(trial: Trial): Promise<{ statement: WorkerStatement; counts: Counts }> {
  const statement = await killWorker(trial);
  await sleep(A_MOMENT);
  const { statements, transactions } = await leftovers(trial);
  return {
    statement,
    counts: { 'statements of a dead worker': statements, 'its transactions': transactions },
  };
}

async function directly(t: Test, scene: Scene): Promise<Counts> {
  const { server } = scene;
  await reopen(server);
  const trial = await open(t, scene, server.port);
  const served = await serves(t, trial);
  t.equal(await sharedConnections(trial), 0, 'no connection is held by two processes');
  const { statement, counts } = await afterDeath(trial);
  // It would keep its row locked for the next test.
  await server.query(`KILL ${statement.session}`).catch(() => undefined);
  return { ...served, ...counts };
}

async function proxied(t: Test, scene: Scene): Promise<Counts> {
  const { trial, proxy } = await openProxied(t, scene);
  const served = await servesWithFew(t, trial);
  t.equal(await sharedConnections(trial), 0, 'no connection is held by two processes');
  const { statement, counts } = await afterDeath(trial);
  await leavesNothing(t, trial, statement);
  t.equal(await proxy.metric('mybouncer_shared_sockets_total'), 0, 'none was used by two processes');
  t.equal(await proxy.holds(0), 0, 'no session is held for anybody');
  t.equal(await proxy.metric('mybouncer_server_sessions_closed_total'), 0, 'no session was given up');
  await trial.shop.workers.stop();
  await eventually('all workers are gone', async () => (await proxy.metric('mybouncer_clients')) === 0);
  return { ...served, ...counts };
}

/** Each in a test of its own, so that its processes are gone before the next one's start. */
async function both(t: Test, scene: Scene): Promise<void> {
  const counts: Counts[] = [];
  await t.test('directly', async (t) => void counts.push(await directly(t, scene)));
  await t.test('through the proxy', async (t) => void counts.push(await proxied(t, scene)));
  const [left = {}, right = {}] = counts;
  sideBySide(t, scene.recipe.stack.name, left, right);
}

await forEachPrivateServer(
  t,
  async (t, server) => {
    await openShop(server);
    for (const recipe of RECIPES) {
      await withStack(t, recipe.stack, (t, installed) => both(t, { recipe, installed, server }));
    }
  },
  { flavors: ['mariadb'], timeout: 240_000 },
);
