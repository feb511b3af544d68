import t from 'tap';
import type { ClusterNode } from '../support/clusters/cluster-node.js';
import { withGalera } from '../support/clusters/for-cluster.js';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { SteadyClients } from './support/steady-clients.js';

/** A write that was under way on a server that is gone: nobody knows, and so it is not done again. */
const IN_FLIGHT = /^1158 .*may or may not have been executed/;

t.test('a Galera cluster', async (t) => {
  await withGalera(t, async (t, cluster) => {
    const [first, second] = [cluster.node(0), cluster.node(1)];
    const upstream = first.url('app');
    const proxy = await startProxy(t, {
      upstream,
      servers: [upstream, ...cluster.nodes.slice(1).map(({ host, port }) => `mysql://${host}:${port}`)],
      flags: [
        ...['--server-check-interval', '100ms', '--admin-users', 'app'],
        // Too long for any test, and nothing.
        ...['--server-check-timeout', '30s', '--slow-start', '0s'],
      ],
    });
    const world = new Proxied(t, first, proxy, 'app');
    const client = await world.connect();
    const port = async (): Promise<unknown> => client.value('SELECT @@port');
    const isUp = async ({ host, port }: ClusterNode): Promise<boolean> =>
      (await proxy.metric('mybouncer_server_up', `server="${host}:${port}"`)) === 1;
    const console = await world.connect({ database: 'mybouncer' });
    await console.rows('SET server_check_timeout = 1s');
    await console.rows('SET slow_start = 1s');
    await client.run('CREATE TABLE written (id INT PRIMARY KEY AUTO_INCREMENT)');
    await eventually('all are known', async () => (await proxy.metric('mybouncer_server_up')) === 3);
    t.equal(await port(), first.port, 'one of them gets the writes');

    await t.test('SIGKILL of the writer', async (t) => {
      const readers = await SteadyClients.start(world, 3, () => 'SELECT COUNT(*) FROM written');
      const writers = await SteadyClients.start(world, 2, () => 'INSERT INTO written VALUES ()');
      await writers.progress(20);
      await first.kill('SIGKILL');
      await writers.progress(20);
      await readers.progress(20);
      t.same(await readers.stop(), [], 'what can be run again is, what has not begun waits');
      const errors = await writers.stop();
      t.same(
        errors.filter((error) => !IN_FLIGHT.test(error)),
        [],
      );
      const count = Number(await client.value('SELECT COUNT(*) FROM written'));
      t.ok(count >= writers.done && count <= writers.done + errors.length, 'nothing is lost or done twice');
      t.equal(await port(), second.port);
      t.notOk(await isUp(first));
    });

    await t.test('it comes back, and the writer stays where it is', async (t) => {
      await cluster.rejoin(0);
      await eventually('it is up', () => isUp(first));
      t.equal(await port(), second.port);
      t.equal(await proxy.metric('mybouncer_server_state_changes_total', 'state="slow_start"'), 1);
    });

    await t.test('the writer stands still (SIGSTOP)', async (t) => {
      const inside = await world.connect();
      await inside.run('BEGIN');
      await inside.run('INSERT INTO written VALUES ()');
      await second.freeze();
      const readers = await SteadyClients.start(world, 2, () => 'SELECT COUNT(*) FROM written');
      await readers.progress(10);
      t.same(await readers.stop(), []);
      t.match(await inside.error('INSERT INTO written VALUES ()'), {
        errno: 1213,
        sqlState: '40001',
        message: /gone with it: transaction\..*; try restarting transaction/,
      });
      t.equal(await inside.value('SELECT @@port'), first.port);
      await second.thaw();
      await cluster.untilSynced();
      await eventually('it is up', () => isUp(second));
      t.equal(await port(), first.port);
    });

    await t.test('the writer is cut off from the others', async (t) => {
      const readers = await SteadyClients.start(world, 2, () => 'SELECT COUNT(*) FROM written');
      await readers.progress(5);
      await cluster.isolate(0);
      await eventually('it is down', async () => !(await isUp(first)));
      await readers.progress(5);
      t.not(await port(), first.port);
      await readers.stop();
      await cluster.heal(0);
    });
  });
});
