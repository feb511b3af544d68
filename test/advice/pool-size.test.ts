import t, { type Test } from 'tap';
import type { Client } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { adviceAbout, adviceOf, httpOf, runAdvise } from './support/advice.js';

/** What the clients do: so many at a time, so many statements each, of a length that the server sees to. */
const CLIENTS = 8;
const TURNS = 27;
const STATEMENT = 'SELECT SLEEP(0.04)';

/** A pool that is too small is advised a size, and with that size the waits are as it was said. */
await forEachServer(
  t,
  async (t, server) => {
    const small = await proxiedUser(t, server, ['--pool-size', '3', '--query-wait-timeout', '60s']);
    t.match(await adviceAbout(small.proxy, 'pool size'), {
      severity: 'ok',
      what: /too little was seen/,
      why: /^0 requests .* 200 are needed/,
    });
    await work(small);
    const said = await adviceAbout(small.proxy, 'pool size');
    t.match(said, {
      severity: 'warn',
      what: /^pool_size 3 is too small: p99 .* 10 ms is the target$/,
      why: /requests recorded in \d windows?, replayed .* 8 at most/,
    });
    const size = /^Set pool_size: (\d+)/.exec(said?.toDo ?? '')?.[1] ?? '0';
    // With one for each, nobody ever waits; with one fewer, one of them waits nearly always, unless clients are slow to ask again.
    t.ok(Number(size) > 3 && Number(size) <= CLIENTS, size);
    const patient = (await adviceOf(small.proxy, '?target=60s')).findings.find(
      ({ about }) => about === 'pool size',
    );
    t.match(patient, { severity: 'ok', what: /^pool_size 3 is enough/ }, 'who may wait for long');
    const printed = await runAdvise(...httpOf(small.proxy), '--target', '10ms');
    t.match(printed, { code: 0, stderr: '' });
    t.match(printed.stdout, /^ok {4}basis +seen in .*: \d+ commands, \d+ loans of a session$/m);
    t.match(printed.stdout, /^warn {2}pool size +pool_size 3 is too small/m);
    t.match(printed.stdout, new RegExp(`^ {6,}do: {2}Set pool_size: ${size}`, 'm'));

    await t.test('with that size they wait as it was said', (t) => withSize(t, server, size));
  },
  { flavors: ['mariadb'] },
);

/**
 * Clients that ask again faster than before are too many for what was advised: on a machine that was busy for a while only. Then
 * it is said again, and what is said at last is right.
 */
async function withSize(t: Test, server: TestServer, advised: string): Promise<void> {
  for (let size = advised, tries = 1; ; tries++) {
    const world = await proxiedUser(t, server, ['--pool-size', size, '--query-wait-timeout', '60s']);
    await openAll(world, Number(size));
    const before = await waitedLong(world);
    await work(world);
    const late = (await waitedLong(world)) - before;
    const said = await adviceAbout(world.proxy, 'pool size');
    await world.proxy.stop();
    const more = /^Set pool_size: (\d+)/.exec(said?.toDo ?? '')?.[1];
    if (/too small/.test(said?.what ?? '') && more !== undefined && tries < 4) {
      t.ok(
        Number(more) > Number(size) && Number(more) <= CLIENTS,
        `${size} was too small, and ${more} is advised`,
      );
      size = more;
      continue;
    }
    t.notMatch(said?.what, /too small/);
    // Before, most of them did.
    t.ok(
      late <= CLIENTS * TURNS * 0.1,
      `${late} requests waited for more than 10 ms for one of ${size} sessions`,
    );
    return;
  }
}

/** Requests that have waited for more than 10 ms. */
async function waitedLong({ proxy }: ProxiedUser): Promise<number> {
  const all = await proxy.metric('mybouncer_session_wait_seconds_count');
  return all - (await proxy.metric('mybouncer_session_wait_seconds_bucket', 'le="0.01"'));
}

/** Every session is opened once, while somebody waits: that is no matter of the size. */
async function openAll(world: ProxiedUser, size: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: size }, () => world.connect()));
  await Promise.all(clients.map((client) => client.run('BEGIN')));
  await Promise.all(clients.map((client) => client.run('COMMIT')));
  await Promise.all(clients.map((client) => client.end()));
}

async function work(world: ProxiedUser): Promise<void> {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => world.connect()));
  const run = async (client: Client): Promise<void> => {
    for (let i = 0; i < TURNS; i++) await client.value(STATEMENT);
  };
  await Promise.all(clients.map(run));
  await Promise.all(clients.map((client) => client.end()));
}
