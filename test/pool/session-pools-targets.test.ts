/** Pools that come and go with whom they are for. */
import t from 'tap';
import { must, settle, World } from './support.js';

t.test('a pool is forgotten when it is empty and nothing is under way for it', async (t) => {
  const world = new World({ limit: 4, minSize: 1 });
  const dismiss = (): boolean => world.pools.dismiss((target) => target === 'app', 'gone');
  const ask = world.ask('app');
  t.notOk(dismiss(), 'somebody waits');
  const session = must(world.server.dials[0]).succeed();
  await settle();
  t.notOk(dismiss(), 'it is lent');
  world.server.closesAtOnce = false;
  world.pools.checkin(session);
  t.notOk(
    world.pools.dismiss((target) => target === 'other', 'gone') && world.server.closed.length > 0,
    'another one is meant',
  );
  t.notOk(dismiss(), 'it is being closed');
  t.same(world.server.closed, [{ session, reason: 'gone' }]);
  must(world.server.closes[0]).done();
  await settle();
  t.equal(world.server.dials.length, 0, 'min_pool_size keeps none for it');
  const before = world.pools.pool('app', 'app');
  t.ok(dismiss());
  t.not(world.pool('app'), before);
  t.equal(ask.session, session);
});

t.test('who comes back finds a pool as before', async (t) => {
  const world = new World({ limit: 4 });
  const [session] = await world.lend(1);
  t.notOk(world.pools.dismiss((target) => target === 'app', 'gone'));
  const pool = world.pool('app');
  world.pools.checkin(must(session));
  t.equal(world.ask('app').session, session);
  t.equal(world.pool('app'), pool);
});

t.test('sessions of a target are closed when they are idle, or come back', async (t) => {
  const world = new World({ limit: 4 });
  const [lent, idle] = await world.lend(2);
  world.pools.checkin(must(idle));
  const other = world.ask('other');
  const others = must(world.server.dials[0]).succeed();
  await settle();
  world.pools.retireAll((target) => target === 'app', 'changed');
  t.same(world.server.closed, [{ session: idle, reason: 'changed' }]);
  world.pools.checkin(must(lent));
  t.equal(world.server.closed.at(-1)?.session, lent);
  world.pools.checkin(others);
  t.equal(world.server.closed.length, 2, 'another target is not touched');
  t.equal(other.session, others);
});

t.test('so is one that is being opened; who waits for it gets another one', async (t) => {
  const world = new World({ limit: 4 });
  const ask = world.ask('app');
  const dial = must(world.server.dials[0]);
  world.pools.retireAll((target) => target === 'app', 'changed');
  const session = dial.succeed();
  await settle();
  t.same(world.server.closed, [{ session, reason: 'changed' }]);
  t.same(ask.granteds, [], 'it is not lent');
  const next = must(world.server.dials[0]).succeed();
  await settle();
  t.equal(ask.session, next);
});

t.test('a refusal is over', async (t) => {
  const world = new World({ limit: 4 });
  const refused = Object.assign(new Error('no'), { fatalToWaiters: true });
  // Until the pause is longer than anybody should wait.
  for (let i = 0; i < 6; i++) {
    const ask = world.ask('app');
    world.clock.advance(1_000);
    must(world.server.dials[0]).fail(refused);
    await settle();
    t.equal(ask.refusals.length, 1);
  }
  world.ask('app');
  await settle();
  t.equal(world.server.dials.length, 0, 'it is not even asked');
  world.pools.retryDials((target) => target === 'other');
  world.ask('app');
  await settle();
  t.equal(world.server.dials.length, 0);
  world.pools.retryDials((target) => target === 'app');
  const ask = world.ask('app');
  must(world.server.dials[0]).succeed();
  await settle();
  t.ok(ask.session);
});
