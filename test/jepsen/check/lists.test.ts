import t from 'tap';
import { IsolationLevel, type ListOperation, type ListStep, Outcome } from '../history.js';
import { checkLists, type ListPromises } from './lists.js';

const PROMISES: ListPromises = { keepsAcknowledged: true, readsFresh: true };
const { Serializable, RepeatableRead } = IsolationLevel;

/** `a1:2` puts 2 into list 1, `r1:2,3` reads it as [2,3], `r1:` as [], `r1` fails to. */
function stepOf(text: string): ListStep {
  const [head = '', values] = text.split(':');
  const key = Number(head.slice(1));
  if (head[0] === 'a') return { do: 'append', key, value: Number(values) };
  if (values === undefined) return { do: 'read', key, values: null };
  return { do: 'read', key, values: values === '' ? [] : values.split(',').map(Number) };
}

interface Shape {
  readonly outcome?: Outcome;
  readonly level?: IsolationLevel;
  /** When it began and ended; else all overlap. */
  readonly at?: readonly [number, number];
  readonly final?: true;
}

let serial = 0;

function transaction(text: string, { outcome = Outcome.Ok, level = Serializable, at, final }: Shape = {}) {
  const process = serial++;
  const [invoked, completed] = at ?? [process - 1_000_000, process + 1_000_000];
  const steps = text.split(' ').map(stepOf);
  const last = final === undefined ? {} : { final };
  const operation: ListOperation = {
    ...{ workload: 'append', process, invoked, completed, outcome, level, steps },
    ...last,
  };
  return operation;
}

const types = (operations: readonly ListOperation[], promises = PROMISES): string[] => [
  ...new Set(checkLists(operations, promises).map(({ type }) => type)),
];

t.test('a good history passes', async (t) => {
  const history = [
    transaction('a1:1 a2:2', { at: [1, 2] }),
    transaction('r1:1 a1:3 r1:1,3', { at: [3, 6] }),
    transaction('r1:1,3 r2:2', { at: [7, 8] }),
    transaction('a1:4', { outcome: Outcome.Fail, at: [9, 10] }),
    transaction('a1:5', { outcome: Outcome.Info, at: [9, 10] }),
    transaction('a1:6', { outcome: Outcome.Info, at: [9, 10] }),
    transaction('r1:1,3,6 r2:2', { at: [11, 12], final: true }),
  ];
  t.same(checkLists(history, PROMISES), []);
});

t.test('each anomaly is found', async (t) => {
  const cases: Readonly<Record<string, readonly ListOperation[]>> = {
    duplicate: [transaction('a1:1'), transaction('r1:1,1')],
    'incompatible-order': [
      transaction('a1:1 a1:2'),
      transaction('a1:3'),
      transaction('r1:3'),
      transaction('r1:1,2'),
    ],
    garbage: [transaction('r1:9')],
    'G1a aborted read': [transaction('a1:1', { outcome: Outcome.Fail }), transaction('r1:1')],
    'G1b intermediate read': [transaction('a1:1 a1:2'), transaction('r1:1'), transaction('r1:1,2')],
    internal: [transaction('a1:1 r1:')],
    'lost append': [transaction('a1:1'), transaction('r1:', { final: true })],
    'stale read': [
      transaction('a1:1', { at: [1, 2] }),
      transaction('r1:', { at: [3, 4] }),
      transaction('r1:1', { at: [5, 6] }),
    ],
    'G0 write cycle': [transaction('a1:1 a2:2'), transaction('a1:3 a2:4'), transaction('r1:1,3 r2:4,2')],
    'G1c circular information flow': [transaction('a1:1 r2:2'), transaction('a2:2 r1:1')],
    'G-single': [transaction('a1:1 a2:2'), transaction('r1: r2:2'), transaction('r1:1')],
    G2: [transaction('r1: a2:2'), transaction('r2: a1:1'), transaction('r1:1 r2:2')],
    'G0-realtime': [
      transaction('a1:1', { at: [3, 4] }),
      transaction('a1:2', { at: [1, 2] }),
      transaction('r1:1,2', { at: [5, 6] }),
    ],
    'G1c-realtime': [transaction('r1:1', { at: [1, 2] }), transaction('a1:1', { at: [3, 4] })],
    'G-single-realtime': [
      transaction('a1:1', { at: [1, 2] }),
      transaction('a2:2', { at: [3, 9] }),
      transaction('r1: r2:2', { at: [1, 9] }),
      transaction('r1:1', { at: [10, 11] }),
    ],
  };
  for (const [type, history] of Object.entries(cases)) t.ok(types(history).includes(type), type);
});

t.test('a lost update is a cycle with one read that missed a write', async (t) => {
  const history = (level: IsolationLevel) => [
    transaction('r1: a1:1', { level }),
    transaction('r1: a1:2', { level }),
    transaction('r1:1,2', { level }),
  ];
  t.same(types(history(Serializable)), ['G-single']);
  t.same(types(history(RepeatableRead)), [], 'InnoDB is known for it at this level');
});

t.test('at REPEATABLE READ the rest counts as well', async (t) => {
  const level = RepeatableRead;
  t.same(types([transaction('a1:1 r2:2', { level }), transaction('a2:2 r1:1', { level })]), [
    'G1c circular information flow',
  ]);
  t.same(types([transaction('r1: r1:1', { level }), transaction('a1:1', { level })]), ['internal']);
  t.same(
    types([
      transaction('r1: a1:2 r1:1,2', { level }),
      transaction('a1:1', { level }),
      transaction('r1:1,2', { level }),
    ]),
    [],
    'own writes come behind those of others that a snapshot does not have',
  );
});

t.test('what an engine does not promise does not count', async (t) => {
  const lost = [transaction('a1:1', { at: [1, 2] }), transaction('r1:', { at: [3, 4], final: true })];
  t.same(types(lost), ['lost append']);
  t.same(types(lost, { keepsAcknowledged: false, readsFresh: false }), []);
  const old = [
    transaction('a1:1', { at: [1, 2] }),
    transaction('r1:', { at: [3, 4] }),
    transaction('r1:1', { at: [5, 6] }),
  ];
  t.same(types(old, { keepsAcknowledged: true, readsFresh: false }), []);
});

t.test('values are unique', async (t) => {
  t.throws(() => checkLists([transaction('a1:1'), transaction('a1:1')], PROMISES), RangeError);
});

t.test('a long history takes no longer than in proportion', async (t) => {
  const history: ListOperation[] = [];
  const [lists, length] = [500, 20];
  let at = 0;
  const keys = Array.from({ length: lists }, (_, key) => key);
  for (const key of keys) {
    for (let value = 1; value <= length; value++) {
      const before = Array.from({ length: value - 1 }, (_, i) => i + 1).join();
      history.push(transaction(`r${key}:${before} a${key}:${value}`, { at: [at, at + 30] }));
      history.push(transaction(`r${key}:${before},${value}`.replace(':,', ':'), { at: [at + 30, at + 40] }));
      at += 40;
    }
  }
  t.equal(history.length, 20_000);
  t.same(checkLists(history, PROMISES), []);
  const last = history.length - 1;
  history[last] = transaction(`r${lists - 1}:1`, { at: [at, at + 1] });
  t.same(types(history).sort(), ['G-single-realtime', 'stale read']);
});
