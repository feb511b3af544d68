import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { TurnoverMap } from '../src/turnover-map.js';
import { fc } from './support/properties.js';

t.test('as a Map', async (t) => {
  const steps = fc.array(
    fc.record({ key: fc.integer({ min: 0, max: 9 }), value: fc.option(fc.integer(), { nil: undefined }) }),
  );
  fc.assert(
    fc.property(steps, (steps) => {
      const ours = new TurnoverMap<number, number>();
      const model = new Map<number, number>();
      for (const { key, value } of steps) {
        if (value === undefined) t.equal(ours.delete(key), model.delete(key));
        else {
          ours.set(key, value);
          model.set(key, value);
        }
        t.equal(ours.get(key), model.get(key));
        t.equal(ours.has(key), model.has(key));
        t.equal(ours.size, model.size);
        t.same([...ours.values()], [...model.values()]);
      }
    }),
  );
});

t.test('entries may come and go while it is walked', async (t) => {
  const map = new TurnoverMap<string, number>();
  for (const [i, key] of ['a', 'b', 'c', 'd'].entries()) map.set(key, i);
  const seen: number[] = [];
  for (const value of map.values()) {
    seen.push(value);
    if (value === 0) {
      map.delete('a');
      map.delete('c');
      map.set('e', 4);
    }
  }
  t.same(seen, [0, 1, 3, 4]);
});

/** What of the entries has been taken for old, in MiB, though each was there for a moment only. */
function grownOld(map: { set(key: number, value: object): unknown; delete(key: number): unknown }): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void;
  const old = (): number =>
    (getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')?.space_used_size ?? 0) /
    2 ** 20;
  const pass = (from: number, count: number): void => {
    for (let key = from; key < from + count; key++) {
      map.set(
        key,
        Array.from({ length: 500 }, () => ({ key })),
      );
      map.delete(key - 32);
    }
  };
  pass(0, 100);
  gc({ type: 'major' });
  // A quiet moment: what is there grows old.
  for (let i = 0; i < 4; i++) gc({ type: 'minor' });
  const before = old();
  for (let round = 0; round < 20; round++) {
    pass(100 + 100 * round, 100);
    gc({ type: 'minor' });
  }
  return old() - before;
}

t.test('what has left is not kept by what grew old before it', async (t) => {
  const [theirs, ours] = [grownOld(new Map()), grownOld(new TurnoverMap())];
  t.comment(`${theirs.toFixed(1)} MiB in a Map, ${ours.toFixed(1)} MiB here`);
  // 2,000 entries of some 16 KiB, 32 of them at a time.
  t.ok(ours < 4, `${ours} MiB`);
});
