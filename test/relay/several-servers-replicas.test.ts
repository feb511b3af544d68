import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { loadSettings } from '../../src/config/load.js';
import { examine } from '../../src/doctor/doctor.js';
import type { ClusterNode } from '../support/clusters/cluster-node.js';
import { withReplicas } from '../support/clusters/for-cluster.js';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { SteadyClients } from './support/steady-clients.js';

t.test('a primary and a replica', async (t) => {
  await withReplicas(
    t,
    async (t, set) => {
      const [first, second] = [set.node(0), set.node(1)];
      const upstream = first.url('app');
      // Without it, nobody tells the proxy how old the data are.
      await first.ask(`GRANT SLAVE MONITOR ON *.* TO '${new URL(upstream).username}'@'%'`);
      await set.untilCaughtUp();
      const file = join(t.testdir({}), 'my.yaml');
      const lines = [
        `servers: [{url: "${upstream}"}, {url: "mysql://${second.host}:${second.port}"}]`,
        'pools: {shop: {}, shop_ro: {role: replica, databases: [ro], max_lag: 1m}}',
        'admin_users: app',
        // Nobody would find out anything.
        'server_check_interval: 1h',
      ];
      await writeFile(file, lines.join('\n'));
      const proxy = await startProxy(t, { upstream, inFile: true, flags: ['--config', file] });
      const world = new Proxied(t, first, proxy, 'app');
      const client = await world.connect();
      const port = async (of = client): Promise<unknown> => of.value('SELECT @@port');
      const console = await world.connect({ database: 'mybouncer' });
      await console.rows('SET server_check_interval = 100ms');
      t.equal(await port(), first.port, 'what takes writes is found out');
      await client.run('CREATE TABLE written (id INT PRIMARY KEY AUTO_INCREMENT)');

      await t.test('reads go to replicas, as old as they may be, by the name of the database', async (t) => {
        await set.untilCaughtUp();
        const reader = await world.connect({ database: 'ro' });
        await eventually('its lag is known', async () => (await port(reader)) === second.port);
        t.equal(await reader.value('SELECT DATABASE()'), 'app', 'it stands for a schema');
        t.match(await reader.error('INSERT INTO written VALUES ()'), { errno: 1290 });
        t.same(await reader.rows('SELECT * FROM written'), []);
        await set.stopApplying(1);
        await eventually('its lag is not known', async () => (await port(reader)) === first.port);
        await set.startApplying(1);
        await eventually('its lag is known', async () => (await port(reader)) === second.port);
        await reader.end();
      });

      await t.test('two workers, with one budget of sessions on each server', async (t) => {
        const servers = [upstream, `mysql://${second.host}:${second.port}`];
        const flags = ['--workers', '2', '--pool-size', '3'];
        const two = await startProxy(t, { upstream, servers, flags });
        const other = await new Proxied(t, first, two, 'app').connect();
        t.equal(await port(other), first.port);
        await eventually('both have it', async () => (await two.metric('mybouncer_pool_size')) === 6);
        await other.end();
        await two.stop();
      });

      await t.test('the doctor looks at each', async (t) => {
        const found = await examine(loadSettings({ flags: new Map(), configFile: file, env: {} }));
        for (const { host, port } of [first, second])
          t.ok(
            found.some(({ about, level }) => level === 'ok' && about.startsWith(`${host}:${port}: login`)),
          );
      });

      await t.test('a client that is in no transaction sees nothing of a failover but time', async (t) => {
        await client.run("SET @kept = 'mine', sql_mode = 'ANSI_QUOTES'");
        const inside = await world.connect();
        await inside.run('BEGIN');
        await inside.run('INSERT INTO written VALUES ()');
        const readers = await SteadyClients.start(world, 3, () => 'SELECT COUNT(*) FROM written');
        await readers.progress(10);
        await first.kill('SIGKILL');
        const waits = client.run('INSERT INTO written VALUES ()');
        t.match(
          await inside.error('INSERT INTO written VALUES ()'),
          { errno: 1213, message: /; try restarting transaction/ },
          'told once',
        );
        await eventually('it is known', () => isTold(proxy.lines, 'server is down', first));
        await set.promote(1);
        await waits;
        await readers.progress(10);
        t.same(await readers.stop(), []);
        t.equal(await port(), second.port);
        t.same(await client.rows('SELECT @kept AS kept, @@sql_mode AS mode'), [
          { kept: 'mine', mode: 'ANSI_QUOTES' },
        ]);
        t.equal(await inside.value('SELECT @@port'), second.port, 'on the same connection');
      });

      await t.test('what operators see of them', async (t) => {
        t.match(await console.rows('SHOW UPSTREAMS'), [
          { server: `${first.host}:${first.port}`, state: 'down', gets_writes: 'no', reasons: /unreachable/ },
          {
            server: `${second.host}:${second.port}`,
            state: 'up',
            role: 'primary',
            gets_writes: 'yes',
            lag: 0,
          },
        ]);
        const status = await (await fetch(`${proxy.http}/status`)).json();
        t.match(status, { servers: [{ state: 'down' }, { state: 'up', role: 'primary', getsWrites: true }] });
      });

      await t.test('PAUSE of a server', async (t) => {
        const name = `${second.host}:${second.port}`;
        await console.rows(`PAUSE "${name}"`);
        const waits = client.value('SELECT 1');
        await eventually('it waits', async () => (await console.rows('SHOW WAITERS')).length === 1);
        await console.rows(`RESUME "${name}"`);
        t.equal(await waits, 1);
      });

      await t.test('the old primary comes back as a replica, and gets nothing', async (t) => {
        await set.rejoin(0);
        await eventually('it is up', () => isTold(proxy.lines, 'server is up', first, 'replica'));
        t.equal(await port(), second.port);
        await client.run('INSERT INTO written VALUES ()');
      });

      await t.test('nobody is there', async (t) => {
        await second.kill('SIGKILL');
        await eventually('it is known', () => isTold(proxy.lines, 'server is down', second));
        await console.rows('SET failover_timeout = 300ms');
        const error = await client.error('SELECT 1');
        t.equal(error.errno, 1429);
        t.match(error.message, /no server for pool shop after \d{3,} ms \(failover_timeout\)/);
        t.match(error.message, `${first.host}:${first.port} is `);
        t.match(error.message, `${second.host}:${second.port} is down`);
      });
    },
    { replicas: 1 },
  );
});

function isTold(
  lines: readonly Readonly<Record<string, unknown>>[],
  msg: string,
  { host, port }: ClusterNode,
  role?: string,
): boolean {
  const server = `${host}:${port}`;
  return lines.some(
    (line) =>
      line['msg'] === msg && line['server'] === server && (role === undefined || line['role'] === role),
  );
}
