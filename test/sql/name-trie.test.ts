import t from 'tap';
import { buildNameTrie, DEAD, type NameTrie, nameCode, ROOT } from '../../src/sql/name-trie.js';
import { NAME_TRIE, NAMES } from '../../src/sql/words.js';
import { fc } from '../support/properties.js';

function lookUp(trie: NameTrie, name: string): number {
  let node = ROOT;
  for (const byte of Buffer.from(name, 'latin1')) {
    const to = (trie.base[node] as number) + nameCode(byte);
    node = trie.check[to] === node ? to : DEAD;
  }
  return trie.value[node] as number;
}

t.test('all names are found, in any case', async (t) => {
  const lost = [...NAMES].filter(([name, number]) => lookUp(NAME_TRIE, name) !== number);
  t.same(lost, []);
  t.equal(lookUp(NAME_TRIE, 'SeLeCt'), NAMES.get('select'));
});

t.test('nothing else is found', async (t) => {
  for (const name of ['', 'selec', 'selects', 'xselect', 'select ', '\xe9', 'get-lock', 'get_lock$']) {
    t.equal(lookUp(NAME_TRIE, name), 0, JSON.stringify(name));
  }
  for (const name of NAMES.keys()) {
    for (const other of [name.slice(0, -1), `${name}_`, `_${name}`]) {
      if (!NAMES.has(other)) t.equal(lookUp(NAME_TRIE, other), 0, other);
    }
  }
});

t.test('any set of names', async (t) => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z0-9_]{1,6}$/), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(names, fc.array(fc.stringMatching(/^[a-z_]{0,7}$/)), (all, others) => {
      const trie = buildNameTrie(new Map(all.map((name, i) => [name, i + 1])));
      return (
        all.every((name, i) => lookUp(trie, name.toUpperCase()) === i + 1) &&
        others.every((name) => lookUp(trie, name) === all.indexOf(name) + 1)
      );
    }),
    { numRuns: 200 },
  );
  t.throws(() => buildNameTrie(new Map([['a b', 1]])), RangeError);
});
