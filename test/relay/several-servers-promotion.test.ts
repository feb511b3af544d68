import t from 'tap';
import { withReplicas } from '../support/clusters/for-cluster.js';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';

/** The primary is made read-only, and a replica the primary, by hand, while clients write. */

const WRITERS = 6;

t.test('a planned move under writers', async (t) => {
  await withReplicas(
    t,
    async (t, set) => {
      const [first, second] = [set.node(0), set.node(1)];
      await first.ask('CREATE TABLE app.counters (id INT PRIMARY KEY, n INT NOT NULL)');
      await first.ask(
        `INSERT INTO app.counters VALUES ${Array.from({ length: WRITERS + 2 }, (_, id) => `(${id}, 0)`)}`,
      );
      await set.untilCaughtUp();
      const upstream = first.url('app');
      const proxy = await startProxy(t, {
        upstream,
        servers: [upstream, `mysql://${second.host}:${second.port}`],
        // Long enough that replies know it first.
        flags: ['--server-check-interval', '20s', '--pool-size', '4'],
      });
      const world = new Proxied(t, first, proxy, 'app');
      const [inside, beginner, outside] = [
        await world.connect(),
        await world.connect(),
        await world.connect(),
      ];
      for (const [id, client] of [inside, beginner].entries()) {
        await client.run('BEGIN');
        await client.run(`UPDATE counters SET n = n + 1 WHERE id = ${WRITERS + id}`);
      }
      let isOver = false;
      const done = Array.from({ length: WRITERS }, () => 0);
      const writers = done.map(async (_, id) => {
        const client = await world.connect({ multipleStatements: true });
        const add = `UPDATE counters SET n = n + 1 WHERE id = ${id}`;
        for (let i = 0; !isOver; i++) {
          if (i % 3 === 0) await client.run(add);
          else if (i % 3 === 1) await client.execute('UPDATE counters SET n = n + 1 WHERE id = ?', [id]);
          else await client.run(`${add}; DO 0`);
          done[id] = i + 1;
        }
      });
      const all = Promise.all(writers);
      all.catch(() => {
        isOver = true;
      });
      const progress = (): Promise<void> => {
        const before = [...done];
        return eventually(
          'all have written',
          () => isOver || done.every((n, id) => n >= (before[id] ?? 0) + 5),
        );
      };
      await progress();
      await first.ask('SET GLOBAL read_only = ON');
      t.match(await inside.error('COMMIT'), { errno: 1213, sqlState: '40001' });
      t.match(
        await beginner.error('BEGIN'),
        { errno: 1213, sqlState: '40001', message: /BEGIN, which commits it, was answered with 1290/ },
        'what was open is rolled back',
      );
      const begins = outside.run('START TRANSACTION READ WRITE');
      await set.promote(1);
      await begins;
      t.equal(
        await outside.value('SELECT @@port'),
        second.port,
        'a transaction that had not begun is begun there',
      );
      await outside.run('COMMIT');
      await progress();
      isOver = true;
      await t.resolves(all, 'nothing has failed');
      t.equal(await inside.value('SELECT @@port'), second.port);
      const rows = await second.ask<{ n: number }>('SELECT n FROM app.counters ORDER BY id');
      t.strictSame(
        rows.map(({ n }) => n),
        [...done, 0, 0],
        'all that was acknowledged is there, once',
      );
      t.ok((await proxy.metric('mybouncer_server_hints_total', 'hint="read_only"')) > 0);
    },
    { replicas: 1 },
  );
});
