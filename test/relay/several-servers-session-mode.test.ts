import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { withReplicas } from '../support/clusters/for-cluster.js';
import { eventually, Proxied } from '../support/proxied.js';
import { sessionOf } from '../support/proxied-user.js';
import { startProxy } from '../support/proxy.js';

/** Pool mode `session`: clients keep their sessions, but not beyond what their server is for. */

t.test('pool mode session, and a primary with a replica', async (t) => {
  await withReplicas(
    t,
    async (t, set) => {
      const [first, second] = [set.node(0), set.node(1)];
      const upstream = first.url('app');
      const file = join(t.testdir({}), 'my.yaml');
      await writeFile(
        file,
        `servers: [{url: "${upstream}"}, {url: "mysql://${second.host}:${second.port}"}]
pools: {shop: {}, shop_ro: {role: replica, databases: [ro]}}
pool_mode: session
admin_users: app
server_check_interval: 100ms
slow_start: 0s
`,
      );
      const proxy = await startProxy(t, { upstream, inFile: true, flags: ['--config', file] });
      const world = new Proxied(t, first, proxy, 'app');
      const console = await world.connect({ database: 'mybouncer' });
      const [client, reader, inside] = [
        await world.connect(),
        await world.connect({ database: 'ro' }),
        await world.connect(),
      ];
      await client.run('CREATE TABLE written (id INT PRIMARY KEY AUTO_INCREMENT)');
      await eventually(
        'the replica is read',
        async () => (await (await world.connect({ database: 'ro' })).value('SELECT @@port')) === second.port,
      );

      await t.test('each has a session of its own, where it belongs', async (t) => {
        const [own, read] = [await sessionOf(client), await sessionOf(reader)];
        t.equal(await client.value('SELECT @@port'), first.port);
        await world.connect().then((other) => other.value('SELECT 1'));
        t.equal(await sessionOf(client), own);
        t.equal(await sessionOf(reader), read);
      });

      await t.test('RECONNECT of one server', async (t) => {
        await client.run("SET @kept = 'mine'");
        await inside.run('BEGIN');
        const before = [await sessionOf(client), await sessionOf(inside), await sessionOf(reader)];
        const readAt = await reader.value('SELECT @@port');
        await console.run(`RECONNECT "${first.host}:${first.port}"`);
        t.not(await sessionOf(client), before[0], 'a session that nothing is kept on');
        t.equal(await client.value('SELECT @kept'), 'mine', 'in the state that it had');
        t.equal(await sessionOf(inside), before[1], 'a transaction keeps its own');
        if (readAt === second.port)
          t.equal(await sessionOf(reader), before[2], 'the other server has its own');
        await inside.run('COMMIT');
        await eventually('then it is replaced', async () => (await sessionOf(inside)) !== before[1]);
        t.match(await console.error('RECONNECT "nowhere:1"'), { errno: 1105, message: /^Unknown server/ });
      });

      await t.test('the primary is moved', async (t) => {
        await inside.run('BEGIN');
        await inside.run('INSERT INTO written VALUES ()');
        await set.promote(1);
        await eventually(
          'who holds nothing goes along, without a write of its own',
          async () => (await client.value('SELECT @@port')) === second.port,
        );
        t.equal(await client.value('SELECT @kept'), 'mine');
        await client.run('INSERT INTO written VALUES ()');
        t.match(await inside.error('COMMIT'), { errno: 1213 });
        t.equal(await inside.value('SELECT @@port'), second.port);
        await eventually(
          'reads go where the primary was',
          async () => (await reader.value('SELECT @@port')) === first.port,
        );
      });

      await t.test('the primary is killed', async (t) => {
        await second.kill('SIGKILL');
        const waits = client.value('SELECT @@port');
        await set.promote(0);
        t.equal(await waits, first.port);
        t.equal(await client.value('SELECT @kept'), 'mine');
        await client.run('INSERT INTO written VALUES ()');
      });
    },
    { replicas: 1 },
  );
});
