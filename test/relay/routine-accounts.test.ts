import t from 'tap';
import type { ServerSession } from '../../src/backend/server-session.js';
import { ServerAccount } from '../../src/backend/upstream.js';
import { HoldReason } from '../../src/session/hold-reason.js';
import { Hold } from '../../src/sql/traits.js';
import { upstreamOf } from '../backend/support/upstream.js';
import { traitsOf } from '../sql/describe.js';
import { forEachServer } from '../support/servers.js';
import { known, watch } from './support/routine-watch.js';

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const poor = await server.createUser();
  const names = { harmless: `${schema}_harmless`, locks: `${schema}_locks` };
  await server.query(`CREATE PROCEDURE ${schema}.${names.harmless}() BEGIN END`);
  await server.query(`CREATE PROCEDURE ${schema}.${names.locks}() DO GET_LOCK('x', 0)`);
  const upstream = upstreamOf(server);
  const sessions: ServerSession[] = [];
  t.teardown(() => Promise.all(sessions.map((session) => session.quit())));
  let hazards: ReadonlyMap<string, number> = new Map();
  const routines = watch(t, {
    connect: async (account) => {
      const session = await upstream.open(account, null, 0);
      sessions.push(session);
      return session;
    },
    publish: (found) => {
      hazards = found;
    },
  });
  const rootPassword = new URL(server.rootUrl).password;
  const root = new ServerAccount('root', () => rootPassword);

  await t.test('what one account may read, no other needs to', async (t) => {
    routines.watch(new ServerAccount(poor.user, () => poor.password));
    await known(routines);
    t.equal(hazards.get(`${names.harmless}()`), Hold.Unknown);
    t.equal(hazards.get(`${names.locks}()`), Hold.Unknown);
    const { generation } = routines;
    routines.watch(root);
    await known(routines);
    t.equal(hazards.get(`${names.harmless}()`), undefined);
    t.equal(hazards.get(`${names.locks}()`), Hold.UserLock);
    t.ok(routines.generation > generation, 'prepared statements are looked at again');
  });

  await t.test('names that no routine has are looked for once', async (t) => {
    const unknown = traitsOf('SELECT no_such_routine_at_all()');
    t.ok(routines.mustWaitFor(unknown));
    await known(routines);
    t.notOk(routines.mustWaitFor(unknown));
    t.equal(routines.effectsOf(unknown, root).holds & HoldReason.Unknown, 0, 'a loadable function');
    const another = traitsOf('SELECT no_such_routine_either()');
    t.notOk(routines.mustWaitFor(another), 'not so soon');
    t.equal(routines.effectsOf(another, root).holds & HoldReason.Unknown, HoldReason.Unknown);
    t.equal(
      routines.effectsOf(traitsOf('CALL sys.diagnostics(1, 1, 1)'), root).holds & HoldReason.Unknown,
      HoldReason.Unknown,
    );
  });
});
