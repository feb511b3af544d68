import t, { type Test } from 'tap';
import { administered, set } from '../admin/console/support/administered.js';
import { listening } from '../support/listening.js';
import { eventually } from '../support/proxied.js';
import type { ProxiedUser } from '../support/proxied-user.js';
import { errOf, RawClient } from '../support/raw-client.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { TcpSwitch } from './support/tcp-switch.js';

const PROTOCOL_VERSION = 10;

await forEachServer(t, async (t, server) => {
  await t.test('client_login_timeout', (t) => clientLogin(t, server));
  await t.test('server_connect_timeout', (t) => serverConnect(t, server));
});

/** A connection that was greeted and says nothing; where all places are taken, as soon as there is one. */
async function silentClient(world: ProxiedUser): Promise<RawClient> {
  let found = new RawClient(world.proxy);
  await eventually('there is a place', async () => {
    if ((await found.expect()).payload[0] === PROTOCOL_VERSION) return true;
    await found.ended();
    found = new RawClient(world.proxy);
    return false;
  });
  return found;
}

async function clientLogin(t: Test, server: TestServer): Promise<void> {
  const world = await administered(t, server, ['--max-client-conn', '2']);
  const client = await world.connect();
  await set(world, { client_login_timeout: '300ms' });
  for (let round = 0; round < 3; round++) {
    const silent = await silentClient(world);
    t.match(errOf([await silent.expect()]), {
      errno: 1159,
      sqlState: '08S01',
      message: 'Got timeout reading communication packets: the login took longer than client_login_timeout',
    });
    await silent.ended();
  }
  t.equal(await client.value('SELECT 7'), 7, 'who is logged in is under no such limit');
  t.equal(await world.proxy.settled(1, 'mybouncer_clients'), 1);
}

async function serverConnect(t: Test, server: TestServer): Promise<void> {
  const target = { host: server.host, port: server.port };
  const way = await TcpSwitch.open(t, target);
  const silence = await listening(t, () => {});
  const flags = ['--pool-size', '2', '--query-wait-timeout', '60s'];
  const world = await administered(t, server, flags, (url) => way.url(url));
  const { proxy } = world;
  const [holder, other] = [await world.connect(), await world.connect()];
  await holder.run('BEGIN');
  const before = (await world.sessions()).length;
  await set(world, { server_connect_timeout: '200ms', query_wait_timeout: '1s' });
  way.target = silence;
  const error = await other.error('SELECT 1');
  t.match(error, { errno: 1429, sqlState: 'HY000' });
  t.match(error.message, /^mybouncer: no free server session in pool .+ after \d{4,} ms: .+; last attempt: /);
  t.match(error.message, new RegExp(`127\\.0\\.0\\.1:${way.port}' \\(no answer within 200 ms\\)`));
  t.ok((await proxy.metric('mybouncer_server_dial_failures_total')) > 0);
  t.ok((await world.sessions()).length <= before, 'nothing is left on the server');
  t.equal(await proxy.settled(0, 'mybouncer_waiting_requests'), 0);
  way.target = target;
  await set(world, { server_connect_timeout: '60s', query_wait_timeout: '60s' });
  t.equal(await other.value('SELECT 7'), 7);
  await holder.run('COMMIT');
  await eventually(
    'no attempt is under way',
    async () => (await proxy.metric('mybouncer_server_sessions', 'state="dialing"')) === 0,
  );
  t.ok((await world.sessions()).length <= 4, 'two of the pool, two of its own');
}
