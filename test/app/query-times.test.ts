import t from 'tap';
import { SlowQueryLog } from '../../src/app/query-times.js';
import { digestId } from '../../src/observability/query-digests.js';
import type { SlowQuery } from '../../src/relay/command-times.js';

const QUERY: SlowQuery = {
  client: 7,
  user: 'app',
  address: '10.0.0.1:4711',
  serverSession: 12,
  statement: 'SELECT SLEEP (?)',
  serverMs: 1_234.567_89,
  waitMs: 0,
  rows: 1,
  bytes: 60,
  failed: false,
  holds: ['transaction'],
  limit: null,
};

t.test('a flood of slow statements is a few lines, and all are counted', async (t) => {
  const lines: [object, string][] = [];
  const slow = new SlowQueryLog(
    { slowQueryThreshold: 500 },
    { warn: (...line: [object, string]) => void lines.push(line) },
  );
  for (let i = 0; i < 1_000; i++) {
    const more = slow.pass();
    if (more !== null) slow.tell(QUERY, more);
  }
  t.equal(slow.count, 1_000);
  t.ok(lines.length >= 20 && lines.length < 500, `${lines.length} lines`);
  t.strictSame(lines[0], [
    { ...QUERY, digest: digestId(QUERY.statement), serverMs: 1_234.568, more: 0 },
    'slow query',
  ]);
});

t.test('the threshold may change', async (t) => {
  const config = { slowQueryThreshold: 0 };
  const slow = new SlowQueryLog(config, { warn: () => {} });
  t.equal(slow.thresholdMs, Number.POSITIVE_INFINITY);
  config.slowQueryThreshold = 90_000;
  t.equal(slow.thresholdMs, 90_000);
});
