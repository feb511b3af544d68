import t from 'tap';
import { Capability } from '../../src/protocol/constants.js';
import { eventually, proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { CLASSIC, type RawClient, type RawPacket } from '../support/raw-client.js';
import { forEachPrivateServer, forEachServer } from '../support/servers.js';
import { login } from './support/login.js';

/** All that comes before the connection ends. */
async function lastWords(client: RawClient): Promise<RawPacket[]> {
  const packets: RawPacket[] = [];
  for (let packet = await client.packet(); packet !== null; packet = await client.packet())
    packets.push(packet);
  return packets;
}

await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '2']);
  const sources = [world.proxy.url, server.url(world.schema)];

  await t.test(
    'a client is idle for as long as it has said itself, and told what the server tells',
    async (t) => {
      const said = await Promise.all(
        sources.map(async (url) => {
          const client = await login(t, url);
          await client.must('SET wait_timeout=1');
          return lastWords(client);
        }),
      );
      t.strictSame(said[0], said[1]);
      t.equal(said[0]?.length, server.isMysql ? 1 : 0, 'MySQL says why, MariaDB closes');
      await eventually('the log says why', () =>
        world.proxy.lines.some(({ reason }) => reason === 'idle for longer than its wait_timeout'),
      );
    },
  );

  await t.test('a transaction does not keep it, and is rolled back', async (t) => {
    const client = await login(t, world.proxy.url);
    await client.must('CREATE TABLE counted (n INT) ENGINE=InnoDB');
    await client.must('SET SESSION wait_timeout = 1');
    await client.must('BEGIN');
    await client.must('INSERT INTO counted VALUES (1)');
    await lastWords(client);
    const other = await login(t, world.proxy.url);
    await eventually(
      'its row is gone',
      async () => (await other.value('SELECT COUNT(*) FROM counted FOR UPDATE')) === '0',
    );
    await other.must('INSERT INTO counted VALUES (2)');
  });

  await t.test('a client that works is not idle', async (t) => {
    const client = await login(t, world.proxy.url);
    await client.must('SET wait_timeout=1');
    t.equal(await client.value('SELECT SLEEP(2.2)'), '0');
    t.equal(await client.value('SELECT 7'), '7');
    await client.must('SET wait_timeout=28800');
    const other = await login(t, world.proxy.url);
    await other.must('SET wait_timeout=1');
    await lastWords(other);
    t.equal(await client.value('SELECT 8'), '8', 'with another timeout it stays for longer');
  });
});

await forEachPrivateServer(
  t,
  async (t, server) => {
    const proxy = await startProxy(t, { upstream: server.url() });
    const plain = await login(t, proxy.url);
    const interactive = await login(t, proxy.url, CLASSIC | Capability.Interactive);
    t.equal(await interactive.value('SELECT @@wait_timeout'), '1');
    const own = await login(t, proxy.url, CLASSIC | Capability.Interactive);
    await own.must('SET wait_timeout=3');
    await lastWords(own);
    t.equal(
      await plain.value('SELECT @@wait_timeout'),
      '2',
      "a client may be idle for longer than the server's default",
    );
    t.equal(await interactive.value('SELECT @@wait_timeout'), '1', 'an interactive one, too');
  },
  { extraArgs: ['--wait-timeout=2', '--interactive-timeout=1'], timeout: 300_000, atOnce: true },
);
