/** Sessions that are kept open, and those that have become too old. */
import t from 'tap';

import { type PoolObserver, RetireReason } from '../../src/pool/observer.js';
import { type FakeSession, must, settle, World } from './support.js';

const HOUR = 3_600_000;

t.test('idle for too long, the least recently used first, down to what is kept', async (t) => {
  const world = new World({ limit: 4, idleTimeoutMs: 1_000, minSize: 2 });
  const [a, b, c] = (await world.lend(3)) as [FakeSession, FakeSession, FakeSession];
  for (const session of [a, b, c]) world.pools.checkin(session);
  t.equal(world.ask().session, c, 'the most recently used one');
  world.clock.advance(999);
  world.pools.retireAged();
  t.same(world.server.closed, []);
  world.clock.advance(1);
  world.pools.retireAged();
  t.same(world.server.closed, [{ session: a, reason: RetireReason.idleTimeout }]);
  world.pools.checkin(c);
  world.clock.advance(HOUR);
  world.pools.retireAged();
  t.same(world.counts, [2, 0, 0, 0, 0]);
  t.equal(world.clock.ticking, 0, 'nothing to look after');
});

t.test('without a minimum, all of them', async (t) => {
  const world = new World({ limit: 2, idleTimeoutMs: 1_000 });
  for (const session of await world.lend(2)) world.pools.checkin(session);
  world.clock.advance(1_000);
  world.pools.retireAged();
  await settle();
  t.same(world.counts, [0, 0, 0, 0, 0]);
  t.same(world.server.dials, []);
});

t.test(
  'what is missing of the minimum is opened once there has been a client, and anew when it ends',
  async (t) => {
    const world = new World({ limit: 4, minSize: 3 });
    const [first] = (await world.lend(1)) as [FakeSession];
    t.same(world.counts, [0, 1, 1, 0, 0]);
    must(world.server.dials[0]).succeed();
    await settle();
    must(world.server.dials[0]).succeed();
    await settle();
    t.same(world.counts, [2, 1, 0, 0, 0]);
    t.same(world.server.dials, []);
    world.pools.checkin(first);
    world.pools.sessionDied(first);
    t.same(world.counts, [2, 0, 1, 0, 0]);
    const [waiter] = [world.ask(), world.ask(), world.ask()].reverse();
    must(world.server.dials[0]).succeed();
    await settle();
    t.ok(must(waiter).session, 'whoever waits meanwhile gets what was opened to be kept');
    const closed = world.pools.close();
    for (const { session } of [...world.pools.sessions()]) world.pools.retire(session, 'test');
    await closed;
    t.same(world.counts, [0, 0, 0, 0, 0]);
    t.equal(world.clock.ticking, 0);
  },
);

t.test('the minimum is no more than the limit, and takes no place of those who wait', async (t) => {
  const world = new World({ limit: 2, minSize: 5 });
  await world.lend(1, 'a');
  must(world.server.dials[0]).succeed();
  await settle();
  t.same(world.counts, [1, 1, 0, 0, 0]);
  world.clock.advance(1_000);
  const other = world.ask('b');
  must(world.server.dials[0]).succeed();
  await settle();
  t.equal(other.session.key, 'b');
  t.same(world.counts, [0, 2, 0, 0, 0]);
  t.equal(world.server.mostAtOnce, 2);
});

t.test('while none can be opened, sessions that are to be kept are tried again, without hurry', async (t) => {
  const pauses: number[] = [];
  const observer: PoolObserver<FakeSession> = {
    dialFailed: (_pool, _error, pause) => pauses.push(Math.round(pause)),
  };
  const world = new World({ limit: 2, minSize: 1, observer });
  const [session] = (await world.lend(1)) as [FakeSession];
  world.pools.checkin(session);
  world.pools.sessionDied(session);
  for (let i = 0; i < 6; i++) {
    must(world.server.dials[0]).fail(Object.assign(new Error('refused'), { nobodyThere: true }));
    await settle();
    world.clock.advance(1_050);
  }
  t.same(pauses, [50, 100, 200, 400, 800, 1_000]);
  must(world.server.dials[0]).succeed();
  await settle();
  t.same(world.counts, [1, 0, 0, 0, 0]);
  world.clock.advance(100);
  t.equal(world.clock.ticking, 0);
});

