import t, { type Test } from 'tap';
import { type Client, eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import {
  APP_USER,
  forEachPrivateServer,
  type PrivateTestServer,
  startMariadb,
  startMysql,
} from '../support/servers.js';
import { TcpSwitch } from './support/tcp-switch.js';

/** The upstream address leads to more than one server: an id of the one's is a stranger's on the other. */

const TOLD =
  'the upstream address leads to several servers: a statement that is to be ended on another one than the control ' +
  'connection leads to loses its connection instead of being killed, and the server may run it to its end';

await forEachPrivateServer(t, async (t, server) => {
  const other = await (server.isMysql ? startMysql() : startMariadb());
  t.teardown(() => other.stop());
  await strangerIsSpared(t, server, other);
});

/** Opens connections to a server until one has this id, or a higher one. */
async function connectionOf(world: Proxied, id: number): Promise<Client> {
  for (;;) {
    const client = await world.direct();
    const own = Number(await client.value('SELECT CONNECTION_ID()'));
    if (own >= id) return client;
    await client.end();
  }
}

function sleeps(server: PrivateTestServer, text: string): Promise<void> {
  return eventually(`${text} sleeps`, async () =>
    (await server.sessions(APP_USER)).some(({ info }) => info?.includes(text) === true),
  );
}

async function strangerIsSpared(t: Test, server: PrivateTestServer, other: PrivateTestServer): Promise<void> {
  const toServers = await TcpSwitch.open(t, server);
  const proxy = await startProxy(t, {
    upstream: toServers.url(server.url('app')),
    flags: ['--pool-size', '1', '--query-wait-timeout', '60s'],
  });
  const world = new Proxied(t, server, proxy, 'app');
  // The control connection is there, and leads to the one. The other one's ids are to be ahead.
  const last = Math.max(...(await server.sessions()).map(({ id }) => id));
  await (await connectionOf(new Proxied(t, other, proxy, 'app'), last + 100)).end();
  toServers.target = other;
  const leaver = await world.connect();
  const id = Number(await leaver.value('SELECT @@pseudo_thread_id'));
  const stranger = await connectionOf(world, id);
  t.equal(await stranger.value('SELECT CONNECTION_ID()'), id);
  const answer = stranger.value('SELECT /* stranger */ SLEEP(600)').catch(() => 'interrupted');
  await sleeps(server, 'stranger');
  leaver.value('SELECT /* leaver */ SLEEP(600)').catch(() => {});
  await sleeps(other, 'leaver');
  leaver.destroy();
  await eventually(
    'the session is given up',
    async () =>
      (await proxy.metric('mybouncer_kills_total', 'kind="query"')) > 0 ||
      (await proxy.metric('mybouncer_kills_total', 'kind="not_sent"')) > 0,
  );
  t.equal(await proxy.metric('mybouncer_kills_total', 'kind="query"'), 0);
  await proxy.logged(TOLD);
  const next = await world.connect();
  t.equal(await next.value('SELECT 5'), 5, 'its place in the pool is free again');
  const sessions = await server.sessions(APP_USER);
  t.ok(
    sessions.some((session) => session.id === id && session.info?.includes('stranger') === true),
    'the one of the same id sleeps on',
  );
  t.equal(await proxy.metric('mybouncer_kills_total', 'kind="connection"'), 0);
  stranger.destroy();
  await answer;
}
