import t from 'tap';
import { FLAVORS } from '../support/servers.js';
import { makePlan } from './plan.js';
import { operationText } from './report.js';

for (const flavor of FLAVORS) {
  const options = { flavor, clients: 5, poolSize: 2, steps: 2_000 };

  t.test(`a seed makes one plan on ${flavor}`, async (t) => {
    const text = (seed: number): string =>
      makePlan({ ...options, seed })
        .steps.map(({ client, operation, race }) => `${client} ${operationText(operation)} ${race}`)
        .join('\n');
    const [first, again, other] = [text(7), text(7), text(8)];
    t.ok(first === again, 'the same twice');
    t.ok(first !== other, 'another with another seed');
    t.equal(makePlan({ ...options, seed: 7 }).steps.length, options.steps);
  });

  t.test(`a plan is of many kinds, and all clients have their part on ${flavor}`, async (t) => {
    const { steps, styles } = makePlan({ ...options, seed: 3 });
    t.ok(new Set(steps.map(({ kind }) => kind)).size >= 200);
    t.equal(new Set(styles).size, 4);
    for (const client of styles.keys()) {
      t.ok(steps.filter((step) => step.client === client).length > 100, `client ${client}`);
    }
  });

  t.test(`clients reset what they may hold on ${flavor}`, async (t) => {
    const plans = [4, 5, 6].map((seed) => makePlan({ ...options, seed }));
    for (let client = 0; client < options.clients; client++) {
      const own = plans.flatMap(({ steps }) => steps.filter((step) => step.client === client));
      // A new connection begins with a reset of the old one.
      const resets = own.filter(({ operation }) => operation.do === 'reset' || operation.do === 'reconnect');
      t.ok(resets.length >= 10, `client ${client}`);
    }
  });
}

t.test('where a kind takes two clients, their steps come between each other', async (t) => {
  const { steps } = makePlan({
    flavor: 'mariadb',
    seed: 1,
    clients: 5,
    poolSize: 2,
    steps: 400,
    only: ['ps.shared'],
  });
  const prepared = new Map<string, string>();
  /** Who executed a text last. */
  const last = new Map<string, number>();
  let others = 0;
  for (const { client, operation } of steps) {
    if (operation.do === 'prepare') prepared.set(`${client} ${operation.name}`, operation.sql);
    if (operation.do !== 'execute') continue;
    const text = prepared.get(`${client} ${operation.name}`) ?? '';
    if (operation.withoutTypes === true && last.has(text) && last.get(text) !== client) others++;
    last.set(text, client);
  }
  t.ok(others > 10, `${others} executes without types after one by another client`);
});

t.test('kinds may be chosen and left out', async (t) => {
  const options = { flavor: 'mariadb', seed: 1, clients: 2, poolSize: 2, steps: 300 } as const;
  const kinds = (more: object): string[] => [
    ...new Set(makePlan({ ...options, ...more }).steps.map(({ kind }) => kind)),
  ];
  for (const kind of kinds({ only: ['tx.'] })) t.match(kind, /^(tx\.|probe\.|end$)/);
  for (const kind of kinds({ without: ['set.', 'probe.'] })) t.notMatch(kind, /^(set|probe)\./);
});
