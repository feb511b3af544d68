import t, { type Test } from 'tap';
import { eventually, type Proxied, proxied } from '../support/proxied.js';
import { sessionOf } from '../support/proxied-user.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';

const KINDS = ['own', 'equal', 'restored', 'new', 'waited'] as const;

await forEachServer(t, async (t, server) => {
  await t.test('checkouts are counted by kind', (t) => kinds(t, server));
  await t.test('where no session has the state, the nearest is restored', (t) => nearest(t, server));
  await t.test('holds, restores and resets are counted', (t) => holds(t, server));
});

async function counts({ proxy }: Proxied): Promise<number[]> {
  const found: number[] = [];
  for (const kind of KINDS) found.push(await proxy.metric('mybouncer_checkouts_total', `kind="${kind}"`));
  return found;
}

async function kinds(t: Test, server: TestServer): Promise<void> {
  const world = await proxied(t, server, ['--pool-size', '2']);
  const { proxy } = world;
  const counted = async (
    what: string,
    expected: Partial<Record<(typeof KINDS)[number], number>>,
    run: () => Promise<unknown>,
  ) => {
    const before = await counts(world);
    await run();
    const after = await counts(world);
    t.same(
      after.map((count, i) => count - (before[i] ?? 0)),
      KINDS.map((kind) => expected[kind] ?? 0),
      what,
    );
  };
  t.equal(await proxy.metric('mybouncer_reuse_ratio'), 0);
  // The login checks the schema: nobody has had it yet.
  const a = await world.connect();
  await counted('again and again', { own: 3 }, async () => {
    for (let i = 0; i < 3; i++) await a.value('SELECT 1');
  });
  const b = await world.connect();
  await counted("another client's, in the same state", { equal: 1 }, () => b.value('SELECT 1'));
  await a.run('BEGIN');
  await counted('none is free', { new: 1 }, () => b.value('SELECT 1'));
  await counted('while it is held, none is lent', {}, () => a.value('SELECT 1'));
  await b.run('BEGIN');
  const c = await world.connect();
  await counted('all are held', { waited: 1 }, async () => {
    const waiting = c.value('SELECT 1');
    await eventually('it waits', async () => (await proxy.metric('mybouncer_waiting_requests')) === 1);
    await b.run('COMMIT');
    await waiting;
  });
  await b.run("SET time_zone='+05:00'");
  await counted('in another state', { restored: 1 }, () => c.value('SELECT 1'));
  const [own = 0, equal = 0, ...others] = await counts(world);
  const all = others.reduce((sum, count) => sum + count, own + equal);
  t.equal(await proxy.metric('mybouncer_reuse_ratio'), (own + equal) / all);
}

async function nearest(t: Test, server: TestServer): Promise<void> {
  const world = await proxied(t, server, ['--pool-size', '2']);
  const [far, near, client] = await Promise.all([world.connect(), world.connect(), world.connect()]);
  await client.run("SET time_zone='+01:00', lock_wait_timeout=77");
  await near.run('BEGIN');
  await far.run("SET time_zone='+09:00', lock_wait_timeout=99, sort_buffer_size=65536");
  const farSession = await sessionOf(far);
  await near.run('COMMIT');
  await near.run("SET time_zone='+01:00'");
  const nearSession = await sessionOf(near);
  t.not(nearSession, farSession);
  // The far one is the most recently used.
  t.equal(await sessionOf(far), farSession);
  t.equal(await sessionOf(client), nearSession);
  t.same(await client.rows('SELECT @@time_zone AS z, @@lock_wait_timeout AS w'), [{ z: '+01:00', w: 77 }]);
}

async function holds(t: Test, server: TestServer): Promise<void> {
  const world = await proxied(t, server, ['--pool-size', '1']);
  const { proxy } = world;
  const begun = (reason: string): Promise<number> =>
    proxy.metric('mybouncer_holds_total', `reason="${reason}"`);
  const [a, b] = [await world.connect(), await world.connect()];
  for (let i = 0; i < 3; i++) {
    await a.run('BEGIN');
    await a.value('SELECT 1');
    await a.run('COMMIT');
  }
  t.equal(await begun('transaction'), 3);
  const restores = await proxy.metric('mybouncer_restores_total');
  await a.run("SET time_zone='+05:00'");
  await b.value('SELECT 1');
  await b.value('SELECT 1');
  t.equal((await proxy.metric('mybouncer_restores_total')) - restores, 1);
  const resets = await proxy.metric('mybouncer_resets_total');
  await a.run('CREATE TEMPORARY TABLE mine(v INT)');
  t.equal(await begun('temporary_table'), 1);
  t.equal(await proxy.holds(1, 'reason="temporary_table"'), 1);
  t.ok((await proxy.metric('mybouncer_longest_hold_seconds')) > 0);
  a.destroy();
  await b.value('SELECT 1');
  t.equal((await proxy.metric('mybouncer_resets_total')) - resets, 1);
  t.equal(await proxy.metric('mybouncer_longest_hold_seconds'), 0);
  t.equal(await begun('handler'), 0);
}
