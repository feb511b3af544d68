import t from 'tap';
import { type OwnStatus, STATUS_ROWS, statusSchema } from '../../src/admin/status-document.js';
import { History } from '../../src/observability/history.js';
import { AllStatus } from '../../src/views/all-status.js';
import { memoryBus } from './support/memory-bus.js';

const POOL = { user: 'app', paused: false, opening: 0, closing: 0 };

const SERVER = {
  name: 'db1',
  state: 'up',
  role: 'primary',
  getsWrites: true,
  lagSeconds: 0,
  reasons: [],
  seconds: 1,
  paused: false,
};

/** Worker `nr`, with as many of everything. */
function status(nr: number): OwnStatus {
  const clients = { total: 10 * nr, active: nr, waiting: nr, held: nr, idle: 7 * nr, login: nr - 1 };
  return {
    schemaVersion: 1,
    time: '2026-01-02T03:04:05.000Z',
    version: '0',
    startedAt: `2026-01-0${nr}T00:00:00.000Z`,
    uptimeSeconds: 100 - nr,
    state: 'serving',
    reason: 'ready',
    trouble: nr === 3 ? { pool: 'a', error: 'gone', seconds: 1, attempts: 2 } : null,
    listen: ['127.0.0.1:6033'],
    server: { address: 'db:3306', version: '8' },
    servers: [{ ...SERVER, lent: nr, waiting: 2 * nr }],
    poolMode: 'transaction',
    clients,
    sessions: { limit: 4, share: 4, open: nr, lent: nr, held: 0, idle: 0, opening: 0, closing: 1 },
    waiting: nr,
    longestWaitMs: 10 * nr,
    totals: {
      queries: 100 * nr,
      checkouts: { own: nr, equal: nr, waited: 2 * nr },
      reuseRatio: 0.5,
      restores: nr,
      resets: 0,
      kills: nr === 2 ? { query: 5 } : {},
      holds: {},
      logins: { accepted: nr },
      timeLimits: {},
      sharedSockets: {},
    },
    pools: [
      { ...POOL, name: 'a', waiting: nr, lent: 1, held: 0, idle: 1, longestWaitMs: nr },
      ...(nr === 2 ? [{ ...POOL, name: 'b', waiting: 50, lent: 0, held: 1, idle: 0, longestWaitMs: 3 }] : []),
    ],
    poolsTotal: nr === 2 ? 2 : 1,
    waiters: Array.from({ length: 15 }, (_, i) => ({
      client: 100 * nr + i,
      user: 'u',
      address: null,
      application: null,
      waitedMs: nr * 100 - i,
    })),
    holdsByReason: [{ reason: nr === 1 ? 'lock_tables' : 'user_variable', clients: nr }],
    holds: [
      {
        client: nr,
        user: 'u',
        server: 1,
        reason: 'x',
        since: `2026-01-0${4 - nr}T00:00:00.000Z`,
        seconds: nr,
        statement: null,
      },
    ],
    holdsTotal: nr,
    fleet: nr === 1 ? { members: 2, share: 4, limit: 4, maxConnections: 151 } : null,
    workers: [{ worker: nr, pid: 1_000 + nr, clients: 10 * nr, sessions: nr, uptimeSeconds: 100 - nr }],
  };
}

t.test('sums of three workers, wherever it is asked', async (t) => {
  const history = new History(() => []);
  const all = memoryBus(3).map(
    (bus, i) => new AllStatus(bus, { own: () => status(i + 1), history, topQueries: () => null }),
  );
  for (const one of all) {
    const taken = statusSchema.parse(await one.take());
    t.match(taken, {
      startedAt: '2026-01-01T00:00:00.000Z',
      uptimeSeconds: 99,
      trouble: { error: 'gone' },
      clients: { total: 60, active: 6, waiting: 6, held: 6, idle: 42, login: 3 },
      sessions: { limit: 12, share: 12, open: 6, lent: 6, closing: 3 },
      waiting: 6,
      longestWaitMs: 30,
      totals: {
        queries: 600,
        checkouts: { own: 6, equal: 6, waited: 12 },
        reuseRatio: 0.5,
        kills: { query: 5 },
        logins: { accepted: 6 },
      },
      poolsTotal: 2,
      holdsTotal: 6,
      fleet: { members: 2, share: 12, limit: 12, maxConnections: 151 },
      topQueries: null,
      workersTotal: 3,
    });
    t.match(taken.servers, [{ name: 'db1', lent: 6, waiting: 12 }]);
    t.match(taken.pools, [
      { name: 'b', waiting: 50 },
      { name: 'a', waiting: 6, lent: 3, idle: 3, longestWaitMs: 3 },
    ]);
    t.equal(taken.waiters.length, STATUS_ROWS.waiters);
    t.match(taken.waiters[0], { client: 300, waitedMs: 300 }, 'the longest first');
    t.same(taken.holdsByReason, [
      { reason: 'user_variable', clients: 5 },
      { reason: 'lock_tables', clients: 1 },
    ]);
    t.same(
      taken.holds.map(({ client }) => client),
      [3, 2, 1],
      'the longest first',
    );
    t.same(
      taken.workers.map(({ worker, pid, clients }) => [worker, pid, clients]),
      [
        [1, 1_001, 10],
        [2, 1_002, 20],
        [3, 1_003, 30],
      ],
    );
  }
});

t.test('a server that only another worker knows, or knows yet', async (t) => {
  const named = (names: readonly string[]) => names.map((name) => ({ ...SERVER, name, lent: 1, waiting: 2 }));
  const known = [['db1'], ['db1', 'db2'], ['db2', 'db3']];
  const [first] = memoryBus(3).map(
    (bus, i) =>
      new AllStatus(bus, {
        own: () => ({ ...status(i + 1), servers: named(known[i] ?? []) }),
        history: new History(() => []),
        topQueries: () => null,
      }),
  );
  t.match((await first?.take())?.servers, [
    { name: 'db1', lent: 2, waiting: 4 },
    { name: 'db2', lent: 2, waiting: 4 },
    { name: 'db3', lent: 1, waiting: 2 },
  ]);
});

t.test('one that does not answer is not among the workers', async (t) => {
  const buses = memoryBus(2);
  const [first] = buses.map(
    (bus, i) =>
      new AllStatus(bus, {
        own: () => status(i + 1),
        history: new History(() => []),
        topQueries: () => null,
      }),
  );
  buses[1]?.die();
  t.match(await first?.take(), { workers: [{ worker: 1 }], workersTotal: 2, clients: { total: 10 } });
});
