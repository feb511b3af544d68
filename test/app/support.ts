import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { ProxiedUser } from '../support/proxied-user.js';
import { type ProxyOptions, startProxy } from '../support/proxy.js';
import { loginOf, RawClient, type RawLogin } from '../support/raw-client.js';
import type { TestServer, TestUser } from '../support/servers.js';

/** A proxy with users of its own in front of a server. */
export class Users extends ProxiedUser {
  /** @throws RawError */
  async login(user: string, password: string, more: Partial<RawLogin> = {}): Promise<RawClient> {
    const client = await RawClient.login(loginOf(this.proxy.url, { user, password, ...more }));
    this.t.teardown(() => client.destroy());
    return client;
  }

  /** `errno sqlState message` of a login that is refused, or `in`. */
  async tried(user: string, password: string, more: Partial<RawLogin> = {}): Promise<string> {
    try {
      (await this.login(user, password, more)).destroy();
      return 'in';
    } catch (error) {
      return told(error);
    }
  }
}

export function told(error: unknown): string {
  const { errno, sqlState, message } = error as { errno: number; sqlState: string; message: string };
  return `${errno} ${sqlState} ${message}`;
}

/** `yaml`: the configuration file, given the account of the upstream. */
export async function proxyWithUsers(
  t: Test,
  server: TestServer,
  yaml: (own: TestUser) => string,
  options: Partial<ProxyOptions> & { readonly folder?: string; readonly user?: TestUser } = {},
): Promise<Users> {
  const schema = await server.createDatabase();
  const own = options.user ?? (await server.createUser());
  const folder = options.folder ?? t.testdir({});
  writeFileSync(join(folder, 'mybouncer.yaml'), yaml(own));
  const flags = ['--config', join(folder, 'mybouncer.yaml'), ...(options.flags ?? [])];
  const proxy = await startProxy(t, { upstream: own.url(schema), ...options, flags });
  return new Users(t, server, proxy, schema, own);
}
