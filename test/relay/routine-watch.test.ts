import t, { type Test } from 'tap';
import type { ServerSession } from '../../src/backend/server-session.js';
import { ServerAccount } from '../../src/backend/upstream.js';
import { RoutineWatch, type RoutineWatchOptions } from '../../src/relay/routine-watch.js';
import { HoldReason } from '../../src/session/hold-reason.js';
import { lexerContext } from '../../src/sql/lexer-context.js';
import { StatementClassifier } from '../../src/sql/trait-cache.js';
import type { StatementTraits } from '../../src/sql/traits.js';

/** What becomes of clients when the server does not tell. */

const classifier = new StatementClassifier(0);
const context = lexerContext({
  charset: 'utf8mb4',
  ansiQuotes: false,
  noBackslashEscapes: false,
  mariadb: true,
  serverVersion: 101119,
});

function traits(sql: string): StatementTraits {
  const buf = Buffer.from(sql);
  return classifier.classify(buf, 0, buf.length, context);
}

function watch(t: Test, over: Partial<RoutineWatchOptions>): RoutineWatch {
  const routines = new RoutineWatch({
    connect: () => Promise.reject(new Error('no way')),
    publish: () => {},
    intervalMs: 60_000,
    log: { warn: () => {} },
    ...over,
  });
  t.teardown(() => routines.stop());
  return routines;
}

const account = new ServerAccount('app', () => '');

t.test('while nothing could be read, whatever may use a routine or a view holds its session', async (t) => {
  const warnings: object[] = [];
  const routines = watch(t, { log: { warn: (fields) => warnings.push(fields) } });
  routines.watch(account);
  t.ok(routines.pending);
  t.ok(routines.mustWaitFor(traits('SELECT 1')));
  t.notOk(
    routines.mustWaitFor(traits('COMMIT')),
    'it runs nothing: others may wait for the locks that it ends',
  );
  await new Promise<void>((resolve) => routines.whenKnown(resolve));
  t.notOk(routines.pending);
  for (const sql of ['SELECT a FROM b', 'CALL p()', 'INSERT INTO a VALUES(1)', 'SELECT 1; COMMIT']) {
    t.equal(routines.effectsOf(traits(sql), account).holds & HoldReason.Unknown, HoldReason.Unknown, sql);
    t.notOk(routines.mustWaitFor(traits('SELECT a FROM b')), 'no use to wait');
  }
  for (const sql of ['BEGIN', 'COMMIT', 'USE a']) {
    t.equal(routines.effectsOf(traits(sql), account).holds, 0, sql);
  }
  t.strictSame(warnings, [{ user: 'app', error: 'no way' }], 'told once');
});

t.test('a server that does not answer is not waited for without end', { timeout: 10_000 }, async (t) => {
  const routines = watch(t, { connect: () => new Promise<ServerSession>(() => {}) });
  routines.watch(account);
  // The watch's own timers keep no process alive.
  const alive = setInterval(() => {}, 1000);
  await new Promise<void>((resolve) => routines.whenKnown(resolve));
  clearInterval(alive);
  t.equal(routines.effectsOf(traits('SELECT a FROM b'), account).holds, HoldReason.Unknown);
});
