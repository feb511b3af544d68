/** Lending and taking back, with the server always willing. */
import t from 'tap';

import { PoolClosedError, PoolMisuseError } from '../../src/pool/errors.js';
import { type CheckoutKind, RetireReason } from '../../src/pool/observer.js';
import { SessionPools } from '../../src/pool/session-pools.js';
import { FakeSession, must, settle, TestRequest, World } from './support.js';

t.test('the first request opens a session; the next one gets it at once', async (t) => {
  const world = new World();
  const first = world.ask();
  t.ok(first.pending);
  t.same(world.counts, [0, 0, 1, 0, 1]);
  const opened = must(world.server.dials[0]).succeed();
  t.same(first.granteds, [], 'not before the dial has settled');
  await settle();
  t.equal(first.session, opened);
  t.notOk(first.pending);
  t.same(world.counts, [0, 1, 0, 0, 0]);
  world.pools.checkin(opened);
  t.same(world.counts, [1, 0, 0, 0, 0]);
  t.equal(world.pools.checkout(new TestRequest(world.pool())), opened);
  t.equal(world.server.opened, 1);
});

t.test('prefers the own last session, then an equal fingerprint, then the most recently used', async (t) => {
  const kinds: CheckoutKind[] = [];
  const world = new World({ limit: 4, observer: { lent: (_pool, kind) => kinds.push(kind) } });
  const sessions = await world.lend(4);
  const [a, b, c, d] = sessions as [FakeSession, FakeSession, FakeSession, FakeSession];
  a.fingerprint = 'utc';
  b.fingerprint = 'utc';
  for (const session of sessions) world.pools.checkin(session);
  kinds.length = 0;
  t.equal(world.ask('app', a, 'clean').session, a, 'preferred beats fingerprint');
  t.equal(world.ask('app', a, 'utc').session, b, 'preferred is lent: fingerprint decides');
  t.equal(world.ask('app', null, 'utc').session, d, 'none matches: most recently used');
  t.equal(world.ask('app', null, 'clean').session, c);
  t.same(kinds, ['preferred', 'match', 'other', 'match']);
  t.same(world.counts, [0, 4, 0, 0, 0]);
});

t.test('a preferred session of another pool, or a dead one, is not taken', async (t) => {
  const world = new World();
  const [a] = (await world.lend(1, 'a')) as [FakeSession];
  const [b] = (await world.lend(1, 'b')) as [FakeSession];
  world.pools.checkin(a);
  world.pools.checkin(b);
  t.equal(world.ask('b', a).session, b);
  t.ok(world.pools.retire(a, 'test'));
  world.ask('a', a);
  t.same(world.counts, [0, 1, 1, 0, 1]);
});

t.test('a fingerprint is read when the session becomes idle', async (t) => {
  const world = new World();
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  b.fingerprint = 'later';
  world.pools.checkin(b);
  world.pools.checkin(a);
  t.equal(world.ask('app', null, 'later').session, b);
});

t.test('a session that comes back goes to the longest waiter', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const waiters = [world.ask(), world.ask(), world.ask()];
  const late = new TestRequest(world.pool());
  for (const waiter of waiters) {
    t.same(waiter.granteds, []);
    world.pools.checkin(session);
    t.equal(waiter.session, session);
    t.same(world.counts.slice(0, 2), [0, 1], 'it never becomes idle in between');
  }
  world.pools.checkin(session);
  t.equal(world.pools.checkout(late), session);
});

t.test('a request that has been cancelled hears nothing more', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const [a, b, c] = [world.ask(), world.ask(), world.ask()];
  t.ok(world.pools.cancel(b));
  t.notOk(b.pending);
  t.notOk(world.pools.cancel(b), 'it is not pending any more');
  world.pools.checkin(session);
  world.pools.checkin(session);
  t.equal(a.session, session);
  t.equal(c.session, session);
  t.same([b.granteds, b.refusals], [[], []]);
  t.notOk(world.pools.cancel(c), 'it has its session');
});

t.test('a session opened for a request that left becomes idle', async (t) => {
  const world = new World();
  const request = world.ask();
  world.pools.cancel(request);
  const session = must(world.server.dials[0]).succeed();
  await settle();
  t.same(world.counts, [1, 0, 0, 0, 0]);
  t.equal(world.pools.checkout(request), session, 'the request can be used again');
});

