import t from 'tap';
import { PROBE_PRIVILEGES } from '../../../src/servers/server-probe.js';
import { Outcome, outcomeOf } from '../../../src/servers/statement-outcome.js';
import { until } from '../../support/clusters/cluster-node.js';
import { withReplicas } from '../../support/clusters/for-cluster.js';
import { FLAVORS } from '../../support/servers.js';
import { quietConnection, refusalOf, refusesWrites, reportOf } from '../support/asker.js';

for (const flavor of FLAVORS) {
  t.test(`what primary and replica say (${flavor})`, async (t) => {
    await withReplicas(
      t,
      async (t, set) => {
        const [primary, replica] = [set.node(0), set.node(1)];
        await primary.ask('CREATE TABLE app.t (a INT PRIMARY KEY, b INT)');
        await primary.ask("CREATE USER probe@'%' IDENTIFIED BY 'p'");
        for (const grant of PROBE_PRIVILEGES[flavor]) await primary.ask(`${grant} TO probe@'%'`);
        await primary.ask("CREATE USER nobody@'%' IDENTIFIED BY 'p'");
        await set.untilCaughtUp();
        const asProbe = `mysql://probe:p@${replica.host}:${replica.port}/`;

        await t.test('who follows whom, and how far behind', async (t) => {
          const engine = 'replication';
          t.strictSame(await reportOf(primary), {
            engine: 'standalone',
            role: 'primary',
            lagSeconds: 0,
            reasons: [],
          });
          // A busy machine may be a second behind.
          const follows = { engine, role: 'replica', lagSeconds: Number, reasons: [] };
          t.match(await reportOf(replica, asProbe), follows, 'with no more rights than these');
          t.strictSame(
            await reportOf(replica, asProbe.replace('probe', 'nobody')),
            { engine, role: 'replica', lagSeconds: null, reasons: ['replication_not_shown'] },
            'without them it is still known for what it is',
          );
          await set.stopApplying(1);
          t.strictSame(await reportOf(replica, asProbe), {
            engine,
            role: 'replica',
            lagSeconds: null,
            reasons: ['applier_stopped'],
          });
          await set.startApplying(1);
          await set.delay(1, 60);
          await primary.ask('INSERT INTO app.t VALUES (1, 1)');
          await until(
            'a delayed replica falls behind',
            async () => ((await reportOf(replica, asProbe)).lagSeconds ?? 0) > 0,
          );
          await set.delay(1, 0);
          await set.untilCaughtUp();
          await replica.ask('SET GLOBAL read_only = OFF');
          t.strictSame((await reportOf(replica)).reasons, ['writable_replica']);
          t.equal(
            (await reportOf(replica)).role,
            'replica',
            'its source would never see what is written there',
          );
          await replica.ask(`SET GLOBAL ${flavor === 'mysql' ? 'super_read_only' : 'read_only'} = ON`);
        });

        await t.test('what a replica refuses has had no effect', async (t) => {
          const client = await quietConnection(replica.url());
          await refusesWrites(t, client, [
            'INSERT INTO t VALUES (9, 9)',
            'CREATE TABLE u (a INT)',
            'SELECT * FROM t FOR UPDATE',
            'START TRANSACTION READ WRITE',
          ]);
          t.equal(await refusalOf(client, 'CREATE TEMPORARY TABLE mine (a INT)'), null);
          client.destroy();
        });

        await t.test(
          'a primary that turns read-only: statements are refused, COMMIT rolls back',
          async (t) => {
            const client = await quietConnection(primary.url());
            await client.query('BEGIN');
            await client.query('INSERT INTO t VALUES (20, 1)');
            await primary.ask(`SET GLOBAL ${flavor === 'mysql' ? 'super_read_only' : 'read_only'} = ON`);
            const inTransaction = async (): Promise<boolean> => {
              const [rows] = await client.query('SELECT a FROM t WHERE a = 20');
              return Array.isArray(rows) && rows.length === 1;
            };
            t.equal((await refusalOf(client, 'INSERT INTO t VALUES (21, 1)'))?.errno, 1290);
            t.ok(await inTransaction(), 'the transaction goes on');
            const refusal = await refusalOf(client, 'COMMIT');
            t.equal(refusal?.errno, 1290);
            t.equal(refusal && outcomeOf(refusal, true)?.outcome, Outcome.RolledBack);
            t.notOk(await inTransaction());
            t.equal(await refusalOf(client, 'COMMIT'), null, 'one more COMMIT has nothing to do');
            await primary.ask('SET GLOBAL read_only = OFF');
            client.destroy();
          },
        );

        await t.test('the primary ends, another one is made', async (t) => {
          await primary.kill();
          await until('the replica has lost its source', async () =>
            (await reportOf(replica, asProbe)).reasons.includes('receiver_stopped'),
          );
          // Not at once: what has come is applied first.
          await until(
            'nobody knows how far behind it is',
            async () => (await reportOf(replica, asProbe)).lagSeconds === null,
          );
          await set.promote(1);
          t.equal((await reportOf(replica)).role, 'primary');
          await set.rejoin(0);
          await set.untilCaughtUp();
          t.equal((await reportOf(primary)).role, 'replica');
          await replica.ask('INSERT INTO app.t VALUES (30, 1)');
          await set.untilCaughtUp();
          t.strictSame(await primary.ask('SELECT a FROM app.t WHERE a = 30'), [{ a: 30 }]);
        });

        await t.test('promoted, and not made to forget its source', async (t) => {
          const [stop, readOnly] =
            flavor === 'mysql' ? ['STOP REPLICA', 'super_read_only'] : ['STOP SLAVE', 'read_only'];
          await primary.ask(stop ?? '');
          t.strictSame((await reportOf(primary)).reasons, ['receiver_stopped', 'applier_stopped']);
          await primary.ask(`SET GLOBAL ${readOnly} = OFF`);
          await primary.ask('SET GLOBAL read_only = OFF');
          t.match(await reportOf(primary), { role: 'primary', reasons: [] });
        });
      },
      { flavor, replicas: 1 },
    );
  });
}
