import t from 'tap';
import { RefusalLog } from '../../src/observability/refusal-log.js';

t.test('one refusal of a kind is told a second, with the number of those that were not', async (t) => {
  const lines: object[] = [];
  let now = 0;
  const log = new RefusalLog({ warn: (fields) => lines.push(fields) }, () => now);
  for (now = 0; now < 2_000; now += 100) log.refused('app', 'POOL_OVERLOADED', `at ${now}`);
  log.refused('app', 'POOL_TIMEOUT', 'another kind');
  log.refused('other', 'POOL_OVERLOADED', 'another pool');
  now = 5_000;
  log.refused('app', 'POOL_OVERLOADED', 'later');
  log.refused('other', 'POOL_OVERLOADED', 'none was left out');
  t.same(lines, [
    { pool: 'app', code: 'POOL_OVERLOADED', error: 'at 0' },
    { pool: 'app', code: 'POOL_OVERLOADED', error: 'at 1000', untold: 9 },
    { pool: 'app', code: 'POOL_TIMEOUT', error: 'another kind' },
    { pool: 'other', code: 'POOL_OVERLOADED', error: 'another pool' },
    { pool: 'app', code: 'POOL_OVERLOADED', error: 'later', untold: 9 },
    { pool: 'other', code: 'POOL_OVERLOADED', error: 'none was left out' },
  ]);
});
