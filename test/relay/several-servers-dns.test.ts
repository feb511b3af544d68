import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FakeDns } from '../support/fake-dns.js';
import { listening, onward } from '../support/listening.js';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { type PrivateTestServer, startMariadb } from '../support/servers.js';
import { SteadyClients } from './support/steady-clients.js';

/** One name that stands for several servers: addresses of this machine's, each of which leads to a server of its own. */

const NAME = 'db.test';

function isLeft({ reasons }: Record<string, unknown>): boolean {
  return String(reasons).split(',').includes('address_gone');
}

/** An address at which a server is reached, and its port there. */
async function leadsTo(t: Test, host: string, port: number, server: PrivateTestServer): Promise<number> {
  const at = await listening(
    t,
    (socket) => {
      socket.pipe(onward(socket, server)).pipe(socket);
    },
    { host, port },
  );
  return at.port;
}

t.test('one name', async (t) => {
  const [a, b] = await Promise.all([startMariadb(), startMariadb()]);
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  const port = await leadsTo(t, '127.0.0.2', 0, a);
  await leadsTo(t, '127.0.0.3', port, b);
  await leadsTo(t, '127.0.0.4', port, a);
  const called = (host: string): string => `${NAME}/${host}:${port}`;
  const folder = t.testdir({});
  const dns = new FakeDns(folder, NAME);
  const file = join(folder, 'my.yaml');
  await writeFile(
    file,
    [
      `servers: [{url: "mysql://app:secret@${NAME}:${port}/app", addresses: all}]`,
      'admin_users: app',
      'min_pool_size: 1',
      'server_check_interval: 100ms',
      // Nothing here is about time, however slow the machine is.
      'server_check_timeout: 1m',
      'query_wait_timeout: 5m',
      'failover_timeout: 5m',
      'idle_transaction_timeout: 0',
    ].join('\n'),
  );
  const proxy = await startProxy(t, {
    upstream: a.url(),
    inFile: true,
    flags: ['--config', file],
    nodeArgs: dns.nodeArgs,
    env: dns.env,
    untilListening: true,
  });
  const world = new Proxied(t, a, proxy, 'app');
  const upstreams = async (): Promise<readonly Record<string, unknown>[]> => {
    const console = await world.connect({ database: 'mybouncer' });
    const rows = await console.rows('SHOW UPSTREAMS');
    await console.end();
    return rows;
  };
  const names = async (): Promise<readonly unknown[]> => (await upstreams()).map(({ server }) => server);

  await t.test('that nobody knows yet: clients wait', async (t) => {
    await proxy.logged('a name of servers cannot be resolved: the addresses that are known stay');
    t.match(await (await fetch(`${proxy.http}/readyz`)).text(), /db\.test cannot be resolved: .*ENOTFOUND/);
    const waits = world.connect();
    dns.set(['127.0.0.2']);
    t.equal(await (await waits).value('SELECT @@port'), a.port);
    t.match(await upstreams(), [{ server: called('127.0.0.2'), state: 'up', gets_writes: 'yes' }]);
    await proxy.logged('ready');
  });

  await t.test(
    'an address that comes takes part, and gets no writes while there is another one',
    async (t) => {
      dns.set(['127.0.0.2', '127.0.0.3']);
      await eventually('both are there', async () => (await names()).length === 2);
      await eventually('it begins slowly', () =>
        proxy.lines.some(
          ({ msg, server, to }) =>
            msg === 'server is up' && server === called('127.0.0.3') && to === 'slow_start',
        ),
      );
      t.equal(await (await world.connect()).value('SELECT @@port'), a.port);
      t.equal(await proxy.metric('mybouncer_server_up', called('127.0.0.3')), 1);
    },
  );

  await t.test('an address that goes: transactions end there, all else is elsewhere at once', async (t) => {
    const clients = await SteadyClients.start(world, 3, () => 'SELECT 1');
    const [inside, idle] = [await world.connect(), await world.connect()];
    await idle.value('SELECT 1');
    await inside.run('CREATE TABLE t (a INT)');
    await clients.progress(10);
    await inside.run('BEGIN');
    await inside.run('INSERT INTO t VALUES (1)');
    dns.set(['127.0.0.3']);
    await eventually('it is left', async () => (await upstreams()).some(isLeft));
    const other = await world.connect();
    await eventually('others are on the next', async () => (await other.value('SELECT @@port')) === b.port);
    await clients.progress(10);
    t.equal(await inside.value('SELECT @@port'), a.port);
    t.equal(await proxy.metric('mybouncer_server_up', called('127.0.0.2')), 0);
    await inside.run('COMMIT');
    t.equal(await inside.value('SELECT @@port'), b.port, 'its client stays connected');
    await proxy.logged('server is left: its name has that address no more');
    await eventually('the server is rid of all', async () => (await a.sessions('app')).length === 0);
    t.match(await idle.error('KILL 4000000000'), { errno: 1094 }, 'asked of one that is there');
    t.same(await a.query('SELECT a FROM app.t'), [{ a: 1 }]);
    t.same(await clients.stop(), []);
    t.same(await names(), [called('127.0.0.3')]);
    const metrics = await (await fetch(`${proxy.http}/metrics`)).text();
    t.notMatch(metrics, called('127.0.0.2'));
    t.match(metrics, /mybouncer_server_sessions_closed_total\{reason="address_gone"\} [1-9]/);
    t.match(await (await fetch(`${proxy.http}/status`)).json(), { servers: [{ name: called('127.0.0.3') }] });
  });

  await t.test('one that comes back while it is being left', async (t) => {
    const inside = await world.connect();
    await inside.run('BEGIN');
    await inside.value('SELECT 1');
    dns.set(['127.0.0.2']);
    await eventually('it is left', async () => (await upstreams()).some(isLeft));
    dns.set(['127.0.0.2', '127.0.0.3']);
    await eventually('it is not any more', async () => !(await upstreams()).some(isLeft));
    t.equal(await inside.value('SELECT @@port'), b.port);
    await inside.run('ROLLBACK');
    t.equal(await inside.value('SELECT @@port'), a.port);
    t.same(await names(), [called('127.0.0.2'), called('127.0.0.3')]);
  });

  await t.test('one that comes while all are paused', async (t) => {
    const client = await world.connect();
    const console = await world.connect({ database: 'mybouncer' });
    await console.rows('PAUSE');
    const waits = client.value('SELECT @@port');
    dns.set(['127.0.0.4']);
    await eventually('the others have gone', async () => (await names()).join() === called('127.0.0.4'));
    t.match(await upstreams(), [{ paused: 1 }]);
    await console.rows('RESUME');
    t.equal(await waits, a.port);
    t.match(await upstreams(), [{ paused: 0 }]);
  });

  await t.test('a name that cannot be resolved any more keeps its addresses', async (t) => {
    const told = (): number =>
      proxy.lines.filter(({ msg }) => msg.startsWith('a name of servers cannot be')).length;
    const before = told();
    dns.set([]);
    await eventually('it is told', () => told() > before);
    t.equal(await (await world.connect()).value('SELECT @@port'), a.port);
    dns.set(['127.0.0.3']);
    const client = await world.connect();
    await eventually('it is followed again', async () => (await client.value('SELECT @@port')) === b.port);
  });
});
