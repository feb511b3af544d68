import t, { type Test } from 'tap';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { FLAVORS, MISSING, servers, type TestServer } from '../support/servers.js';
import { TcpSwitch } from './support/tcp-switch.js';

const SAID =
  'a server is MySQL and the others are MariaDB, or the other way round: nothing is sent to that one';

t.test('MariaDB and MySQL in one list', async (t) => {
  const [one, other] = await servers();
  if (one === undefined || other === undefined) {
    t.equal(process.env['CI'], undefined, FLAVORS.map((flavor) => MISSING[flavor]).join('; '));
    return;
  }
  await t.test('MariaDB first', (t) => mixed(t, one, other));
  await t.test('MySQL first', (t) => mixed(t, other, one));
  await t.test('one that comes where nobody was', (t) => comes(t, one, other));
});

async function mixed(t: Test, first: TestServer, second: TestServer): Promise<void> {
  const upstream = first.url('app');
  const proxy = await startProxy(t, {
    upstream,
    servers: [upstream, `mysql://${second.host}:${second.port}`],
    flags: ['--server-check-interval', '100ms', '--admin-users', 'app', '--pool-size', '4'],
  });
  const world = new Proxied(t, first, proxy, 'app');
  const console = await world.connect({ database: 'mybouncer' });
  const states = async (): Promise<readonly Readonly<Record<string, unknown>>[]> =>
    console.rows('SHOW UPSTREAMS');
  await eventually('both are known', async () =>
    (await states()).every(({ state }) => state === 'up' || state === 'down'),
  );
  const rows = await states();
  const used = rows.find(({ state }) => state === 'up');
  const unused = rows.find(({ state }) => state === 'down');
  t.match(used, { gets_writes: 'yes' }, 'the one that was found first');
  t.match(unused, { gets_writes: 'no', reasons: 'other_flavor' });
  const clients = await Promise.all(Array.from({ length: 4 }, () => world.connect()));
  for (const client of clients) {
    t.equal(`127.0.0.1:${await client.value('SELECT @@port')}`, used?.['server']);
    const greeted = String(proxy.lines.find(({ msg }) => msg === 'ready')?.['serverVersion']);
    t.ok(greeted.includes(String(await client.value('SELECT VERSION()'))), 'what clients are greeted with');
  }
  t.match(
    proxy.lines.filter(({ msg }) => msg === SAID),
    [{ level: 'error', server: unused?.['server'] }],
    'told once',
  );
}

/** Down it was before: that nothing changes in this is no reason not to tell why. */
async function comes(t: Test, first: TestServer, second: TestServer): Promise<void> {
  const way = await TcpSwitch.open(t, second);
  way.target = null;
  const upstream = first.url('app');
  const proxy = await startProxy(t, {
    upstream,
    servers: [upstream, `mysql://127.0.0.1:${way.port}`],
    flags: ['--server-check-interval', '100ms', '--admin-users', 'app'],
  });
  const console = await new Proxied(t, first, proxy, 'app').connect({ database: 'mybouncer' });
  const reasons = async (): Promise<unknown> => (await console.rows('SHOW UPSTREAMS'))[1]?.['reasons'];
  await eventually('nobody is there', async () => (await reasons()) === 'unreachable');
  way.target = second;
  await proxy.logged(SAID);
  await eventually('its state says so', async () => (await reasons()) === 'other_flavor');
}
