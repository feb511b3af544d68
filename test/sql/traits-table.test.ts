import t from 'tap';
import { StatementKind } from '../../src/sql/traits.js';
import { EMPTY_TRAITS, traitsOf } from '../../src/sql/traits-table.js';

t.test('equal traits are one object, for as many as are kept', async (t) => {
  const of = (holds: number, flags = 0) =>
    traitsOf({ ...EMPTY_TRAITS, statements: 1, first: StatementKind.Select, holds, flags });
  t.equal(of(1), of(1));
  t.not(of(1), of(2));
  t.not(of(0, 1), of(1));
  const first = of(3);
  // More than are kept; what was handed out stays as it is.
  const wrong = Array.from({ length: 10_000 }, (_, i) => i).filter((i) => of(i).holds !== i);
  t.same(wrong, []);
  t.equal(first.holds, 3);
  t.equal(of(3), of(3));
});

t.test('traits with names in them are never shared', async (t) => {
  const use = { ...EMPTY_TRAITS, statements: 1, first: StatementKind.Use, use: 'a' };
  t.not(traitsOf(use), traitsOf(use));
  t.same(traitsOf(use), use);
});
