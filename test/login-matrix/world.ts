import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { Sha256Crypt } from '../../src/protocol/auth-sha256-crypt.js';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import type { TestServer } from '../support/servers.js';
import type { Attempt, Source, TlsMode, TransportName } from './cells.js';
import { NATIVE, SHA2 } from './client-kinds.js';
import type { Where } from './login-client.js';

/** The proxies, accounts and users that the matrix is about. */

const ROUNDS = 5_000;
/** Users whose hash has to be checked by a full authentication: each can log in for the first time only once. */
export const FRESH_USERS = 400;

/** Every password and hash that is somewhere: none may turn up in a log. */
export class Secrets {
  readonly #all = new Set<string>();

  add(secret: string): string {
    this.#all.add(secret);
    return secret;
  }

  /** Those that the text has. */
  in(text: string): string[] {
    return [...this.#all].filter((secret) => text.includes(secret));
  }
}

/** `authentication_string` of a caching_sha2_password account, in hexadecimal. */
function sha2Hash(password: string): string {
  const salt = Buffer.from('a salt of 20 letters');
  const crypt = new Sha256Crypt(Buffer.from(password), salt, ROUNDS);
  while (!crypt.run(ROUNDS));
  return `0x${Buffer.concat([Buffer.from('$A$005$'), salt, Buffer.from(crypt.digest())]).toString('hex')}`;
}

/** One proxy and the users that it is tried with. */
export interface Station {
  readonly name: string;
  readonly mode: TlsMode;
  readonly proxy: ProxyProcess;
  readonly attempts: readonly Attempt[];
  where(transport: TransportName, localAddress: string): Where;
}

/** An address of this machine that is not its own alone, over which nothing counts as secure; null where it has none. */
export function networkAddress(): string | null {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, family, internal } of addresses ?? []) {
      if (family === 'IPv4' && !internal) return address;
    }
  }
  return null;
}

export const TRANSPORTS: readonly TransportName[] =
  networkAddress() === null ? ['loopback', 'unix'] : ['loopback', 'network', 'unix'];

export class World {
  readonly server: TestServer;
  readonly secrets = new Secrets();
  readonly #t: Test;
  readonly #folder: string;
  #serial = 0;

  private constructor(t: Test, server: TestServer, folder: string) {
    this.#t = t;
    this.server = server;
    this.#folder = folder;
  }

  static async make(t: Test, server: TestServer): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'mybouncer-matrix-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    return new World(t, server, folder);
  }

  /** A password that nothing else looks like. */
  password(): string {
    return this.secrets.add(`pässword-${++this.#serial}-${Math.random().toString(36).slice(2)}`);
  }

  #account(options: { password?: string; authentication?: string } = {}): Promise<{ user: string }> {
    return this.server.createUser(options);
  }

  async station(
    name: string,
    upstream: string,
    attempts: readonly Attempt[],
    config: Readonly<Record<string, unknown>> = {},
    mode: TlsMode = 'allow',
  ): Promise<Station> {
    const id = ++this.#serial;
    const file = join(this.#folder, `${id}.yaml`);
    // JSON is YAML.
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    const path = join(this.#folder, `${id}.sock`);
    const network = networkAddress();
    const listen = [`unix:${path}`, ...(network === null ? [] : [`${network}:0`])];
    const flags = ['--config', file, ...listen.flatMap((address) => ['--listen', address])];
    const proxy = await startProxy(this.#t, { upstream, flags });
    const addresses = proxy.lines.find(({ listen }) => listen !== undefined)?.listen ?? [];
    const port = Number(
      addresses.find((one) => network !== null && one.startsWith(`${network}:`))?.split(':')[1],
    );
    return {
      name,
      mode,
      proxy,
      attempts,
      where(transport, localAddress) {
        switch (transport) {
          case 'unix':
            return { path };
          case 'network':
            return { host: network ?? '', port };
          case 'loopback':
            return { host: '127.0.0.1', port: proxy.port, localAddress };
        }
      },
    };
  }

  /** Right, wrong and none. */
  #usual(source: Source, right: string): Attempt[] {
    const attempt = (name: string, password: string, isRight: boolean): Attempt => ({
      source,
      name,
      password,
      isRight,
      schema: null,
    });
    return [
      ...(source.isEmpty ? [] : [attempt('right', right, true)]),
      attempt('wrong', this.password(), false),
      attempt('none', '', source.isEmpty),
    ];
  }

  #source(name: string, user: string, more: Partial<Source> = {}): Source {
    return {
      name,
      user,
      methods: [SHA2, NATIVE],
      isEmpty: false,
      needsPassword: 'never',
      account: user,
      ...more,
    };
  }

  #unknown(): Attempt[] {
    return this.#usual(this.#source('unknown user', 'nobody_at_all', { methods: null }), 'x').filter(
      ({ isRight }) => !isRight,
    );
  }

  /** Nothing but a URL. */
  async plain(mode: TlsMode = 'allow', config: Readonly<Record<string, unknown>> = {}): Promise<Station> {
    const password = this.password();
    const { user } = await this.#account({ password });
    const upstream = `mysql://${user}:${encodeURIComponent(password)}@${this.server.host}:${this.server.port}/app`;
    const attempts = [...this.#usual(this.#source('upstream URL', user), password), ...this.#unknown()];
    return this.station(`URL, TLS ${mode}`, upstream, attempts, config, mode);
  }

  /** Users of each form. */
  async users(): Promise<Station> {
    const entries: Record<string, unknown>[] = [];
    const attempts: Attempt[] = [];
    const upstream = this.server.url();
    const add = (source: Source, right: string, entry: Record<string, unknown>): void => {
      entries.push({ name: source.user, ...entry });
      attempts.push(...this.#usual(source, right));
    };
    const mapped = this.password();
    const { user: target } = await this.#account({ password: mapped });
    const server = { server_user: target, server_password: mapped };

    const clear = this.password();
    const { user: known } = await this.#account({ password: clear });
    add(this.#source('password', known), clear, { password: clear });

    const filed = this.password();
    const { user: fromFile } = await this.#account({ password: filed });
    const path = join(this.#folder, 'password');
    await writeFile(path, `${filed}\n`, { mode: 0o600 });
    add(this.#source('password_file', fromFile), filed, { password_file: path });

    const { user: open } = await this.#account({ password: '' });
    add(this.#source('empty password', open, { isEmpty: true }), '', { password: '' });

    const other = this.password();
    add(this.#source('password, server_user', 'mapped', { account: target }), other, {
      password: other,
      ...server,
    });
    const source = this.#source('password, server_user', 'mapped', { account: target });
    attempts.push({ source, name: "server_user's", password: mapped, isRight: false, schema: null });

    const hashed = this.password();
    const hash = this.secrets.add(sha2Hash(hashed));
    const by = { methods: [SHA2], account: target } as const;
    for (let i = 0; i < FRESH_USERS; i++) entries.push({ name: `fresh_${i}`, hash, ...server });
    const fresh = this.#source('hash $A$', FRESH, { ...by, needsPassword: 'at first' });
    attempts.push(...this.#usual(fresh, hashed));

    attempts.push(...this.#unknown());
    return this.station('users', upstream, attempts, { users: entries, max_client_conn: 1_000 });
  }
}

/** Stands for the name of a user who has never logged in. */
export const FRESH = 'fresh';
