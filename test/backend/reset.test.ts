import t from 'tap';
import { callInternal, queryCommand } from '../../src/backend/internal-commands.js';
import type { ServerSession } from '../../src/backend/server-session.js';
import { ServerAccount } from '../../src/backend/upstream.js';
import { forEachServer } from '../support/servers.js';
import { upstreamOf } from './support/upstream.js';

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const user = await server.createUser();
  const role = `${schema}_r`;
  await server.query(`CREATE ROLE ${role}`);
  t.teardown(() => server.query(`DROP ROLE ${role}`));
  await server.query(`GRANT ${role} TO '${user.user}'@'%'`);
  const account = new ServerAccount(user.user, () => user.password);
  const upstream = upstreamOf(server);
  const open = async (): Promise<ServerSession> => {
    const session = await upstream.open(account, schema, 0);
    t.teardown(() => session.close());
    return session;
  };
  const reset = (session: ServerSession): Promise<string | null> =>
    new Promise((resolve) => upstream.reset(session, account, (error) => resolve(error?.code ?? null)));

  await t.test('a reset session is as at first, its trackers on', async (t) => {
    const session = await open();
    await callInternal(session, [
      queryCommand("SET SESSION session_track_system_variables='', wait_timeout=77, @a=1"),
    ]);
    session.trackersArmed = false;
    session.lastBorrower = {};
    t.equal(await reset(session), null);
    t.ok(session.trackersArmed);
    t.equal(session.lastBorrower, null, 'whose warnings would be those of what was read now');
    const [reply] = await callInternal(session, [queryCommand('SET SESSION wait_timeout=78')]);
    t.ok(reply?.ok?.session?.variables.some(([name, value]) => name === 'wait_timeout' && value === '78'));
  });

  await t.test('one with a role that nobody saw it get is not given to anybody', async (t) => {
    const session = await open();
    await callInternal(session, [queryCommand(`SET ROLE ${role}`)]);
    t.equal(await reset(session), 'STRAY_ROLE');
  });

  await t.test('what clients read of the trackers is known before they are switched on', async (t) => {
    await open();
    t.equal(upstream.trackers.values.get('session_track_state_change'), 'OFF');
    t.ok(upstream.trackers.told.variables.has('time_zone'));
    t.notOk(upstream.trackers.told.variables.has('*'));
  });
});
