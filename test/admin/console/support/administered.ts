import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Client } from '../../../support/proxied.js';
import { ProxiedUser } from '../../../support/proxied-user.js';
import { startProxy } from '../../../support/proxy.js';
import type { TestServer } from '../../../support/server-handle.js';

export const ADMIN = { user: 'operator', password: 'of the pool' };

/** A proxy with an admin user beside that of its URL. `way`: what it is told of the server's URL. */
export async function administered(
  t: Test,
  server: TestServer,
  flags: readonly string[] = [],
  way: (url: string) => string = (url) => url,
): Promise<ProxiedUser> {
  const schema = await server.createDatabase();
  const user = await server.createUser();
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-console-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'mybouncer.yaml');
  await writeFile(
    file,
    [
      'users:',
      `  - name: ${ADMIN.user}`,
      `    password: ${ADMIN.password}`,
      `    server_user: ${user.user}`,
      `    server_password: ${user.password}`,
      `admin_users: ${ADMIN.user}`,
      '',
    ].join('\n'),
  );
  const proxy = await startProxy(t, {
    upstream: way(user.url(schema)),
    flags: ['--config', file, ...flags],
  });
  return new ProxiedUser(t, server, proxy, schema, user);
}

/**
 * Other limits from now on. To begin with short ones would be to bet on how long logins and sessions take: what a test needs
 * is to be there before.
 */
export async function set(world: ProxiedUser, keys: Readonly<Record<string, string>>): Promise<void> {
  const console = await admin(world);
  for (const [key, value] of Object.entries(keys)) await console.run(`SET ${key} = '${value}'`);
  await console.end();
}

/** For how long clients wait for a session from now on. */
export function waitFor(world: ProxiedUser, duration: string): Promise<void> {
  return set(world, { query_wait_timeout: duration });
}

/** A client of the console. */
export const admin = (world: ProxiedUser): Promise<Client> =>
  world.connect({ ...ADMIN, database: 'mybouncer' });
