import t from 'tap';

import { ConnectionBudget } from '../../src/pool/connection-budget.js';
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
  budget.limit = 1;
  t.equal(budget.used, 2);
  t.ok(budget.exhausted);
});

for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
  t.test(`refuses a limit of ${limit}`, async (t) => {
    t.throws(() => new ConnectionBudget(limit), PoolMisuseError);
  });
}
