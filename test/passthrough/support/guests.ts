import type { Test } from 'tap';
import { type Client, Proxied } from '../../support/proxied.js';
import { startProxy } from '../../support/proxy.js';
import type { TestServer, TestUser } from '../../support/server-handle.js';

export interface Refusal {
  readonly errno: number;
  readonly sqlState: string;
  readonly message: string;
}

/** A proxy with `auth: passthrough`. Its upstream's own account is the test servers'; nobody else is in its configuration. */
export class PassThrough extends Proxied {
  as({ user, password }: Pick<TestUser, 'user' | 'password'>, more: object = {}): Promise<Client> {
    return this.connect({ user, password, ...more });
  }

  /** Why a login is refused. */
  async refusal({ user, password }: Pick<TestUser, 'user' | 'password'>): Promise<Refusal> {
    try {
      const client = await this.as({ user, password });
      client.destroy();
    } catch (error) {
      const { errno, sqlState, message } = error as Refusal;
      return { errno, sqlState, message };
    }
    throw new Error(`${user} was let in`);
  }
}

export async function passThrough(
  t: Test,
  server: TestServer,
  flags: readonly string[] = [],
  upstream: string | null = null,
): Promise<PassThrough> {
  const schema = await server.createDatabase();
  const proxy = await startProxy(t, {
    upstream: upstream ?? server.url(schema),
    flags: ['--auth', 'passthrough', ...flags],
  });
  return new PassThrough(t, server, proxy, schema);
}

export function denied(user: string, using: 'YES' | 'NO' = 'YES'): Refusal {
  const message = `Access denied for user '${user}'@'127.0.0.1' (using password: ${using})`;
  return { errno: 1045, sqlState: '28000', message };
}
