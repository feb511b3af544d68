import t from 'tap';
import { MariaDbPosition } from '../../src/writes/mariadb-position.js';

function sum(...texts: readonly string[]): string {
  const position = new MariaDbPosition();
  for (const text of texts) t.ok(position.add(text), text);
  return position.toString();
}

t.test('the last of each domain', async (t) => {
  t.equal(new MariaDbPosition().toString(), '');
  t.equal(sum('0-1-5'), '0-1-5');
  t.equal(sum('0-1-5', '0-1-6'), '0-1-6');
  t.equal(sum('0-1-6', '0-1-5'), '0-1-6', 'replies of several connections come in any order');
  t.equal(sum('0-1-6', '0-2-7'), '0-2-7', 'another primary goes on with the numbers');
  t.equal(sum('0-1-6', '7-1-2', '0-1-8'), '0-1-8,7-1-2');
});

t.test('what cannot be read, and more than is kept', async (t) => {
  for (const text of ['', 'nonsense', '0-1', '0-1-5,1-1-2', '0-1-99999999999999999999'])
    t.notOk(new MariaDbPosition().add(text), text);
  const position = new MariaDbPosition();
  const fit = Array.from({ length: 100 }, (_, i) => position.add(`${i}-1-1`));
  t.equal(fit.indexOf(false), 64);
});
