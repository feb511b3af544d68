import t, { type Test } from 'tap';
import type { ServerSession } from '../../src/backend/server-session.js';
import { ServerAccount, Upstream } from '../../src/backend/upstream.js';
import { RoutineWatch, type RoutineWatchOptions } from '../../src/relay/routine-watch.js';
import { HoldReason } from '../../src/session/hold-reason.js';
import { ProfileRegistry } from '../../src/session/profile.js';
import { lexerContext } from '../../src/sql/lexer-context.js';
import { StatementClassifier } from '../../src/sql/trait-cache.js';
import { Hold, type StatementTraits } from '../../src/sql/traits.js';
import { forEachServer } from '../support/servers.js';

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

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const poor = await server.createUser();
  const names = { harmless: `${schema}_harmless`, locks: `${schema}_locks` };
  await server.query(`CREATE PROCEDURE ${schema}.${names.harmless}() BEGIN END`);
  await server.query(`CREATE PROCEDURE ${schema}.${names.locks}() DO GET_LOCK('x', 0)`);
  const upstream = new Upstream(
    {
      address: { host: server.host, port: server.port },
      connectTimeoutMs: 10_000,
      maxPreparedStatements: 10,
      attributes: {},
    },
    new ProfileRegistry(),
  );
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
    await new Promise<void>((resolve) => routines.whenKnown(resolve));
    t.equal(hazards.get(`${names.harmless}()`), Hold.Unknown);
    t.equal(hazards.get(`${names.locks}()`), Hold.Unknown);
    const { generation } = routines;
    routines.watch(root);
    await new Promise<void>((resolve) => routines.whenKnown(resolve));
    t.equal(hazards.get(`${names.harmless}()`), undefined);
    t.equal(hazards.get(`${names.locks}()`), Hold.UserLock);
    t.ok(routines.generation > generation, 'prepared statements are looked at again');
  });

  await t.test('names that no routine has are looked for once', async (t) => {
    const unknown = traits('SELECT no_such_routine_at_all()');
    t.ok(routines.mustWaitFor(unknown));
    await new Promise<void>((resolve) => routines.whenKnown(resolve));
    t.notOk(routines.mustWaitFor(unknown));
    t.equal(routines.effectsOf(unknown, root).holds & HoldReason.Unknown, 0, 'a loadable function');
    const another = traits('SELECT no_such_routine_either()');
    t.notOk(routines.mustWaitFor(another), 'not so soon');
    t.equal(routines.effectsOf(another, root).holds & HoldReason.Unknown, HoldReason.Unknown);
    t.equal(
      routines.effectsOf(traits('CALL sys.diagnostics(1, 1, 1)'), root).holds & HoldReason.Unknown,
      HoldReason.Unknown,
    );
  });
});
