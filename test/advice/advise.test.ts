import t from 'tap';
import { type Advice, advise } from '../../src/advice/advise.js';
import type { AdviceFinding } from '../../src/advice/finding.js';
import { adviceLines, hasFailures } from '../../src/advice/lines.js';
import type { Observation } from '../../src/advice/observation.js';
import { HOLD_WORDS } from '../../src/session/hold-reason.js';
import { fc } from '../support/properties.js';
import { type Row, windowOf } from './support/windows.js';

/** A proxy at which nothing has happened. */
const QUIET: Observation = {
  seconds: 100,
  mode: 'transaction',
  commands: 0,
  pool: { size: 10, configured: 10, pools: 1, loans: 0, peak: 0, windows: [] },
  demand: { moments: 0, mean: 0, p99: 0 },
  holds: { lasting: { mean: 0, peak: 0 }, reasons: [], statements: [] },
  gaps: [],
  timeLimits: new Map(),
  refusals: new Map(),
  sharedSockets: new Map(),
  checkouts: new Map(),
  differences: [],
  profiles: 0,
  dryRun: null,
};

const about = ({ findings }: Advice, name: string): AdviceFinding | undefined =>
  findings.find((one) => one.about === name);

/** One client's loans, one after the other. */
const loans = (count: number, waitMs: number): Row[] =>
  Array.from({ length: count }, (_, i) => [1, i * 100, i * 100 + waitMs, i * 100 + waitMs + 10]);

t.test('the pool is as large as it should be', async (t) => {
  const windows = [windowOf(loans(300, 0), 30_000)];
  const used = { ...QUIET.pool, loans: 300, peak: 1, windows };
  t.match(about(advise({ ...QUIET, pool: used }), 'pool size'), {
    severity: 'ok',
    what: /^pool_size 10 is more than was ever needed \(1\)/,
    toDo: /^pool_size: 1 has all/,
  });
  t.match(about(advise({ ...QUIET, pool: { ...used, peak: 10 } }), 'pool size'), {
    what: /^pool_size 10 is enough/,
    toDo: null,
  });
  const auto = { ...used, configured: 'auto' as const };
  t.match(about(advise({ ...QUIET, pool: auto }), 'pool size'), {
    what: /^pool_size auto \(10 now\) is more/,
    toDo: null,
  });
  t.match(about(advise({ ...QUIET, mode: 'session', pool: used }), 'pool size'), {
    toDo: /^Set dry_run: on/,
  });
});

t.test('waits that no size would end', async (t) => {
  const windows = [windowOf(loans(300, 50), 30_000)];
  const pool = { ...QUIET.pool, loans: 300, peak: 1, windows };
  t.match(about(advise({ ...QUIET, pool }), 'pool size'), {
    severity: 'warn',
    what: /^requests wait although the pool is large enough: p99 is 50 ms/,
    toDo: /^Keep sessions open: min_pool_size: 1;/,
  });
});

t.test('a size that the server decides on', async (t) => {
  // Two clients at the same time, over one session.
  const rows: Row[] = loans(300, 0).flatMap(([, asked]) => [
    [1, asked, asked, asked + 40],
    [2, asked, asked + 40, asked + 80],
  ]);
  const windows = [windowOf(rows, 30_000)];
  const pool = { ...QUIET.pool, size: 1, configured: 'auto' as const, peak: 2, loans: 600, windows };
  const refusals = new Map([['POOL_TIMEOUT', 3]]);
  const said = about(advise({ ...QUIET, pool, refusals }), 'pool size');
  t.match(said, {
    severity: 'fail',
    toDo: 'Raise max_connections on the server, or lower reserve, so that pool_size auto comes to 2',
  });
});