t.test('the client may ask again from inside its callback', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const [eager, other] = [world.ask(), world.ask()];
  eager.onGranted = (granted) => {
    eager.onGranted = null;
    world.pools.checkin(granted);
    t.equal(world.pools.checkout(eager), null, 'somebody else is waiting');
    t.same(other.granteds, [], 'and is not called from inside this callback');
  };
  world.pools.checkin(session);
  t.equal(other.session, session);
  t.same(eager.granteds, [session]);
  world.pools.checkin(session);
  t.same(eager.granteds, [session, session]);
});

t.test('ten thousand waiters that give the session back at once do not pile up a stack', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const order: number[] = [];
  let deepest = 0;
  let depth = 0;
  for (let i = 0; i < 10_000; i++) {
    world.ask().onGranted = (granted) => {
      depth++;
      deepest = Math.max(deepest, depth);
      order.push(i);
      world.pools.checkin(granted);
      depth--;
    };
  }
  world.pools.checkin(session);
  t.equal(order.length, 10_000);
  t.ok(order.every((number, index) => number === index));
  t.equal(deepest, 1);
  t.same(world.counts, [1, 0, 0, 0, 0]);
});

t.test('a session promised to a request that is then cancelled goes to the next', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const [a, b, c] = [world.ask(), world.ask(), world.ask()];
  a.onGranted = (granted) => {
    world.pools.checkin(granted);
    t.ok(world.pools.cancel(b), 'it has been promised the session, but does not know yet');
  };
  world.pools.checkin(session);
  t.same(b.granteds, []);
  t.equal(c.session, session);
  t.same(world.counts, [0, 1, 0, 0, 0]);
});

t.test('a session that dies while it is promised: its request goes back to its place', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const [a, b, c] = [world.ask(), world.ask(), world.ask()];
  a.onGranted = (granted) => {
    world.pools.checkin(granted);
    t.ok(world.pools.sessionDied(granted));
  };
  world.pools.checkin(session);
  t.same([b.granteds, c.granteds], [[], []]);
  t.same(world.counts, [0, 0, 1, 0, 2]);
  const next = must(world.server.dials[0]).succeed();
  await settle();
  t.equal(b.session, next);
  world.pools.checkin(next);
  t.equal(c.session, next);
  t.same(world.server.closed, [{ session, reason: RetireReason.died }]);
});

t.test('a session that dies while it is promised: an idle one takes its place', async (t) => {
  const world = new World({ limit: 2 });
  const [x, y] = (await world.lend(2)) as [FakeSession, FakeSession];
  const [a, b] = [world.ask(), world.ask()];
  a.onGranted = (granted) => {
    world.pools.checkin(granted);
    world.pools.checkin(y);
    t.same(world.counts, [1, 1, 0, 0, 0], 'one is promised, the other idle');
    world.pools.sessionDied(granted);
  };
  world.pools.checkin(x);
  t.equal(b.session, y);
  t.same(world.counts, [0, 1, 0, 0, 0]);
});

t.test('a callback that throws harms nobody else', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const [bad, good] = [world.ask(), world.ask()];
  bad.onGranted = (granted) => {
    world.pools.checkin(granted);
    throw new Error('a bug in one client');
  };
  const uncaught = new Promise<Error>((resolve) => {
    // tap listens too, and would count it as a failure.
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (error) => {
      for (const listener of listeners) process.on('uncaughtException', listener);
      resolve(error);
    });
  });
  world.pools.checkin(session);
  t.equal(good.session, session);
  t.match(await uncaught, { message: 'a bug in one client' });
});

t.test('retire frees the place and opens a session for whoever waits', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const waiter = world.ask();
  t.ok(world.pools.retire(session, 'poisoned'));
  t.notOk(world.pools.retire(session, 'again'), 'it is gone');
  t.same(world.server.closed, [{ session, reason: 'poisoned' }]);
  must(world.server.dials[0]).succeed();
  await settle();
  t.not(waiter.session, session);
  t.equal(world.server.mostAtOnce, 1);
});

