import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { isAboutToTimeOut } from '../../src/relay/idle-sessions.js';
import { ProfileRegistry } from '../../src/session/profile.js';
import { type Client, eventually, type Proxied, proxied, useAtOnce } from '../support/proxied.js';
import { APP_USER, forEachPrivateServer } from '../support/servers.js';

t.test('a session is given up before the server ends it', async (t) => {
  const registry = new ProfileRegistry();
  const profile = (seconds: string) =>
    registry.initial(registry.baseline(new Map([['wait_timeout', seconds]])), null, false);
  t.equal(isAboutToTimeOut(profile('60'), 57_999), false);
  t.equal(isAboutToTimeOut(profile('60'), 58_000), true);
  t.equal(isAboutToTimeOut(profile('1'), 499), false);
  t.equal(isAboutToTimeOut(profile('1'), 500), true);
  t.equal(
    isAboutToTimeOut(profile('28800').withVariable('wait_timeout', '4'), 2_000),
    true,
    "a client's own",
  );
  const unknown = registry.initial(registry.baseline(new Map()), null, false);
  t.equal(isAboutToTimeOut(unknown, 1e9), false);
});

const CLIENTS = 20;
const ROUNDS = 2;
/** Half of it before the server would, a session is given up: time for a proxy that is kept waiting by the machine. */
const WAIT_TIMEOUT_S = 3;

/** Statements all around the moment at which the server would end the sessions. */
async function isNotMissed(t: Test, world: Proxied, clients: readonly Client[]): Promise<void> {
  await useAtOnce(clients);
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < ROUNDS; i++) {
        await sleep(WAIT_TIMEOUT_S * 1_000 - 30 + Math.random() * 60);
        await client.run('INSERT INTO written VALUES (1)');
      }
    }),
  );
  t.equal(await clients[0]?.value('SELECT COUNT(*) FROM written'), CLIENTS * ROUNDS);
  await eventually(
    'all idle sessions are given up',
    async () => (await world.proxy.metric('mybouncer_server_sessions')) === 0,
  );
  t.ok((await world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="wait_timeout"')) > 0);
  t.equal(
    await world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="died"'),
    0,
    'the server has not had to end any',
  );
}

/** The sessions' time is far from over then. */
const AT_REST_MS = 500;

const KINDS = [
  (client: Client) => client.execute('SELECT ? AS x', [7]),
  (client: Client) => client.value('SELECT COUNT(*) FROM written'),
  (client: Client) => client.run('INSERT INTO written VALUES (2)'),
] as const;

/**
 * A proxy that stands still for a while finds sessions ended and commands that have come, those of every other client before
 * the end.
 */
async function isMissed(t: Test, world: Proxied, clients: readonly Client[]): Promise<void> {
  const isEarly = (client: Client): boolean => clients.indexOf(client) % 2 === 0;
  const send = (client: Client): Promise<unknown> | undefined =>
    KINDS[clients.indexOf(client) % KINDS.length]?.(client);
  await useAtOnce(clients);
  // Stopped in the midst of something, it would go on with that, and with what has come, before it looks at the clock.
  await sleep(AT_REST_MS);
  world.proxy.signal('SIGSTOP');
  const early = Promise.allSettled(clients.filter(isEarly).map(send));
  await eventually('the server has ended the sessions', async () => {
    const sessions = await world.server.sessions(APP_USER);
    return sessions.every(({ db }) => db !== world.schema);
  });
  const late = Promise.allSettled(clients.filter((client) => !isEarly(client)).map(send));
  world.proxy.signal('SIGCONT');
  for (const outcome of [...(await early), ...(await late)])
    t.match(outcome, { status: 'fulfilled' }, 'each gets a session that lives');
  for (const client of clients) t.equal(await client.value('SELECT 8'), 8);
}

await forEachPrivateServer(
  t,
  async (t, server) => {
    await server.query('SET SESSION wait_timeout=28800');
    const world = await proxied(t, server, ['--pool-size', String(CLIENTS)]);
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => world.connect()));
    await clients[0]?.run('CREATE TABLE written (v INT)');
    await t.test('statements around the end of their sessions', (t) => isNotMissed(t, world, clients));
    await t.test('statements behind the end of their sessions', (t) => isMissed(t, world, clients));
  },
  { extraArgs: [`--wait-timeout=${WAIT_TIMEOUT_S}`] },
);
