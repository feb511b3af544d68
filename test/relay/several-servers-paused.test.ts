import t from 'tap';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { startMariadb } from '../support/servers.js';

/** PAUSE of one of several servers is the proxy's, whichever of its processes is asked. */
t.test('PAUSE of a server where there are several workers', async (t) => {
  const [one, other] = await Promise.all([startMariadb(), startMariadb()]);
  t.teardown(() => Promise.all([one.stop(), other.stop()]));
  const upstream = one.url('app');
  const proxy = await startProxy(t, {
    upstream,
    servers: [upstream, `mysql://${other.host}:${other.port}`],
    flags: [
      ...['--admin-users', 'app', '--workers', '2', '--pool-size', '4'],
      ...['--server-check-interval', '100ms', '--server-check-timeout', '1m'],
      ...['--query-wait-timeout', '5m', '--failover-timeout', '5m'],
    ],
  });
  const world = new Proxied(t, one, proxy, 'app');
  const ports = async (): Promise<readonly unknown[]> => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => world.connect()));
    const found = await Promise.all(clients.map((client) => client.value('SELECT @@port')));
    await Promise.all(clients.map((client) => client.end()));
    return [...new Set(found)];
  };
  const console = await world.connect({ database: 'mybouncer' });
  await eventually('both are up in each process', async () => {
    const rows = await console.rows('SHOW UPSTREAMS');
    return rows.length > 0 && rows.every(({ state }) => state === 'up');
  });
  t.same(await ports(), [one.port]);
  const name = `"${one.host}:${one.port}"`;
  await console.rows(`PAUSE ${name}`);
  t.same(await ports(), [other.port], 'clients of each go to the other one');
  await console.rows(`RESUME ${name}`);
  t.match(await console.error(`RESUME ${name}`), { errno: 1105 });
  t.match(await console.error('PAUSE nobody'), {
    errno: 1105,
    message: new RegExp(`Unknown pool 'nobody': there are .*${one.port}`),
  });
});
