/** Every key that the reference calls reloadable: a new value takes effect in the process that runs. Here: clients. */
import t, { type Test } from 'tap';
import { KEY_NAMES, keyInfo } from '../../src/config/schema.js';
import { forEachServer } from '../support/servers.js';
import { CLIENT_CASES, POOL_CASES, passes } from './reload-cases.js';
import {
  applied,
  errorOf,
  KEYS_OF_CONNECTIONS,
  KEYS_OF_SEVERAL,
  type Reloading,
  reloading,
} from './reloading.js';

await forEachServer(
  t,
  async (t, server) => {
    const world = await reloading(t, server);
    for (const [what, one] of Object.entries(CLIENT_CASES)) await passes(t, world, what, one);
    await t.test('users', (t) => users(t, world));
  },
  { flavors: ['mariadb'] },
);

t.test('no key is left out', async (t) => {
  const shown = new Set([
    ...[...Object.values(CLIENT_CASES), ...Object.values(POOL_CASES)].flatMap(({ keys }) =>
      Object.keys(keys),
    ),
    ...KEYS_OF_CONNECTIONS,
    ...KEYS_OF_SEVERAL,
    // Here, and at the end of reload-pool-keys.test.ts.
    ...['users', 'reserve', 'drain_timeout', 'drain_delay'],
  ]);
  t.strictSame(
    KEY_NAMES.filter((key) => keyInfo(key).reloadable && !shown.has(key)),
    [],
  );
});

/** More of it in reload.test.ts. */
async function users(t: Test, world: Reloading): Promise<void> {
  const console = await world.admin();
  const login = { user: 'third', password: 'y' };
  t.match(await errorOf(world.connect(login)), { errno: 1045 });
  const entry = `  - {name: third, password: y, server_user: ${world.user.user}, server_password: ${world.user.password}}`;
  t.match(await world.reload(console, {}, entry), [applied('users[third]')]);
  const client = await world.connect(login);
  t.equal(await client.value('SELECT 1'), 1);
  t.match(await world.reload(console, {}), [applied('users[third]')]);
  t.match(await errorOf(world.connect(login)), { errno: 1045 });
}
