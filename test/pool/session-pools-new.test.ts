import t from 'tap';
import { AppProcess } from '../../src/pool/app-process.js';
import { fc } from '../support/properties.js';
import { type FakeSession, settle, TestRequest, World } from './support.js';

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

/** Sessions that nobody has used suit everybody, others only whoever needs the same. */
class Picky {
  readonly request: TestRequest;
  readonly #world: World;
  /** What it has. */
  session: FakeSession | null = null;
  waits = false;
  rejected = 0;

  constructor(world: World, key: string, fingerprint: string, process: AppProcess) {
    this.#world = world;
    this.request = new TestRequest(world.pool(key), process);
    this.request.fingerprint = fingerprint;
    this.request.onGranted = (session) => this.#granted(session);
    this.request.onRefused = () => {
      this.waits = false;
    };
  }

  ask(): void {
    this.request.wantsNew = false;
    this.#checkout();
  }

  giveBack(): void {
    const { session } = this;
    if (session === null) return;
    session.fingerprint = this.request.fingerprint;
    this.session = null;
    this.#world.pools.checkin(session);
  }

  cancel(): void {
    this.#world.pools.cancel(this.request);
    this.waits = false;
  }

  #checkout(): void {
    const { request } = this;
    this.waits = true;
    const session = this.#world.pools.checkout(request);
    if (session !== null) this.#granted(session);
  }

  #granted(session: FakeSession): void {
    const { request } = this;
    if (!this.waits || this.session !== null) throw new Error('granted without asking');
    if (session.fingerprint === 'clean' || session.fingerprint === request.fingerprint) {
      this.waits = false;
      this.session = session;
      return;
    }
    this.rejected++;
    this.#world.pools.retire(session, 'spoilt');
    request.wantsNew = true;
    this.#checkout();
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constantFrom('ask', 'ask', 'give back', 'give back', 'cancel'), who: fc.nat(7) }),
    fc.record({ what: fc.constantFrom('dial', 'dial', 'dial', 'dial fails', 'close'), who: fc.constant(0) }),
    fc.record({ what: fc.constant('advance'), who: fc.nat(400) }),
    fc.record({ what: fc.constant('limit'), who: fc.integer({ min: 1, max: 4 }) }),
  ),
  { maxLength: 150, size: 'max' },
);

async function step(world: World, clients: readonly Picky[], what: string, who: number): Promise<void> {
  const client = clients[who];
  switch (what) {
    case 'ask':
      if (client?.session === null && !client.waits) client.ask();
      break;
    case 'give back':
      client?.giveBack();
      break;
    case 'cancel':
      if (client?.waits) client.cancel();
      break;
    case 'dial':
      world.server.dials[0]?.succeed();
      break;
    case 'dial fails':
      world.server.dials[0]?.fail(new Error('refused'));
      break;
    case 'close':
      world.server.closes[0]?.done();
      break;
    case 'advance':
      world.clock.advance(who);
      break;
    case 'limit':
      world.pools.limit = who;
      break;
  }
  await settle();
}

t.test('whatever happens, whoever waits is served in the end', async (t) => {
  let rejected = 0;
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (steps, closesAtOnce) => {
      const world = new World({ limit: 3, waitTimeoutMs: 1e9 });
      world.server.closesAtOnce = closesAtOnce;
      const processes = [new AppProcess('one'), new AppProcess('two')];
      const clients = Array.from({ length: 8 }, (_, i) => {
        const process = processes[i % 3 === 0 ? 1 : 0];
        return new Picky(world, i < 6 ? 'app' : 'other', `needs ${i % 3}`, process as AppProcess);
      });
      for (const { what, who } of steps) await step(world, clients, what, who);
      for (let turn = 0; turn < 200 && clients.some(({ waits }) => waits); turn++) {
        for (const client of clients) client.giveBack();
        for (const what of ['dial', 'close', 'advance']) await step(world, clients, what, 100);
      }
      rejected += clients.reduce((sum, client) => sum + client.rejected, 0);
      if (clients.some(({ waits }) => waits)) throw new Error('somebody waits for ever');
      for (const client of clients) client.giveBack();
      if (world.pools.snapshot().active > 0) throw new Error('something is lent to nobody');
      const closed = world.pools.close();
      for (let turn = 0; turn < 20; turn++)
        for (const what of ['dial fails', 'close']) await step(world, clients, what, 0);
      await closed;
      if (world.server.live.size > 0) throw new Error('a session was never closed');
    }),
    { numRuns: 500 },
  );
  t.comment(`${rejected} sessions were of no use`);
  t.ok(rejected > 100, 'the runs reached what they are about');
});
