import type { Test } from 'tap';
import type { Client } from './proxied.js';
import { Proxied } from './proxied.js';
import { startProxy } from './proxy.js';
import type { TestServer, TestUser } from './server-handle.js';

/** As {@link Proxied}, by an account of its own: what the process list shows of it is this proxy's alone. */
export class ProxiedUser extends Proxied {
  user: TestUser | null = null;

  /** Sessions on the server, the proxy's control connection included. */
  sessions(): ReturnType<TestServer['sessions']> {
    return this.server.sessions(this.user?.user ?? '');
  }
}

export async function proxiedUser(
  t: Test,
  server: TestServer,
  flags: readonly string[] = [],
): Promise<ProxiedUser> {
  const schema = await server.createDatabase();
  const user = await server.createUser();
  const proxy = await startProxy(t, { upstream: user.url(schema), flags });
  const world = new ProxiedUser(t, server, proxy, schema);
  world.user = user;
  return world;
}

/** The server's own id of the session that a client's statement runs on. */
export async function sessionOf(client: Client): Promise<number> {
  return Number(await client.value('SELECT @@pseudo_thread_id'));
}
