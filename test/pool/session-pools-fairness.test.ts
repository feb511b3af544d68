/** Several keys, one budget. */
import t from 'tap';

import { RetireReason } from '../../src/pool/observer.js';
import { AGEING_MS } from '../../src/pool/waiting-lines.js';
import { type FakeSession, must, settle, World } from './support.js';

t.test("an idle session of one key makes room for another key's waiter", async (t) => {
  const world = new World({ limit: 3 });
  const [a1, a2] = (await world.lend(2, 'a')) as [FakeSession, FakeSession];
  const [b1] = (await world.lend(1, 'b')) as [FakeSession];
  for (const session of [a1, b1, a2]) {
    world.pools.checkin(session);
    world.clock.advance(1);
  }
  const request = world.ask('c');
  t.same(world.server.closed, [{ session: a1, reason: RetireReason.evicted }], 'the least recently used');
  t.same(
    world.server.dials.map((dial) => dial.key),
    ['c'],
  );
  must(world.server.dials[0]).succeed();
  await settle();
  t.equal(request.session.key, 'c');
  t.equal(world.server.mostAtOnce, 3);
});

t.test('one session is evicted for one dial', async (t) => {
  const world = new World({ limit: 3 });
  const sessions = await world.lend(3, 'a');
  for (const session of sessions) world.pools.checkin(session);
  world.clock.advance(AGEING_MS);
  world.server.closesAtOnce = false;
  world.ask('b');
  world.ask('b');
  t.same(world.counts, [2, 0, 0, 1, 2], 'the next only when the first has been put to use');
  must(world.server.closes[0]).done();
  await settle();
  t.same(world.counts, [2, 0, 1, 0, 2]);
  must(world.server.dials[0]).succeed();
  await settle();
  t.same(world.counts, [1, 1, 0, 1, 1]);
});

/** Two keys, one with a session lent, the other with one that has just become idle. */
async function twoBusyKeys(): Promise<World> {
  const world = new World({ limit: 2 });
  await world.lend(1, 'a');
  const [b] = (await world.lend(1, 'b')) as [FakeSession];
  world.pools.checkin(b);
  return world;
}

t.test('a session used just now is not taken for a waiter that came just now', async (t) => {
  const world = await twoBusyKeys();
  world.ask('a');
  t.same(world.counts, [1, 1, 0, 0, 1]);
  world.clock.advance(50);
  t.same(world.counts, [0, 1, 1, 0, 1], 'but soon');
});

t.test('a session used a while ago is', async (t) => {
  const world = await twoBusyKeys();
  world.clock.advance(AGEING_MS);
  world.ask('a');
  t.same(world.counts, [0, 1, 1, 0, 1]);
});

t.test('a waiter that has waited a while takes even a session used just now', async (t) => {
  const world = await twoBusyKeys();
  const request = world.ask('b');
  world.ask('a');
  world.clock.advance(AGEING_MS);
  world.pools.checkin(request.session);
  t.same(world.counts, [0, 1, 1, 0, 1]);
});

for (const way of ['gives up', 'is served'] as const) {
  t.test(`a waiter with nothing else to wait for gets its turn when the one before it ${way}`, async (t) => {
    const world = new World({ limit: 3 });
    const [a] = (await world.lend(1, 'a')) as [FakeSession];
    const others = await world.lend(2, 'b');
    for (const session of others) world.pools.checkin(session);
    const before = world.ask('a');
    world.ask('c');
    t.same(world.counts, [2, 1, 0, 0, 2]);
    if (way === 'gives up') world.pools.cancel(before);
    else world.pools.checkin(a);
    t.same(world.counts, [1, 1, 1, 0, 1]);
  });
}

t.test('nothing is evicted while dialling pauses', async (t) => {
  const world = new World({ limit: 2 });
  const [a] = (await world.lend(1, 'a')) as [FakeSession];
  world.ask('b');
  must(world.server.dials[0]).fail(new Error('no'));
  await settle();
  world.pools.limit = 1;
  world.pools.checkin(a);
  t.same(world.counts, [1, 0, 0, 0, 1]);
  world.clock.advance(100);
  t.same(world.counts, [0, 0, 1, 0, 1]);
});

t.test('a session that becomes idle makes room for another key at once', async (t) => {
  const world = new World({ limit: 1 });
  const [a] = (await world.lend(1, 'a')) as [FakeSession];
  const request = world.ask('b');
  world.pools.checkin(a);
  t.same(world.server.closed, [{ session: a, reason: RetireReason.evicted }]);
  must(world.server.dials[0]).succeed();
  await settle();
  t.equal(request.session.key, 'b');
});

for (const [lead, transferred] of [
  [AGEING_MS - 1, false],
  [AGEING_MS, true],
] as const) {
  t.test(
    `a waiter of another key that came ${lead} ms earlier ${transferred ? 'wins' : 'waits'}`,
    async (t) => {
      const world = new World({ limit: 2 });
      const [x, y] = (await world.lend(2, 'a')) as [FakeSession, FakeSession];
      const other = world.ask('b');
      world.clock.advance(lead);
      const [own, next] = [world.ask('a'), world.ask('a')];
      world.pools.checkin(x);
      if (!transferred) {
        t.equal(own.session, x);
        t.same(world.server.dials, []);
        return;
      }
      t.same(world.server.closed, [{ session: x, reason: RetireReason.transferred }]);
      t.ok(own.pending);
      world.pools.checkin(y);
      t.equal(own.session, y, 'only one place changes keys at a time');
      must(world.server.dials[0]).succeed();
      await settle();
      t.equal(other.session.key, 'b');
      t.ok(next.pending);
      world.clock.advance(AGEING_MS);
      world.pools.checkin(other.session);
      t.same(
        world.server.dials.map((dial) => dial.key),
        ['a'],
        'and it comes back when it is not needed there any more',
      );
    },
  );
}

t.test('a place changing keys is one while its session is being closed, too', async (t) => {
  const world = new World({ limit: 2 });
  const [x, y] = (await world.lend(2, 'a')) as [FakeSession, FakeSession];
  world.server.closesAtOnce = false;
  world.ask('b');
  world.ask('b');
  world.clock.advance(AGEING_MS);
  const own = world.ask('a');
  world.pools.checkin(x);
  t.same(world.counts, [0, 1, 0, 1, 3]);
  world.pools.checkin(y);
  t.equal(own.session, y);
});

t.test('a busy key does not starve another', async (t) => {
  const world = new World({ limit: 2 });
  const busy = await world.lend(2, 'busy');
  for (let i = 0; i < 20; i++) world.ask('busy');
  const stranger = world.ask('stranger');
  let turns = 0;
  while (stranger.pending && turns++ < 1_000) {
    world.clock.advance(1);
    world.ask('busy');
    for (const session of busy) if (world.server.live.has(session)) world.pools.checkin(session);
    world.server.dials[0]?.succeed();
    await settle();
  }
  t.equal(stranger.session.key, 'stranger');
  t.equal(world.server.mostAtOnce, 2);
});

t.test('a key whose dials are refused gets no place of others', async (t) => {
  const world = new World({ limit: 2 });
  const [a] = (await world.lend(1, 'a')) as [FakeSession];
  const denied = world.ask('denied');
  denied.onRefused = () => world.pools.checkout(denied);
  must(world.server.dials[0]).fail(Object.assign(new Error('no'), { fatalToWaiters: true }));
  await settle();
  world.pools.limit = 1;
  world.clock.advance(40);
  t.ok(denied.pending);
  const own = world.ask('a');
  world.pools.checkin(a);
  t.equal(own.session, a);
});
