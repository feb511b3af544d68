import t from 'tap';
import { Outcome, outcomeOf, ServerHint } from '../../../src/servers/statement-outcome.js';
import { until } from '../../support/clusters/cluster-node.js';
import { withGalera } from '../../support/clusters/for-cluster.js';
import { quietConnection, refusalOf, reportOf } from '../support/asker.js';

const ENGINE = 'galera';
const REFUSED = { outcome: Outcome.Refused, hint: ServerHint.NotReady };

t.test('what the nodes say', async (t) => {
  await withGalera(t, async (t, cluster) => {
    await cluster.node(0).ask('CREATE TABLE app.t (a INT PRIMARY KEY, b INT)');
    await cluster.node(0).ask('INSERT INTO app.t VALUES (1, 1)');
    await cluster.node(0).ask("CREATE USER probe@'%' IDENTIFIED BY 'p'");
    const node = cluster.node(2);
    const asProbe = `mysql://probe:p@${node.host}:${node.port}/`;
    await cluster.untilSynced();

    await t.test('each is a primary, and an account without any right learns so', async (t) => {
      for (const { index } of cluster.nodes) {
        t.strictSame(await reportOf(cluster.node(index)), {
          engine: ENGINE,
          role: 'primary',
          lagSeconds: 0,
          reasons: [],
        });
      }
      t.match(await reportOf(node, asProbe), { engine: ENGINE, role: 'primary' });
    });

    await t.test('what an operator sets', async (t) => {
      const client = await quietConnection(node.url());
      await node.query('SET GLOBAL wsrep_desync = ON');
      t.match(await reportOf(node, asProbe), {
        role: 'primary',
        lagSeconds: null,
        reasons: ['wsrep_desynced'],
      });
      t.equal(await refusalOf(client, 'INSERT INTO t VALUES (2, 2)'), null, 'it works');
      await node.query('SET GLOBAL wsrep_sst_donor_rejects_queries = ON');
      t.match(await reportOf(node, asProbe), { role: 'unusable', reasons: ['wsrep_rejects_queries'] });
      await node.query('SET GLOBAL wsrep_sst_donor_rejects_queries = OFF');
      await node.query('SET GLOBAL wsrep_desync = OFF');
      await until('it is as the others', async () => (await reportOf(node, asProbe)).reasons.length === 0);
      await node.query('SET GLOBAL read_only = ON');
      t.match(await reportOf(node, asProbe), { role: 'replica', reasons: [] });
      t.equal((await refusalOf(client, 'INSERT INTO t VALUES (3, 3)'))?.errno, 1290);
      await node.query('SET GLOBAL read_only = OFF');

      await client.query('BEGIN');
      await client.query('INSERT INTO t VALUES (4, 4)');
      await node.query('SET GLOBAL wsrep_reject_queries = ALL');
      t.match(await reportOf(node, asProbe), { role: 'unusable', reasons: ['wsrep_rejects_queries'] });
      const refusal = await refusalOf(client, 'COMMIT');
      t.equal(refusal?.errno, 1047);
      t.strictSame(refusal && outcomeOf(refusal, true), REFUSED);
      for (const sql of ['SELECT 1', 'SET @a = 1', 'USE app'])
        t.equal(await refusalOf(client, sql), null, sql);
      t.equal((await refusalOf(client, 'DO 0'))?.errno, 1047);
      await node.query('SET GLOBAL wsrep_reject_queries = NONE');
      t.equal(
        await refusalOf(client, 'COMMIT'),
        null,
        'COMMIT was refused, not done: the transaction was still open',
      );
      await until(
        'the row is there',
        async () => (await cluster.node(0).ask('SELECT a FROM app.t WHERE a = 4')).length === 1,
      );
      client.destroy();
    });

    await t.test('two nodes change one row', async (t) => {
      const [one, two] = [await quietConnection(cluster.node(0).url()), await quietConnection(node.url())];
      await one.query('BEGIN');
      await one.query('UPDATE t SET b = 10 WHERE a = 1');
      await two.query('UPDATE t SET b = 20 WHERE a = 1');
      let refusal = null;
      await until('the first one is told', async () => {
        refusal = await refusalOf(one, 'SELECT b FROM t WHERE a = 1');
        return refusal !== null;
      });
      t.match(refusal, { errno: 1213 });
      t.strictSame(refusal && outcomeOf(refusal, false), { outcome: Outcome.RolledBack, hint: null });
      t.equal(await refusalOf(one, 'COMMIT'), null, 'nothing is left to be refused');
      one.destroy();
      two.destroy();
    });

    await t.test('a node that is cut off', async (t) => {
      const client = await quietConnection(node.url());
      const writer = await quietConnection(node.url());
      await client.query('BEGIN');
      await client.query('INSERT INTO t VALUES (5, 5)');
      await cluster.isolate(2);
      const hanging = await refusalOf(writer, 'INSERT INTO t VALUES (6, 6)');
      // Later than that it would be refused right away.
      t.ok(hanging?.errno === 1180 || hanging?.errno === 1047, 'it waits until the node knows');
      const expected = { outcome: Outcome.Unknown, hint: ServerHint.Leaving };
      t.strictSame(hanging && outcomeOf(hanging, false), hanging?.errno === 1180 ? expected : REFUSED);
      await until('it says so', async () => (await reportOf(node, asProbe)).role === 'unusable');
      t.strictSame((await reportOf(node, asProbe)).reasons, ['wsrep_non_primary']);
      await until('the others go on', async () => (await reportOf(cluster.node(0))).role === 'primary');
      for (const sql of ['SELECT * FROM t', 'INSERT INTO t VALUES (7, 7)', 'BEGIN', 'COMMIT']) {
        const refusal = await refusalOf(client, sql);
        t.equal(refusal?.errno, 1047, sql);
        t.strictSame(refusal && outcomeOf(refusal, sql === 'COMMIT'), REFUSED);
      }
      t.equal(await refusalOf(client, 'SELECT 1'), null, 'a ping would find nothing wrong');
      await cluster.heal(2);
      await cluster.untilSynced();
      t.match(await reportOf(node, asProbe), { role: 'primary', reasons: [] });
      await refusalOf(client, 'COMMIT');
      const rows = await cluster.node(0).ask<{ a: number }>('SELECT a FROM app.t WHERE a IN (5, 7)');
      t.notOk(
        rows.some(({ a }) => a === 7),
        'what was refused was not done',
      );
      t.comment(`the transaction that was open ${rows.length === 0 ? 'is lost' : 'has gone on'}`);
      client.destroy();
      writer.destroy();
    });

    await t.test('shutdown, and back', async (t) => {
      await node.shutdown();
      await until(
        'the others have seen it go',
        async () => (await cluster.wsrep(0))['wsrep_cluster_size'] === '2',
      );
      await until('the others go on', async () => (await reportOf(cluster.node(0))).role === 'primary');
      await cluster.rejoin(2);
      t.match(await reportOf(node, asProbe), { role: 'primary', reasons: [] });
    });

    await t.test('two of three are killed', async (t) => {
      await Promise.all([cluster.node(1).kill(), node.kill()]);
      await until('the last one knows', async () => (await reportOf(cluster.node(0))).role === 'unusable');
      t.strictSame((await reportOf(cluster.node(0))).reasons, ['wsrep_non_primary']);
    });
  });
});
