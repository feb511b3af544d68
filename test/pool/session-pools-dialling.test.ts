/** When sessions are opened, and what happens when they cannot be. */
import t from 'tap';

import {
  PoolDialError,
  PoolMisuseError,
  PoolStillbornSessionError,
  PoolTimeoutError,
} from '../../src/pool/errors.js';
import { FakeSession, must, settle, TestRequest, World } from './support.js';

class AccessDenied extends Error {
  readonly fatalToWaiters = true;
}
const refused = new Error('connect ECONNREFUSED');

t.test('one dial at a time, no more of them than there are waiters', async (t) => {
  const world = new World({ limit: 10 });
  const requests = [world.ask('a'), world.ask('b'), world.ask('a')];
  for (const key of ['a', 'b', 'a']) {
    t.same(
      world.server.dials.map((dial) => dial.key),
      [key],
      'in the order of those who wait',
    );
    must(world.server.dials[0]).succeed();
    await settle();
  }
  t.same(world.server.dials, []);
  t.ok(requests.every((request) => request.session));
});

t.test('a session that comes back meanwhile does not leave the dial without a use', async (t) => {
  const world = new World({ limit: 2 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const waiter = world.ask();
  world.pools.checkin(session);
  t.equal(waiter.session, session);
  must(world.server.dials[0]).succeed();
  await settle();
  t.same(world.counts, [1, 1, 0, 0, 0]);
  t.same(world.server.dials, []);
});

t.test('never more than the limit, the dial under way included', async (t) => {
  const world = new World({ limit: 2 });
  const requests = Array.from({ length: 5 }, () => world.ask());
  for (let i = 0; i < 2; i++) {
    must(world.server.dials[0]).succeed();
    await settle();
  }
  t.same(world.server.dials, []);
  t.same(world.counts, [0, 2, 0, 0, 3]);
  t.equal(requests.filter((request) => request.granteds.length === 1).length, 2);
});

t.test('after a failure dialling pauses, longer each time, and the waiters stay', async (t) => {
  const pauses: number[] = [];
  const world = new World({
    waitTimeoutMs: 60_000,
    observer: { dialFailed: (_pool, _error, retryInMs) => pauses.push(Math.round(retryInMs)) },
  });
  const waiter = world.ask();
  for (const pause of [50, 100, 200, 400, 800, 1_000, 1_000]) {
    must(world.server.dials[0]).fail(refused);
    await settle();
    t.same(world.counts, [0, 0, 0, 0, 1]);
    world.pools.cancel(world.ask('other'));
    t.same(world.server.dials, [], 'a new request does not end the pause');
    world.clock.advance(pause - 1);
    t.same(world.server.dials, []);
    world.clock.advance(51);
    t.equal(world.server.dials.length, 1);
  }
  t.same(pauses, [50, 100, 200, 400, 800, 1_000, 1_000]);
  world.ask();
  must(world.server.dials[0]).succeed();
  await settle();
  t.ok(waiter.session);
  t.equal(world.server.dials.length, 1, 'no pause after a success');
  must(world.server.dials[0]).fail(refused);
  await settle();
  t.equal(pauses.at(-1), 50, 'and the next failure starts over');
});

t.test('a dial that throws is a dial that fails', async (t) => {
  const errors: unknown[] = [];
  const world = new World({
    dial: () => {
      throw refused;
    },
    observer: { dialFailed: (_pool, error) => errors.push(error) },
  });
  const waiter = world.ask();
  await settle();
  t.same(errors, [refused]);
  t.ok(waiter.pending);
});

t.test('an error that waiting cannot mend is told to all who wait for that key, at once', async (t) => {
  const world = new World();
  const [a, b, other] = [world.ask('a'), world.ask('a'), world.ask('b')];
  const error = new AccessDenied('Access denied for user');
  must(world.server.dials[0]).fail(error);
  await settle();
  for (const request of [a, b]) {
    t.ok(request.refusal instanceof PoolDialError);
    t.equal(request.refusal.cause, error);
    t.match(request.refusal, { code: 'POOL_DIAL_REFUSED', message: /pool a: Access denied for user/ });
  }
  t.ok(other.pending);
  t.same(
    world.server.dials.map((dial) => dial.key),
    ['b'],
    'the pause is for that key only',
  );
  const again = world.ask('a');
  must(world.server.dials[0]).succeed();
  await settle();
  t.ok(other.session);
  t.same(world.server.dials, [], 'who comes during the pause waits for the next try');
  world.clock.advance(100);
  must(world.server.dials[0]).succeed();
  await settle();
  t.equal(again.session.key, 'a');
});

t.test('an answer that refuses one key shows that the server is well', async (t) => {
  const pauses: number[] = [];
  const world = new World({
    observer: { dialFailed: (_pool, _error, retryInMs) => pauses.push(Math.round(retryInMs)) },
  });
  world.ask('a');
  world.ask('b');
  for (const error of [refused, refused, new AccessDenied('no'), refused]) {
    must(world.server.dials[0]).fail(error);
    await settle();
    world.clock.advance(150);
  }
  t.same(pauses, [50, 100, 50, 50]);
});

t.test('those refused may ask again at once, and wait for the next try', async (t) => {
  const world = new World();
  const request = world.ask();
  request.onRefused = () => {
    t.equal(world.pools.checkout(request), null);
  };
  must(world.server.dials[0]).fail(new AccessDenied('no'));
  await settle();
  t.equal(request.refusals.length, 1);
  t.ok(request.pending);
  t.same(world.server.dials, []);
  world.clock.advance(100);
  t.equal(world.server.dials.length, 1);
});

t.test('where the next try is far away, the answer is given without it', async (t) => {
  const world = new World();
  const error = new AccessDenied('Access denied for user');
  for (let i = 0; i < 9; i++) {
    world.clock.advance(20_000);
    const request = world.ask();
    must(world.server.dials[0]).fail(error);
    await settle();
    t.ok(request.refusal instanceof PoolDialError);
  }
  const late = world.ask();
  await settle();
  t.ok(late.refusal instanceof PoolDialError, 'at once');
  t.equal(late.refusal.cause, error);
  t.same(world.server.dials, [], 'and the server is not asked');
  const other = world.ask('b');
  must(world.server.dials[0]).succeed();
  await settle();
  t.ok(other.session, 'nor do others suffer');
  world.clock.advance(20_000);
  const again = world.ask();
  must(world.server.dials[0]).succeed();
  await settle();
  t.ok(again.session);
});

t.test('with sessions at work, waiting can help after all', async (t) => {
  const world = new World({ limit: 2 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const [first, second] = [world.ask(), world.ask()];
  must(world.server.dials[0]).fail(new AccessDenied('the password has changed'));
  await settle();
  t.ok(first.pending);
  world.pools.checkin(session);
  t.equal(first.session, session);
  world.pools.retire(session, 'died');
  t.ok(second.pending);
  world.clock.advance(100);
  must(world.server.dials[0]).fail(new AccessDenied('the password has changed'));
  await settle();
  t.ok(second.refusal instanceof PoolDialError, 'nothing is left to wait for');
});

t.test('a session that dies before the pool has it counts as a failed dial', async (t) => {
  const errors: unknown[] = [];
  const world = new World({ observer: { dialFailed: (_pool, error) => errors.push(error) } });
  const waiter = world.ask();
  const session = must(world.server.dials[0]).succeed();
  t.notOk(world.pools.sessionDied(session));
  await settle();
  t.ok(errors[0] instanceof PoolStillbornSessionError);
  t.ok(waiter.pending);
  t.same(world.server.closed, [{ session, reason: 'died' }]);
  t.same(world.counts, [0, 0, 0, 0, 1], 'and dialling pauses');
  world.clock.advance(100);
  t.equal(world.server.dials.length, 1);
});

t.test('a dial that gives a session the pool has already counts as failed', async (t) => {
  const errors: unknown[] = [];
  const session = new FakeSession(1, 'app');
  const world = new World({
    dial: async () => session,
    observer: { dialFailed: (_pool, error) => errors.push(error) },
  });
  const [a, b] = [world.ask(), world.ask()];
  await settle();
  t.equal(a.session, session);
  t.ok(b.pending);
  t.ok(errors[0] instanceof PoolMisuseError);
  t.same(world.counts, [0, 1, 0, 0, 1]);
});

t.test('waiting ends at the timeout, first come first, with the figures', async (t) => {
  const world = new World({ limit: 2, heldReason: (session) => (session.id === 1 ? 'transaction' : null) });
  await world.lend(2);
  const early = world.ask();
  world.clock.advance(1_000);
  const late = world.ask('app');
  world.clock.advance(3_999);
  t.ok(early.pending);
  world.clock.advance(51);
  t.ok(late.pending);
  t.ok(early.refusal instanceof PoolTimeoutError);
  const { waitedMs, figures, cause, code } = early.refusal as PoolTimeoutError;
  t.ok(waitedMs >= 5_000 && waitedMs <= 5_050);
  t.same(figures, {
    key: 'app',
    limit: 2,
    active: 2,
    poolActive: 2,
    held: 1,
    heldReason: 'transaction',
    idle: 0,
    dialing: 0,
    retiring: 0,
    waiting: 2,
    paused: false,
  });
  t.equal(cause, undefined);
  t.equal(code, 'POOL_TIMEOUT');
  t.match(
    early.refusal.message,
    /^no free server session in pool app after 50\d\d ms: 2 of 2 sessions in use \(2 by this pool, 1 held, mostly transaction\), 0 idle, 0 opening, 0 closing, 2 waiting$/,
  );
  world.clock.advance(1_000);
  t.ok(late.refusal);
  world.clock.advance(100);
  t.equal(world.clock.ticking, 0, 'no ticking when nobody waits');
});

t.test('when the server could not be reached, the timeout says why', async (t) => {
  const world = new World({ waitTimeoutMs: 500 });
  const [a, b] = [world.ask('a'), world.ask('b')];
  must(world.server.dials[0]).fail(refused);
  await settle();
  while (a.pending) {
    world.clock.advance(50);
    world.server.dials[0]?.fail(refused);
    await settle();
  }
  t.equal(a.refusal.cause, refused);
  t.equal(b.refusal.cause, refused, 'also for a key that was not dialled: all dialling paused');
  t.match(a.refusal.message, /, 1 waiting; none could be opened for 0\.5 s \(\d attempts\)$/);
  t.same(world.server.dials, []);
});

t.test('an old dial error does not explain a new wait', async (t) => {
  const world = new World({ limit: 1 });
  world.pools.cancel(world.ask());
  must(world.server.dials[0]).fail(refused);
  await settle();
  world.clock.advance(60_000);
  await world.lend(1);
  const waiter = world.ask();
  world.clock.advance(5_050);
  t.equal(waiter.refusal.cause, undefined);
});

t.test('a wait timeout of 0 is none', async (t) => {
  const world = new World({ limit: 1, waitTimeoutMs: 0 });
  await world.lend(1);
  const waiter = world.ask();
  world.clock.advance(3_600_000);
  t.ok(waiter.pending);
});

t.test('a session that takes too long to close gives up its place', async (t) => {
  const failures: unknown[] = [];
  let closed = 0;
  const world = new World({
    limit: 1,
    waitTimeoutMs: 0,
    observer: { closeFailed: (_pool, error) => failures.push(error), closed: () => closed++ },
  });
  const [session] = (await world.lend(1)) as [FakeSession];
  world.clock.advance(1_000);
  t.equal(world.clock.ticking, 0);
  world.server.closesAtOnce = false;
  world.pools.retire(session, 'poisoned');
  world.clock.advance(4_900);
  t.same(world.counts, [0, 0, 0, 1, 0]);
  world.clock.advance(150);
  t.same(world.counts, [0, 0, 0, 0, 0]);
  t.match(failures, [{ code: 'POOL_RETIRE_TIMEOUT' }]);
  const [next] = (await world.lend(1)) as [FakeSession];
  t.not(next, session);
  must(world.server.closes[0]).done();
  await settle();
  t.equal(closed, 1, 'its late end changes nothing');
  t.same(world.counts, [0, 1, 0, 0, 0]);
});

t.test('the system clock ticks', async (t) => {
  const world = new World();
  const { systemClock } = await import('../../src/pool/clock.js');
  const pools = new World({ clock: systemClock, waitTimeoutMs: 1 }).pools;
  const request = new TestRequest(pools.pool('app', 'app'));
  // The ticker must not keep a process alive; here something has to.
  const alive = setTimeout(() => {}, 60_000);
  await new Promise<void>((resolve) => {
    request.onRefused = () => resolve();
    pools.checkout(request);
  });
  clearTimeout(alive);
  t.ok(request.refusal instanceof PoolTimeoutError);
  t.equal(world.clock.ticking, 0);
});
