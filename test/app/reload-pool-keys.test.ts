/** As reload-keys.test.ts, for keys of the pool and the process. */
import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { POOL_CASES, passes } from './reload-cases.js';
import { applied, type Reloading, reloading } from './reloading.js';

await forEachServer(
  t,
  async (t, server) => {
    const world = await reloading(t, server);
    for (const [what, one] of Object.entries(POOL_CASES)) await passes(t, world, what, one);
    await t.test('pool_size auto, and reserve', (t) => sized(t, world));
    await t.test('the end', (t) => shutdown(t, world));
  },
  { flavors: ['mariadb'] },
);

async function sized(t: Test, world: Reloading): Promise<void> {
  const console = await world.admin();
  const share = (): Promise<number> => world.proxy.metric('mybouncer_pool_share');
  await world.reload(console, { pool_size: 'auto', reserve: '0' });
  await eventually(
    'the server is asked',
    async () => (await world.proxy.metric('mybouncer_fleet_members')) > 0,
  );
  await eventually('there is room', async () => (await share()) > 1);
  t.match(await world.reload(console, { pool_size: 'auto', reserve: '100%' }), [applied('reserve')]);
  await eventually('there is none', async () => (await share()) === 1);
  await world.reload(console, { pool_size: '7' });
  t.equal(await share(), 7);
  t.equal(await world.proxy.metric('mybouncer_fleet_members'), 0);
  await world.reload(console, {});
  await console.end();
}

async function shutdown(t: Test, world: Reloading): Promise<void> {
  const [console, client] = [await world.admin(), await world.connect()];
  await client.run('BEGIN');
  await client.value('SELECT 1');
  t.match(await world.reload(console, { drain_timeout: '100ms', drain_delay: '1ms' }), [
    applied('drain_timeout'),
    applied('drain_delay'),
  ]);
  world.proxy.signal('SIGTERM');
  t.equal(await world.proxy.ended(), 0);
}
