import t from 'tap';
import { findView } from '../../src/admin/console/views.js';
import { allConsole, type OwnConsole } from '../../src/views/all-console.js';
import { LONE_WORKER } from '../../src/workers/bus.js';
import { memoryBus } from './support/memory-bus.js';
import { ownConsole } from './support/rows.js';

/** One in which nothing goes on. */
const POOL = {
  user: 'app',
  pool_mode: 'transaction',
  cl_waiting: 0,
  sv_active: 0,
  sv_held: 0,
  sv_idle: 0,
  sv_login: 0,
  sv_closing: 0,
  maxwait: 0,
  maxwait_us: 0,
  paused: 0,
};
const NOBODY = {
  user: 'u',
  database: null,
  addr: 'unix',
  port: null,
  connect_time: '',
  link: null,
  holds: '',
  remote_pid: null,
  application_name: null,
};

const WORKERS: readonly Partial<OwnConsole>[] = [
  {
    pools: () => [
      {
        ...POOL,
        pool: 'a',
        cl_waiting: 1,
        sv_active: 2,
        sv_held: 3,
        sv_idle: 4,
        maxwait: 1,
        maxwait_us: 5,
      },
      {
        ...POOL,
        pool: 'b',
        sv_active: 1,
      },
    ],
    clients: () => [
      { ...NOBODY, id: 1, state: 'waiting', wait: 1, wait_us: 5 },
      { ...NOBODY, id: 2, state: 'idle', wait: 0, wait_us: 0 },
    ],
    stats: () => [
      { name: 'commands', kind: null, value: 10 },
      { name: 'kills', kind: 'query', value: 1 },
    ],
    users: () => [
      {
        name: 'u',
        server_user: 's',
        pool_mode: 'transaction',
        max_client_conn: null,
        clients: 2,
        admin: 'no',
      },
    ],
    fleet: () => [{ members: 3, share: 5, pool_size: 4, max_connections: 151 }],
    profiles: () => [{ profile: 'ff', schema: 'x', sessions: 1, clients: 2, variables: 'a=1' }],
    holds: () => [
      { client: 1, user: 'u', server: 7, reason: 'user_variable', since: '', seconds: 3, statement: null },
    ],
  },
  {
    pools: () => [
      {
        ...POOL,
        pool: 'a',
        cl_waiting: 4,
        sv_active: 1,
        sv_idle: 1,
        maxwait: 2,
        maxwait_us: 1,
        paused: 1,
      },
    ],
    clients: () => [{ ...NOBODY, id: 3, state: 'waiting', wait: 2, wait_us: 1 }],
    stats: () => [
      { name: 'commands', kind: null, value: 32 },
      { name: 'kills', kind: 'connection', value: 2 },
    ],
    users: () => [
      {
        name: 'u',
        server_user: 's',
        pool_mode: 'transaction',
        max_client_conn: null,
        clients: 1,
        admin: 'no',
      },
      { name: 'v', server_user: 's', pool_mode: 'transaction', max_client_conn: 5, clients: 1, admin: 'yes' },
    ],
    fleet: () => [{ members: 3, share: 5, pool_size: 5, max_connections: 151 }],
    profiles: () => [
      { profile: 'ff', schema: 'x', sessions: 1, clients: 1, variables: 'a=1' },
      { profile: 'ff', schema: 'y', sessions: 1, clients: 1, variables: 'a=1' },
    ],
    holds: () => [
      { client: 3, user: 'u', server: 8, reason: 'lock_tables', since: '', seconds: 9, statement: 'LOCK' },
    ],
  },
];

t.test('rows of all workers', async (t) => {
  const consoles = memoryBus(2).map((bus, i) => allConsole(bus, ownConsole(WORKERS[i])).source);
  for (const [i, source] of consoles.entries()) {
    t.same(
      [...(await source.pools())].sort((a, b) => (String(a.pool) < String(b.pool) ? -1 : 1)),
      [
        {
          ...POOL,
          pool: 'a',
          cl_waiting: 5,
          sv_active: 3,
          sv_held: 3,
          sv_idle: 5,
          maxwait: 2,
          maxwait_us: 1,
          paused: 1,
        },
        {
          ...POOL,
          pool: 'b',
          sv_active: 1,
        },
      ],
      `a row for each pool, at worker ${i + 1}`,
    );
    t.same(
      (await source.clients()).map(({ id, worker }) => [id, worker]),
      [
        [1, 1],
        [2, 1],
        [3, 2],
      ],
    );
    t.same(
      (await source.stats()).map(({ name, kind, value }) => [name, kind, value]),
      [
        ['commands', null, 42],
        ['kills', 'query', 1],
        ['kills', 'connection', 2],
      ],
    );
    t.same(
      (await source.users()).map(({ name, clients }) => [name, clients]),
      [
        ['u', 3],
        ['v', 1],
      ],
    );
    t.same(await source.fleet(), [{ members: 3, share: 10, pool_size: 9, max_connections: 151 }]);
    t.same(
      (await source.profiles()).map(({ schema, sessions, clients }) => [schema, sessions, clients]),
      [
        ['x', 2, 3],
        ['y', 1, 1],
      ],
    );
    t.same(
      (await source.holds()).map(({ client, worker }) => [client, worker]),
      [
        [3, 2],
        [1, 1],
      ],
      'longest first',
    );
    const waiters = await findView(['waiters'])?.view.read(source, 0);
    t.same(waiters?.columns.at(-1), { name: 'worker', type: 'integer' });
    t.same(
      waiters?.rows.map((row) => [row[0], row.at(-1)]),
      [
        [3, 2],
        [1, 1],
      ],
      'longest first, of both',
    );
  }
});

t.test('KILL CLIENT, RECONNECT', async (t) => {
  const killed: string[] = [];
  // The last one has been taken over from, and drains.
  const consoles = memoryBus(2, 1).map(
    (bus, i) =>
      allConsole(
        bus,
        ownConsole({
          killClient: (id) => {
            if (id !== i) return false;
            killed.push(`${id} at ${i}`);
            return true;
          },
          reconnect: () => killed.push(`sessions of ${i}`),
        }),
      ).source,
  );
  t.equal(await consoles[0]?.killClient(2), true);
  t.equal(await consoles[1]?.killClient(1), true);
  t.equal(await consoles[1]?.killClient(7), false);
  await consoles[2]?.reconnect(null);
  t.same(killed.sort(), ['1 at 1', '2 at 2', 'sessions of 0', 'sessions of 1', 'sessions of 2']);
});

t.test('a worker that is too busy, has died, or says what is no row, is left out', async (t) => {
  const buses = memoryBus(3);
  const [first] = buses.map((bus, i) => allConsole(bus, ownConsole(WORKERS[i])).source);
  buses[1]?.die();
  const heir = buses[2]?.replaced();
  heir?.answer('console.rows', () => ({ rows: 'many' }));
  t.same(
    (await first?.clients())?.map(({ id }) => id),
    [1, 2],
  );
});

t.test('one process: nothing is asked, and nothing looks different', async (t) => {
  const { source } = allConsole(LONE_WORKER, ownConsole({ ...WORKERS[0], workers: 1 }));
  const rows = source.clients();
  t.ok(Array.isArray(rows), 'at once');
  const table = findView(['clients'])?.view.read(source, 0);
  t.ok(
    table !== undefined &&
      !(table instanceof Promise) &&
      table.columns.every(({ name }) => name !== 'worker'),
  );
});
