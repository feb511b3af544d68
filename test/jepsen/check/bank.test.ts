import t from 'tap';
import { type BankOperation, Outcome, type Transfer } from '../history.js';
import { checkBank } from './bank.js';

const RULES = { total: 300, opening: [100, 100, 100], keepsAcknowledged: true };

function operation(body: BankOperation['body'], outcome: Outcome = Outcome.Ok): BankOperation {
  return { workload: 'bank', process: 1, invoked: 1, completed: 2, outcome, body };
}

const transfer = (id: string, outcome?: Outcome): BankOperation =>
  operation({ do: 'transfer', id, from: 0, to: 1, amount: 5 }, outcome);
const read = (...balances: number[]): BankOperation => operation({ do: 'read', balances });
const final = (balances: readonly number[], ...ids: string[]): BankOperation => {
  const transfers = ids.map((id): Transfer => ({ id, from: 0, to: 1, amount: 5 }));
  return operation({ do: 'final', balances, transfers });
};

const types = (operations: readonly BankOperation[], rules = RULES): string[] => [
  ...new Set(checkBank(operations, rules).map(({ type }) => type)),
];

t.test('a good history passes', async (t) => {
  const history = [
    transfer('a'),
    transfer('b', Outcome.Info),
    transfer('c', Outcome.Info),
    transfer('d', Outcome.Fail),
    read(95, 105, 100),
    operation({ do: 'read', balances: [] }, Outcome.Fail),
    final([90, 110, 100], 'a', 'b'),
  ];
  t.same(checkBank(history, RULES), []);
});

t.test('each anomaly is found', async (t) => {
  const cases: Readonly<Record<string, readonly BankOperation[]>> = {
    'wrong total': [read(95, 100, 100)],
    'negative balance': [read(-5, 205, 100)],
    'torn transfer': [transfer('a'), final([95, 110, 95], 'a')],
    'run twice': [transfer('a'), final([90, 110, 100], 'a', 'a')],
    'failed and done': [transfer('a', Outcome.Fail), final([95, 105, 100], 'a')],
    'lost transfer': [transfer('a'), final([100, 100, 100])],
    garbage: [final([95, 105, 100], 'a')],
  };
  for (const [type, history] of Object.entries(cases)) t.same(types(history), [type]);
  t.same(types([read(100, 200)]), ['wrong total'], 'an account is missing');
});

t.test('an engine may lose what it has acknowledged, if it says so', async (t) => {
  const history = [transfer('a'), final([100, 100, 100])];
  t.same(types(history, { ...RULES, keepsAcknowledged: false }), []);
});
