import assert from 'node:assert/strict';
import t from 'tap';
import { type ServerStatement, StatementCache } from '../../src/backend/statement-cache.js';
import { fc } from '../support/properties.js';

let lastId = 0;
function statement(key: string): ServerStatement {
  return { id: ++lastId, key, boundTypes: null };
}

type Step = readonly ['add' | 'get' | 'has' | 'remove' | 'clear', string];
const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('add', 'add', 'get', 'get', 'has', 'remove', 'clear'),
  fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
);

/** The cache as a list, least recently used first. */
function model(
  list: ServerStatement[],
  limit: number,
  added: ServerStatement,
): { list: ServerStatement[]; out: ServerStatement[] } {
  const same = list.filter(({ key }) => key === added.key);
  const rest = [...list.filter(({ key }) => key !== added.key), added];
  const over = Math.max(0, rest.length - limit);
  return { list: rest.slice(over), out: [...same, ...rest.slice(0, over)] };
}

t.test('least recently used statements are pushed out, those of the same key replaced', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 40 }), (limit, steps) => {
      const cache = new StatementCache(limit);
      let list: ServerStatement[] = [];
      for (const [what, key] of steps) {
        const known = list.find((one) => one.key === key);
        switch (what) {
          case 'add': {
            const added = statement(key);
            const expected = model(list, limit, added);
            assert.deepEqual(cache.add(added), expected.out);
            list = expected.list;
            break;
          }
          case 'get':
            assert.equal(cache.get(key), known);
            if (known !== undefined) list = [...list.filter((one) => one !== known), known];
            break;
          case 'has':
            assert.equal(cache.has(key), known !== undefined);
            break;
          case 'remove':
            assert.equal(cache.remove(key), known);
            list = list.filter((one) => one !== known);
            break;
          case 'clear':
            cache.clear();
            list = [];
        }
        assert.equal(cache.size, list.length);
      }
    }),
    { numRuns: 500 },
  );
});

t.test('looking whether it is there is no use of it', async (t) => {
  const cache = new StatementCache(2);
  const [a, b, c] = [statement('a'), statement('b'), statement('c')];
  cache.add(a);
  cache.add(b);
  t.ok(cache.has('a'));
  t.strictSame(cache.add(c), [a]);
});

t.test('a statement prepared again takes the place of the old one, even the only one', async (t) => {
  const cache = new StatementCache(1);
  const [old, anew] = [statement('a'), statement('a')];
  t.strictSame(cache.add(old), []);
  t.strictSame(cache.add(anew), [old]);
  t.equal(cache.get('a'), anew);
});

t.test('a statement takes another key', async (t) => {
  const cache = new StatementCache(2);
  const [a, b] = [statement('a'), statement('b')];
  for (const one of [a, b]) cache.add(one);
  t.equal(cache.rename('x', 'c'), false);
  t.equal(cache.rename('a', 'c'), true);
  t.equal(cache.has('a'), false);
  t.throws(() => cache.rename('b', 'c'), RangeError);
  t.strictSame(cache.add(statement('d')), [b], 'it counts as used now');
  t.equal(cache.get('c'), a);
  t.equal(a.key, 'c');
});

t.test('a statement is unused until types were bound', async (t) => {
  const cache = new StatementCache(2);
  const a = statement('a');
  cache.add(a);
  t.equal(cache.isUnused('a'), true);
  t.equal(cache.isUnused('b'), false);
  a.boundTypes = Buffer.of(3, 0);
  t.equal(cache.isUnused('a'), false);
});
