/** Pools that come and go with whom they are for. */
import t from 'tap';
import { must, settle, World } from './support.js';

t.test('a pool is forgotten when it is empty and nothing is under way for it', async (t) => {
  const world = new World({ limit: 4 });
  const isApp = (target: string): boolean => target === 'app';
  const ask = world.ask('app');
  t.notOk(world.pools.forget(isApp), 'somebody waits');
  const session = must(world.server.dials[0]).succeed();
  await settle();
  t.notOk(world.pools.forget(isApp), 'it is lent');
  world.server.closesAtOnce = false;
  world.pools.checkin(session);
  t.notOk(world.pools.forget(isApp), 'it is idle');
  world.pools.retireIdle('gone', () => true);
  t.notOk(world.pools.forget(isApp), 'it is being closed');
  must(world.server.closes[0]).done();
  await settle();
  const before = world.pool('app');
  t.ok(
    world.pools.forget(() => false),
    'none is meant',
  );
  t.equal(world.pool('app'), before);
  t.ok(world.pools.forget(isApp));
  t.not(world.pool('app'), before);
  t.equal(ask.session, session);
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
