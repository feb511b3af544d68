/** Lending and taking back, with the server always willing. */
import t from 'tap';

import { PoolClosedError, PoolMisuseError } from '../../src/pool/errors.js';
import { AFFINITY_REACH } from '../../src/pool/fair-queue.js';
import { RetireReason } from '../../src/pool/observer.js';
import { DISTANCE_REACH, type Distance } from '../../src/pool/session-pool.js';
import { SessionPools } from '../../src/pool/session-pools.js';
import { AGEING_MS } from '../../src/pool/waiting-lines.js';
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
  const world = new World({ limit: 4 });
  const sessions = await world.lend(4);
  const [a, b, c, d] = sessions as [FakeSession, FakeSession, FakeSession, FakeSession];
  a.fingerprint = 'utc';
  b.fingerprint = 'utc';
  for (const session of sessions) world.pools.checkin(session);
  t.equal(world.ask('app', a, 'utc').session, a, 'preferred, in its state');
  t.equal(world.ask('app', a, 'utc').session, b, 'preferred is lent: fingerprint decides');
  t.equal(world.ask('app', null, 'utc').session, d, 'none matches: most recently used');
  t.equal(world.ask('app', null, 'clean').session, c);
  t.same(world.counts, [0, 4, 0, 0, 0]);
  const { own, equal, restored, new: opened, waited, all, reuseRatio } = world.pools.checkouts;
  t.same({ own, equal, restored, opened, waited }, { own: 1, equal: 2, restored: 1, opened: 4, waited: 0 });
  t.equal(all, 8);
  t.equal(reuseRatio, 3 / 8);
});

t.test('an own last session whose state has changed is only as good as the others', async (t) => {
  const distance: Distance = (from, to) => Math.abs(Number(from) - Number(to));
  const world = new World({ limit: 3, distance });
  const sessions = await world.lend(3);
  const [a, b, c] = sessions as [FakeSession, FakeSession, FakeSession];
  const back = (...fingerprints: number[]): void => {
    for (const [i, session] of sessions.entries()) {
      session.fingerprint = fingerprints[i];
      world.pools.checkin(session);
    }
  };
  back(1, 5, 9);
  t.equal(world.ask('app', c, 1).session, a, 'another one has the state');
  t.equal(world.ask('app', c, 6).session, b, 'another one is nearer');
  t.equal(world.ask('app', null, 0).session, c);
  back(1, 3, 3);
  t.equal(world.ask('app', a, 2).session, a, 'among equally near ones it is the own one');
  t.equal(world.pools.checkouts.own, 0, 'but it does not count as such: it needs restoring');
});

t.test('where none matches, the nearest is taken, the most recently used of equally near ones', async (t) => {
  const asked: [unknown, unknown][] = [];
  const distance: Distance = (from, to) => {
    asked.push([from, to]);
    return Math.abs(Number(from) - Number(to));
  };
  const world = new World({ limit: 4, distance });
  const sessions = await world.lend(4);
  for (const [i, session] of sessions.entries()) {
    session.fingerprint = [10, 20, 20, 40][i];
    world.pools.checkin(session);
  }
  const [a, b, c, d] = sessions;
  asked.length = 0;
  t.equal(world.ask('app', null, 22).session, c);
  t.same(asked[0], [40, 22], 'from the session to the request');
  t.equal(world.ask('app', null, 0).session, a);
  t.equal(world.ask('app', null, 29).session, b);
  t.equal(world.ask('app', null, 0).session, d);
  t.equal(world.pools.checkouts.restored, 4);
});

t.test('no more than a few distances are asked for, but equality is found anywhere', async (t) => {
  let asked = 0;
  const distance: Distance = () => {
    asked++;
    return 1;
  };
  const count = DISTANCE_REACH + 10;
  const world = new World({ limit: count, distance });
  const sessions = await world.lend(count);
  for (const [i, session] of sessions.entries()) {
    session.fingerprint = `number ${i}`;
    world.pools.checkin(session);
  }
  asked = 0;
  t.equal(world.ask('app', null, 'number 0').session, sessions[0], 'the oldest');
  t.equal(asked, DISTANCE_REACH);
  t.equal(world.ask('app', null, 'none').session, sessions[count - 1]);
  t.equal(asked, 2 * DISTANCE_REACH);
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

/** One session, lent, and waiters for these fingerprints. */
async function lineOf(...fingerprints: string[]): Promise<{
  world: World;
  session: FakeSession;
  waiters: TestRequest[];
}> {
  const world = new World({ limit: 1 });
  const [session] = (await world.lend(1)) as [FakeSession];
  const waiters = fingerprints.map((fingerprint) => world.ask('app', null, fingerprint));
  return { world, session, waiters };
}

/** In which order waiters are served by a session that always comes back as it was. */
function orderOf(world: World, session: FakeSession, waiters: readonly TestRequest[]): number[] {
  const order: number[] = [];
  for (const [i, waiter] of waiters.entries()) waiter.onGranted = () => order.push(i);
  for (const _ of waiters) world.pools.checkin(session);
  return order;
}

t.test('a session goes first to whom it suits as it is, among those near the head', async (t) => {
  const { world, session, waiters } = await lineOf('utc', 'clean', 'utc', 'clean');
  t.same(orderOf(world, session, waiters), [1, 3, 0, 2]);
  t.equal(world.pools.checkouts.waited, 4);
  const far = await lineOf(...Array.from({ length: AFFINITY_REACH }, () => 'utc'), 'clean');
  t.equal(orderOf(far.world, far.session, far.waiters)[0], 0, 'no further than that');
});

t.test('nobody who has waited for long is overtaken', async (t) => {
  const { world, session, waiters } = await lineOf('utc', 'clean', 'utc', 'clean');
  world.clock.advance(AGEING_MS - 1);
  const late = world.ask('app', null, 'clean');
  world.pools.checkin(session);
  t.equal(must(waiters[1]).session, session);
  world.clock.advance(1);
  t.same(orderOf(world, session, [must(waiters[0]), must(waiters[2]), must(waiters[3]), late]), [0, 1, 2, 3]);
});

t.test('a stream of requests that suit better starves nobody', async (t) => {
  const { world, session, waiters } = await lineOf('utc');
  const [patient] = waiters as [TestRequest];
  let turns = 0;
  while (patient.pending && turns < 1_000) {
    world.ask('app', null, 'clean');
    world.clock.advance(1);
    world.pools.checkin(session);
    turns++;
  }
  t.equal(turns, AGEING_MS);
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
    world.pools.limit = -1;
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
      {
        key: 'a',
        paused: false,
        idle: 0,
        active: 3,
        dialing: 1,
        retiring: 0,
        waiting: 2,
        oldestWaitMs: 7,
        held: 3,
      },
      {
        key: 'b',
        paused: false,
        idle: 1,
        active: 0,
        dialing: 0,
        retiring: 0,
        waiting: 0,
        oldestWaitMs: 0,
        held: 0,
      },
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
