import type { Test } from 'tap';
import { type Client, Proxied } from './proxied.js';
import { type ProxyProcess, startProxy } from './proxy.js';
import type { TestServer, TestUser } from './server-handle.js';

/** As {@link Proxied}, by an account of its own: what the process list shows of it is this proxy's alone. */
export class ProxiedUser extends Proxied {
  readonly user: TestUser;

  constructor(t: Test, server: TestServer, proxy: ProxyProcess, schema: string, user: TestUser) {
    super(t, server, proxy, schema);
    this.user = user;
  }

  /** Sessions on the server, the proxy's control connection included. */
  sessions(): ReturnType<TestServer['sessions']> {
    return this.server.sessions(this.user.user);
  }

  /** A client of the server itself. */
  directAsUser(): Promise<Client> {
    return this.direct({ user: this.user.user, password: this.user.password });
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
  return new ProxiedUser(t, server, proxy, schema, user);
}

/** The server's own id of the session that a client's statement runs on. */
export async function sessionOf(client: Client): Promise<number> {
  return Number(await client.value('SELECT @@pseudo_thread_id'));
}
