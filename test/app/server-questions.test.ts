import t, { type Test } from 'tap';
import { serverQuestions } from '../../src/app/server-questions.js';
import { ServerAccount } from '../../src/backend/upstream.js';
import { probeServer } from '../../src/servers/server-probe.js';
import { upstreamOf } from '../backend/support/upstream.js';
import { forEachServer } from '../support/servers.js';

await forEachServer(t, async (t, server) => {
  const user = await server.createUser();
  const account = new ServerAccount(user.user, () => user.password);
  const open = async (t: Test) => {
    const session = await upstreamOf(server).open(account, null, 0);
    t.teardown(() => session.close());
    return session;
  };

  await t.test('rows come by the names of their columns, refusals in their places', async (t) => {
    const { ask } = serverQuestions(await open(t));
    t.strictSame(
      await ask(["SELECT 1 AS one, NULL AS nothing, '' AS blank", 'SELECT', 'DO 0', "SELECT 'x' AS `ö b`"]),
      [
        { rows: [{ one: '1', nothing: null, blank: '' }], errno: null },
        { rows: [], errno: 1064 },
        { rows: [], errno: null },
        { rows: [{ 'ö b': 'x' }], errno: null },
      ],
    );
    t.strictSame(await ask(['SELECT 1 AS one FROM DUAL WHERE 1 = 0']), [{ rows: [], errno: null }]);
  });

  await t.test('what a server is, by an account without special rights', async (t) => {
    const session = await open(t);
    const { flavor, versionText } = session.info;
    t.match(await probeServer({ flavor, versionText }, serverQuestions(session)), {
      engine: 'standalone',
      role: 'primary',
      lagSeconds: 0,
    });
  });

  await t.test('a lost session is an error', async (t) => {
    const session = await open(t);
    session.close();
    await t.rejects(serverQuestions(session).ask(['SELECT 1']), { code: 'SESSION_LOST' });
  });
});
