import t from 'tap';
import { PoolContractError } from '../../src/pool/errors.js';
import { SessionSlot } from '../../src/pool/session-slot.js';
import { SessionStore } from '../../src/pool/session-store.js';
import { fc } from '../support/properties.js';
import { FakeSession, World } from './support.js';

const pool = new World().pool();
const newSlot = (id: number): SessionSlot<FakeSession> => new SessionSlot(pool, new FakeSession(id, 'app'));

t.test('lends precisely the session that was chosen, wherever it stands', async (t) => {
  const store = new SessionStore<FakeSession>();
  const slots = [1, 2, 3].map(newSlot) as [
    SessionSlot<FakeSession>,
    SessionSlot<FakeSession>,
    SessionSlot<FakeSession>,
  ];
  for (const slot of slots) store.adopt(slot);
  for (const slot of slots) store.release(slot);
  t.same(
    [...store.idle].map((slot) => slot.session.id),
    [3, 2, 1],
    'most recently used first',
  );
  store.lend(slots[1]);
  t.same(
    [...store.idle].map((slot) => slot.session.id),
    [3, 1],
  );
  t.ok(store.isBorrowed(slots[1]));
  store.release(slots[1]);
  t.same(
    [...store.idle].map((slot) => slot.session.id),
    [2, 3, 1],
  );
});

t.test('takes in a new session as borrowed, with idle ones about', async (t) => {
  const store = new SessionStore<FakeSession>();
  const [a, b] = [newSlot(1), newSlot(2)];
  store.adopt(a);
  store.release(a);
  store.adopt(b);
  t.notOk(store.isBorrowed(a));
  t.ok(store.isBorrowed(b));
  t.same([store.size, store.available, store.borrowed, store.pending], [2, 1, 1, 0]);
});

t.test('refuses what generic-pool would refuse, loudly', async (t) => {
  const store = new SessionStore<FakeSession>();
  const slot = newSlot(1);
  t.throws(() => store.release(slot), PoolContractError);
  t.throws(() => store.destroy(slot), PoolContractError);
  store.adopt(slot);
  store.release(slot);
  t.throws(() => store.release(slot), PoolContractError);
  t.throws(() => store.destroy(slot), PoolContractError);
});

t.test('counts agree with a model, whatever is done', async (t) => {
  const operation = fc.record({
    kind: fc.constantFrom('adopt', 'lend', 'release', 'destroy'),
    which: fc.nat(1_000),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
      const store = new SessionStore<FakeSession>();
      const idle: SessionSlot<FakeSession>[] = [];
      const active: SessionSlot<FakeSession>[] = [];
      let ids = 0;
      const take = (from: SessionSlot<FakeSession>[], which: number): SessionSlot<FakeSession> =>
        from.splice(which % from.length, 1)[0] as SessionSlot<FakeSession>;
      for (const { kind, which } of operations) {
        if (kind === 'adopt') {
          const slot = newSlot(++ids);
          store.adopt(slot);
          active.push(slot);
        } else if (kind === 'lend' && idle.length > 0) {
          const slot = take(idle, which);
          store.lend(slot);
          active.push(slot);
        } else if (kind === 'release' && active.length > 0) {
          const slot = take(active, which);
          store.release(slot);
          idle.unshift(slot);
        } else if (kind === 'destroy' && active.length > 0) {
          store.destroy(take(active, which));
        }
        t.same([...store.idle], idle);
        t.ok(active.every((slot) => store.isBorrowed(slot)));
        t.notOk(idle.some((slot) => store.isBorrowed(slot)));
        t.same(
          [store.size, store.available, store.borrowed, store.pending, store.idle.size],
          [idle.length + active.length, idle.length, active.length, 0, idle.length],
        );
      }
    }),
    { numRuns: 50 },
  );
});
