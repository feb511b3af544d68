import type { Test } from 'tap';
import { eventually } from '../../support/proxied.js';
import { type ProxyProcess, startProxy } from '../../support/proxy.js';
import type { PrivateTestServer } from '../../support/servers.js';
import { repeat } from '../support/repeat.js';
import type { InstalledStack } from '../support/stack.js';
import { sessionsInTransaction, type WorkerStatement, workerStatements } from '../support/workers.js';
import { holders } from './processes.js';
import { prepare, type Recipe, type Shop } from './recipe.js';
import { type Answer, ask, ITEMS, nameOf, type Reply, restock, sold } from './shop.js';

/** Requests under way at once: as many as the threads of all workers together. */
const WIDTH = 16;
const LOOKS = 240;
const ORDERS = 60;
const USER = 'app';
/** Ordered by the requests whose workers are killed. */
const SLOW_ITEM = 3;

/** Fewer than there are workers, and far fewer than there are connections from them. */
const POOL = 3;
/** The proxy has two for itself: one kills what dead workers have left running, one reads definitions. */
const MOST_SESSIONS = POOL + 2;

export interface Scene {
  readonly recipe: Recipe;
  readonly installed: InstalledStack;
  readonly server: PrivateTestServer;
}

/** By what they count. */
export interface Counts {
  readonly [name: string]: number;
}

/** A shop that is open, and what stands between its workers and the server, if anything. */
export interface Trial {
  readonly recipe: Recipe;
  readonly shop: Shop;
  readonly server: PrivateTestServer;
  /** Where the workers connect. */
  readonly databasePort: number;
}

interface Requests {
  readonly requests: number;
  readonly failed: number;
  readonly wrong: number;
}

function parse({ status, body }: Reply): Answer | null {
  return status === 200 ? (JSON.parse(body) as Answer) : null;
}

/** Until every worker has answered. @returns their process ids */
export async function allWorkers({ recipe, shop }: Trial): Promise<Set<number>> {
  const seen = new Set<number>();
  await eventually(`${recipe.workers} workers have answered`, async () => {
    await repeat(WIDTH, WIDTH, async (i) => {
      const answer = parse(await ask('GET', `${shop.url}/item/${1 + (i % ITEMS)}`));
      if (answer !== null) seen.add(answer.pid);
    });
    return seen.size >= recipe.workers;
  });
  return seen;
}

/** Many requests at once, for all items. */
async function requestEverything(t: Test, { shop }: Trial): Promise<Requests> {
  let failed = 0;
  let wrong = 0;
  const one = async (method: 'GET' | 'POST', action: string, id: number): Promise<void> => {
    const response = await ask(method, `${shop.url}/${action}/${id}`);
    const answer = parse(response);
    if (answer === null) {
      failed += 1;
      t.comment(`${action} ${id}: ${response.status} ${response.body}`);
      return;
    }
    if (action === 'item' && (answer.id !== id || answer.name !== nameOf(id) || answer.of !== ITEMS))
      wrong += 1;
  };
  await repeat(LOOKS + ORDERS, WIDTH, async (i) => {
    const id = 1 + (i % ITEMS);
    if (i % ((LOOKS + ORDERS) / ORDERS) === 0) await one('POST', 'buy', id);
    else await one('GET', 'item', id);
  });
  return { requests: LOOKS + ORDERS, failed, wrong };
}

/** Connections to the database that are held by more than one process, each of which might read the other's answers. */
export async function sharedConnections({ shop, databasePort }: Trial): Promise<number> {
  return (await holders(shop.workers.pid, databasePort)).filter((pids) => pids.length > 1).length;
}

/** The most sessions that the server has had since {@link reopen}, the administrator's aside. */
async function mostSessions({ server }: Trial): Promise<number> {
  return (await server.status('Max_used_connections')) - 1;
}

