import t from 'tap';
import { FLAVORS } from '../support/servers.js';
import { KINDS, kindsFor, PROBE_KINDS } from './kinds/index.js';
import { ClientStyle } from './model.js';
import { spell } from './names.js';
import { objectsOf } from './objects.js';
import { Random } from './random.js';
import { operationText } from './report.js';

const names = { tag: 'zq0c0d', role: 'r' };

t.test('every kind has a name of its own and says something', async (t) => {
  const all = [...KINDS, ...PROBE_KINDS];
  t.equal(new Set(all.map(({ name }) => name)).size, all.length);
  const random = new Random(1);
  for (const kind of all) {
    for (let i = 0; i < 20; i++) {
      const operations = kind.make(random);
      t.ok(operations.length > 0, kind.name);
      for (const operation of operations) {
        const text = spell(operationText(operation), names, 1);
        if (/[{<]\w+[}>]/.test(text)) t.fail(`${kind.name} has a word left in it: ${text}`);
      }
    }
  }
});

for (const flavor of FLAVORS) {
  t.test(`at least 200 distinct kinds of statement on ${flavor}`, async (t) => {
    const kinds = kindsFor(flavor);
    t.ok(kinds.length >= 200, `${kinds.length} kinds`);
    for (const style of Object.values(ClientStyle)) {
      const own = kinds.filter(({ styles }) => styles.includes(style));
      t.ok(own.length >= 200, `${own.length} of them for ${style}`);
    }
    for (const part of [
      'call.',
      'function.',
      'trigger.',
      'view.',
      'error.',
      'multi.half-way',
      'xa.',
      'tmp.',
      'lock.',
    ]) {
      t.ok(
        kinds.some(({ name }) => name.startsWith(part)),
        part,
      );
    }
  });

  t.test(`every routine, trigger and view on ${flavor} is used by a kind`, async (t) => {
    const random = new Random(2);
    let said = '';
    for (const kind of kindsFor(flavor)) {
      for (let i = 0; i < 10; i++) said += kind.make(random).map(operationText).join('\n');
    }
    for (const sql of objectsOf(flavor)) {
      const name =
        /^CREATE (?:FUNCTION|PROCEDURE|VIEW|SEQUENCE) (\w+)/.exec(sql)?.[1] ??
        /ON (\w+) FOR EACH/.exec(sql)?.[1];
      if (name !== undefined) t.ok(said.includes(name), name);
    }
  });
}
