/** Processes take turns, and whoever holds a session goes first. */
import t from 'tap';

import { AppProcess } from '../../src/pool/app-process.js';
import { PoolOverloadedError, PoolTimeoutError } from '../../src/pool/errors.js';
import { TICK_MS } from '../../src/pool/session-pools.js';
import { AGEING_MS } from '../../src/pool/waiting-lines.js';
import { type FakeSession, must, settle, TestRequest, World } from './support.js';

/** One session, lent to a stranger. */
async function oneSession(): Promise<{ world: World; session: FakeSession }> {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  return { world, session };
}

function ask(world: World, process: AppProcess, fingerprint: unknown = 'clean', key = 'app'): TestRequest {
  return world.ask(key, null, fingerprint, process);
}

/** Names of the requests in the order in which a session that comes back again and again is granted to them. */
function order(
  world: World,
  session: FakeSession,
  requests: readonly (readonly [string, TestRequest])[],
): string {
  const names: string[] = [];
  for (const [name, request] of requests) request.onGranted = () => names.push(name);
  for (const _ of requests) world.pools.checkin(session);
  return names.join(' ');
}

t.test('processes take turns; within one, first in, first out', async (t) => {
  const { world, session } = await oneSession();
  const [a, b, c] = [new AppProcess('a'), new AppProcess('b'), new AppProcess('c')];
  const requests = (
    [
      ['a1', a],
      ['a2', a],
      ['a3', a],
      ['a4', a],
      ['b1', b],
      ['b2', b],
      ['c1', c],
    ] as const
  ).map(([name, process]) => [name, ask(world, process)] as const);
  t.equal(order(world, session, requests), 'a1 b1 c1 a2 b2 a3 a4');
});

t.test('500 waiting clients of one process do not starve another with 2', async (t) => {
  const { world, session } = await oneSession();
  const [many, few] = [new AppProcess('many'), new AppProcess('few')];
  const before = Array.from({ length: 500 }, () => ask(world, many));
  const two = [ask(world, few), ask(world, few)];
  for (let i = 0; i < 4; i++) world.pools.checkin(session);
  t.same(
    [before.filter(({ pending }) => pending).length, two.map(({ pending }) => pending)],
    [498, [false, false]],
    'after four handovers',
  );
});

t.test('a process with one waiter at a time gets every second session', async (t) => {
  const { world, session } = await oneSession();
  const [many, few] = [new AppProcess('many'), new AppProcess('few')];
  let [ofMany, ofFew] = [0, 0];
  const askMany = (): void => {
    ask(world, many).onGranted = () => {
      ofMany++;
      askMany();
    };
  };
  const askFew = (): void => {
    ask(world, few).onGranted = () => {
      ofFew++;
      askFew();
    };
  };
  for (let i = 0; i < 500; i++) askMany();
  askFew();
  for (let i = 0; i < 100; i++) world.pools.checkin(session);
  t.same([ofMany, ofFew], [50, 50]);
});

t.test('turns count across pools: a process of another user waits for no more than its turn', async (t) => {
  const world = new World({ limit: 2 });
  const sessions = await world.lend(2, 'big');
  const [many, few] = [new AppProcess('many'), new AppProcess('few')];
  for (let i = 0; i < 500; i++) ask(world, many, 'clean', 'big');
  world.clock.advance(1_000);
  const request = ask(world, few, 'clean', 'small');
  let handed = 0;
  while (request.pending && handed < 1_000) {
    world.clock.advance(1);
    for (const session of sessions) {
      if (!world.server.live.has(session)) continue;
      world.pools.checkin(session);
      handed++;
    }
    world.server.dials[0]?.succeed();
    await settle();
  }
  t.equal(request.session.key, 'small');
  t.ok(handed <= 2 * (AGEING_MS + 2), `after ${handed} handovers, of 500 that came before it`);
});

