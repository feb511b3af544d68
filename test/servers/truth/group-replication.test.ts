import t from 'tap';
import { PROBE_PRIVILEGES } from '../../../src/servers/server-probe.js';
import { Outcome, outcomeOf } from '../../../src/servers/statement-outcome.js';
import { until } from '../../support/clusters/cluster-node.js';
import { withGroup } from '../../support/clusters/for-cluster.js';
import { quietConnection, refusalOf, refusesWrites, reportOf } from '../support/asker.js';

const ENGINE = 'group_replication';

t.test('what the members say', async (t) => {
  await withGroup(t, async (t, group) => {
    const [first, second, third] = [group.node(0), group.node(1), group.node(2)];
    await first.ask('CREATE TABLE app.t (a INT PRIMARY KEY, b INT)');
    await first.ask('INSERT INTO app.t VALUES (1, 1)');
    await first.ask("CREATE USER probe@'%' IDENTIFIED BY 'p'");
    await first.ask("CREATE USER nobody@'%' IDENTIFIED BY 'p'");
    for (const grant of PROBE_PRIVILEGES.mysql) await first.ask(`${grant} TO probe@'%'`);
    const accounts = 'SELECT user FROM mysql.user JOIN mysql.tables_priv USING (user) WHERE user = "probe"';
    await until('the accounts are everywhere', async () => (await third.ask(accounts)).length === 2);
    const asProbe = `mysql://probe:p@${third.host}:${third.port}/`;

    await t.test('one primary, two secondaries', async (t) => {
      t.strictSame(await reportOf(first), { engine: ENGINE, role: 'primary', lagSeconds: 0, reasons: [] });
      t.match(await reportOf(second), { engine: ENGINE, role: 'replica', reasons: [] });
      t.match(await reportOf(third, asProbe), {
        engine: ENGINE,
        role: 'replica',
        lagSeconds: Number,
        reasons: [],
      });
      t.strictSame(
        await reportOf(third, asProbe.replace('probe', 'nobody')),
        { engine: ENGINE, role: 'replica', lagSeconds: null, reasons: ['group_not_shown'] },
        'without the right to see the group it goes by read_only',
      );
    });

    await t.test('a secondary refuses writes', async (t) => {
      const client = await quietConnection(second.url());
      await refusesWrites(t, client, [
        'INSERT INTO t VALUES (2, 2)',
        'SELECT * FROM t FOR UPDATE',
        'START TRANSACTION READ WRITE',
      ]);
      client.destroy();
    });

    await t.test('a planned move', async (t) => {
      const client = await quietConnection(first.url());
      await group.promote(1);
      await until('it is the primary', async () => (await reportOf(second)).role === 'primary');
      await until('the other one is none', async () => (await reportOf(first)).role === 'replica');
      t.equal((await refusalOf(client, 'INSERT INTO t VALUES (3, 3)'))?.errno, 1290);
      client.destroy();
    });

    await t.test('the primary stands still', async (t) => {
      const client = await quietConnection(second.url());
      await client.query('BEGIN');
      await client.query('INSERT INTO t VALUES (4, 4)');
      const begin = performance.now();
      const seconds = (): string => ((performance.now() - begin) / 1000).toFixed(1);
      await second.freeze();
      await until('another primary is elected', async () => {
        const roles = await Promise.all([first, third].map(async (node) => (await reportOf(node)).role));
        return roles.includes('primary');
      });
      t.comment(`elected after ${seconds()} s`);
      await second.thaw();
      const refusal = await refusalOf(client, 'COMMIT');
      t.ok(refusal !== null, `refused by ${refusal?.errno}`);
      t.not(refusal && outcomeOf(refusal, true)?.outcome, Outcome.Refused);
      // The plugin lets it in again by itself.
      await group.untilOnline();
      t.match(await reportOf(second), { role: 'replica' });
      t.strictSame(await first.ask('SELECT a FROM app.t WHERE a = 4'), []);
      client.destroy();
    });

    await t.test('taken out of the group', async (t) => {
      const out = (await group.primary()) === third ? first : third;
      await out.ask('STOP GROUP_REPLICATION', 30_000);
      t.match(await reportOf(out), { role: 'unusable', reasons: ['group_offline'] });
      await out.ask('SET GLOBAL offline_mode = ON');
      t.match(await reportOf(out), { role: 'unusable', reasons: ['offline_mode'] });
    });

    await t.test('a primary without a majority', async (t) => {
      const primary = await group.primary();
      const other =
        primary === second ? ((await reportOf(first)).role === 'replica' ? first : third) : second;
      if (primary === null) throw new Error('there is a primary');
      await other.freeze();
      await until('it knows', async () => (await reportOf(primary)).role === 'unusable', 30_000, 100);
      t.strictSame((await reportOf(primary)).reasons, ['group_no_majority']);
      t.strictSame(
        await primary.ask('SELECT a FROM app.t WHERE a = 1'),
        [{ a: 1 }],
        'it still answers reads',
      );
    });
  });
});
