import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { withGalera } from '../support/clusters/for-cluster.js';
import { type Client, eventually, Proxied, useAtOnce } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';

/** A Galera node refuses every statement on tables (1047), as one does that has lost its cluster; and takes them again. */

t.test('a node that is not ready for a while', async (t) => {
  await withGalera(
    t,
    async (t, cluster) => {
      const node = cluster.node(0);
      await node.ask('CREATE TABLE app.t (a INT PRIMARY KEY)');
      const rows = async (): Promise<number[]> =>
        (await node.query<{ a: number }>('SELECT a FROM app.t ORDER BY a')).map(({ a }) => a);
      const reject = (what: 'ALL' | 'NONE'): Promise<unknown> =>
        node.query(`SET GLOBAL wsrep_reject_queries = ${what}`);
      const proxy = await startProxy(t, {
        upstream: node.url('app'),
        flags: ['--pool-size', '6', '--query-wait-timeout', '60s'],
      });
      const world = new Proxied(t, node, proxy, 'app');
      const clients = await Promise.all(
        Array.from({ length: 5 }, () => world.connect({ multipleStatements: true })),
      );
      const [text, prepared, several, inside, leaver] = clients as [Client, Client, Client, Client, Client];
      await useAtOnce(clients);
      await prepared.execute('INSERT INTO t VALUES (?)', [1]);
      await inside.run('BEGIN');
      await inside.run('INSERT INTO t VALUES (2)');
      await leaver.run('BEGIN');
      await leaver.run('INSERT INTO t VALUES (3)');

      await reject('ALL');
      t.match(await inside.error('INSERT INTO t VALUES (4)'), {
        errno: 1047,
        message: /^WSREP has not yet prepared/,
      });
      t.match(await inside.error('COMMIT'), { errno: 1047 }, 'refused, and not done');
      const gone = leaver.run('ROLLBACK');
      const writes = [
        text.run('INSERT INTO t VALUES (10)'),
        prepared.execute('INSERT INTO t VALUES (?)', [11]),
        several.run('INSERT INTO t VALUES (12); INSERT INTO t VALUES (13)'),
        (await world.connect()).run('INSERT INTO t VALUES (14)'),
      ];
      const waiting = (): Promise<number> =>
        world.proxy.metric('mybouncer_clients_by_state', 'state="waiting"');
      await eventually('they wait', async () => (await waiting()) >= 4);
      t.equal(
        await world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="server_shutdown"'),
        0,
        'it lives',
      );
      await reject('NONE');
      await Promise.all(writes);
      await gone;
      t.equal(await (await world.connect()).value('SELECT 1 FROM t WHERE a = 3'), undefined, 'rolled back');
      await inside.run('COMMIT');
      t.strictSame(
        await rows(),
        [1, 2, 10, 11, 12, 13, 14],
        'the transaction has gone on; what was refused is done, once',
      );
      t.ok((await world.proxy.metric('mybouncer_statements_rerun_total', 'hint="not_ready"')) >= 4);

      await t.test('it refuses COMMIT, and the node never recovers', async (t) => {
        await inside.run('BEGIN');
        await inside.run('INSERT INTO t VALUES (5)');
        await reject('ALL');
        t.match(await inside.error('COMMIT'), { errno: 1047 });
        inside.destroy();
        const open = 'SELECT COUNT(*) AS n FROM information_schema.INNODB_TRX WHERE trx_rows_modified > 0';
        await eventually('what it has left is ended', async () => {
          // Whoever asks more often is shown what was shown before.
          await sleep(200);
          const [row] = await node.query<{ n: number }>(open);
          return Number(row?.n) === 0;
        });
        await reject('NONE');
        t.notOk((await rows()).includes(5));
      });
    },
    { nodes: 2 },
  );
});
