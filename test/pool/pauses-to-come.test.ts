import t from 'tap';
import { must, settle, World } from './support.js';

t.test('a pool that is paused before it is there lends nothing until it is resumed', async (t) => {
  const world = new World({ limit: 2 });
  world.pools.pauseComing('later');
  t.same(world.pools.pausedComing, ['later']);
  const request = world.ask('later');
  t.ok(world.pool('later').paused);
  t.same(world.pools.pausedComing, [], 'it has come');
  t.same(world.server.dials, []);
  const other = world.ask('other');
  must(world.server.dials[0]).succeed();
  await settle();
  t.ok(other.session, 'others are not');
  t.ok(world.pools.resume('later'));
  must(world.server.dials[0]).succeed();
  await settle();
  t.ok(request.session);
});

t.test('RESUME of one that has not come, and of all', async (t) => {
  const world = new World();
  t.notOk(world.pools.resume('later'), 'nobody knows it');
  world.pools.pauseComing('later');
  t.ok(world.pools.resume('later'));
  t.notOk(world.pool('later').paused);
  world.pools.pauseComing('another');
  t.ok(world.pools.resume(null), 'though no pool is paused that is there');
  t.notOk(world.pool('another').paused);
  t.throws(() => world.pools.resume(null), { message: 'no pool is paused' });
  world.pools.pauseComing('another');
  t.same(world.pools.pausedComing, [], 'one that is there is paused by PAUSE');
});
