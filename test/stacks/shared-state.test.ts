import t, { type Test } from 'tap';
import { eventually, type Proxied, proxied } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { type Answer, ask } from './support/ask.js';
import { Gunicorn } from './support/python.js';
import { startRedis } from './support/redis.js';
import { freePort, Service } from './support/service.js';
import { sideBySide } from './support/side-by-side.js';
import { type InstalledStack, withStack } from './support/stack.js';

const STACK = {
  name: 'Django under gunicorn, with Memcached and Redis beside the database',
  programs: ['memcached', 'redis-server'],
  modules: ['django', 'MySQLdb', 'gunicorn', 'pymemcache', 'redis'],
  packages:
    'python3-django python3-mysqldb python3-gunicorn memcached python3-pymemcache redis-server python3-redis',
};

const WORKERS = 4;
/** Fewer than workers: whoever holds a lock has one of them to itself. */
const POOL = 2;
const ROUNDS = 15;
/** Requests at once, so that each worker gets one. */
const WIDTH = 8;

const PLACES = ['memory', 'database', 'memcached', 'redis'] as const;
type Place = (typeof PLACES)[number];

type Counts = Record<string, number | string>;

async function startMemcached(t: Test, installed: InstalledStack): Promise<string> {
  const port = await freePort();
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : [];
  await Service.start(t, {
    name: 'memcached',
    words: [installed.program('memcached'), '-l', '127.0.0.1', '-p', String(port), '-U', '0', ...user],
    port,
  });
  return `127.0.0.1:${port}`;
}

/** Asks until each worker has answered; `answered` hears of all answers but those of some workers. */
async function askAllWorkers(
  url: string,
  answered: (body: Readonly<Record<string, unknown>>) => void,
  without: readonly unknown[] = [],
): Promise<void> {
  const seen = new Set<unknown>();
  while (seen.size < WORKERS) {
    const answers = await Promise.all(Array.from({ length: WIDTH }, () => ask(url)));
    for (const answer of answers) {
      const body = bodyOf(answer);
      seen.add(body['pid']);
      if (!without.includes(body['pid'])) answered(body);
    }
  }
}

function bodyOf({ status, body }: Answer): Readonly<Record<string, unknown>> {
  if (status !== 200 || body === null) throw new Error(`HTTP status ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** A value is set in one worker and read in all of them, over and over. */
async function setAndRead(app: Gunicorn, place: Place): Promise<{ reads: number; stale: number }> {
  let reads = 0;
  let stale = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const value = `${place}-${round}`;
    bodyOf(await ask(`${app.url}/put/${place}/key/${value}`));
    await askAllWorkers(`${app.url}/get/${place}/key`, (body) => {
      reads++;
      if (body['value'] !== value) stale++;
    });
  }
  return { reads, stale };
}

/** One worker takes a lock, the others are refused; it is killed, and one of the others gets it. */
async function locks(world: Proxied, app: Gunicorn): Promise<Counts> {
  const name = `${world.schema}-lock-${new URL(app.url).port}`;
  const url = `${app.url}/lock/${name}`;
  const first = bodyOf(await ask(url));
  const owner = Number(first['pid']);
  if (first['got'] !== 1) throw new Error(`the lock ${name} was taken before`);
  let refused = 0;
  let twice = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await askAllWorkers(
      url,
      ({ got }) => {
        if (got === 0) refused++;
        else twice++;
      },
      [owner],
    );
  }
  process.kill(owner, 'SIGKILL');
  const killedAt = Date.now();
  const query = 'SELECT IS_FREE_LOCK(?) AS free';
  await eventually(
    'the lock is free',
    async () => (await world.server.query<{ free: number }>(query, [name]))[0]?.free === 1,
  );
  const freeAfter = Date.now() - killedAt;
  let next: unknown = 0;
  await eventually('another worker gets it', async () => {
    const { pid, got } = bodyOf(await ask(url));
    next = got === 1 ? pid : 0;
    return got === 1;
  });
  return {
    'lock refused to other workers': refused,
    'lock got by two workers': twice,
    'lock free after SIGKILL, ms': freeAfter,
    'then got by another worker': next !== 0 && next !== owner ? 'yes' : 'no',
  };
}

interface Beside {
  readonly memcached: string;
  readonly redis: string;
}

async function meet(
  t: Test,
  python: string,
  world: Proxied,
  database: string,
  beside: Beside,
): Promise<Counts> {
  const app = await Gunicorn.start(t, {
    interpreter: python,
    app: 'django_state:application',
    workers: WORKERS,
    env: {
      MYBOUNCER_TEST_URL: database,
      MYBOUNCER_TEST_MEMCACHED: beside.memcached,
      MYBOUNCER_TEST_REDIS: beside.redis,
    },
  });
  bodyOf(await ask(`${app.url}/prepare`));
  const counts: Counts = {};
  for (const place of PLACES) {
    const { reads, stale } = await setAndRead(app, place);
    counts[`${place}: values read`] = reads;
    counts[`${place}: not what was set`] = stale;
  }
  return { ...counts, ...(await locks(world, app)) };
}

async function sharedState(t: Test, installed: InstalledStack): Promise<void> {
  await forEachServer(
    t,
    async (t, server) => {
      const world = await proxied(t, server, ['--pool-size', String(POOL)]);
      const redis = await startRedis(t, installed.program('redis-server'));
      const beside = {
        memcached: await startMemcached(t, installed),
        redis: `redis://127.0.0.1:${redis.port}/0`,
      };
      // One after the other: they share the caches.
      const direct = await meet(t, installed.python, world, server.url(world.schema), beside);
      const proxied_ = await meet(t, installed.python, world, world.proxy.url, beside);
      sideBySide(t, `${WORKERS} workers`, direct, proxied_);
      for (const [how, counts] of [
        ['directly', direct],
        ['proxied', proxied_],
      ] as const) {
        t.ok(Number(counts['memory: not what was set']) > 0, `${how}: a module's dict is each worker's own`);
        for (const place of ['database', 'memcached', 'redis'])
          t.equal(counts[`${place}: not what was set`], 0, `${how}: the ${place} is everybody's, at once`);
        t.equal(counts['lock got by two workers'], 0, `${how}: a lock excludes the other workers`);
        t.ok(Number(counts['lock refused to other workers']) > 0, `${how}: they have tried`);
        t.equal(counts['then got by another worker'], 'yes', `${how}: it goes with its worker`);
      }
      const held = await world.proxy.holds(1, 'reason="user_lock"');
      t.equal(held, 1, 'the proxy keeps a session for the lock, and no more than that');
    },
    { flavors: ['mariadb'], timeout: 300_000 },
  );
}

await withStack(t, STACK, sharedState);