/** Full shelves, nobody there. */
export async function reopen(server: PrivateTestServer): Promise<void> {
  await eventually('the last sessions are gone', async () => (await server.sessions(USER)).length === 0);
  await restock(server);
  await server.query('FLUSH STATUS');
}

/** Opens the shop, with its workers connecting to a port, and waits until all of them are there. */
export async function open(
  t: Test,
  { recipe, installed, server }: Scene,
  databasePort: number,
): Promise<Trial> {
  const kitchen = await prepare(t, recipe, installed, databasePort);
  const trial = { recipe, server, databasePort, shop: await recipe.start(t, kitchen) };
  t.equal((await allWorkers(trial)).size, recipe.workers, 'all workers answer');
  return trial;
}

/** As {@link open}, through a proxy of its own that nobody has used. */
export async function openProxied(t: Test, scene: Scene): Promise<{ trial: Trial; proxy: ProxyProcess }> {
  const { server } = scene;
  await reopen(server);
  const proxy = await startProxy(t, { upstream: server.url('shop'), flags: ['--pool-size', String(POOL)] });
  return { trial: await open(t, scene, proxy.port), proxy };
}

/** Everybody gets what was asked for, and each order is made once. */
export async function serves(t: Test, trial: Trial): Promise<Counts> {
  const { requests, failed, wrong } = await requestEverything(t, trial);
  t.equal(failed, 0, 'no request failed');
  t.equal(wrong, 0, 'no answer was wrong');
  t.same(await sold(trial.server), { taken: ORDERS, ordered: ORDERS }, 'each order was made once');
  return { requests, 'failed or wrong': failed + wrong, 'server sessions': await mostSessions(trial) };
}

/** As {@link serves}, with no more server sessions than the pool has. */
export async function servesWithFew(t: Test, trial: Trial): Promise<Counts> {
  const served = await serves(t, trial);
  t.ok(Number(served['server sessions']) <= MOST_SESSIONS, 'few server sessions are enough');
  return served;
}

/** Kills a worker in the middle of a transaction. @returns its statement, once the worker is dead */
export async function killWorker({ recipe, shop, server }: Trial): Promise<WorkerStatement> {
  const response = ask('POST', `${shop.url}/slow/${SLOW_ITEM}`);
  let statement: WorkerStatement | undefined;
  await eventually('the slow request runs', async () => {
    [statement] = await workerStatements(server, USER);
    return statement !== undefined;
  });
  if (statement === undefined) throw new Error('there is no statement');
  if (recipe.slowWorkers === 'are killed by the test') process.kill(statement.worker, 'SIGKILL');
  const { status, body } = await response;
  if (status === 200) throw new Error(`the worker was not killed: ${body}`);
  return statement;
}

/** What the server still does for workers that are dead. */
export async function leftovers({ server }: Trial): Promise<{ statements: number; transactions: number }> {
  const statements = (await workerStatements(server, USER)).length;
  return { statements, transactions: (await sessionsInTransaction(server, USER)).length };
}

/** Nothing of a killed worker is left, and somebody else has its session now. */
export async function leavesNothing(t: Test, trial: Trial, statement: WorkerStatement): Promise<void> {
  const { server, recipe } = trial;
  await eventually('nothing is left of it', async () => {
    const { statements, transactions } = await leftovers(trial);
    return statements === 0 && transactions === 0;
  });
  const ids = (await server.sessions(USER)).map(({ id }) => id);
  t.ok(ids.includes(statement.session), 'its server session is still there, for others');
  t.same(await sold(server), { taken: ORDERS, ordered: ORDERS }, 'what it had ordered is rolled back');
  // Its row is free: otherwise this would wait for the lock until it fails.
  await server.query('SELECT id FROM shop.items WHERE id = ? FOR UPDATE NOWAIT', [SLOW_ITEM]);
  const workers = await allWorkers(trial);
  t.notOk(workers.has(statement.worker), 'another worker has taken its place');
  t.equal(workers.size, recipe.workers, 'and all of them answer');
}
