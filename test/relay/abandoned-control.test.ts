import t, { type Test } from 'tap';
import { Gate } from '../support/gate.js';
import { eventually } from '../support/proxied.js';
import { ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { startProxy } from '../support/proxy.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { begin, gone, login, runs, sessionIds, sessionRunning } from './support/abandoning.js';

/** The connection over which KILLs go. */

await forEachServer(t, async (t, server) => {
  await t.test('it is there before any client, and opened again at once', (t) => kept(t, server));
  await t.test('while the server has no place for it, KILLs wait', (t) => noPlace(t, server));
  await t.test('a full pool does not matter', (t) => fullPool(t, server));
});

/** The proxy's only session, when it has no other yet. */
async function onlySession(world: ProxiedUser): Promise<number> {
  let ids: readonly number[] = [];
  await eventually('there is one', async () => {
    ids = await sessionIds(world);
    return ids.length === 1;
  });
  return ids[0] ?? 0;
}

async function kept(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server);
  let control = await onlySession(world);
  for (let i = 0; i < 3; i++) {
    await server.query(`KILL ${control}`);
    const before = control;
    await eventually('there is another', async () => {
      const ids = await sessionIds(world);
      return ids.length === 1 && ids[0] !== before;
    });
    control = await onlySession(world);
  }
  const waitTimeout = async (): Promise<string | undefined> => {
    const [variables] = await server.query<{ VARIABLE_VALUE: string }>(
      `SELECT VARIABLE_VALUE FROM performance_schema.variables_by_thread JOIN performance_schema.threads USING(THREAD_ID)
       WHERE PROCESSLIST_ID = ${control} AND VARIABLE_NAME = 'wait_timeout'`,
    );
    return variables?.VARIABLE_VALUE;
  };
  // The wait_timeout of the server is not its own; it is listed before it has been prepared.
  if (server.isMysql)
    await eventually('it has its own wait_timeout', async () => (await waitTimeout()) === '10');
  // Lost in the midst of things.
  const client = await login(world);
  begin(client, 'SELECT /* kept */ SLEEP(66)');
  const session = await sessionRunning(world, '/* kept */');
  await server.query(`KILL ${control}`);
  client.destroy();
  await gone(world, '/* kept */');
  const next = await login(world);
  // The process list may be ahead of the proxy.
  t.equal(await world.proxy.settled(1, 'mybouncer_server_sessions', 'state="idle"'), 1);
  t.equal(await next.value('SELECT @@pseudo_thread_id'), String(session));
  next.destroy();
}

async function noPlace(t: Test, server: TestServer): Promise<void> {
  const schema = await server.createDatabase();
  const user = await server.createUser();
  const limit = (count: number): Promise<unknown> =>
    server.query(`ALTER USER '${user.user}'@'%' WITH MAX_USER_CONNECTIONS ${count}`);
  // MariaDB counts only connections that were opened under a limit.
  await limit(50);
  const flags = ['--pool-size', '2', '--query-wait-timeout', '60s'];
  const proxy = await startProxy(t, { upstream: user.url(schema), flags });
  const world = new ProxiedUser(t, server, proxy, schema, user);
  const control = await onlySession(world);
  const [leaver, other, third] = [await login(world), await login(world), await login(world)];
  begin(leaver, 'SELECT /* no place */ SLEEP(67)');
  const gate = await Gate.of(t, server, schema);
  begin(third, `${Gate.READ} /* ends by itself */`);
  await sessionRunning(world, '/* no place */');
  await sessionRunning(world, '/* ends by itself */');
  await limit(1);
  await server.query(`KILL ${control}`);
  await world.proxy.logged(
    'no control connection to the server: until there is one, statements of clients that go away are not ended',
  );
  leaver.destroy();
  third.destroy();
  await eventually('both have gone', async () => (await world.proxy.metric('mybouncer_clients')) === 1);
  await gate.open();
  await eventually('it has ended by itself', async () => !(await runs(world, '/* ends by itself */')));
  t.ok(await runs(world, '/* no place */'), 'the other one goes on');
  t.equal(
    await other.value('SELECT SLEEP(0.3)'),
    '0',
    'a session whose statement has ended serves others at once',
  );
  t.equal(await world.proxy.metric('mybouncer_kills_total'), 0);
  await limit(50);
  await gone(world, '/* no place */');
  for (let i = 0; i < 4; i++) t.equal(await other.value('SELECT SLEEP(0.05)'), '0', 'no KILL comes late');
  t.equal(await world.proxy.metric('mybouncer_kills_total'), 1);
  other.destroy();
}

async function fullPool(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  const leavers = [await login(world), await login(world)];
  for (const [i, leaver] of leavers.entries()) {
    begin(leaver, `SELECT /* full ${i} */ SLEEP(68)`);
    await sessionRunning(world, `/* full ${i} */`);
  }
  const waiters = await Promise.all(Array.from({ length: 10 }, () => login(world)));
  const answers = waiters.map((waiter) => waiter.value('SELECT SLEEP(0.01)'));
  await eventually('all wait', async () => (await world.proxy.metric('mybouncer_waiting_requests')) === 10);
  for (const leaver of leavers) leaver.destroy();
  t.strictSame(
    await Promise.all(answers),
    Array.from({ length: 10 }, () => '0'),
  );
  for (const waiter of waiters) waiter.destroy();
}
