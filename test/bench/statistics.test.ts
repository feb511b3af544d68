import t from 'tap';
import { compare, median, spread } from './statistics.js';

t.test('median', async (t) => {
  t.equal(median([3]), 3);
  t.equal(median([9, 1, 3]), 3);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.ok(Number.isNaN(median([])));
});

t.test('spread', async (t) => {
  t.equal(spread([100]), 0);
  t.equal(spread([90, 100, 120]), 0.3);
});

t.test('a ratio is made round by round', async (t) => {
  // The machine was half as fast in the second round: the ratio does not notice.
  const comparison = compare([20, 10, 22], [10, 5, 10]);
  t.match(comparison, { ratio: 2, low: 2, high: 2.2, meaningless: false });
});

t.test('rounds that disagree make a ratio meaningless', async (t) => {
  t.match(compare([10, 20], [10, 10]), { meaningless: true });
  t.match(compare([10], [20]), { ratio: 0.5, meaningless: false }, 'one round can not disagree');
});

t.test('a round that one side lacks does not count', async (t) => {
  t.match(compare([10, undefined, 30], [10, 10, 10]), { ratio: 2, low: 1, high: 3 });
  t.equal(compare([undefined, 10], [10, undefined]), undefined);
  t.equal(compare([10], [0]), undefined, 'nothing is a multiple of zero');
});
