import t from 'tap';
import { NamedPool, type PoolRule, type RoutedServer } from '../../src/relay/named-pool.js';
import {
  ReportReason,
  ServerEngine,
  type ServerReport,
  ServerRole,
} from '../../src/servers/server-report.js';
import { FailureReason, ServerState } from '../../src/servers/server-state.js';

const { Galera, Replication, Standalone } = ServerEngine;
const { Primary, Replica } = ServerRole;

class FakeServer implements RoutedServer {
  readonly name: string;
  readonly state = new ServerState(
    { missesToDown: 2, answersToUp: 1, slowStartMs: 1_000 },
    0,
    () => undefined,
  );
  use: RoutedServer['use'] = 'auto';
  weight: number | null = null;
  load = 0;
  isPaused = false;

  constructor(name: string) {
    this.name = name;
  }

  says(role: ServerRole, engine: ServerEngine = Standalone, lagSeconds: number | null = 0, now = 0): this {
    const report: ServerReport = { engine, role, lagSeconds, reasons: [] };
    this.state.reported(report, now);
    return this;
  }

  isGone(): void {
    this.state.unreachable(FailureReason.Unreachable, 0);
  }
}

const PRIMARY: PoolRule = {
  name: 'shop',
  role: 'primary',
  maxLagSeconds: null,
  fallbackToPrimary: true,
  readYourWrites: false,
};
const REPLICA: PoolRule = { ...PRIMARY, name: 'shop_ro', role: 'replica' };

function world(count: number): { a: FakeServer; b: FakeServer; c: FakeServer; all: FakeServer[] } {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new FakeServer(name)) as [
    FakeServer,
    FakeServer,
    FakeServer,
  ];
  return { a, b, c, all: [a, b, c].slice(0, count) };
}

t.test('of several that take writes one gets them, until it is down', async (t) => {
  const { a, b, c, all } = world(3);
  const pool = new NamedPool(PRIMARY, all);
  t.equal(pool.choose(null, 0), null, 'nothing is known');
  b.says(Primary, Galera);
  pool.refresh();
  t.equal(pool.choose(null, 0), null, 'the first may be there as well');
  a.says(Primary, Galera);
  c.says(Primary, Galera);
  pool.refresh();
  t.equal(pool.choose(b, 0), a, 'wherever the client was before');
  a.isGone();
  pool.refresh();
  t.equal(pool.choose(a, 0), b);
  a.says(Primary, Galera);
  pool.refresh();
  t.equal(pool.choose(a, 0), b, 'no way back');
  t.same(pool.torn, []);
  b.state.doubted(0);
  pool.refresh();
  t.equal(pool.choose(b, 0), a, 'a suspect gets nothing new');
});

t.test('the one that takes writes, by its own word or by the configuration', async (t) => {
  const { a, b, all } = world(2);
  const pool = new NamedPool(PRIMARY, all);
  a.says(Replica, Replication);
  b.says(Primary);
  pool.refresh();
  t.equal(pool.choose(null, 0), b);
  b.use = 'replica';
  pool.refresh();
  t.equal(pool.choose(null, 0), null);
  a.use = 'primary';
  pool.refresh();
  t.equal(pool.choose(null, 0), a);
  a.isPaused = true;
  pool.refresh();
  t.equal(pool.choose(null, 0), null);
});

t.test('two that take writes and know nothing of each other', async (t) => {
  const { a, b, all } = world(2);
  const pool = new NamedPool(PRIMARY, all);
  a.says(Primary);
  b.says(Primary);
  pool.refresh();
  t.equal(pool.choose(null, 0), a);
  t.same(
    pool.torn.map(({ name }) => name),
    ['a', 'b'],
  );
});

t.test('with weights they share the writes', async (t) => {
  const { a, b, all } = world(2);
  for (const server of [a.says(Primary, Galera), b.says(Primary, Galera)]) server.weight = 1;
  b.weight = 3;
  const pool = new NamedPool(PRIMARY, all);
  const taken = { a: 0, b: 0 };
  for (let i = 0; i < 40; i++) {
    const server = pool.choose(null, 0);
    if (server === null) throw new Error('there are two');
    server.load++;
    taken[server.name as 'a' | 'b']++;
  }
  t.same(taken, { a: 10, b: 30 });
  b.isGone();
  pool.refresh();
  t.equal(pool.choose(b, 0), a);
});

t.test('replicas: least in use, as old as they may be', async (t) => {
  const { a, b, c, all } = world(3);
  const primary = new NamedPool(PRIMARY, all);
  const pool = new NamedPool({ ...REPLICA, maxLagSeconds: 5 }, all, primary);
  a.says(Primary);
  b.says(Replica, Replication, 2);
  c.says(Replica, Replication, 9);
  primary.refresh();
  pool.refresh();
  t.equal(pool.choose(null, 0), b, 'one is too old');
  c.says(Replica, Replication, 5);
  b.load = 1;
  t.equal(pool.choose(b, 0), c, 'one is busier');
  c.load = 1;
  for (let i = 0; i < 3; i++) t.equal(pool.choose(b, 0), b, 'where it was before, if that is no busier');
  const turns = new Set([pool.choose(null, 0), pool.choose(null, 0), pool.choose(null, 0)]);
  t.same(turns.size, 2, 'who was nowhere goes to each in its turn');
  b.says(Replica, Replication, null);
  c.isGone();
  t.equal(pool.choose(null, 0), a, 'no replica will do');
  const strict = new NamedPool({ ...REPLICA, maxLagSeconds: 5, fallbackToPrimary: false }, all, primary);
  t.equal(strict.choose(null, 0), null);
  t.equal(new NamedPool(REPLICA, all, primary).choose(null, 0), b, 'however old');
});

t.test('nodes of a cluster that do not get the writes answer reads', async (t) => {
  const { a, b, c, all } = world(3);
  for (const server of all) server.says(Primary, Galera);
  const primary = new NamedPool(PRIMARY, all);
  const pool = new NamedPool(REPLICA, all, primary);
  t.same(new Set([1, 2, 3, 4].map(() => pool.choose(null, 0)?.name)), new Set(['b', 'c']));
  for (const server of [b, c]) server.isGone();
  t.equal(pool.choose(null, 0), a);
});

t.test('one that comes back begins with little', async (t) => {
  const { b, c, all } = world(3);
  const primary = new NamedPool(PRIMARY, all);
  const pool = new NamedPool(REPLICA, all, primary);
  b.says(Replica, Replication);
  c.says(Replica, Replication);
  c.state.reported(
    { engine: Replication, role: ServerRole.Unusable, lagSeconds: null, reasons: [ReportReason.OfflineMode] },
    0,
  );
  t.equal(pool.choose(c, 0), b);
  c.says(Replica, Replication);
  b.load = 5;
  t.equal(pool.choose(c, 0), b, 'a tenth of its share');
  t.equal(pool.choose(c, 900), c, 'nearly all of it');
});