t.test('a process that holds a session is served first, with one more for each it holds', async (t) => {
  const world = new World({ limit: 2 });
  const [first, session] = (await world.lend(2)) as [FakeSession, FakeSession];
  world.pools.checkin(first);
  const worker = new AppProcess('worker');
  const firstHalf = ask(world, worker);
  t.equal(firstHalf.session, first);
  const [stranger, secondHalf, third] = [
    ask(world, new AppProcess()),
    ask(world, worker),
    ask(world, worker),
  ];
  firstHalf.holding(true);
  t.ok(worker.urgent, 'those that wait already');
  world.pools.checkin(session);
  t.equal(secondHalf.session, session);
  t.notOk(worker.urgent);
  t.same([stranger.granteds, third.granteds], [[], []]);
  secondHalf.holding(true);
  t.equal(worker.held, 2);
  t.notOk(worker.urgent, 'what it holds ahead of its turn counts for nothing');
  secondHalf.holding(false);
  world.pools.checkin(session);
  t.equal(third.session, session, 'again, as long as it holds the first half');
  firstHalf.holding(false);
  t.notOk(worker.urgent);
  const fourth = ask(world, worker);
  world.pools.checkin(first);
  t.equal(stranger.session, first, 'then it is the turn of others');
  world.pools.checkin(session);
  t.equal(fourth.session, session);
});

t.test('what was granted ahead of a turn is given back when its session dies, too', async (t) => {
  const world = new World({ limit: 2 });
  const [first, session] = (await world.lend(2)) as [FakeSession, FakeSession];
  world.pools.checkin(first);
  const worker = new AppProcess('worker');
  ask(world, worker).holding(true);
  const second = ask(world, worker);
  world.pools.checkin(session);
  t.equal(second.session, session);
  t.notOk(worker.urgent);
  world.pools.retire(session, 'test');
  t.ok(worker.urgent);
});

t.test(
  'a request of an urgent process that was promised a dead session goes back to its place',
  async (t) => {
    const world = new World({ limit: 2 });
    const [first, session] = (await world.lend(2)) as [FakeSession, FakeSession];
    world.pools.checkin(first);
    const worker = new AppProcess('worker');
    ask(world, worker).holding(true);
    const [bystander, stranger] = [world.ask(), world.ask()];
    bystander.onGranted = () => undefined;
    const second = ask(world, worker);
    const third = ask(world, worker);
    // Served first; in its callback the next is promised what it gives back, which dies before that is told.
    second.onGranted = (granted) => {
      world.pools.checkin(granted);
      world.pools.sessionDied(granted);
    };
    world.pools.checkin(session);
    t.same([third.granteds, bystander.granteds, stranger.granteds], [[], [], []]);
    t.ok(worker.urgent);
    const next = must(world.server.dials[0]).succeed();
    await settle();
    t.equal(third.session, next);
  },
);

t.test('a session that was lent is counted, not one that was promised', async (t) => {
  const waited: number[] = [];
  const world = new World({ limit: 2, observer: { waited: (_pool, ms) => waited.push(ms) } });
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  const before = world.pools.checkouts.all;
  waited.length = 0;
  const [first, second, third] = [world.ask(), world.ask(), world.ask()];
  // In its callback the next is promised what it gives back, which dies before that is told; and the third goes.
  first.onGranted = (granted) => {
    world.pools.checkin(granted);
    world.pools.sessionDied(granted);
  };
  world.pools.checkin(a);
  second.onGranted = () => undefined;
  world.pools.cancel(third);
  world.pools.checkin(b);
  t.equal(second.session, b);
  t.same([world.pools.checkouts.all - before, waited.length], [2, 2]);
});

t.test('a returned session is closed for an urgent process of another pool', async (t) => {
  const world = new World({ limit: 2 });
  const [a] = (await world.lend(1, 'a')) as [FakeSession];
  const worker = new AppProcess('worker');
  const held = ask(world, worker, 'clean', 'b');
  must(world.server.dials[0]).succeed();
  await settle();
  held.holding(true);
  const own = world.ask('a');
  world.clock.advance(AGEING_MS);
  const second = ask(world, worker, 'clean', 'b');
  world.pools.checkin(a);
  t.equal(own.session, a, 'not at once: that costs a new session');
  world.ask('a');
  world.clock.advance(AGEING_MS);
  world.pools.checkin(a);
  must(world.server.dials[0]).succeed();
  await settle();
  t.equal(second.session.key, 'b');
});

t.test('affinity overtakes nobody who has waited for long, in whichever lane', async (t) => {
  const { world, session } = await oneSession();
  const [a, b, c] = [new AppProcess('a'), new AppProcess('b'), new AppProcess('c')];
  const early = ask(world, b, 'utc');
  early.onGranted = () => undefined;
  world.clock.advance(AGEING_MS);
  const [a1, c1] = [ask(world, a, 'utc'), ask(world, c, 'clean')];
  world.pools.checkin(session);
  t.equal(early.session, session);
  world.pools.checkin(session);
  t.equal(c1.session, session, 'it suits as it is');
  world.pools.checkin(session);
  t.equal(a1.session, session);
});

