import t from 'tap';
import { eventually } from '../support/proxied.js';
import { proxiedUser } from '../support/proxied-user.js';
import { errOf, loginOf, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

const UNKNOWN_COMMAND = 0xee;

/** The end of what the proxy itself tells the client with this id. */
const idOf = (client: number): RegExp => new RegExp(`^mybouncer: .* \\(client ${client}\\)$`);

await forEachServer(t, async (t, server) => {
  const flags = ['--pool-size', '1', '--query-wait-timeout', '3s', '--query-timeout', '1s'];
  const world = await proxiedUser(t, server, [...flags, '--on-unsafe', 'temporary_table=error']);
  const client = await world.connect();
  const expected = { server: 0, proxy: 0, client: 0 };
  /** One more error of this source, and none of another. */
  const counted = async (source: keyof typeof expected, what: string): Promise<void> => {
    expected[source]++;
    for (const [label, count] of Object.entries(expected))
      t.equal(
        await world.proxy.settled(count, 'mybouncer_errors_total', `source="${label}"`),
        count,
        `${what}: ${label}`,
      );
  };
  const ofServer = await client.error('SELECT nothing');
  t.match(ofServer, { errno: 1054 });
  t.notMatch(ofServer.message, /client/, "the server's own text is left as it is");
  await counted('server', 'an error of the server');
  t.match(await client.execute('SELECT nothing').catch((error: unknown) => error), { errno: 1054 });
  await counted('server', 'of a statement that is to be prepared');
  t.match(await client.error('CREATE TEMPORARY TABLE t(v INT)'), { errno: 1290, message: idOf(client.id) });
  await counted('proxy', 'what the proxy refuses');
  t.match(await client.error('KILL 4711'), { errno: 1094, message: 'Unknown thread id: 4711' });
  await counted('proxy', 'what the proxy answers in place of the server');
  t.match(await client.error('SELECT SLEEP(60)'), { errno: 1317, message: /query_timeout/ });
  await counted('proxy', 'a limit of the proxy, though the server says it');
  await client.run('BEGIN');
  await client.value('SELECT 1');
  const waiter = await world.connect();
  t.match(await waiter.error('SELECT 1'), { errno: 1040, message: idOf(waiter.id) });
  await counted('proxy', 'no session');
  await client.run('COMMIT');
  const raw = await RawClient.login(loginOf(world.proxy.url));
  raw.send(Buffer.from([UNKNOWN_COMMAND]));
  t.match(errOf([await raw.expect()]), { errno: 1047 });
  await counted('client', 'no command of the protocol');
  raw.destroy();
  await eventually('it has left', async () => (await world.proxy.metric('mybouncer_clients')) === 2);
  t.equal(await client.value('SELECT 1'), 1);
  t.equal(await world.proxy.metric('mybouncer_errors_total', 'source="client"'), 1);
});