t.test('a place is free when the session is closed, not when that begins', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  world.server.closesAtOnce = false;
  const waiter = world.ask();
  world.pools.retire(session, 'poisoned');
  t.same(world.counts, [0, 0, 0, 1, 1]);
  t.same(world.server.dials, []);
  t.notOk(world.pools.retire(session, 'again'), 'it is being closed');
  t.notOk(world.pools.sessionDied(session));
  must(world.server.closes[0]).done();
  await settle();
  t.same(world.counts, [0, 0, 1, 0, 1]);
  must(world.server.dials[0]).succeed();
  await settle();
  t.ok(waiter.session);
});

t.test('a close that fails frees the place all the same, and is reported', async (t) => {
  const failures: unknown[] = [];
  const world = new World({ observer: { closeFailed: (_pool, error) => failures.push(error) } });
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  world.server.closesAtOnce = false;
  world.pools.retire(a, 'x');
  const error = new Error('close failed');
  must(world.server.closes[0]).fail(error);
  await settle();
  t.same(failures, [error]);
  t.same(world.counts, [0, 1, 0, 0, 0]);
  world.pools.checkin(b);

  const throwing = new SessionPools<FakeSession, string>({
    limit: 1,
    waitTimeoutMs: 0,
    dialRetryMs: 1,
    dial: async () => new FakeSession(1, 'app'),
    close: () => {
      throw error;
    },
    fingerprint: () => undefined,
    observer: { closeFailed: (_pool, reported) => failures.push(reported) },
  });
  throwing.checkout(new TestRequest(throwing.pool('app', 'app')));
  await settle();
  t.equal(throwing.retire(must([...throwing.sessions()][0]).session, 'x'), true);
  t.same(failures, [error, error]);
  t.same([...throwing.sessions()], []);
});

t.test('an idle session that dies is replaced unseen', async (t) => {
  const world = new World();
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  world.pools.checkin(a);
  t.ok(world.pools.sessionDied(a));
  t.same(world.counts, [0, 1, 0, 0, 0]);
  t.notOk(world.pools.sessionDied(b), "a lent one is its borrower's affair");
  t.same(world.counts, [0, 1, 0, 0, 0]);
  const request = world.ask();
  must(world.server.dials[0]).succeed();
  await settle();
  t.not(request.session, a);
});

t.test('retireIdle closes what is unwanted, by idle time for example', async (t) => {
  const world = new World({ limit: 3 });
  const [a, b, c] = (await world.lend(3)) as [FakeSession, FakeSession, FakeSession];
  world.pools.checkin(a);
  world.clock.advance(1_000);
  world.pools.checkin(b);
  world.clock.advance(500);
  t.equal(
    world.pools.retireIdle('idle', (_session, idleMs) => idleMs >= 1_000),
    1,
  );
  t.same(world.server.closed, [{ session: a, reason: 'idle' }]);
  t.equal(
    world.pools.retireIdle('idle', (session) => session === c),
    0,
    'a lent one is not touched',
  );
  t.same(world.counts, [1, 1, 0, 0, 0]);
});

t.test('the limit can be lowered and raised', async (t) => {
  const world = new World({ limit: 4 });
  const [a, b, c, d] = (await world.lend(4)) as [FakeSession, FakeSession, FakeSession, FakeSession];
  world.pools.checkin(a);
  world.pools.limit = 2;
  t.equal(world.pools.limit, 2);
  t.same(world.server.closed, [{ session: a, reason: RetireReason.overBudget }], 'idle ones go at once');
  const waiter = world.ask();
  world.pools.checkin(b);
  t.same(waiter.granteds, [], 'a lent one goes when it comes back, even though somebody waits');
  t.same(world.counts, [0, 2, 0, 0, 1]);
  world.pools.checkin(c);
  t.equal(waiter.session, c, 'and then all is as usual');
  const other = world.ask();
  world.pools.limit = 3;
  must(world.server.dials[0]).succeed();
  await settle();
  t.ok(other.session, 'a higher limit serves those who wait');
  t.throws(() => {
    world.pools.limit = 0;
  }, PoolMisuseError);
  world.pools.checkin(d);
});

