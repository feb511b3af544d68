import t from 'tap';
import { MysqlPosition } from '../../src/writes/mysql-position.js';

const A = '530070e8-e620-11f1-8784-02fc00000001';
const B = '6d792062-6f75-11ee-8e63-65722f746573';

function sum(...texts: readonly string[]): string {
  const position = new MysqlPosition();
  for (const text of texts) t.ok(position.add(text), text);
  return position.toString();
}

t.test('what one session reports', async (t) => {
  t.equal(new MysqlPosition().toString(), '');
  t.equal(sum(`${A}:5`), `${A}:5`);
  t.equal(sum(`${A}:5`, `${A}:6`, `${A}:7-9`), `${A}:5-9`, 'what follows is joined');
  t.equal(sum(`${A}:8-9`, `${A}:8-10`), `${A}:8-10`, 'each statement of several tells all so far');
  t.equal(sum(`${A}:5`, `${A}:5`), `${A}:5`);
});

t.test('replies of several connections come in any order, with gaps of others between', async (t) => {
  t.equal(sum(`${A}:9`, `${A}:5`, `${A}:7`), `${A}:5:7:9`);
  t.equal(sum(`${A}:9`, `${A}:5`, `${A}:7`, `${A}:6`), `${A}:5-7:9`);
  t.equal(sum(`${A}:9`, `${A}:5`, `${A}:7`, `${A}:4-8`), `${A}:4-9`);
  t.equal(sum(`${A}:10-20`, `${A}:15`, `${A}:1-3`, `${A}:2-30`), `${A}:1-30`);
});

t.test('members of a group take numbers from blocks: gaps are not filled', async (t) => {
  t.equal(sum(`${B}:3`, `${B}:1000001`, `${B}:1000002`, `${B}:4`), `${B}:3-4:1000001-1000002`);
});

t.test('several sources, tags, and all that a server has', async (t) => {
  t.equal(sum(`${A}:5`, `${B}:1`), `${A}:5,${B}:1`);
  t.equal(sum(`${A}:1-5:8,\n${B}:1-3`), `${A}:1-5:8,${B}:1-3`);
  t.equal(sum(`${A}:1-5:orders:2:4`, `${A}:orders:3`), `${A}:1-5,${A}:orders:2-4`);
});

t.test('it does not grow without an end', async (t) => {
  const position = new MysqlPosition();
  for (let i = 0; i < 1000; i++) t.ok(position.add(`${A}:${i * 2 + 1}`));
  t.equal(position.toString().split(':').length, 1 + 16);
  t.match(position.toString(), /:1997:1999$/, 'the last ones are kept');
  const sources = new MysqlPosition();
  const fit = Array.from({ length: 100 }, (_, i) => sources.add(`${A.slice(0, -3)}${100 + i}:1`));
  t.equal(fit.indexOf(false), 64, 'more is not known any more, and told so');
});

t.test('what cannot be read', async (t) => {
  for (const text of ['', 'nonsense', `${A}`, `${A}:`, `${A}:x-y`, `${A}:5-3`, `${A}:99999999999999999999`])
    t.notOk(new MysqlPosition().add(text), text);
});
