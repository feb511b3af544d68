import t from 'tap';
import { checkBank } from './check/bank.js';
import { checkLists } from './check/lists.js';
import { checkOnce } from './check/once.js';
import type { LossWindow } from './engines/engine.js';
import {
  type AnyOperation,
  type BankOperation,
  IsolationLevel,
  type ListOperation,
  type ListStep,
  type OnceOperation,
  Outcome,
} from './history.js';
import { markLosses } from './losses.js';

const PROMISES = { keepsAcknowledged: true, readsFresh: true };
/** A primary was lost at 20, and a replica that has gone on had all that was acknowledged before 10. */
const WINDOW: LossWindow = { after: 10, until: 20 };

const lists = (invoked: number, completed: number, steps: readonly ListStep[], final = false) =>
  ({
    ...{ workload: 'append', process: invoked, invoked, completed, outcome: Outcome.Ok },
    ...{ level: IsolationLevel.Serializable, steps },
    ...(final ? { final: true } : {}),
  }) as ListOperation;
const append = (value: number): ListStep => ({ do: 'append', key: 1, value });
const read = (...values: number[]): ListStep => ({ do: 'read', key: 1, values });

const types = (operations: readonly ListOperation[]): string[] => {
  const marked = markLosses(operations, [WINDOW]).filter((one) => one.workload === 'append');
  return [...new Set(checkLists(marked, PROMISES).map(({ type }) => type))];
};

const BEFORE = lists(1, 2, [append(1)]);

t.test('what a lost primary had done alone is gone, with those who have read it there', async (t) => {
  t.same(
    types([
      BEFORE,
      lists(11, 12, [append(2)]),
      lists(13, 14, [read(1, 2), append(3)]),
      lists(15, 16, [read(1, 2, 3)]),
      lists(21, 22, [read(1)]),
      lists(23, 24, [append(4)]),
      lists(25, 26, [read(1, 4)], true),
    ]),
    [],
  );
});

t.test('what its successor had is there', async (t) => {
  t.same(
    types([
      BEFORE,
      lists(11, 12, [append(2)]),
      lists(15, 16, [append(3)]),
      lists(25, 26, [read(1, 2)], true),
    ]),
    [],
  );
});

t.test('more than that must not be lost', async (t) => {
  const after = lists(25, 26, [read()], true);
  t.same(types([BEFORE, after]), ['lost append'], 'acknowledged before');
  t.same(types([lists(21, 22, [append(2)]), after]), ['lost append'], 'begun afterwards');
  t.same(
    types([BEFORE, lists(11, 12, [append(2), append(3)]), lists(25, 26, [read(1, 3)], true)]),
    ['lost append'],
    'a part of a transaction',
  );
  const both = [BEFORE, lists(11, 12, [append(2)]), lists(21, 22, [append(3)])];
  const seen = lists(23, 24, [read(1, 2)]);
  const found = types([...both, seen, lists(25, 26, [read(1, 3)], true)]);
  t.ok(found.includes('incompatible-order'), 'nobody reads afterwards what is gone', { found });
});

t.test('without a loss nothing is marked', async (t) => {
  const operations = [BEFORE];
  t.equal(markLosses(operations, []), operations);
  const [failed] = markLosses([{ ...lists(11, 12, [append(2)]), outcome: Outcome.Fail }], [WINDOW]);
  t.equal(failed?.mayBeLost, undefined);
});

t.test('money and single statements', async (t) => {
  const of = (body: BankOperation['body'] | OnceOperation['body'], workload: string, invoked: number) =>
    ({
      ...{ workload, process: 1, invoked, completed: invoked + 1 },
      ...{ outcome: Outcome.Ok, body },
    }) as AnyOperation;
  const bank = (invoked: number) => {
    const operations = markLosses(
      [
        of({ do: 'transfer', id: 'a', from: 0, to: 1, amount: 1 }, 'bank', invoked),
        of({ do: 'final', balances: [5, 5], transfers: [] }, 'bank', 30),
      ],
      [WINDOW],
    ).filter((one) => one.workload === 'bank');
    return checkBank(operations, { total: 10, opening: [5, 5], keepsAcknowledged: true });
  };
  t.same(bank(12), []);
  t.match(bank(2), [{ type: 'lost transfer' }]);
  const once = (invoked: number) => {
    const operations = markLosses(
      [
        of({ do: 'insert', mark: 'a' }, 'once', invoked),
        of({ do: 'count', counter: 1 }, 'once', invoked),
        of({ do: 'read', counter: 1, count: 0 }, 'once', 22),
        of({ do: 'final', rows: new Map(), counts: new Map([[1, 0]]) }, 'once', 30),
      ],
      [WINDOW],
    ).filter((one) => one.workload === 'once');
    return checkOnce(operations, PROMISES).map(({ type }) => type);
  };
  t.same(once(12), []);
  t.same(once(2), ['lost write', 'stale read', 'lost write']);
});
