import t from 'tap';
import { callInternal, queryCommand } from '../../src/backend/internal-commands.js';
import type { ServerSession } from '../../src/backend/server-session.js';
import { ServerAccount } from '../../src/backend/upstream.js';
import { Killer } from '../../src/relay/killer.js';
import { RelayCounters } from '../../src/relay/relay-counters.js';
import type { RoutineWatch } from '../../src/relay/routine-watch.js';
import { HoldReason } from '../../src/session/hold-reason.js';
import { upstreamOf } from '../backend/support/upstream.js';
import { traitsOf } from '../sql/describe.js';
import { eventually } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { known, watch } from './support/routine-watch.js';

/** What becomes of clients when the server does not tell. */

const account = new ServerAccount('app', () => '');

/** Of {@link RoutineWatch.effectsOf}. */
const Doubt = { None: 'none', Reset: 'reset', Held: 'held' } as const;

function doubtOf(routines: RoutineWatch, sql: string, of: ServerAccount): string {
  const { holds, inDoubt } = routines.effectsOf(traitsOf(sql), of);
  if ((holds & HoldReason.Unknown) !== 0) return Doubt.Held;
  return inDoubt ? Doubt.Reset : Doubt.None;
}

t.test('while nothing could be read, no session that may have run a routine goes on as it is', async (t) => {
  const warnings: object[] = [];
  const routines = watch(t, { log: { warn: (fields) => warnings.push(fields) } });
  routines.watch(account);
  t.ok(routines.pending);
  t.ok(routines.mustWaitFor(traitsOf('SELECT 1')));
  t.notOk(
    routines.mustWaitFor(traitsOf('COMMIT')),
    'it runs nothing: others may wait for the locks that it ends',
  );
  await known(routines);
  t.notOk(routines.pending);
  for (const [sql, doubt] of [
    ['SELECT a FROM b', Doubt.Reset],
    ['INSERT INTO a VALUES(1)', Doubt.Reset],
    ['SELECT 1; COMMIT', Doubt.Reset],
    ['CALL p()', Doubt.Held],
    ['SELECT f()', Doubt.Held],
    ['BEGIN', Doubt.None],
    ['COMMIT', Doubt.None],
    ['USE a', Doubt.None],
  ] as const) {
    t.equal(doubtOf(routines, sql, account), doubt, sql);
    t.notOk(routines.mustWaitFor(traitsOf('SELECT a FROM b')), 'no use to wait');
  }
  t.strictSame(warnings, [{ user: 'app', error: 'no way' }], 'told once');
});

t.test('a server that does not answer is not waited for without end', { timeout: 300_000 }, async (t) => {
  const routines = watch(t, { connect: () => new Promise<ServerSession>(() => {}) });
  routines.watch(account);
  // The watch's own timers keep no process alive.
  const alive = setInterval(() => {}, 1000);
  await known(routines);
  clearInterval(alive);
  t.equal(doubtOf(routines, 'SELECT a FROM b', account), Doubt.Reset);
});

await forEachServer(t, async (t, server) => {
  const user = await server.createUser();
  const own = new ServerAccount(user.user, () => user.password);
  const upstream = upstreamOf(server);
  const session = await upstream.open(own, null, 0);
  t.teardown(() => session.quit());

  await t.test('a look that fails leaves what was known', async (t) => {
    let failing = false;
    const warnings: string[] = [];
    const routines = watch(t, {
      connect: () => (failing ? Promise.reject(new Error('no way')) : Promise.resolve(session)),
      intervalMs: 20,
      log: {
        warn: (_fields, message) => warnings.push(message),
      },
    });
    routines.watch(own);
    await known(routines);
    t.equal(doubtOf(routines, 'SELECT a FROM b', own), Doubt.None);
    failing = true;
    await eventually('a look has failed', async () => warnings.length === 1);
    t.equal(doubtOf(routines, 'SELECT a FROM b', own), Doubt.None);
    t.notOk(routines.pending);
    routines.hasRun(traitsOf('CREATE TRIGGER x BEFORE INSERT ON b FOR EACH ROW DO 1'));
    t.ok(routines.pending);
    await known(routines);
    t.equal(doubtOf(routines, 'SELECT a FROM b', own), Doubt.Reset, 'after a change it does not');
    failing = false;
    await eventually('known again', async () => doubtOf(routines, 'SELECT a FROM b', own) === Doubt.None);
    t.equal(warnings.length, 1, 'told once');
  });

  await t.test('a reading that takes too long ends with its session', async (t) => {
    const killer = new Killer(upstream, new RelayCounters(), () => 1_000, { warn: () => {} });
    t.teardown(() => killer.close());
    const stuck = await killer.connect(own);
    const sleeps = callInternal(stuck, [queryCommand('DO SLEEP(60)')]).catch(() => {});
    const routines = watch(t, { connect: () => killer.connect(own), readingLimitMs: 500 });
    routines.watch(own);
    await eventually('read over another session', async () => {
      return !routines.pending && doubtOf(routines, 'SELECT a FROM b', own) === Doubt.None;
    });
    t.ok(stuck.closed);
    await sleeps;
  });

  await t.test('one reading that began afterwards is enough, whatever changes meanwhile', async (t) => {
    const begun: (() => void)[] = [];
    const routines = watch(t, {
      connect: () => new Promise((resolve) => begun.push(() => resolve(session))),
    });
    const change = traitsOf('CREATE TRIGGER x BEFORE INSERT ON b FOR EACH ROW DO 1');
    routines.watch(own);
    const first = known(routines);
    routines.hasRun(change);
    let isKnown = false;
    const second = known(routines).then(() => {
      isKnown = true;
    });
    begun[0]?.();
    await first;
    t.notOk(isKnown, 'that reading had begun before');
    await eventually('the next reading has begun', async () => begun.length === 2);
    routines.hasRun(change);
    t.ok(routines.pending);
    let asked: boolean | null = null;
    routines.whenKnown(() => {
      asked = routines.mustWaitFor(traitsOf('SELECT a FROM b'));
    });
    begun[1]?.();
    await second;
    t.ok(routines.pending, 'others wait for the last change');
    t.equal(doubtOf(routines, 'SELECT a FROM b', own), Doubt.Reset, 'who goes on does it in doubt');
    await eventually('the last reading has begun', async () => begun.length === 3);
    begun[2]?.();
    await eventually('all is known', async () => !routines.pending);
    t.equal(asked, false);
    t.equal(doubtOf(routines, 'SELECT a FROM b', own), Doubt.None);
  });
});