t.test('misuse is thrown, and changes nothing', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const waiter = world.ask();
  t.throws(() => world.pools.checkout(waiter), PoolMisuseError, 'pending already');
  t.throws(() => world.pools.checkin(new FakeSession(99, 'app')), PoolMisuseError, 'unknown session');
  t.throws(() => world.pools.checkout(new TestRequest(new World().pool())), PoolMisuseError, 'not ours');
  t.throws(() => new World().pools.cancel(waiter), PoolMisuseError, 'not theirs');
  t.same(world.counts, [0, 1, 0, 0, 1]);
  world.pools.checkin(session);
  world.pools.checkin(session);
  t.throws(() => world.pools.checkin(session), PoolMisuseError, 'idle already');
  t.same(world.counts, [1, 0, 0, 0, 0]);
});

t.test('a session promised to a request cannot be checked in by anybody', async (t) => {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const [a, b] = [world.ask(), world.ask()];
  a.onGranted = (granted) => {
    world.pools.checkin(granted);
    t.throws(() => world.pools.checkin(granted), PoolMisuseError);
  };
  world.pools.checkin(session);
  t.equal(b.session, session);
});

t.test('close refuses, closes, and waits for what is lent', async (t) => {
  const world = new World({ limit: 3 });
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  world.pools.checkin(a);
  world.ask('other');
  const waiter = world.ask('other');
  world.server.closesAtOnce = false;
  let closed = false;
  const closing = world.pools.close().then(() => {
    closed = true;
  });
  t.ok(waiter.refusal instanceof PoolClosedError);
  t.same(world.counts, [0, 1, 1, 1, 0]);
  t.ok(must(world.server.dials[0]).signal.aborted, 'the dial under way is asked to give up');

  const late = world.ask();
  t.ok(late.pending, 'refused, but not from inside checkout');
  await settle();
  t.ok(late.refusal instanceof PoolClosedError);
  const cancelled = world.ask();
  t.ok(world.pools.cancel(cancelled));
  await settle();
  t.same(cancelled.refusals, []);

  must(world.server.dials[0]).succeed();
  await settle();
  t.same(world.counts, [0, 1, 0, 2, 0], 'a dial that succeeds all the same is closed');
  for (const close of [...world.server.closes]) close.done();
  await settle();
  t.notOk(closed);
  world.pools.checkin(b);
  t.same(world.counts, [0, 0, 0, 1, 0]);
  must(world.server.closes[0]).done();
  await closing;
  t.same(world.server.live.size, 0);
  t.equal(world.clock.ticking, 0);
  await world.pools.close();
});

t.test('close ends at once when there is nothing, and when the dial under way fails', async (t) => {
  await new World().pools.close();
  const world = new World();
  world.ask();
  const closing = world.pools.close();
  must(world.server.dials[0]).fail(new Error('aborted'));
  await closing;
  t.same(world.server.dials, [], 'and is not tried again');
});

t.test('the snapshot adds up, and names what is held', async (t) => {
  const world = new World({
    limit: 5,
    heldReason: (session) => ({ 1: 'transaction', 2: 'lock', 3: 'transaction' })[session.id] ?? null,
  });
  const sessions = await world.lend(3, 'a');
  const [last] = (await world.lend(1, 'b')) as [FakeSession];
  world.pools.checkin(last);
  world.clock.advance(1);
  const waiter = world.ask('a');
  world.clock.advance(7);
  world.ask('a');
  t.same(world.pools.snapshot(), {
    limit: 5,
    idle: 1,
    active: 3,
    dialing: 1,
    retiring: 0,
    waiting: 2,
    oldestWaitMs: 7,
    held: 3,
    heldReason: 'transaction',
    pools: [
      { key: 'a', idle: 0, active: 3, dialing: 1, retiring: 0, waiting: 2, oldestWaitMs: 7, held: 3 },
      { key: 'b', idle: 1, active: 0, dialing: 0, retiring: 0, waiting: 0, oldestWaitMs: 0, held: 0 },
    ],
  });
  t.same([world.pool('a').active, world.pool('a').waiting, world.pool('b').idle], [3, 2, 1]);
  t.same(
    [...world.pools.sessions()].map(({ session, key, state }) => [session.id, key, state]),
    [
      [1, 'a', 'active'],
      [2, 'a', 'active'],
      [3, 'a', 'active'],
      [4, 'b', 'idle'],
    ],
  );
  t.ok(waiter.pending);
  t.equal(sessions.length, 3);
});
