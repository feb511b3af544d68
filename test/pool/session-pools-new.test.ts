import t from 'tap';
import { type FakeSession, settle, type TestRequest, World } from './support.js';

/** Sessions that are of no use to who gets them, such as those of Galera that only a reset would make fit. */

/** It is closed, and another one asked for. */
function reject(world: World, request: TestRequest, session: FakeSession): FakeSession | null {
  world.pools.retire(session, 'spoilt');
  request.wantsNew = true;
  return world.pools.checkout(request);
}

function giveBack(world: World, session: FakeSession): void {
  session.fingerprint = 'dirty';
  world.pools.checkin(session);
}

async function dial(world: World): Promise<void> {
  world.server.dials[0]?.succeed();
  await settle();
}

t.test('who had waited has its place again, and those behind get what comes back', async (t) => {
  const world = new World();
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  const first = world.ask();
  const second = world.ask();
  world.clock.advance(100);
  giveBack(world, a);
  t.same(first.granteds, [a]);
  const { enqueuedAt } = first;
  world.clock.advance(100);
  t.equal(reject(world, first, a), null);
  t.equal(first.enqueuedAt, enqueuedAt, 'it has waited since then');
  t.equal(world.server.dials.length, 1);
  giveBack(world, b);
  t.same(second.granteds, [b], 'a new one is coming');
  const third = world.ask();
  await dial(world);
  t.equal(first.granteds.length, 2);
  t.not(first.granteds[1], b);
  t.same(third.granteds, []);
  t.same(world.counts, [0, 2, 0, 0, 1]);
});

t.test('idle sessions are not closed one after another', async (t) => {
  const world = new World({ limit: 4 });
  for (const session of await world.lend(3)) giveBack(world, session);
  const client = world.ask();
  t.equal(reject(world, client, client.session), null);
  t.same(world.counts, [2, 0, 1, 0, 1]);
  const other = world.ask('app', null, 'dirty');
  t.equal(other.granteds.length, 1, 'others may use them');
  giveBack(world, other.session);
  t.same(world.counts, [2, 0, 1, 0, 1]);
  await dial(world);
  t.equal(client.granteds.length, 2);
  t.same(world.counts, [2, 1, 0, 0, 0]);
  t.equal(world.server.closed.length, 1);
});

t.test('where the new one goes elsewhere, it makes room by what there is', async (t) => {
  const world = new World();
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  const elsewhere = world.ask('other');
  const client = world.ask();
  giveBack(world, a);
  t.same(client.granteds, [a]);
  t.equal(reject(world, client, a), null);
  await dial(world);
  t.equal(elsewhere.granteds.length, 1, 'which had waited longer');
  giveBack(world, b);
  t.same(client.granteds, [a, b], 'no other one can be opened');
  t.equal(reject(world, client, b), null);
  await dial(world);
  t.equal(client.granteds.length, 3);
  t.same(world.counts, [0, 2, 0, 0, 0]);
});

t.test('one of its fingerprint will do', async (t) => {
  const world = new World({ limit: 3 });
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  giveBack(world, a);
  const client = world.ask();
  t.equal(reject(world, client, client.session), null);
  world.pools.checkin(b);
  t.same(client.granteds, [a, b]);
  await dial(world);
  t.same(world.counts, [1, 1, 0, 0, 0]);
});

t.test('an idle one makes room at once', async (t) => {
  const world = new World();
  const [a, b] = (await world.lend(2)) as [FakeSession, FakeSession];
  giveBack(world, a);
  const client = world.ask();
  const elsewhere = world.ask('other');
  t.equal(reject(world, client, client.session), null);
  giveBack(world, b);
  t.same(client.granteds, [a], 'one is being opened');
  await dial(world);
  t.equal(elsewhere.granteds.length, 1, 'for somebody else');
  t.equal(world.server.closed.at(-1)?.session, b);
  await dial(world);
  t.equal(client.granteds.length, 2);
});
