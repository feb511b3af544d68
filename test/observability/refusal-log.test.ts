import t from 'tap';
import { RefusalLog } from '../../src/observability/refusal-log.js';

const request = (pool: string, code: string, error: string) => ({
  client: 7,
  user: 'ann',
  pool,
  code,
  error,
});

t.test('one refusal of a kind is told a second, with the number of those that were not', async (t) => {
  const lines: object[] = [];
  let now = 0;
  const log = new RefusalLog({ warn: (fields) => lines.push(fields) }, () => now);
  for (now = 0; now < 2_000; now += 100) log.refused(request('app', 'POOL_OVERLOADED', `at ${now}`));
  log.refused(request('app', 'POOL_TIMEOUT', 'another kind'));
  log.refused(request('other', 'POOL_OVERLOADED', 'another pool'));
  now = 5_000;
  log.refused(request('app', 'POOL_OVERLOADED', 'later'));
  log.refused(request('other', 'POOL_OVERLOADED', 'none was left out'));
  t.same(lines, [
    { ...request('app', 'POOL_OVERLOADED', 'at 0') },
    { ...request('app', 'POOL_OVERLOADED', 'at 1000'), untold: 9 },
    { ...request('app', 'POOL_TIMEOUT', 'another kind') },
    { ...request('other', 'POOL_OVERLOADED', 'another pool') },
    { ...request('app', 'POOL_OVERLOADED', 'later'), untold: 9 },
    { ...request('other', 'POOL_OVERLOADED', 'none was left out') },
  ]);
});