t.test(
  'a session that has lived for long enough is replaced where it is idle, or when it comes back',
  async (t) => {
    const asked: FakeSession[] = [];
    const world = new World({
      limit: 2,
      lifetimeMs: HOUR,
      random: () => 0,
      outlived: (session) => asked.push(session),
    });
    const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
    world.pools.checkin(a);
    world.clock.advance(HOUR - 1);
    world.pools.retireAged();
    t.same(world.server.closed, []);
    world.clock.advance(1);
    world.pools.retireAged();
    t.same(world.server.closed, [{ session: a, reason: RetireReason.lifetime }]);
    t.same(asked, [b], 'its borrower is asked for it');
    world.pools.retireAged();
    t.same(asked, [b, b], 'again and again');
    const waiter = world.ask();
    must(world.server.dials[0]).succeed();
    await settle();
    const next = world.ask();
    world.pools.checkin(b);
    t.same(
      must(world.server.closed[1]),
      { session: b, reason: RetireReason.lifetime },
      'even where somebody waits',
    );
    must(world.server.dials[0]).succeed();
    await settle();
    t.not(next.session, b);
    world.pools.checkin(waiter.session);
    t.same(world.counts, [1, 1, 0, 0, 0], 'those opened later live on');
  },
);

t.test('a borrower may give an old session back from inside the question', async (t) => {
  const world = new World({
    limit: 2,
    lifetimeMs: HOUR,
    outlived: (session) => world.pools.checkin(session),
  });
  await world.lend(2);
  world.clock.advance(HOUR);
  world.pools.retireAged();
  t.same(world.counts, [0, 0, 0, 0, 0]);
  t.same(
    world.server.closed.map(({ reason }) => reason),
    [RetireReason.lifetime, RetireReason.lifetime],
  );
});

t.test('lifetimes are up to a fifth shorter, each by its own share', async (t) => {
  let random = 0;
  const world = new World({ limit: 5, lifetimeMs: 1_000, random: () => random });
  const ids: number[] = [];
  for (let i = 0; i < 5; i++) {
    random = i / 4;
    await world.lend(1);
  }
  for (const { session } of [...world.pools.sessions()]) world.pools.checkin(session);
  for (let i = 0; i < 5; i++) {
    world.clock.advance(i === 0 ? 800 : 50);
    world.pools.retireAged();
    ids.push(must(world.server.closed.at(-1)).session.id);
    t.equal(world.server.closed.length, i + 1);
  }
  t.same(ids, [5, 4, 3, 2, 1]);
});

t.test('no session is closed for its age while others cannot be opened', async (t) => {
  const world = new World({ limit: 3, lifetimeMs: HOUR, random: () => 0.5 });
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  world.clock.advance(HOUR - 1_000);
  world.pools.retireAged();
  t.same(world.server.closed, []);
  world.ask('other');
  world.pools.checkin(a);
  world.clock.advance(1_000);
  must(world.server.dials[0]).fail(new Error('refused'));
  await settle();
  world.pools.retireAged();
  world.pools.checkin(b);
  t.same(world.server.closed, []);
});

t.test('those that have been idle longest go first, whichever pool they are in', async (t) => {
  const world = new World({ limit: 4, idleTimeoutMs: 1_000, minSize: 2 });
  const [young1, young2] = (await world.lend(2, 'a')) as [FakeSession, FakeSession];
  const [old1, old2] = (await world.lend(2, 'b')) as [FakeSession, FakeSession];
  for (const session of [old1, old2, young1, young2]) {
    world.clock.advance(1);
    world.pools.checkin(session);
  }
  world.clock.advance(2_000);
  world.pools.retireAged();
  t.same(
    world.server.closed.map(({ session }) => session),
    [old1, old2],
  );
});

t.test('none is closed for its age while the server refuses others of its user', async (t) => {
  const world = new World({ limit: 3, lifetimeMs: HOUR, random: () => 0.5 });
  const sessions = await world.lend(2);
  const waiter = world.ask();
  world.clock.advance(HOUR);
  must(world.server.dials[0]).fail(Object.assign(new Error('Access denied'), { fatalToWaiters: true }));
  await settle();
  world.pools.cancel(waiter);
  world.pools.retireAged();
  for (const session of sessions) world.pools.checkin(session);
  t.same(world.server.closed, []);
  world.clock.advance(20_000);
  world.pools.retireAged();
  t.equal(world.server.closed.length, 2, 'it is tried again');
});

t.test('nor while the server has no connection left for us', async (t) => {
  const world = new World({ limit: 3, lifetimeMs: HOUR, random: () => 0.5 });
  const sessions = await world.lend(2);
  const waiter = world.ask();
  world.clock.advance(HOUR);
  must(world.server.dials[0]).fail(Object.assign(new Error('Too many connections'), { serverFull: true }));
  await settle();
  world.pools.cancel(waiter);
  for (const session of sessions) world.pools.checkin(session);
  world.clock.advance(60);
  world.pools.retireAged();
  t.same(world.server.closed, [], 'others would have its place');
  world.clock.advance(1_000);
  world.pools.retireAged();
  t.equal(world.server.closed.length, 2, 'it is tried again');
});
