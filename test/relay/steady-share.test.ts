import t from 'tap';
import { GROWS_AFTER_MS, LEASE_MS, SteadyShare } from '../../src/relay/steady-share.js';

t.test('alone from the start, it has all of it at once', async (t) => {
  const share = new SteadyShare(true);
  t.equal(share.size, 1);
  share.seen(52, 0, 0, true);
  t.equal(share.size, 52);
});

t.test('who comes to others waits until these have given up what they had', async (t) => {
  const share = new SteadyShare(true);
  for (let now = 0; now < GROWS_AFTER_MS; now += 500) {
    share.seen(25, now, now, false);
    t.equal(share.size, 1);
  }
  share.seen(25, GROWS_AFTER_MS, GROWS_AFTER_MS, false);
  t.equal(share.size, 25);
});

t.test('it falls at once, and grows to the least that was found meanwhile', async (t) => {
  const share = new SteadyShare(true);
  share.seen(52, 0, 0, true);
  share.seen(16, 500, 500, false);
  t.equal(share.size, 16);
  share.seen(52, 1_000, 1_000, true);
  share.seen(25, 1_500, 1_500, false);
  share.seen(52, 2_000, 2_000, true);
  t.equal(share.size, 16, 'alone later is not alone from the start');
  share.seen(52, 1_000 + GROWS_AFTER_MS, 1_000 + GROWS_AFTER_MS, true);
  t.equal(share.size, 25);
  share.seen(52, 1_000 + 2 * GROWS_AFTER_MS, 1_000 + 2 * GROWS_AFTER_MS, true);
  t.equal(share.size, 52);
});

t.test('it counts for a while after the server was asked, however late the answer came', async (t) => {
  const share = new SteadyShare(true);
  t.notOk(share.expire(1_000_000), 'there is nothing to lose yet');
  share.seen(52, 100, 1_900, true);
  t.notOk(share.expire(100 + LEASE_MS - 1));
  t.equal(share.size, 52);
  t.ok(share.expire(100 + LEASE_MS));
  t.equal(share.size, 1);
  t.notOk(share.expire(100 + 2 * LEASE_MS), 'told once');
  share.seen(52, 5_000, 5_000, true);
  t.equal(share.size, 1, 'others may be back later');
});

t.test('an answer to what was asked before the process stood still is none', async (t) => {
  const share = new SteadyShare(true);
  share.seen(16, 0, 0, false);
  share.seen(25, 500, 500, false);
  share.seen(25, 600, 60_000, false);
  t.equal(share.size, 1, 'the others have it by now');
  t.ok(share.expire(60_000));
});

t.test('a server that has just started has nobody who grew', async (t) => {
  const share = new SteadyShare(true);
  share.seen(52, 0, 0, true);
  share.seen(25, 500, 500, false);
  share.expire(500 + LEASE_MS);
  share.seen(52, 9_000, 9_000, true, true);
  t.equal(share.size, 25, 'it is what it was');
  share.expire(9_000 + LEASE_MS);
  share.seen(16, 20_000, 20_000, false, true);
  t.equal(share.size, 16, 'or what there is');
});

t.test('what nobody shares counts at once and for good', async (t) => {
  const share = new SteadyShare(false);
  for (const size of [52, 10, 80]) {
    share.seen(size, 0, 0, true);
    t.equal(share.size, size);
  }
  t.notOk(share.expire(1_000_000));
  t.ok(GROWS_AFTER_MS - LEASE_MS >= 1_000, 'the clock may be late');
});
