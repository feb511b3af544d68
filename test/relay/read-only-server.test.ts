import t, { type Test } from 'tap';
import { type Client, eventually, useAtOnce } from '../support/proxied.js';
import {
  APP_USER,
  forEachPrivateServer,
  type PrivateTestServer,
  startMariadb,
  startMysql,
} from '../support/servers.js';
import { REFUSED, reruns, rowsOf, setReadOnly, worldOver } from './support/read-only.js';

/** A server turns read-only, and its address leads to another one. */

await forEachPrivateServer(
  t,
  async (t, server) => {
    const other = await (server.isMysql ? startMysql() : startMariadb());
    t.teardown(() => other.stop());
    for (const one of [server, other]) {
      await one.query('CREATE TABLE app.t (a INT PRIMARY KEY, b VARCHAR(20)) ENGINE=InnoDB');
      await one.query('CREATE PROCEDURE app.writes() INSERT INTO t VALUES (100, "called")');
    }
    await moves(t, server, other);
  },
  { atOnce: true },
);

async function moves(t: Test, from: PrivateTestServer, to: PrivateTestServer): Promise<void> {
  const { toServers, world } = await worldOver(t, from, ['--pool-size', '6']);
  const clients = await Promise.all(
    Array.from({ length: 6 }, () => world.connect({ multipleStatements: true })),
  );
  const [text, prepared, several, held, inDoubt, caller] = clients as [
    Client,
    Client,
    Client,
    Client,
    Client,
    Client,
  ];
  await useAtOnce(clients);
  await prepared.execute('INSERT INTO t VALUES (?, ?)', [1, 'before']);
  await held.run('BEGIN');
  await held.run("INSERT INTO t VALUES (2, 'in a transaction')");
  await inDoubt.run('BEGIN');
  await inDoubt.run("INSERT INTO t VALUES (3, 'to be committed')");
  await setReadOnly(from, true);
  toServers.target = to;

  await text.run("INSERT INTO t VALUES (10, 'text')");
  await prepared.execute('INSERT INTO t VALUES (?, ?)', [11, 'prepared']);
  await several.run("INSERT INTO t VALUES (12, 'a'); INSERT INTO t VALUES (13, 'b')");
  t.strictSame(await rowsOf(to), [10, 11, 12, 13], 'what was refused is done there, once');
  t.ok((await reruns(world)) >= 1);

  await t.test('a transaction goes on where it is', async (t) => {
    t.match(await held.error("INSERT INTO t VALUES (4, 'more')"), REFUSED);
    t.match(await held.rows('SELECT a FROM t WHERE a < 10'), [{ a: 1 }, { a: 2 }], 'it is still open');
    await held.run('ROLLBACK');
    await held.run("INSERT INTO t VALUES (14, 'after')");
  });
  await t.test('COMMIT is the end of it', async (t) => {
    t.match(await inDoubt.error('COMMIT'), {
      errno: 1213,
      sqlState: '40001',
      message:
        /^mybouncer: .*rolled the transaction back; try restarting transaction .*1290.*\(client \d+\)$/s,
    });
    await inDoubt.run('BEGIN');
    await inDoubt.run("INSERT INTO t VALUES (15, 'begun anew')");
    await inDoubt.run('COMMIT');
  });
  await caller.run('CALL writes()');
  t.strictSame(await rowsOf(to), [10, 11, 12, 13, 14, 15, 100]);
  t.strictSame(await rowsOf(from), [1], 'nothing was left there');
  await eventually(
    'no session is left there but ours',
    async () => (await from.sessions(APP_USER)).length === 0,
  );
  t.ok((await world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="other_server"')) >= 4);
  await world.proxy.logged('the address leads to another server, which takes writes');

  await t.test('KILL finds them there', async (t) => {
    const sleeping = text.value('SELECT /* sleeps */ SLEEP(600)').catch(() => 'interrupted');
    await eventually('it sleeps', async () =>
      (await to.sessions(APP_USER)).some(({ info }) => info?.includes('sleeps') === true),
    );
    await several.run(`KILL QUERY ${text.id}`);
    t.not(await sleeping, 0);
    t.equal(await world.proxy.metric('mybouncer_kills_total', 'kind="not_sent"'), 0);
  });
}
