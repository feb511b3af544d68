import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { KEY_NAMES } from '../../src/config/schema.js';
import { Sha256Crypt } from '../../src/protocol/auth-sha256-crypt.js';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import type { Flavor, TestServer } from '../support/servers.js';
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

/** Refusals are what is tried here, by the hundred. */
const UNTHROTTLED = KEY_NAMES.some((key) => String(key) === 'failed_login_limit')
  ? { failed_login_limit: 0 }
  : {};

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
    await writeFile(file, JSON.stringify({ ...UNTHROTTLED, ...config }), { mode: 0o600 });
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
    const attempts = [...this.#usual(this.#source('upstream URL', user), password), ...this.#unknown()];
    const keys = { ...config, tls_mode: mode };
    return this.station(`URL, TLS ${mode}`, this.#url(user, password), attempts, keys, mode);
  }

  #url(user: string, password: string): string {
    return `mysql://${user}:${encodeURIComponent(password)}@${this.server.host}:${this.server.port}/app`;
  }

  async #file(name: string, password: string): Promise<string> {
    const path = join(this.#folder, name);
    await writeFile(path, `${password}\n`, { mode: 0o600 });
    return path;
  }

  /** Users of each form. */
  async users(): Promise<Station> {
    const entries: Record<string, unknown>[] = [];
    const attempts: Attempt[] = [];
    const first = this.password();
    const { user: upstreamUser } = await this.#account({ password: first });
    attempts.push(...this.#usual(this.#source('upstream URL', upstreamUser), first));
    const add = (source: Source, right: string, entry: Record<string, unknown>): Source => {
      entries.push({ name: source.user, ...entry });
      attempts.push(...this.#usual(source, right));
      return source;
    };
    const also = (source: Source, name: string, password: string, more: Partial<Attempt> = {}): void => {
      attempts.push({ source, name, password, isRight: true, schema: null, ...more });
    };

    const mapped = this.password();
    const { user: target } = await this.#account({ password: mapped });
    const server = { server_user: target, server_password: mapped };
    const asTarget = { account: target };

    const clear = this.password();
    const { user: known } = await this.#account({ password: clear });
    add(this.#source('password', known), clear, { password: clear });

    const filed = this.password();
    const { user: fromFile } = await this.#account({ password: filed });
    add(this.#source('password_file', fromFile), filed, {
      password_file: await this.#file('of-user', filed),
    });

    const { user: open } = await this.#account({ password: '' });
    add(this.#source('empty password', open, { isEmpty: true }), '', { password: '' });

    const own = this.password();
    const source = add(this.#source('password, server_user', 'mapped', asTarget), own, {
      password: own,
      ...server,
    });
    also(source, "server_user's", mapped, { isRight: false });
    const ownToo = this.password();
    add(this.#source('password, server_password_file', 'mapped_by_file', asTarget), ownToo, {
      password: ownToo,
      server_user: target,
      server_password_file: await this.#file('of-server', mapped),
    });

    const [fresh, old] = [this.password(), this.password()];
    const { user: rotated } = await this.#account({ password: fresh });
    const rotation = add(this.#source('password, old_password', rotated), fresh, {
      password: fresh,
      old_password: old,
    });
    also(rotation, 'old', old);
    const { user: behind } = await this.#account({ password: old });
    const late = add(this.#source('the same, server has the old one', behind), fresh, {
      password: fresh,
      old_password: old,
    });
    also(late, 'old', old);

    const natively = this.password();
    const byNative = { ...asTarget, methods: [NATIVE] };
    const nativeHash = { hash: this.secrets.add(nativeHashOf(natively)) };
    add(this.#source('hash *', 'by_native_hash', byNative), natively, { ...nativeHash, ...server });
    if (this.server.flavor === 'mariadb') {
      // Its accounts have this method, so that what the client proves logs the proxy in as well.
      const { user } = await this.#account({ password: natively });
      add(this.#source('hash *, without server_user', user, { methods: [NATIVE] }), natively, nativeHash);
    }

    const digested = this.password();
    const digest = this.secrets.add(createHash('sha256').update(sha256(digested)).digest('hex'));
    const bySha2 = { ...asTarget, methods: [SHA2] };
    add(this.#source('hash sha256:', 'by_digest', bySha2), digested, { hash: `sha256:${digest}`, ...server });

    const hashed = this.password();
    const hash = this.secrets.add(sha2Hash(hashed));
    for (let i = 0; i < FRESH_USERS; i++) entries.push({ name: `fresh_${i}`, hash, ...server });
    attempts.push(
      ...this.#usual(this.#source('hash $A$', FRESH, { ...bySha2, needsPassword: 'at first' }), hashed),
    );

    const fenced = this.password();
    const here = ['127.0.0.0/8', 'unix', ...(networkAddress() === null ? [] : [networkAddress()])];
    add(this.#source('allowed_addresses, from there', 'from_here', asTarget), fenced, {
      password: fenced,
      allowed_addresses: here,
      ...server,
    });
    const elsewhere = this.#source('allowed_addresses, from elsewhere', 'from_afar', { methods: null });
    entries.push({ name: 'from_afar', password: fenced, allowed_addresses: ['240.0.0.0/8'], ...server });
    also(elsewhere, 'right', fenced, { isRight: false });
    also(elsewhere, 'none', '', { isRight: false });

    const schemas = this.#source('schemas', 'with_schemas', asTarget);
    entries.push({ name: 'with_schemas', password: fenced, schemas: ['app'], ...server });
    also(schemas, 'one of them', fenced, { schema: 'app' });
    also(schemas, 'another', fenced, { schema: 'mysql', schemaForbidden: true });
    also(schemas, 'another, wrong password', this.password(), { schema: 'mysql', isRight: false });
    const reader = this.#source('read_only', 'reader', asTarget);
    entries.push({ name: 'reader', password: fenced, read_only: true, ...server });
    also(reader, 'right', fenced);

    attempts.push(...this.#unknown());
    const config = { users: entries, max_client_conn: 1_000 };
    return this.station('users', this.#url(upstreamUser, first), attempts, config);
  }

  /** Accounts that the configuration does not name. */
  async passThrough(): Promise<Station> {
    const password = this.password();
    const { user } = await this.#account({ password });
    const attempts: Attempt[] = [...this.#usual(this.#source('upstream URL', user), password)];
    // MariaDB's accounts can be relayed a proof.
    const methods = this.server.flavor === 'mariadb' ? [SHA2, NATIVE] : [SHA2];
    const asked = { methods, needsPassword: 'at first', asksServer: true } as const;
    for (const [name, authentication] of ACCOUNTS[this.server.flavor]) {
      const own = this.password();
      const made = await this.#account({
        password: own,
        authentication: authentication.replace('?', `'${own}'`),
      });
      attempts.push(...this.#usual(this.#source(`pass-through: ${name}`, made.user, asked), own));
    }
    const { user: open } = await this.#account({ password: '' });
    attempts.push(
      ...this.#usual(this.#source('pass-through: empty password', open, { ...asked, isEmpty: true }), ''),
    );
    const unknown = this.#source('unknown user', 'nobody_at_all', { ...asked, account: '' });
    attempts.push(...this.#usual(unknown, 'x').filter(({ isRight }) => !isRight));
    // Nothing is remembered: each login is asked for on the server.
    const config = { auth: 'passthrough', passthrough_expiry: '1s' };
    return this.station('pass-through', this.#url(user, password), attempts, config);
  }
}

/** Methods that accounts of each server have. */
const ACCOUNTS: Readonly<Record<Flavor, readonly (readonly [string, string])[]>> = {
  mariadb: [['mysql_native_password', 'IDENTIFIED BY ?']],
  mysql: [
    ['caching_sha2_password', 'IDENTIFIED WITH caching_sha2_password BY ?'],
    ['sha256_password', 'IDENTIFIED WITH sha256_password BY ?'],
  ],
};

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** What mysql_native_password stores. */
function nativeHashOf(password: string): string {
  const sha1 = createHash('sha1').update(password).digest();
  return `*${createHash('sha1').update(sha1).digest('hex').toUpperCase()}`;
}

/** Stands for the name of a user who has never logged in. */
export const FRESH = 'fresh';
