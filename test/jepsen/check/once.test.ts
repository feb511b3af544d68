import t from 'tap';
import { type OnceOperation, Outcome } from '../history.js';
import { checkOnce } from './once.js';

const PROMISES = { keepsAcknowledged: true, readsFresh: true };
const { Ok, Fail, Info } = Outcome;
let clock = 0;

function operation(body: OnceOperation['body'], outcome: Outcome = Ok): OnceOperation {
  return { workload: 'once', process: 1, invoked: ++clock, completed: ++clock, outcome, body };
}

const insert = (mark: string, outcome?: Outcome) => operation({ do: 'insert', mark }, outcome);
const count = (outcome?: Outcome) => operation({ do: 'count', counter: 1 }, outcome);
const read = (value: number) => operation({ do: 'read', counter: 1, count: value });
const final = (rows: Readonly<Record<string, number>>, counter = 0) =>
  operation({ do: 'final', rows: new Map(Object.entries(rows)), counts: new Map([[1, counter]]) });

const types = (operations: readonly OnceOperation[], promises = PROMISES): string[] => [
  ...new Set(checkOnce(operations, promises).map(({ type }) => type)),
];

t.test('a good history passes', async (t) => {
  const history = [
    ...[insert('a'), insert('b', Info), insert('c', Info), insert('d', Fail)],
    ...[count(), read(1), count(Info), read(1), read(2), count(Fail), count(), read(3), read(2)],
    final({ a: 1, b: 1 }, 3),
  ];
  t.same(checkOnce(history, PROMISES), []);
});

t.test('each anomaly is found', async (t) => {
  const cases: readonly (readonly [string, readonly OnceOperation[]])[] = [
    ['run twice', [insert('a'), final({ a: 2 })]],
    ['run twice', [insert('a', Info), final({ a: 2 })]],
    ['failed and done', [insert('a', Fail), final({ a: 1 })]],
    ['lost write', [insert('a'), final({})]],
    ['garbage', [final({ a: 1 })]],
    ['run twice', [count(), final({}, 2)]],
    ['run twice', [count(Fail), final({}, 1)]],
    ['run twice', [count(), read(2)]],
    ['lost write', [count(), final({}, 0)]],
    ['stale read', [count(), read(0)]],
  ];
  for (const [type, history] of cases) t.same(types(history), [type]);
});

t.test('what an engine does not promise does not count', async (t) => {
  const promises = { keepsAcknowledged: false, readsFresh: false };
  t.same(types([insert('a'), count(), read(0), final({}, 0)], promises), []);
  t.same(types([insert('a'), final({ a: 2 })], promises), ['run twice']);
});
