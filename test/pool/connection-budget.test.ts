import t from 'tap';

import { ConnectionBudget, FIRST_CEILING_MS, LONGEST_CEILING_MS } from '../../src/pool/connection-budget.js';
import { PoolMisuseError } from '../../src/pool/errors.js';

t.test('counts holders, each once', async (t) => {
  const budget = new ConnectionBudget<object>(2);
  const [a, b] = [{}, {}];
  budget.take(a);
  budget.take(a);
  t.equal(budget.used, 1);
  t.notOk(budget.exhausted);
  budget.take(b);
  t.ok(budget.exhausted);
  t.ok(budget.leave(a));
  t.notOk(budget.leave(a), 'a place cannot be given back twice');
  t.equal(budget.used, 1);
});

t.test('may shrink below what is used', async (t) => {
  const budget = new ConnectionBudget<object>(2);
  budget.take({});
  budget.take({});
  budget.size = 1;
  t.equal(budget.used, 2);
  t.ok(budget.exhausted);
});

t.test('may be empty, while others have all of it', async (t) => {
  const budget = new ConnectionBudget(0);
  t.equal(budget.limit, 0);
  t.ok(budget.exhausted);
  budget.size = 1;
  t.notOk(budget.exhausted);
});

for (const limit of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
  t.test(`refuses a limit of ${limit}`, async (t) => {
    t.throws(() => new ConnectionBudget(limit), PoolMisuseError);
  });
}

/** A budget of ten, of which the server has let it have some, at a time of the test's own. */
function refused(sessions: number) {
  const clock = { time: 0 };
  const budget = new ConnectionBudget<object>(
    10,
    () => clock.time,
    () => 1 - Number.EPSILON,
  );
  for (let i = 0; i < sessions; i++) budget.take({});
  budget.refused('Too many connections');
  return { budget, clock };
}

t.test('where the server refuses, it is what there is, and then one more', async (t) => {
  const { budget, clock } = refused(4);
  t.equal(budget.limit, 4);
  t.equal(budget.size, 10);
  t.ok(budget.exhausted);
  clock.time = FIRST_CEILING_MS - 1;
  t.ok(budget.exhausted, 'nobody asks the server before its time');
  clock.time = FIRST_CEILING_MS;
  t.equal(budget.limit, 5);
  t.notOk(budget.exhausted);
});

t.test('a refusal that is repeated counts for longer, up to an end', async (t) => {
  const { budget, clock } = refused(4);
  const pauses: number[] = [];
  for (let i = 0; i < 8; i++) {
    const before = clock.time;
    while (budget.exhausted) clock.time += 100;
    pauses.push(clock.time - before);
    budget.refused('Too many connections');
  }
  t.same(pauses, [
    1_000,
    2_000,
    4_000,
    8_000,
    16_000,
    LONGEST_CEILING_MS,
    LONGEST_CEILING_MS,
    LONGEST_CEILING_MS,
  ]);
  t.match(budget.ceiling, { sessions: 4, refusals: 9, since: 0, error: 'Too many connections' });
});

t.test('it recovers, twice as many sessions at a time', async (t) => {
  const { budget, clock } = refused(2);
  clock.time = FIRST_CEILING_MS;
  const limits: number[] = [];
  while (budget.ceiling !== null) {
    budget.take({});
    budget.opened();
    limits.push(budget.limit);
  }
  t.same(limits, [5, 8, 10, 10]);
  t.equal(budget.limit, 10);
});

t.test('sessions in place of others show no room', async (t) => {
  const { budget, clock } = refused(1);
  const other = {};
  budget.take(other);
  budget.refused('Too many connections');
  clock.time = 10 * FIRST_CEILING_MS;
  budget.leave(other);
  budget.take({});
  budget.opened();
  t.equal(budget.ceiling?.sessions, 2);
});

t.test('with no session at all, one may be tried', async (t) => {
  const { budget } = refused(0);
  t.equal(budget.limit, 1);
  t.notOk(budget.exhausted, 'the pause between dials is another matter');
});

t.test('a size below what the server allows ends the matter', async (t) => {
  const { budget } = refused(4);
  budget.size = 4;
  t.equal(budget.ceiling, null);
  t.equal(budget.limit, 4);
});