t.test('errors that clients got', async (t) => {
  const refusals = new Map([
    ['POOL_TIMEOUT', 2],
    ['POOL_OVERLOADED', 1],
    ['POOL_DIAL_REFUSED', 1],
    ['POOL_CLOSED', 7],
  ]);
  const sharedSockets = new Map([
    ['fork_guard', 2],
    ['sequence_id', 0],
  ]);
  const advice = advise({ ...QUIET, refusals, sharedSockets });
  t.equal(advice.findings.filter((one) => one.about === 'refusals').length, 3, 'an end is no refusal');
  t.match(about(advice, 'forks'), { severity: 'fail', what: /^2 connections /, why: 'fork_guard 2' });
  t.equal(hasFailures(advice), true);
  t.equal(hasFailures(advise(QUIET)), false);
});

t.test('clients in many states', async (t) => {
  const checkouts = new Map([
    ['own', 60],
    ['restored', 40],
  ]);
  const differences = [{ name: 'time_zone', values: 3 }];
  t.match(about(advise({ ...QUIET, checkouts, differences, profiles: 4 }), 'restores'), {
    severity: 'warn',
    what: /^40% of 100 loans .* 4 states over 10 sessions$/,
    why: /differ in: time_zone \(3 values\)$/,
  });
  t.equal(about(advise({ ...QUIET, checkouts: new Map([['own', 99]]) }), 'restores'), undefined);
  t.match(about(advise({ ...QUIET, checkouts: new Map([['own', 100]]) }), 'restores'), { severity: 'ok' });
});

t.test('every reason for a hold has its advice', async (t) => {
  for (const reason of HOLD_WORDS) {
    const held = { reason, mean: 2, peak: 3, begun: 4 };
    const statements = [{ reason, statement: 'SELECT ?', count: 4, seconds: 9 }];
    const lasting = { mean: 2, peak: 3 };
    const advice = advise({ ...QUIET, holds: { lasting, reasons: [held], statements } });
    const said = about(advice, `hold ${reason}`);
    const endsByItself = ['transaction', 'session_mode', 'diagnostics', 'long_data'].includes(reason);
    if (endsByItself) t.equal(said, undefined, reason);
    else
      t.match(
        said,
        { severity: 'warn', why: '4 holds, by: SELECT ? (4x, 9.0 s)', toDo: /^[A-Z].{20}/ },
        reason,
      );
  }
});

t.test('whatever was seen, what is said can be read', async () => {
  const number = fc.nat(1_000_000);
  const words = fc.dictionary(fc.constantFrom('POOL_TIMEOUT', 'query_timeout', 'own', 'restored'), number);
  const counts = words.map((all) => new Map(Object.entries(all)));
  const statement = fc.record({
    reason: fc.constantFrom(...HOLD_WORDS),
    statement: fc.option(fc.string()),
    count: number,
    seconds: fc.float({ min: 0, max: 1e6, noNaN: true }),
  });
  const held = fc.record({ mean: fc.float({ min: 0, max: 1e4, noNaN: true }), peak: number });
  const observation = fc.record({
    seconds: fc.float({ min: 0, max: 1e6, noNaN: true }),
    gaps: fc.array(statement),
    lasting: held,
    statements: fc.array(statement),
    reasons: fc.array(
      fc.record({
        reason: fc.constantFrom(...HOLD_WORDS),
        begun: number,
        mean: fc.constant(1),
        peak: number,
      }),
    ),
    refusals: counts,
    timeLimits: counts,
    checkouts: counts,
  });
  fc.assert(
    fc.property(observation, ({ lasting, statements, reasons, ...rest }) => {
      const advice = advise({ ...QUIET, ...rest, holds: { lasting, statements, reasons } });
      const lines = adviceLines(advice);
      const ranks = advice.findings.slice(1).map(({ severity }) => ['fail', 'warn', 'ok'].indexOf(severity));
      return (
        !/NaN|undefined|Infinity/.test(JSON.stringify(advice.findings)) &&
        advice.findings.every(({ what, about: name }) => what !== '' && name !== '') &&
        ranks.every((rank, i) => rank >= (ranks[i - 1] ?? 0)) &&
        lines.split('\n').length >= advice.findings.length
      );
    }),
  );
});
