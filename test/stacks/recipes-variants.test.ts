import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';
import { gunicornWithDjango, gunicornWithSqlalchemy, phpFpm } from './recipes/app-servers.js';
import { prepare, type Recipe } from './recipes/recipe.js';
import { ask, openShop } from './recipes/shop.js';
import { allWorkers, openProxied, type Scene, servesWithFew, sharedConnections } from './recipes/trial.js';
import { withStack } from './support/stack.js';

const CONFIG = 'gunicorn/gunicorn.conf.py';
const DB = 'sqlalchemy/db.py';

/** What the README says of other ways to do it. */
const postFork: Recipe = {
  ...gunicornWithSqlalchemy,
  changes: [
    { file: CONFIG, from: 'def pre_fork', to: 'def post_fork' },
    { file: CONFIG, from: 'engine.dispose()', to: 'engine.dispose(close=False)' },
  ],
};

const withoutPool: Recipe = {
  ...gunicornWithSqlalchemy,
  stack: {
    ...gunicornWithSqlalchemy.stack,
    modules: [...(gunicornWithSqlalchemy.stack.modules ?? []), 'pymysql'],
    packages: `${gunicornWithSqlalchemy.stack.packages} python3-pymysql`,
  },
  changes: [
    { file: DB, from: 'mysql+mysqldb:', to: 'mysql+pymysql:' },
    {
      file: DB,
      from: 'import create_engine\n',
      to: 'import create_engine\nfrom sqlalchemy.pool import NullPool\n',
    },
    { file: DB, from: '    pool_size=4,', to: '    poolclass=NullPool,' },
    { file: DB, from: '    max_overflow=0,\n', to: '' },
  ],
};

const connectionPerRequest: Recipe = {
  ...gunicornWithDjango,
  changes: [{ file: 'django/settings.py', from: '"CONN_MAX_AGE": None', to: '"CONN_MAX_AGE": 0' }],
};

const persistent: Recipe = {
  ...phpFpm,
  changes: [
    { file: 'php/pdo.php', from: 'ATTR_PERSISTENT => false', to: 'ATTR_PERSISTENT => true' },
    { file: 'php/pdo.php', from: 'ATTR_EMULATE_PREPARES => false', to: 'ATTR_EMULATE_PREPARES => true' },
    { file: 'php/mysqli.php', from: "mysqli('127", to: "mysqli('p:127" },
  ],
};

const nothingClosed: Recipe = {
  ...gunicornWithSqlalchemy,
  changes: [{ file: CONFIG, from: 'engine.dispose()', to: 'pass' }],
};

async function isServed(t: Test, scene: Scene): Promise<void> {
  const { trial, proxy } = await openProxied(t, scene);
  await servesWithFew(t, trial);
  // Two readings: there may be one more goodbye in the second. What else there is stays.
  const others = async (): Promise<number> => {
    const all = await proxy.metric('mybouncer_shared_sockets_total');
    return all - (await proxy.metric('mybouncer_shared_sockets_total', 'quit_of_child'));
  };
  await eventually('nothing but a goodbye went over a shared one', async () => (await others()) === 0);
  t.pass('nothing but a goodbye went over a shared one');
}

/** The reason for the line that closes what was opened before the fork. */
async function shares(t: Test, { recipe, installed, server }: Scene): Promise<void> {
  const kitchen = await prepare(t, recipe, installed, server.port);
  const shop = await recipe.start(t, kitchen);
  const trial = { recipe, server, databasePort: server.port, shop };
  await eventually('workers hold one connection', async () => (await sharedConnections(trial)) === 1);
  t.pass('without that line, all workers have the same connection');
}

/** A script takes a lock, and forgets to release it. */
async function forgets(t: Test, scene: Scene, isKept: boolean): Promise<void> {
  const { server } = scene;
  const { trial, proxy } = await openProxied(t, scene);
  t.match(await ask('POST', `${trial.shop.url}/lock/1`), { status: 200 });
  const isFree = async (): Promise<boolean> => {
    const [row] = await server.query<{ free: number }>("SELECT IS_FREE_LOCK('shop') AS free");
    return row?.free === 1;
  };
  if (!isKept) {
    await eventually('the lock is free', isFree);
    await eventually('no session is held', async () => (await proxy.metric('mybouncer_holds')) === 0);
    return;
  }
  await allWorkers(trial);
  t.notOk(await isFree(), 'the lock is still taken');
  t.equal(await proxy.holds(1), 1, 'and a session held for it');
}

type Try = (t: Test, scene: Scene) => Promise<void>;

const TRIES: readonly (readonly [string, Recipe, Try])[] = [
  ['mysqlclient, with the pool left to the master in post_fork', postFork, isServed],
  ['PyMySQL, without a pool', withoutPool, isServed],
  ['nothing is closed before the fork', nothingClosed, shares],
  ['Django opens a connection for each request', connectionPerRequest, isServed],
  ['PHP keeps its connections', persistent, isServed],
  [
    'PHP keeps what a script forgets on a connection that it keeps',
    persistent,
    (t, s) => forgets(t, s, true),
  ],
  ['PHP keeps nothing on other connections', phpFpm, (t, s) => forgets(t, s, false)],
];

async function tryAll(t: Test, server: PrivateTestServer): Promise<void> {
  await openShop(server);
  for (const [name, recipe, attempt] of TRIES) {
    await withStack(t, { ...recipe.stack, name }, (t, installed) =>
      attempt(t, { recipe, installed, server }),
    );
  }
}

await forEachPrivateServer(t, tryAll, { flavors: ['mariadb'], timeout: 240_000 });