t.test('a request that gives up takes no turn of its process', async (t) => {
  const { world, session } = await oneSession();
  const [a, b] = [new AppProcess('a'), new AppProcess('b')];
  const [a1, a2, b1] = [ask(world, a), ask(world, a), ask(world, b)];
  world.pools.cancel(a1);
  t.equal(
    order(world, session, [
      ['a2', a2],
      ['b1', b1],
    ]),
    'a2 b1',
  );
});

t.test('second halves are served before strangers that came long before', async (t) => {
  const world = new World({ limit: 4 });
  const [bystander, ...free] = (await world.lend(4)) as [FakeSession, ...FakeSession[]];
  for (const session of free) world.pools.checkin(session);
  const served: string[] = [];
  const firsts = Array.from({ length: 3 }, (_, i) => ask(world, new AppProcess(`worker ${i}`)));
  for (let i = 0; i < 20; i++) {
    const stranger = world.ask();
    stranger.onGranted = (session) => {
      served.push('stranger');
      world.pools.checkin(session);
    };
  }
  world.clock.advance(1_000);
  for (const first of firsts) {
    first.holding(true);
    const second = ask(world, first.process);
    second.onGranted = (session) => {
      served.push(first.process.label);
      first.holding(false);
      world.pools.checkin(session);
      world.pools.checkin(first.session);
    };
  }
  t.same(world.counts, [0, 4, 0, 0, 23], 'three first halves, and a session lent to somebody else');
  world.pools.checkin(bystander);
  t.same(served.slice(0, 3), ['worker 0', 'worker 1', 'worker 2']);
  t.equal(served.length, 23);
  t.same(world.counts, [4, 0, 0, 0, 0]);
});

t.test('full of first halves: the error names the process that holds them', async (t) => {
  const world = new World({ limit: 2, heldReason: () => 'transaction' });
  const worker = new AppProcess('pid 17 at 10.0.0.5');
  const [x, y] = (await world.lend(2)) as [FakeSession, FakeSession];
  world.pools.checkin(x);
  world.pools.checkin(y);
  ask(world, worker).holding(true);
  ask(world, worker).holding(true);
  const [own, other] = [ask(world, worker), ask(world, new AppProcess('pid 18 at 10.0.0.5'))];
  world.clock.advance(5_100);
  t.ok(own.refusal instanceof PoolTimeoutError);
  t.match(
    own.refusal.message,
    /2 of 2 sessions in use \(2 by this pool, 2 held, mostly transaction\).* 2 waiting; 2 of those held are held by this client's own process \(pid 17 at 10\.0\.0\.5\), which waits for one more$/,
  );
  t.match(other.refusal.message, /2 waiting$/);
});

t.test('max_waiting: one more is refused at once, from outside the call', async (t) => {
  const world = new World({ limit: 2, maxWaiting: 3, heldReason: () => 'transaction' });
  const cold = Array.from({ length: 5 }, () => world.ask());
  t.notOk(
    cold.some(({ refusals }) => refusals.length > 0),
    'two of them have a session to be opened',
  );
  const early = world.ask();
  t.same(early.refusals, []);
  t.ok(early.pending);
  await settle();
  t.ok(early.refusal instanceof PoolOverloadedError);
  must(world.server.dials[0]).succeed();
  await settle();
  must(world.server.dials[0]).succeed();
  await settle();
  t.same(world.counts, [0, 2, 0, 0, 3]);
  // The figures are counted anew once a tick.
  world.clock.advance(TICK_MS);
  const shed = world.ask();
  t.notOk(world.pools.cancel(new TestRequest(world.pool())));
  const gone = world.ask();
  t.ok(world.pools.cancel(gone), 'and may be cancelled before it hears of it');
  await settle();
  t.same(gone.refusals, []);
  t.equal(
    shed.refusal.message,
    'pool app is overloaded: 3 requests wait for a server session already, which is max_waiting; waited 0 ms: ' +
      '2 of 2 sessions in use (2 by this pool, 2 held, mostly transaction), 0 idle, 0 opening, 0 closing, 3 waiting',
  );
  t.same(world.counts, [0, 2, 0, 0, 3]);
  world.pools.cancel(must(cold[4]));
  t.ok(world.ask().pending, 'whoever leaves makes room');
  await settle();
  t.same(world.counts, [0, 2, 0, 0, 3]);
});
