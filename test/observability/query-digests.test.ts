import t from 'tap';
import { digestId, OTHERS, QueryDigests } from '../../src/observability/query-digests.js';
import type { DigestRow } from '../../src/relay/digest-table.js';
import { fc } from '../support/properties.js';

interface Run {
  readonly text: string;
  readonly serverMs: number;
  readonly failed: boolean;
}

/** As statements are counted: by what is remembered of their text, until that is evicted. */
class Workload {
  readonly digests: QueryDigests;
  readonly #remembered = new Map<string, ReturnType<QueryDigests['enter']>>();

  constructor(limit: number) {
    this.digests = new QueryDigests(limit);
  }

  run({ text, serverMs, failed }: Run): void {
    const { digests } = this;
    const known = this.#remembered.get(text);
    let digest = known ?? digests.enter(text);
    if (digest.isEvicted) digest = digests.again(digest);
    if (digest !== digests.others) this.#remembered.set(text, digest);
    digest.add(serverMs, serverMs * 2, 3, 100, failed);
    digest.holds++;
  }

  rows(): readonly DigestRow[] {
    return this.digests.top(1_000);
  }
}

const run = fc.record({
  text: fc.nat(40).map((n) => `SELECT a${n}`),
  serverMs: fc.nat(1_000),
  failed: fc.boolean(),
});

t.test('never more than so many, and nothing is lost', async (t) => {
  fc.assert(
    fc.property(fc.array(run, { maxLength: 300 }), fc.integer({ min: 1, max: 12 }), (runs, limit) => {
      const workload = new Workload(limit);
      for (const one of runs) {
        workload.run(one);
        if (workload.digests.size > limit) return false;
      }
      const sum = (value: (row: DigestRow) => number): number =>
        workload.rows().reduce((total, row) => total + value(row), 0);
      const serverMs = runs.reduce((total, one) => total + one.serverMs, 0);
      return (
        sum(({ count }) => count) === runs.length &&
        sum(({ errors }) => errors) === runs.filter(({ failed }) => failed).length &&
        sum((row) => row.serverMs) === serverMs &&
        sum((row) => row.waitMs) === 2 * serverMs &&
        sum(({ rows }) => rows) === 3 * runs.length &&
        sum(({ bytes }) => bytes) === 100 * runs.length &&
        sum(({ holds }) => holds) === runs.length &&
        workload.rows().filter(({ text }) => text !== OTHERS).length <= limit
      );
    }),
    { numRuns: 500 },
  );
  t.pass();
});

t.test('what takes more than its share of all time is kept', async (t) => {
  const workload = new Workload(10);
  const heavy = ['SELECT heavy', 'SELECT heavier'];
  for (let i = 0; i < 20_000; i++) {
    workload.run({ text: `SELECT once${i}`, serverMs: 1, failed: false });
    if (i % 20 === 10) workload.run({ text: heavy[0] as string, serverMs: 10, failed: false });
    if (i % 20 === 15) workload.run({ text: heavy[1] as string, serverMs: 20, failed: false });
  }
  const rows = workload.rows();
  t.strictSame(
    rows.slice(0, 2).map(({ text }) => text),
    ['SELECT heavier', 'SELECT heavy'],
  );
  t.equal(rows.at(-1)?.text, OTHERS);
  t.equal(rows.length, 11);
  t.equal(rows[0]?.count, 1_000, 'they were never driven out');
});

t.test('rows', async (t) => {
  const digests = new QueryDigests(10);
  t.strictSame(digests.top(5), []);
  for (const ms of [1, 2, 3, 100]) digests.enter('SELECT ?').add(ms, 0, 1, 10, ms === 3);
  digests.enter('SELECT a').add(5, 7, 0, 0, false);
  const [first, second, ...others] = digests.top(2);
  t.strictSame(others, []);
  t.match(first, { id: digestId('SELECT ?'), text: 'SELECT ?', count: 4, errors: 1, serverMs: 106, rows: 4 });
  t.match(first?.id, /^[0-9a-f]{16}$/);
  t.ok(Math.abs((first?.p50Ms ?? 0) - 2) < 0.1);
  t.ok(Math.abs((first?.p99Ms ?? 0) - 100) < 4);
  t.match(second, { text: 'SELECT a', waitMs: 7 });
  t.match(digests.top(1), [{ text: 'SELECT ?' }, { text: OTHERS, count: 1, serverMs: 5, waitMs: 7 }]);
});

t.test('statements that are evicted do not drive each other out with each execution', async (t) => {
  const workload = new Workload(1);
  const texts = ['SELECT a', 'SELECT b'];
  let changes = 0;
  let kept = '';
  for (let i = 0; i < 320; i++) {
    workload.run({ text: texts[i % 2] as string, serverMs: 1, failed: false });
    const now = workload.rows()[0]?.text ?? '';
    if (now !== kept) changes++;
    kept = now;
  }
  t.ok(changes <= 20, `${changes} times`);
});
