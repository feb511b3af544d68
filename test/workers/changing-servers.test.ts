import t from 'tap';
import { FakeDns } from '../support/fake-dns.js';
import { listening, onward } from '../support/listening.js';
import { eventually } from '../support/proxied.js';
import type { PrivateTestServer } from '../support/servers.js';
import { Load } from './support/team.js';
import { fileTeam, sessionsOn, startTwo } from './support/two-servers.js';

/* Workers before one name that stands for servers, each of which comes and goes in one worker sooner than in the other. */

const NAME = 'db.test';
const SIZE = 6;

t.test('two workers, one name', { timeout: 300_000 }, async (t) => {
  const [a, b] = await startTwo(t);
  const leadsTo = async (host: string, port: number, server: PrivateTestServer): Promise<number> => {
    const at = await listening(t, (socket) => void socket.pipe(onward(socket, server)).pipe(socket), {
      host,
      port,
    });
    return at.port;
  };
  const port = await leadsTo('127.0.0.2', 0, a);
  await leadsTo('127.0.0.3', port, b);
  const [first, second] = ['127.0.0.2', '127.0.0.3'].map((host) => `${NAME}/${host}:${port}`) as [
    string,
    string,
  ];
  const url = new URL(a.url());
  url.hostname = NAME;
  url.port = String(port);
  const lines = [
    `servers: [{url: "${url.href}", addresses: all}]`,
    `pool_size: ${SIZE}`,
    'server_check_interval: 100ms',
    'server_check_timeout: 1m',
  ];
  let names: FakeDns | null = null;
  const team = await fileTeam(t, a, lines, (folder) => {
    names = new FakeDns(folder, NAME);
    names.set(['127.0.0.2']);
    return { nodeArgs: names.nodeArgs, env: names.env };
  });
  const dns = names as FakeDns | null;
  if (dns === null) throw new Error('it is there');
  const [clients, others] = await team.connectToBoth(SIZE + 2);
  const load = new Load(clients);
  let most = 0;
  const on = async (server: PrivateTestServer): Promise<number> => {
    const now = await sessionsOn(server);
    most = Math.max(most, now);
    return now;
  };

  await t.test('all clients are on one worker', async () => {
    await eventually('it has the whole pool', async () => (await on(a)) === SIZE);
    await eventually('it is shown', async () => (await team.sizes())[first] === SIZE);
  });

  await t.test('another address in place of the first one', async (t) => {
    dns.set(['127.0.0.3']);
    await eventually('it has the whole pool there', async () => (await on(b)) === SIZE);
    await eventually(
      'both have left the first',
      async () => Object.keys(await team.sizes()).join() === second,
    );
    await eventually('with all sessions', async () => (await sessionsOn(a)) === 0);
    const more = new Load(others);
    await eventually('clients of both are served', async () => {
      await on(b);
      return [...others].every((client) => more.served(client) > 5);
    });
    await more.end();
    t.same(more.failures, []);
  });

  await t.test('one that comes back has the size of the pools of now', async (t) => {
    const console = await team.console();
    await console.run('SET pool_size = 2');
    dns.set(['127.0.0.2']);
    await eventually('both have come back', async () => Object.keys(await team.sizes()).join() === first);
    t.equal(most, SIZE, 'never more than pool_size');
    most = 0;
    const before = clients.map((client) => load.served(client));
    await eventually('clients are served there', async () => {
      await on(a);
      return clients.every((client, i) => load.served(client) > (before[i] ?? 0) + 5);
    });
    await eventually('it has the whole pool', async () => (await on(a)) === 2);
    t.equal(most, 2);
    await eventually('it is shown', async () => (await team.sizes())[first] === 2);
  });

  await load.end();
  t.same(load.failures, [], 'clients have noticed nothing');
});
